"""MCM in the one loop: painting, coding, starting from SegPIC, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regio.errors import UsageError
from regio.images import read_picture
from regio.models.mcm import MCM, TOY
from regio.models.mcm_mask import texture
from regio.models.segpic import SegPIC, SegPICConfig
from regio.training.checkpoint import RunFolder
from regio.training.devices import make_fabric
from regio.training.families import fresh_net, make_step
from regio.training.loop import load_pack, train
from regio.training.recipe import read_recipe
from regio.training.run import Run
from regio.training.step import Drawn

MCM_RUN = {"model": "mcm:toy", "name": "toy-mcm"}
PERCEPTUAL = {"measure": "perceptual", "mix": [10.0, 0.25, 0.0], "lambdas": [0.1, 2.0]}


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def painting_error(net: MCM, pictures: Path) -> float:
    """On the pictures of the run, half of whose patches are hidden."""
    crops = [read_picture(file).pixels[:64, :64] for file in sorted(pictures.iterdir())]
    x = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    keep = torch.arange(0, 16, 2).expand(len(x), -1)
    with torch.no_grad():
        return float((net.paint(x, keep) - x).square().mean())


def test_painting_then_coding_trains_and_resumes(toy: Callable[..., Path], pictures: Path, tmp_path: Path) -> None:
    painting = {"measure": "masked", "steps": 30, "batch": 4, "learning_rate": 3e-3, "ema": 0.5, "masked": 0.5}
    recipe = toy(painting, PERCEPTUAL | {"steps": 5}, run=MCM_RUN)
    parts = train(recipe, out=tmp_path / "parts", device="cpu", steps=30)
    net = fresh_net(read_recipe(recipe))
    before = painting_error(net, pictures)
    net.load_state_dict(torch.load(parts / "ema.pt", weights_only=True)["model"])
    assert painting_error(net, pictures) < 0.9 * before
    train(recipe, out=parts, device="cpu", resume=True, steps=2)
    train(recipe, out=parts, device="cpu", resume=True)
    whole = train(recipe, out=tmp_path / "whole", device="cpu")
    one, two = (torch.load(f / "ema.pt", weights_only=True)["model"] for f in (whole, parts))
    assert all(torch.equal(one[k], two[k]) for k in one)
    steps = [line for line in lines(whole) if "loss" in line]
    assert all(s["bpp"] is None for s in steps[:30])
    assert all(s["bpp"] > 0 for s in steps[30:])


def test_painting_uses_every_parameter_and_moves_no_codec(toy: Callable[..., Path]) -> None:
    recipe = read_recipe(toy({"measure": "masked"}, run=MCM_RUN))
    net = fresh_net(recipe)
    step = make_step(net, recipe).train()
    step(Drawn(torch.rand(2, 3, 64, 64), None, 4, torch.tensor([0.2, 0.8]), torch.tensor(1.0)))["loss"].backward()
    assert all(p.grad is not None for p in net.parameters())
    codec = [p.grad for k, p in net.named_parameters() if k.startswith(("h_a", "h_mean", "context", "levels"))]
    assert codec
    assert not any(bool(g.any()) for g in codec)


def begin(path: Path) -> None:
    recipe = read_recipe(path)
    make_step(fresh_net(recipe), recipe)


def test_kept_sets_follow_the_rate(toy: Callable[..., Path]) -> None:
    recipe = read_recipe(toy(PERCEPTUAL, run=MCM_RUN))
    step = make_step(fresh_net(recipe), recipe)
    x = torch.rand(2, 3, 64, 64)
    sizes = []
    for middle in (0.02, 0.98):
        counts = []
        for seed in range(12):
            torch.manual_seed(seed)
            rate, keep = step._choose(Drawn(x, None, 4, torch.tensor([middle, middle]), torch.tensor(1.0)))
            assert rate is not None
            assert bool(((rate >= 0) & (rate <= 1)).all())
            assert all(len(set(row.tolist())) == keep.shape[1] for row in keep)
            counts.append(keep.shape[1])
        sizes.append(sum(counts) / len(counts))
    assert sizes[0] < 0.3 * sizes[1]


def test_how_patches_are_chosen_is_the_recipes(toy: Callable[..., Path]) -> None:
    """Without chance and without covering, by texture: the patches of the strongest edges, whatever the dice say."""
    masking = {"shares": [0.0, 1.0, 0.0, 0.0], "certain": 1.0, "covering": 0.0}
    recipe = read_recipe(toy(PERCEPTUAL | {"masking": masking}, run=MCM_RUN))
    step, x = make_step(fresh_net(recipe), recipe), torch.rand(1, 3, 64, 64)
    x[:, :, :, 32:] = 0.5  # the right half is flat
    for seed in range(8):
        torch.manual_seed(seed)
        _, keep = step._choose(Drawn(x, None, 4, torch.tensor([0.3]), torch.tensor(1.0)))
        best = texture(x).flatten().topk(keep.shape[1]).indices.sort().values
        assert keep[0].tolist() == best.tolist()
    random = replace(recipe.phase[0], masking=replace(recipe.phase[0].masking, shares=(0.0, 0.0, 0.0, 1.0)))
    step.begin(random)
    kept = [step._choose(Drawn(x, None, 4, torch.tensor([0.3]), torch.tensor(1.0)))[1] % 4 for _ in range(40)]
    right = torch.cat([k.flatten() for k in kept]) >= 2
    assert right.float().mean().item() == pytest.approx(0.5, abs=0.15)  # as often as the left half


def test_importance_maps_say_where_objects_are(toy: Callable[..., Path], pictures: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    for file in pictures.iterdir():
        half = np.zeros((80, 96), np.uint8)
        half[:, :48] = 255
        Image.fromarray(half).save(maps / f"{file.stem}.png")
    recipe = read_recipe(toy(PERCEPTUAL, run=MCM_RUN, data={"importance": str(maps), "downscale": 0.0}))
    fabric = make_fabric("cpu")
    run = Run(recipe, RunFolder(tmp_path / "run"), fabric)
    pack, _ = load_pack(recipe, None, fabric).split(1)
    drawn = run._draw(pack, recipe.phase[0], 0)
    assert drawn.importance is not None
    assert drawn.importance.shape == (2, 1, 64, 64)
    counted = [0, 0]
    for seed in range(40):
        torch.manual_seed(seed)
        half = torch.zeros(2, 1, 64, 64)
        half[..., :32] = 1
        _, keep = run.inner._choose(drawn._replace(rate=torch.full((2,), 0.2), importance=half))
        for column in (keep % 4).flatten().tolist():
            counted[column // 2] += 1
    assert counted[0] > 1.3 * counted[1]


def test_segpics_numbers_are_taken_over_under_our_names_at_the_same_gain() -> None:
    torch.manual_seed(0)
    theirs = SegPIC(replace(SegPICConfig.preset("toy"), log_gains=(-2.0, 2.0)))
    ours = MCM(replace(TOY, log_gains=(-3.0, 1.0)))
    known = ours.adopted(theirs.state_dict())
    assert torch.equal(known["stem.g_a2.down.mix.weight"], theirs.g_a2.down.mix.weight)
    ours.load_state_dict({k: v for k, v in known.items() if k in ours.state_dict()}, strict=False)
    assert torch.equal(ours.stem.g_a2.down.mix.weight, theirs.g_a2.down.mix.weight)
    assert torch.allclose(ours.gain.log_gain.points.mean(1), torch.linspace(-3, 1, 9), atol=1e-5)
    mine = ours.state_dict()
    assert ours.adopted(mine) is mine


@pytest.mark.parametrize(
    ("model", "phase", "message"),
    [
        ("mcm:toy", {"measure": "ms-ssim", "crop": 192}, "phase 1: mcm:toy is trained on masked, perceptual, mse"),
        ("mcm:toy", {"rate_maps": 0.5}, "cannot vary its rate over a picture"),
        ("segpic:toy", {"measure": "masked"}, "segpic:toy is trained on mse, ms-ssim, terms, not on masked"),
        ("mcm:toy", {"features": "resnet"}, "'resnet' is not vgg, squeeze or alex"),
        ("mcm:toy", {"mix": [0.0, 0.0, 0.0]}, "not all of them 0"),
        ("mcm:toy", {"masked": 1.0}, "masked is a share"),
    ],
)
def test_what_a_family_cannot_follow_is_refused(
    toy: Callable[..., Path], model: str, phase: dict, message: str
) -> None:
    path = toy(phase, run={"model": model})
    with pytest.raises(UsageError, match=message):
        begin(path)
