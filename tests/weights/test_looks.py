"""Looks: the same file, decoded by another synthesis that lies beside the weights."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from toy_codec import picture, toy_net

import regio
from regio.cli.app import run as command
from regio.errors import MissingWeights, UnsupportedFile, UsageError
from regio.models.segpic import PRESETS
from regio.weights import looks, store


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights of the second generation with a natural look beside them."""
    path, net = tmp_path / "mine.safetensors", toy_net(PRESETS["toy-2"])
    fingerprint = store.save(net, path, name="mine")
    looks.save(painted(net), looks.path_of(path, "natural"), "natural", fingerprint)
    return path


def painted(net: torch.nn.Module) -> torch.nn.Module:
    """The same network with another synthesis."""
    other = copy.deepcopy(net)
    for part in other.synthesis_parts():
        for parameter in part.parameters():
            parameter.add_(0.01)
    return other


def test_a_file_has_one_set_of_bytes_and_two_looks(weights: Path) -> None:
    plain, natural = regio.load(weights), regio.load(weights, look="natural")
    assert (plain.look, natural.look, natural.fingerprint) == ("faithful", "natural", plain.fingerprint)
    data = plain.encode(picture(70, 90), quality=60)
    assert natural.encode(picture(70, 90), quality=60) == data
    first, second = (np.asarray(one.decode(data)) for one in (plain, natural))
    assert not np.array_equal(first, second)
    known = store.load(weights)
    known.net.load_state_dict(painted(known.net).state_dict())
    assert np.array_equal(np.asarray(regio.codec.Codec(known).decode(data)), second)
    for same in (plain.looking("natural"), natural.looking("natural"), pickle.loads(pickle.dumps(natural))):
        assert np.array_equal(np.asarray(same.decode(data)), second)
    assert np.array_equal(np.asarray(natural.looking("faithful").decode(data)), first)
    assert np.array_equal(regio.decode(data, codec=weights, look="natural", as_="numpy"), second)
    assert np.array_equal(regio.decode(data, codec=natural, as_="numpy"), second)
    assert np.array_equal(regio.decode(data, codec=natural, look="faithful", as_="numpy"), first)
    natural.verify(data)


def test_a_look_holds_the_synthesis_alone(weights: Path) -> None:
    held = load_file(looks.path_of(weights, "natural"))
    assert {name.split(".")[0] for name in held} == {"g_s0", "g_s1", "regional"}
    assert all(name.startswith(("g_s0.", "g_s1.", "regional.synthesis.")) for name in held)


def test_a_look_that_cannot_be_had_is_one_line(weights: Path) -> None:
    with pytest.raises(UsageError, match="no look 'pretty'; choose faithful or natural"):
        regio.load(weights, look="pretty")
    look = looks.path_of(weights, "natural")
    tensors = load_file(look)
    about = {"layout": "1", "look": "natural", "of": store.load(weights).fingerprint.hex()}
    name = next(iter(tensors))
    broken = {name: torch.full_like(tensors[name], float("nan"))}
    for change, others, message in (
        ({"of": "00" * 16}, {}, "a look of other weights than mine"),
        ({"look": "other"}, {}, "not the look 'natural', or of another release"),
        ({}, {"h_a.weight": torch.zeros(1)}, "its tensors are not those of the synthesis"),
        ({}, broken, "holds values that are not finite"),
    ):
        save_file({**tensors, **others}, look, about | change)
        with pytest.raises(UnsupportedFile, match=message):
            regio.load(weights, look="natural")
    look.write_bytes(look.read_bytes()[:50])
    with pytest.raises(UnsupportedFile, match="not a safetensors file"):
        regio.load(weights, look="natural")
    look.unlink()
    with pytest.raises(MissingWeights, match=r"mine have no look 'natural': there is no .*mine\.natural\.safetensors"):
        regio.load(weights, look="natural")


@pytest.mark.weights
def test_a_bundled_codec_without_a_look_says_so_without_a_path() -> None:
    with pytest.raises(MissingWeights, match=r"^the weights of mcm-tiny have no look 'natural'$"):
        regio.load("mcm-tiny", look="natural")


def test_a_codec_in_another_look_is_not_saved_as_if_it_were_its_weights(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be saved in its look 'natural'"):
        regio.load(weights, look="natural").save_pretrained(tmp_path / "shared")


def test_the_command_line_decodes_by_a_look(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.rgo"
    file.write_bytes(regio.load(weights).encode(picture(64, 64), quality=50))
    for look, target in (("natural", "b.png"), ("faithful", "c.png")):
        args = ["decode", str(file), "-o", str(tmp_path / target), "--codec", str(weights), "--look", look]
        assert command(args) == 0
        with Image.open(tmp_path / target) as found:
            wanted = regio.load(weights, look=look).decode(file)
            assert np.array_equal(np.asarray(found), np.asarray(wanted))
    assert command(["decode", str(file), "-o", str(tmp_path / "d.png"), "--codec", str(weights), "--look", "x"]) == 2
    assert "choose faithful or natural" in capsys.readouterr().err


def test_a_run_of_the_synthesis_is_exported_as_a_look(
    toy_recipe: Callable[[dict[str, str]], Path], weights: Path, tmp_path: Path
) -> None:
    from regio.training.export import export_look
    from regio.training.loop import train

    looks.path_of(weights, "natural").unlink()
    run = train(toy_recipe({"train": "synthesis"}), out=tmp_path / "run", device="cpu")
    target = looks.path_of(weights, "natural")
    assert command(["export", str(run), "--look", "natural", "--half", "-o", str(target)]) == 0
    trained = torch.load(run / "ema.pt", weights_only=True)["model"]
    found = regio.load(weights, look="natural").net.state_dict()
    assert all(torch.equal(found[name], trained[name].half().float()) for name in load_file(target))
    plain = regio.load(weights).net.state_dict()
    assert any(not torch.equal(found[name], plain[name]) for name in load_file(target))
    strange = toy_recipe({"train": "synthesis"})
    strange.write_text(strange.read_text().replace("start =", "overrides = {step_widths = 0.5}\nstart ="))
    with pytest.raises(UsageError, match=r"mine\.safetensors has another configuration than the recipe's model"):
        train(strange, out=tmp_path / "strange", device="cpu")
    whole = train(toy_recipe({"train": "all"}), out=tmp_path / "whole", device="cpu")
    with pytest.raises(UsageError, match=r"changed more of .* than its synthesis"):
        export_look(whole, tmp_path / "x.natural.safetensors", "natural")


@pytest.fixture
def toy_recipe(weights: Path, tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """A function: a recipe of two steps from these weights; the table of the phase may be added to."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(picture(72, 80 + number)).save(folder / f"{number}.png")

    def write(phase: dict[str, str]) -> Path:
        lines = ['name = "toy"', 'model = "segpic:toy-2"', f'start = "{weights}"', 'precision = "float32"', "[data]"]
        lines += [f'folders = ["{folder}"]', "held_back = 0", "[[phase]]", "steps = 2", "crop = 64", "batch = 2"]
        lines += ['measure = "terms"', 'optimizer = "adam"', *(f'{key} = "{value}"' for key, value in phase.items())]
        path = tmp_path / "toy.toml"
        path.write_text("\n".join([*lines, "[phase.terms]", "l1 = 1.0"]), encoding="utf-8")
        return path

    return write
