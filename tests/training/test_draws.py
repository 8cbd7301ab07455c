"""What a step draws is fixed for good: a run that was begun with an older release goes on as if nothing had changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from regio.data.pictures import PicturePack
from regio.training.checkpoint import RunFolder
from regio.training.devices import make_fabric
from regio.training.optimizers import learning_rate
from regio.training.recipe import read_recipe
from regio.training.run import Run

RECIPES = Path(__file__).parents[2] / "recipes"


def labelled_pack() -> PicturePack:
    """Four pictures of 300 x 280, half of them with label maps, all with importance."""
    dice = np.random.default_rng(5)
    pictures = [torch.from_numpy(dice.integers(0, 256, (3, 300, 280), dtype=np.uint8)) for _ in range(4)]
    labels = [torch.from_numpy(dice.integers(0, 9, (300, 280)).astype(np.int16)) if n % 2 else None for n in range(4)]
    importance = [torch.from_numpy(dice.integers(0, 256, (30, 28), dtype=np.uint8)) for _ in range(4)]
    return PicturePack([f"{n}.png" for n in range(4)], pictures, list(labels), list(importance))


def drawn_by(name: str, model: str, steps: tuple[int, ...], folder: Path) -> list[list[float]]:
    recipe = replace(read_recipe(RECIPES / name), model=model, start=None, overrides={}, judges=None)
    quiet = [replace(p, roi=replace(p.roi, perceptual=0.0), mix=(1.0, 1.0, 0.0)) for p in recipe.phase]  # no judge
    recipe = replace(recipe, phase=tuple(quiet))
    run, rows = Run(recipe, RunFolder(folder), make_fabric("cpu")), []
    for step in steps:
        run.step = step
        _, phase, at = recipe.at(step)
        drawn = run._draw(labelled_pack(), phase, at)
        row = [drawn.x.double().mean(), drawn.x[0, 0, 0, 0], drawn.grid, drawn.rate.mean(), drawn.side]
        row += [0 if drawn.regions is None else drawn.regions.sum()]
        row += [0 if drawn.alpha is None else drawn.alpha.min(), learning_rate(phase, at)]
        if phase.measure == "perceptual":
            row += [run.inner._choose(drawn)[1].sum()]
        row += [torch.rand(1)]  # the noise of the step comes next
        rows.append([float(value) for value in row])
    return rows


CASES = {
    "segpic-xs": (
        "toy-2",
        {
            0: [0.499208, 0.309157, 1, 0.493154, 1, 0, 0, 4e-06, 0.832509],
            1: [0.499948, 0.341176, 1, 0.50783, 1, 0, 0, 8e-06, 0.775817],
            2: [0.499097, 0.709804, 2, 0.505482, 1, 526090, 0, 1.2e-05, 0.167977],
            20_003: [0.4992, 0.6, 2, 0.521046, 1, 524043, 0, 2.24e-05, 0.239121],
            60_001: [0.499115, 0.12549, 4, 0.507636, 1, 524519, 0, 8e-06, 0.48328],
            60_007: [0.499844, 0.113725, 4, 0.658728, 1, 0, 0, 3.2e-05, 0.500652],
        },
    ),
    "roi-xs-1": (
        "roi:toy-maps",
        {
            0: [0.499208, 0.309157, 4, 0.493154, 0.05, 0, 0, 5e-06, 0.832509],
            2600: [0.499527, 0.699566, 4, 0.492485, 1, 0, 0.565868, 8e-06, 0.882586],
            8001: [0.500017, 0.898039, 4, 0.515323, 1, 0, 0.582651, 6e-06, 0.287988],
        },
    ),
    "mcm-tiny": (
        "mcm:toy",
        {
            0: [0.499711, 0.0972469, 4, 0.475578, 1, 0, 0, 1e-05, 0.832509],
            310: [0.500007, 0.862745, 4, 0.51026, 0.0833333, 0, 0.614427, 0.000176, 58996, 0.271452],
            4000: [0.499801, 0.670588, 4, 0.582725, 1, 0, 1.95576, 2.23976e-05, 33679, 0.148897],
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_draws_of_an_existing_recipe_never_change(name: str, tmp_path: Path) -> None:
    model, rows = CASES[name]
    found = drawn_by(f"{name}.toml", model, tuple(rows), tmp_path)
    for step, row in zip(rows, found, strict=True):
        assert row == pytest.approx(rows[step], rel=2e-5), f"step {step}"  # six digits are written down
