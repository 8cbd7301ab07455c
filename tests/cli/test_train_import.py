"""The commands that hand over to training and to interop: what reaches those, and what comes back."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from regio.errors import CorruptFile

Regio = Callable[..., Any]


def module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    made = ModuleType(name)
    made.__dict__.update(contents)
    monkeypatch.setitem(sys.modules, name, made)


def test_train_hands_its_options_over_and_prints_the_folder(regio: Regio, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Path, dict[str, object]]] = []

    def train(recipe: Path, **options: object) -> Path:
        calls.append((recipe, options))
        return Path("runs/xs")

    module(monkeypatch, "regio.training.loop", train=train)
    done = regio("train", "xs.toml", "--max-minutes", "9", "--resume", "--data", "a", "--data", "b", "--device", "cpu")
    assert (done.code, done.out) == (0, "runs/xs\n")
    expected = {"out": None, "resume": True, "max_minutes": 9.0, "steps": None, "device": "cpu", "report": None}
    assert calls == [(Path("xs.toml"), expected | {"data": [Path("a"), Path("b")], "settings": ()})]


def test_a_missing_extra_is_one_line_of_advice(regio: Regio, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> Path:
        raise ModuleNotFoundError("No module named 'lightning_fabric'", name="lightning_fabric")

    module(monkeypatch, "regio.training.loop", train=train)
    done = regio("train", "xs.toml")
    assert done.code == 1
    advice = "lightning_fabric is not installed; regio train needs: pip install 'regio[train]'"
    assert done.err == f"regio: {advice}\n"


@pytest.fixture
def importing(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_checkpoint(path: Path) -> dict[str, bytes]:
        return {"bytes": Path(path).read_bytes()}

    def segpic_from_official(tensors: dict[str, bytes]) -> bytes:
        if tensors["bytes"] == b"bad":
            raise CorruptFile("the checkpoint lacks g_a.0.weight")
        return tensors["bytes"]

    module(monkeypatch, "regio.interop", read_checkpoint=read_checkpoint, segpic_from_official=segpic_from_official)
    module(monkeypatch, "regio.weights.store", save=lambda net, path, name: Path(path).write_bytes(net))


@pytest.mark.usefixtures("importing")
def test_import_weights_writes_what_interop_makes_of_a_checkpoint(regio: Regio) -> None:
    Path("a.pth").write_bytes(b"good")
    done = regio("import-weights", "segpic", "a.pth", "a.safetensors")
    assert (done.code, done.out, done.err) == (0, "a.safetensors\n", "")
    assert Path("a.safetensors").read_bytes() == b"good"
    assert regio("import-weights", "segpic", "a.pth", "a.safetensors").code == 2
    assert regio("import-weights", "segpic", "a.pth", "a.safetensors", "--force").code == 0


@pytest.mark.usefixtures("importing")
def test_a_bad_checkpoint_leaves_nothing_behind(regio: Regio, tmp_path: Path) -> None:
    Path("a.pth").write_bytes(b"bad")
    done = regio("import-weights", "segpic", "a.pth", "a.safetensors")
    assert (done.code, done.err) == (3, "regio: the checkpoint lacks g_a.0.weight\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]
    assert regio("import-weights", "segpic", "none.pth", "a.safetensors").code == 1
    assert regio("import-weights", "segpic", "a.pth", "none/a.safetensors").code == 2


@pytest.mark.parametrize(("family", "options", "expected"), [("mcm", [], 144), ("mcm", ["--visible-tokens", "64"], 64)])
def test_mcm_is_told_how_many_patches_it_sends(
    regio: Regio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, family: str, options: list[str], expected: int
) -> None:
    calls: list[int] = []
    module(
        monkeypatch,
        "regio.interop",
        read_checkpoint=lambda path: {},
        mcm_from_official=lambda tensors, visible_tokens: calls.append(visible_tokens),
    )
    module(monkeypatch, "regio.weights.store", save=lambda net, path, name: Path(path).write_bytes(b""))
    assert regio("import-weights", family, "a.pth", str(tmp_path / "b.safetensors"), *options).code == 0
    assert calls == [expected]


def test_an_autoencoder_is_imported_by_its_own_layout(
    regio: Regio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module(monkeypatch, "regio.interop", read_checkpoint=lambda path: {}, mae_from_official=lambda tensors: b"net")
    module(monkeypatch, "regio.weights.store", save=lambda net, path, name: Path(path).write_bytes(net))
    assert regio("import-weights", "mae", "a.pth", str(tmp_path / "b.safetensors")).code == 0
    assert (tmp_path / "b.safetensors").read_bytes() == b"net"
