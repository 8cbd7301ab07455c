"""Phases of terms, and phases that train the synthesis alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regio.errors import UsageError
from regio.training.checkpoint import RunFolder
from regio.training.devices import make_fabric
from regio.training.loop import train
from regio.training.recipe import read_recipe
from regio.training.run import Run
from regio.training.step import Drawn

Toy = Callable[..., Path]
TERMS = {"steps": 3, "measure": "terms", "terms": {"mse": 1.0, "l1": 10.0, "ssimulacra2": 30.0}}
ALONE = TERMS | {"train": "synthesis"}
SYNTHESIS = ("g_s0.", "g_s1.", "regional.synthesis.")


def lines(run: Path) -> list[dict]:
    return [line for line in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if "loss" in line]


def models(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run / "last.pt", weights_only=True)["model"]
    return found


def test_the_synthesis_alone_is_trained_and_all_of_it(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy({"steps": 2}, ALONE, {"steps": 1}), tmp_path / "run"
    states = []
    for steps in (2, 3, 1):
        train(recipe, out=run, device="cpu", steps=steps, resume=True)
        states.append(models(run))
    before, after, end = states
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith(SYNTHESIS) for name in moved)
    assert {name.split(".")[0] for name in moved} == {"g_s0", "g_s1", "regional"}
    assert any(not torch.equal(after[n], end[n]) for n in after if not n.startswith(SYNTHESIS))  # all of it again
    assert {"mse", "l1", "ssimulacra2"} <= set(lines(run)[3]["more"])


def test_a_run_of_the_synthesis_resumed_is_the_run_in_one(toy: Toy, tmp_path: Path) -> None:
    recipe, whole, parts = toy({"steps": 1}, ALONE), tmp_path / "a", tmp_path / "b"
    train(recipe, out=whole, device="cpu")
    for steps in (2, 2):
        train(recipe, out=parts, device="cpu", steps=steps, resume=True)
    assert all(torch.equal(value, models(parts)[name]) for name, value in models(whole).items())


def test_it_sees_the_latents_of_files(toy: Toy, tmp_path: Path) -> None:
    run = Run(read_recipe(toy(ALONE)), RunFolder(tmp_path / "run"), make_fabric("cpu"))
    assert run.net.training
    torch.manual_seed(1)
    x, rate = torch.rand(2, 3, 64, 64), torch.tensor([0.1, 0.8])
    ours = run.inner._on_rounded(Drawn(x, None, 2, rate, torch.tensor(1.0)))
    run.net.eval()
    theirs = run.net(x, grid=2, rate=rate)
    assert torch.allclose(ours.x_hat, theirs.x_hat, atol=1e-5)
    assert ours.bits.keys() == theirs.bits.keys()
    assert all(torch.allclose(ours.bits[name], theirs.bits[name]) for name in ours.bits)
    noisy = run.net.train()(x, grid=2, rate=rate)
    assert not torch.allclose(ours.bits["y"], noisy.bits["y"])


def test_mse_as_a_term_is_the_measure_mse(toy: Toy, tmp_path: Path) -> None:
    for name, phase in (("a", {"measure": "mse"}), ("b", {"measure": "terms", "terms": {"mse": 1.0}})):
        train(toy(phase | {"steps": 2}), out=tmp_path / name, device="cpu")
    first, second = (lines(tmp_path / name) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-3)


def test_terms_go_with_rate_maps_regions_and_half_precision(toy: Toy, tmp_path: Path, pictures: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    for file in pictures.iterdir():
        Image.fromarray(np.full((20, 24), 200, np.uint8)).save(maps / file.name)
    train(toy(TERMS | {"rate_maps": 1.0}, run={"precision": "bf16"}), out=tmp_path / "a", device="cpu")
    roi = {"measure": "roi", "steps": 2, "roi": {"perceptual": 0.0}}
    data, run = {"importance": str(maps)}, {"model": "roi:toy"}
    for name, terms in (("plain", {}), ("terms", {"l1": 50.0})):
        train(toy(roi | {"terms": terms}, run=run, data=data), out=tmp_path / name, device="cpu")
    plain, more = (lines(tmp_path / name)[0] for name in ("plain", "terms"))
    added = more["more"]["background"] - plain["more"]["background"]
    assert added == pytest.approx(50 * more["more"]["term l1"], rel=1e-2)


def test_terms_add_to_what_mcm_is_trained_on(toy: Toy, tmp_path: Path) -> None:
    phase, run = {"measure": "perceptual", "mix": [10.0, 0.25, 0.0], "steps": 1}, {"model": "mcm:toy"}
    for name, terms in (("plain", {}), ("terms", {"l1": 5.0})):
        train(toy(phase | {"terms": terms}, run=run), out=tmp_path / name, device="cpu")
    plain, more = (lines(tmp_path / name)[0]["more"]["distortion"] for name in ("plain", "terms"))
    assert more > plain


def test_what_cannot_be_followed_is_one_line(toy: Toy, tmp_path: Path, toy_weights: Path) -> None:
    for phase, run, message in (
        ({"measure": "terms", "terms": {"wasserstein": 1.0}}, {}, "the term wasserstein need importance maps"),
        (ALONE, {"model": "roi:toy"}, "phase 1: roi:toy has no synthesis that could be trained alone"),
        (TERMS, {"model": "mcm:toy"}, "phase 1: mcm:toy is trained on masked, perceptual, mse, not on terms"),
    ):
        with pytest.raises(UsageError, match=message):
            train(toy(phase, run=run | {"judges": str(toy_weights)}), out=tmp_path / "run", device="cpu")
