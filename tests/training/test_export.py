"""From a run to weights that code pictures, whole and in parts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from regio.cli.app import run as regio
from regio.errors import RegioError, UnsupportedFile, UsageError
from regio.training.export import card, export, join, split
from regio.training.loop import train
from regio.weights import store


@pytest.fixture
def trained(toy: Callable[..., Path], tmp_path: Path) -> Path:
    """A run of two steps."""
    return train(toy({"steps": 2}), out=tmp_path / "run", device="cpu")


def test_the_averaged_weights_are_exported(trained: Path, tmp_path: Path) -> None:
    fingerprint = export(trained, tmp_path / "toy.safetensors")
    found = store.load(tmp_path / "toy.safetensors")
    average = torch.load(trained / "ema.pt", weights_only=True)["model"]
    assert (found.name, found.fingerprint) == ("toy", fingerprint)
    assert all(torch.equal(value, average[key]) for key, value in found.net.state_dict().items())


def test_half_precision_halves_the_file_and_rounds_the_numbers(trained: Path, tmp_path: Path) -> None:
    export(trained, tmp_path / "whole.safetensors")
    export(trained, tmp_path / "half.safetensors", half=True, name="other")
    found = store.load(tmp_path / "half.safetensors")
    average = torch.load(trained / "ema.pt", weights_only=True)["model"]
    assert found.name == "other"
    assert all(torch.equal(value, average[key].half().float()) for key, value in found.net.state_dict().items())
    numbers = sum(value.numel() for value in average.values())
    saved = (tmp_path / "whole.safetensors").stat().st_size - (tmp_path / "half.safetensors").stat().st_size
    assert saved == pytest.approx(2 * numbers, abs=512)  # headers name the types, in a few bytes more or less


def test_a_run_from_before_weights_carried_their_configuration(trained: Path, tmp_path: Path) -> None:
    now = export(trained, tmp_path / "now.safetensors")
    state = torch.load(trained / "ema.pt", weights_only=True)
    del state["config"]
    torch.save(state, trained / "ema.pt")
    assert export(trained, tmp_path / "then.safetensors") == now


def test_the_card_says_how_the_weights_came_to_be(trained: Path, tmp_path: Path) -> None:
    weights = tmp_path / "toy.safetensors"
    fingerprint = export(trained, weights)
    text = card(trained, weights)
    assert text.startswith("# toy\n")
    assert f"- fingerprint: {fingerprint.hex()}\n" in text
    assert "- trained: 2 of 2 steps, 0.00 h\n" in text
    assert "| 50 | " in text
    assert (trained / "recipe.toml").read_text(encoding="utf-8").rstrip() in text


def test_parts_are_small_and_join_to_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    weights = tmp_path / "toy.safetensors"
    export(trained, weights)
    whole = weights.read_bytes()
    parts = split(weights, 100_000)
    assert [part.name for part in parts][:2] == [f"toy.safetensors.{n}of{len(parts)}" for n in (1, 2)]
    assert max(part.stat().st_size for part in parts) == 100_000
    weights.unlink()
    join(parts[1], weights)
    assert weights.read_bytes() == whole


def test_parts_that_are_missing_or_damaged_are_named(trained: Path, tmp_path: Path) -> None:
    weights = tmp_path / "toy.safetensors"
    export(trained, weights)
    parts = split(weights, 100_000)
    parts[-1].write_bytes(parts[-1].read_bytes()[:-1])
    with pytest.raises(UnsupportedFile):
        join(parts[0], tmp_path / "out.safetensors")
    parts[2].unlink()
    with pytest.raises(UsageError, match=f"missing beside it: {parts[2].name}"):
        join(parts[0], tmp_path / "out.safetensors")
    with pytest.raises(UsageError, match="give the folder of a run, or a part"):
        join(tmp_path / "toy.zip", tmp_path / "out.safetensors")


def test_a_folder_without_a_run_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(RegioError, match="not the folder of a run"):
        export(tmp_path, tmp_path / "a.safetensors")
    (trained / "ema.pt").write_bytes(b"no state")
    with pytest.raises(RegioError, match="is damaged"):
        export(trained, tmp_path / "a.safetensors")
    (trained / "ema.pt").unlink()
    with pytest.raises(RegioError, match="there is no ema"):
        export(trained, tmp_path / "a.safetensors")


def test_the_command_exports_splits_and_joins(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert regio(["export", "run", "--half"]) == 0
    assert capsys.readouterr().out == "run/run.safetensors\n"
    assert Path("run/run.md").read_text(encoding="utf-8").startswith("# toy\n")
    assert regio(["export", "run", "--half"]) == 2
    assert "--force overwrites" in capsys.readouterr().err
    assert regio(["export", "run", "--half", "--parts", "50k", "-o", "a.safetensors"]) == 0
    parts = capsys.readouterr().out.split()
    assert all(Path(part).stat().st_size <= 50_000 for part in parts)
    assert not Path("a.safetensors").exists()
    assert regio(["export", parts[0], "-o", "b.safetensors"]) == 0
    assert store.load("b.safetensors").fingerprint == store.load("run/run.safetensors").fingerprint
    for wrong in (["none"], ["run", "-o", "a.pt"], [parts[0], "--half", "-o", "c.safetensors"]):
        capsys.readouterr()
        assert regio(["export", *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_was_trained_codes_a_picture(trained: Path, tmp_path: Path, pictures: Path) -> None:
    import regio as library

    export(trained, tmp_path / "toy.safetensors", half=True)
    codec = library.load(tmp_path / "toy.safetensors", device="cpu")
    picture = library.decode(codec.encode(pictures / "0.png", quality=50), codec=codec)
    assert picture.size == (96, 80)


def test_runs_are_plain_data(trained: Path) -> None:
    recipe = json.loads((trained / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["phase"][0]["ema"] == 0.999  # a default, written down
