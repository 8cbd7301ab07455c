"""The stand-in codec with what the application asks of a model: whether its rate can be chosen, and its stride."""

from types import ModuleType, SimpleNamespace

import pytest

import regio.codec.roi
import regio.evaluation.bit_share  # noqa: F401 - both are loaded before anything stands in for regio.codec


@pytest.fixture
def stand_in(stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(stand_in.Codec, "net", SimpleNamespace(rated=True, stride=16), raising=False)
    monkeypatch.setattr(stand_in.Codec, "watched", lambda self, told: self, raising=False)
    return stand_in
