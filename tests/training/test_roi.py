"""The ROI codec's phases: strict in regions, a discriminator beside the model, resumed to the step."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from regio.codec.roi import alpha_of
from regio.errors import UsageError
from regio.training.checkpoint import RunFolder
from regio.training.devices import make_fabric
from regio.training.export import export
from regio.training.families import fresh_net, make_step
from regio.training.loop import load_pack, train
from regio.training.recipe import Phase, read_recipe
from regio.training.run import Run, draw_alphas
from regio.training.step import PLAIN_ALPHA
from regio.weights import store

Toy = Callable[..., Path]
TERMS = {"perceptual": 0.0, "background": 50.0, "judge_width": 4}
STAGE_1 = {"steps": 3, "measure": "roi", "roi": TERMS}
STAGE_2 = {"steps": 4, "measure": "roi", "roi": TERMS | {"adversary": 0.2}}
RUN = {"model": "roi:toy"}


@pytest.fixture
def maps(tmp_path: Path, pictures: Path) -> Path:
    """Importance maps for the pictures: the left half."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for file in pictures.iterdir():
        values = np.zeros((20, 24), np.uint8)
        values[:, :12] = 255
        Image.fromarray(values).save(folder / file.name)
    return folder


def curve(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in line.items() if k not in ("steps_per_s",)} for line in lines if "loss" in line]


@pytest.mark.parametrize("game", ["non-saturating", "least-squares"])
def test_both_stages_resumed_are_the_run_in_one(toy: Toy, tmp_path: Path, maps: Path, game: str) -> None:
    second = STAGE_2 | {"roi": STAGE_2["roi"] | {"game": game}}  # type: ignore[operator]
    recipe, whole, parts = toy(STAGE_1, second, run=RUN, data={"importance": str(maps)}), tmp_path / "a", tmp_path / "b"
    train(recipe, out=whole, device="cpu")
    for steps in (2, 3, None):  # inside the first stage, inside the second, to the end
        train(recipe, out=parts, device="cpu", steps=steps, resume=True)
    assert len(curve(whole)) == 7
    assert curve(parts) == curve(whole)
    ends = [torch.load(run / "last.pt", weights_only=True) for run in (whole, parts)]
    for part in ("model", "judge"):
        assert all(torch.equal(ends[0][part][key], ends[1][part][key]) for key in ends[0][part])
    first, last = curve(whole)[2], curve(whole)[-1]
    assert "judge" not in first["more"]
    assert last["more"]["judge"] > 0
    assert {"roi_psnr", "lpips", "region", "background"} <= set(last["more"])


def test_the_judge_rests_until_its_stage_and_then_learns(toy: Toy, tmp_path: Path, maps: Path) -> None:
    recipe, run = toy(STAGE_1, STAGE_2, run=RUN, data={"importance": str(maps)}), tmp_path / "run"
    judges = []
    for steps in (1, 2, 1):
        train(recipe, out=run, device="cpu", steps=steps, resume=True)
        judges.append(torch.load(run / "last.pt", weights_only=True)["judge"])
    weights = [name for name in judges[0] if name.endswith("original")]
    assert all(torch.equal(judges[0][name], judges[1][name]) for name in weights)
    assert not any(torch.equal(judges[1][name], judges[2][name]) for name in weights)


