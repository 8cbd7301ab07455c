"""Steps per second of Regio's training loop beside a plain one, same model, same crops, same device, in one run.

    python benchmarks/training_speed.py [RECIPE] [--data FOLDER] [--seconds 30] [--device auto]

The plain loop is what one would write first: eager, float32, contiguous tensors, Adam, no weight average, no guards.
Ours is the recipe as it is, with everything a run does between two lines of its log. Both draw the same crops from the
same pictures in memory. They take turns, several times, so that a busy machine is unfair to neither; medians are shown.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from regio.data.pictures import PicturePack
from regio.losses.rate_distortion import multipliers, rate_distortion
from regio.training.checkpoint import RunFolder
from regio.training.devices import make_fabric
from regio.training.families import fresh_net
from regio.training.loop import load_pack
from regio.training.recipe import Phase, Recipe, read_recipe
from regio.training.run import Run, spread_rates

ROUNDS = 5
WARM_UP = 3  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, nargs="?", default=Path("recipes/segpic-xs.toml"), metavar="RECIPE")
    parser.add_argument("--data", type=Path, action="append", help="folder of pictures instead of the recipe's")
    parser.add_argument("--limit", type=int, default=40, help="pictures to read (%(default)s)")
    parser.add_argument("--phase", type=int, default=1, help="phase of the recipe to measure (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each loop, in all (%(default)s)")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    recipe = read_recipe(options.recipe)
    if not 1 <= options.phase <= len(recipe.phase):
        parser.error(f"the recipe has {len(recipe.phase)} phases")
    phase = recipe.phase[options.phase - 1]
    data = dataclasses.replace(recipe.data, limit=options.limit, held_back=0, labelled=0.0)
    recipe = dataclasses.replace(recipe, phase=(phase,), data=data, start=None)
    rows = measure(recipe, options.data, options.device, options.seconds)
    plain = rows[0]["steps_per_s"]
    print(f"{options.recipe}, phase {options.phase}: batches of {phase.batch} crops of {phase.crop}")
    print(describe(options.device))
    print(f"{'loop':<42}{'steps/s':>9}{'ratio':>8}")
    for row in rows:
        print(f"{row['loop']:<42}{row['steps_per_s']:>9.3f}{row['steps_per_s'] / plain:>8.2f}")


def describe(device: str) -> str:
    where = make_fabric(device).device
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return f"{where.type} ({name}), {torch.get_num_threads()} threads, torch {torch.__version__}"


def measure(recipe: Recipe, data: list[Path] | None, device: str, seconds: float) -> list[dict[str, str | float]]:
    """A row per loop: the plain one, ours, and ours with the plain one's optimiser."""
    with tempfile.TemporaryDirectory() as scratch:
        fabric = make_fabric(device)
        pack = load_pack(recipe, data, fabric).to(fabric.device)
        (phase,) = recipe.phase
        adam = dataclasses.replace(recipe, phase=(dataclasses.replace(phase, optimizer="adam"),))
        loops = {"plain: eager, float32, Adam": plain_loop(recipe, pack, fabric.device)}
        ours = f"ours: {recipe.precision}{', compiled' if recipe.compile else ''}"
        for name, variant in {f"{ours}, {phase.optimizer}": recipe, f"{ours}, adam": adam}.items():
            loops[name] = our_loop(variant, pack, Path(scratch) / str(len(loops)), device)
        for step in loops.values():
            for _ in range(WARM_UP):
                step()
        paces: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(ROUNDS):
            for name, step in loops.items():
                paces[name].append(pace(step, seconds / ROUNDS, fabric.device))
    return [{"loop": name, "steps_per_s": statistics.median(found)} for name, found in paces.items()]


def our_loop(recipe: Recipe, pack: PicturePack, folder: Path, device: str) -> Callable[[], object]:
    run = Run(recipe, RunFolder(folder), make_fabric(device))
    return lambda: run.one_step(pack)


def plain_loop(recipe: Recipe, pack: PicturePack, device: torch.device) -> Callable[[], object]:
    (phase,) = recipe.phase
    net = fresh_net(recipe).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=phase.learning_rate)
    generator = torch.Generator().manual_seed(recipe.seed)

    def step() -> None:
        x = pack.crops(phase.batch, phase.crop, generator, recipe.data.downscale).x
        optimizer.zero_grad()
        plain_loss(net, x, phase, generator).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), phase.clip)
        optimizer.step()

    return step


def plain_loss(net: torch.nn.Module, x: torch.Tensor, phase: Phase, generator: torch.Generator) -> torch.Tensor:
    rate = spread_rates(phase.batch, generator).to(x.device)
    out = net(x, rate=rate)
    cost = rate_distortion(x, out.x_hat, out.bits, multipliers(rate, *phase.lambdas), phase.measure)
    return cost.total.mean() + torch.stack([prior.quantile_loss() for prior in net.priors().values()]).sum()


def pace(step: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Steps per second over at least `seconds`."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds or not count:
        step()
        count += 1
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return count / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
