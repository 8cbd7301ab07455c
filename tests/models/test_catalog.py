"""Ids of files: known, retired, unknown."""

import pytest

from regio.errors import MissingWeights, UnsupportedFile
from regio.models import catalog


def test_names_and_ids_are_said_once() -> None:
    names = [entry.name for entry in catalog.CATALOG.values()]
    assert len(set(names)) == len(names)
    assert all(number == entry.id for number, entry in catalog.CATALOG.items())
    assert not catalog.CATALOG.keys() & catalog.RETIRED.keys()
    assert catalog.DEFAULT in names


def test_a_retired_id_names_the_release_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.RETIRED, 9001, "release 0.0.7")
    with pytest.raises(MissingWeights, match=r"model 9001.*release 0\.0\.7"):
        catalog.by_id(9001)


def test_an_unknown_id_asks_for_a_newer_release() -> None:
    with pytest.raises(UnsupportedFile, match="newer"):
        catalog.by_id(9002)