def test_without_emphasis_the_rate_is_higher_where_the_region_is(toy: Toy, tmp_path: Path, maps: Path) -> None:
    recipe = read_recipe(toy(STAGE_1 | {"batch": 2}, run={"model": "roi:toy-maps"}, data={"importance": str(maps)}))
    fabric = make_fabric("cpu")
    run = Run(recipe, RunFolder(tmp_path / "run"), fabric)
    mask = torch.zeros(2, 1, 64, 64)
    mask[:, :, :, :32] = 1
    rate, alpha = torch.tensor([0.2, 0.9]), torch.tensor([1.0, PLAIN_ALPHA]).view(-1, 1, 1, 1)
    low, high = run.net.config.log_gains
    rates = run.inner._rates(rate, mask, alpha)
    assert rates.shape == (2, 1, 64 // run.net.multiple, 64 // run.net.multiple)
    half = rates.shape[3] // 2
    assert rates[0, 0, :, :half].flatten().tolist() == pytest.approx([0.2 + 1 / (high - low)] * half * rates.shape[2])
    assert rates[0, 0, :, half:].flatten().tolist() == pytest.approx([0.2] * half * rates.shape[2])
    assert rates[1].flatten().tolist() == pytest.approx([0.9] * rates[1].numel(), abs=1e-6)
    assert alpha_of(100 / (high - low)) == pytest.approx(1, rel=0.01)  # what the codec takes for one octave
    out = train(toy(STAGE_1, run={"model": "roi:toy-maps"}, data={"importance": str(maps)}), out=tmp_path / "a")
    assert len(curve(out)) == 3


def test_in_half_precision_too(toy: Toy, tmp_path: Path, maps: Path) -> None:
    recipe = toy(STAGE_2, run=RUN | {"precision": "bf16"}, data={"importance": str(maps)})
    train(recipe, out=tmp_path / "run", device="cpu")
    assert all(line["skipped"] == 0 and line["norm"] > 0 for line in curve(tmp_path / "run"))


def test_what_was_trained_codes_a_picture(toy: Toy, tmp_path: Path, maps: Path, pictures: Path) -> None:
    import regio

    recipe = toy(STAGE_1, run=RUN, data={"importance": str(maps)})
    export(train(recipe, out=tmp_path / "run", device="cpu"), tmp_path / "roi.safetensors", half=True)
    assert type(store.load(tmp_path / "roi.safetensors").net).__name__ == "RoiCodec"
    codec = regio.load(tmp_path / "roi.safetensors", device="cpu")
    assert regio.decode(codec.encode(pictures / "0.png", quality=40), codec=codec).size == (96, 80)


def test_a_region_weighs_more_than_the_rest(toy: Toy, tmp_path: Path, maps: Path) -> None:
    """The same error costs more inside of a region, and more still the stronger it is emphasised."""
    recipe = read_recipe(toy(STAGE_1 | {"batch": 2}, run=RUN, data={"importance": str(maps)}))
    fabric = make_fabric("cpu")
    run = Run(recipe, RunFolder(tmp_path / "run"), fabric)
    drawn = run._draw(load_pack(recipe, None, fabric), recipe.phase[0], 0)
    assert drawn.importance is not None
    everywhere, nowhere = torch.ones_like(drawn.importance), torch.zeros_like(drawn.importance)

    def region(importance: torch.Tensor, alpha: float) -> float:
        chosen = drawn._replace(importance=importance, alpha=torch.full((2,), alpha))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return float(run.inner(chosen)["region"])

    plain = region(everywhere, PLAIN_ALPHA)
    assert region(nowhere, PLAIN_ALPHA) == 0
    assert region(everywhere, 0.5) > 2 * plain * 0.5


def test_what_departs_from_the_paper_is_a_switch(toy: Toy, tmp_path: Path, maps: Path) -> None:
    """A factor in regions, the verdict outside of them only, smoothing: each changes what it says, and nothing else."""
    fabric, found = make_fabric("cpu"), {}
    for name, change in {
        "ours": {},
        "printed": {"finer": False},
        "l1": {"finer": False, "error": "l1"},
        "sharp": {"finer": False, "smoothing": 1},
        "everywhere": {"everywhere": True},
    }.items():
        phase = {
            "measure": "roi",
            "batch": 2,
            "roi": TERMS | {"adversary": 0.2, "alpha": [1.0, 1.0], "plain": 0.0} | change,
        }
        recipe = read_recipe(toy(phase, run=RUN, data={"importance": str(maps)}))
        run = Run(recipe, RunFolder(tmp_path / name), fabric)
        drawn = run._draw(load_pack(recipe, None, fabric), recipe.phase[0], 0)
        torch.manual_seed(0)
        found[name] = {key: float(value.detach()) for key, value in run.inner(drawn).items()}
    ours, printed, l1, sharp, everywhere = found.values()
    assert printed["region"] < ours["region"] < 4 * printed["region"]  # (1 + 1)**2 at most
    assert 0 < l1["region"] < printed["region"]
    assert sharp["region"] not in (0, printed["region"])
    assert everywhere["region"] == ours["region"]
    assert everywhere["background"] > ours["background"]
    assert everywhere["judge"] == ours["judge"]


def test_alphas_cover_their_range_and_some_samples_are_plain() -> None:
    phase = Phase(steps=1, batch=4000, measure="roi")
    alpha, plain = draw_alphas(phase, torch.Generator().manual_seed(1))
    assert plain.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert bool((alpha[plain] == PLAIN_ALPHA).all())
    spread = alpha[~plain].log()
    assert spread.min().exp() >= 0.5
    assert spread.max().exp() <= 4.0
    assert spread.mean().exp().item() == pytest.approx(2**0.5, rel=0.05)


def test_what_cannot_be_followed_is_refused(toy: Toy, tmp_path: Path, maps: Path) -> None:
    with pytest.raises(UsageError, match="no picture has one; see importance"):
        train(toy(STAGE_1, run=RUN), out=tmp_path / "a", device="cpu")
    with pytest.raises(UsageError, match="toy is trained on mse, ms-ssim, terms, not on roi"):
        train(toy(STAGE_1, data={"importance": str(maps)}), out=tmp_path / "b", device="cpu")
    recipe = read_recipe(toy(STAGE_2, STAGE_2, run=RUN))
    wider = dataclasses.replace(recipe.phase[1], roi=dataclasses.replace(recipe.phase[1].roi, judge_width=8))
    with pytest.raises(UsageError, match="must be the same in all phases"):
        make_step(fresh_net(recipe), dataclasses.replace(recipe, phase=(recipe.phase[0], wider)))
    for line, message in (
        ({"alpha": [1.0, 0.5]}, "phase 1: phase 1, roi: alpha rises"),
        ({"game": "chess"}, "game is one of non-saturating, least-squares, not 'chess'"),
        ({"sharp": 1}, "phase 1, roi: there is no field sharp"),
    ):
        with pytest.raises(UsageError, match=message.replace("phase 1: phase 1", "phase 1")):
            read_recipe(toy({"roi": line}))


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this build of torch cannot do it")
def test_two_processes_train_model_and_judge(toy: Toy, tmp_path: Path, maps: Path) -> None:
    """The judge rests in the first stage, so what takes part changes from one to the next."""
    recipe = toy(STAGE_1, STAGE_2, run=RUN, data={"importance": str(maps)})
    start = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "regio", "train"]
    command = [sys.executable, "-m", *start, str(recipe), "-o", str(tmp_path / "run"), "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    lines = curve(tmp_path / "run")
    assert [line["step"] for line in lines] == list(range(1, 8))
    assert ["judge" in line["more"] for line in lines] == [False] * 3 + [True] * 4
