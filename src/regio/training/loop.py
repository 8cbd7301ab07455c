"""The one training loop: phases of a recipe, resumable to the step, on one device or many."""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from regio.data.pictures import PicturePack, load_pictures
from regio.errors import UsageError
from regio.losses.rate_distortion import multipliers, rate_distortion
from regio.models.segpic import SegPIC, configure
from regio.training.checkpoint import RunFolder
from regio.training.optimizers import QUANTILE_RATE, learning_rate, make_optimizer
from regio.training.recipe import Phase, Recipe, read_recipe
from regio.training.validate import validate

log = logging.getLogger(__name__)
_GIVE_UP = 50  # steps in a row without a finite gradient: the last good state is restored, once
_COLLAPSE = 0.004  # bits per pixel, averaged over a log interval, at which the rate counts as collapsed

Report = Callable[[dict[str, Any]], None]


class TrainingStep(nn.Module):
    """Model and loss in one forward pass, so that data-parallel wrappers see every parameter used."""

    phase: Phase
    ramp = 1.0  # share of the prototypes' rate that counts

    def __init__(self, net: SegPIC, bf16: bool) -> None:
        super().__init__()
        self.net, self.bf16 = net, bf16

    def forward(self, x: Tensor, regions: Tensor | None, rate: Tensor) -> dict[str, Tensor]:
        """One batch (see Batch) at rates (B,) -> scalars: loss, and what is logged.

        Autocast is ours and not the engine's, which would round the pictures themselves to bfloat16.
        """
        phase = self.phase
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            out = self.net(x, regions, rate=rate)
        weight = multipliers(rate, *phase.lambdas)
        bits = {name: b * self.ramp if name.startswith("prototypes") else b for name, b in out.bits.items()}
        cost = rate_distortion(x, out.x_hat.float(), bits, weight, phase.measure)
        voice = (weight / math.sqrt(phase.lambdas[0] * phase.lambdas[1])) ** -phase.balance
        quantiles = torch.stack([prior.quantile_loss() for prior in self.net.priors().values()]).sum()
        return {
            "loss": (cost.total * voice).mean() + quantiles,
            "cost": cost.total.mean().detach(),
            "bpp": cost.bpp.mean().detach(),
            "psnr": -10 * torch.log10(cost.mse.detach().clamp_min(1e-10)).mean(),
        }


class Run:
    """State of a run: model, average, optimisers, step."""

    def __init__(self, recipe: Recipe, folder: RunFolder, fabric: Fabric) -> None:
        self.recipe, self.folder, self.fabric = recipe, folder, fabric
        torch.manual_seed(recipe.seed)
        self.net = SegPIC(configure(recipe.model, recipe.overrides))
        if recipe.start:
            from safetensors.torch import load_file

            known = self.net.state_dict()
            self.net.load_state_dict({k: v for k, v in load_file(recipe.start).items() if k in known})
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {k: v.detach().clone().to(fabric.device) for k, v in self.net.state_dict().items()}
        self.step, self.skipped, self.phase_number = 0, 0, -1
        self.model: Any = None

    def enter(self, number: int, phase: Phase) -> None:
        """Make the optimisers of a phase; averages and weights go on."""
        self.phase_number = number
        if self.model is None:
            self.inner = TrainingStep(self.net, self.recipe.precision == "bf16")
            self.model = self.fabric.setup_module(torch.compile(self.inner) if self.recipe.compile else self.inner)
        self.inner.phase = phase
        named = [(n, p) for n, p in self.net.named_parameters() if p.requires_grad]
        weights = [(n, p) for n, p in named if not n.endswith("quantiles")]
        quantiles = [p for n, p in named if n.endswith("quantiles")]
        self.weights = [p for _, p in weights]
        made = (make_optimizer(weights, phase), torch.optim.Adam(quantiles, lr=QUANTILE_RATE))
        self.optimizers = [self.fabric.setup_optimizers(o) for o in made]

    def one_step(self, pack: PicturePack) -> dict[str, Tensor]:
        """Draw a batch, step, average. The draw depends on seed, step and process alone."""
        number, phase, at = self.recipe.at(self.step)
        if number != self.phase_number:
            self.enter(number, phase)
        seed = (self.recipe.seed * 1_000_003 + self.step) * 64 + self.fabric.global_rank
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        labelled = bool(torch.rand(1, generator=generator) < self.recipe.data.labelled)
        batch = pack.crops(phase.batch, phase.crop, generator, self.recipe.data.downscale, labelled)
        rate = _spread_rates(phase.batch, generator)
        x = batch.x.to(self.fabric.device, memory_format=torch.channels_last)
        self.inner.ramp = min(1.0, at / phase.prototype_ramp) if phase.prototype_ramp else 1.0
        values: dict[str, Tensor] = self.model(x, batch.regions, rate.to(x.device))
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(values["loss"])
        values["norm"] = nn.utils.clip_grad_norm_(self.weights, phase.clip)
        if bool(torch.isfinite(values["norm"])):
            for group in self.optimizers[0].param_groups:
                group["lr"] = learning_rate(phase, at)
            for optimizer in self.optimizers:
                optimizer.step()
            self._average(phase.ema)
            self.in_a_row = 0
        else:
            self.skipped += 1
            self.in_a_row += 1
        self.step += 1
        return {k: v.detach() for k, v in values.items()}

    in_a_row = 0

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        decay = min(decay, (1 + self.step) / (10 + self.step))
        live = self.net.state_dict()
        floats = [k for k, v in live.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.average[k] for k in floats], [live[k] for k in floats], 1 - decay)

    def save(self) -> None:
        """Everything needed to go on, and the averaged weights apart."""
        if self.fabric.is_global_zero:
            optimizers = [o.state_dict() for o in self.optimizers]
            state = {"step": self.step, "phase": self.phase_number, "skipped": self.skipped}
            self.folder.save("last.pt", {**state, "model": self.net.state_dict(), "optimizers": optimizers})
            self.folder.save("ema.pt", {"step": self.step, "model": self.average})
        self.fabric.barrier()

    def restore(self) -> None:
        """Go on where `save` left off. Optimiser state may have been dropped to travel light: then it warms up again."""
        state = self.folder.load("last.pt", self.fabric.device)
        self.net.load_state_dict(state["model"])
        self.average = self.folder.load("ema.pt", self.fabric.device)["model"]
        self.step, self.skipped = state["step"], state["skipped"]
        number, phase, _ = self.recipe.at(self.step)
        self.enter(number, phase)
        if state.get("optimizers") and number == state["phase"]:
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)

    def averaged(self) -> SegPIC:
        """A copy of the model with the averaged weights, in evaluation mode."""
        net = SegPIC(self.net.config).to(self.fabric.device)
        net.load_state_dict(self.average)
        return net.eval()


def _spread_rates(count: int, generator: torch.Generator) -> Tensor:
    """Rates (B,) in [0,1], one in each of B equal spans, so that every batch covers the whole range."""
    return (torch.arange(count) + torch.rand(count, generator=generator)) / count


def train(
    recipe_path: Path,
    *,
    out: Path | None = None,
    resume: bool = False,
    max_minutes: float | None = None,
    device: str = "auto",
    steps: int | None = None,
    data: list[Path] | None = None,
    report: Report | None = None,
) -> Path:
    """Train by a recipe -> the run folder.

    out: run folder, default runs/<name>. resume: go on there. max_minutes: stop cleanly in time, everything saved.
    steps: stop after so many steps of this call. data: folders in the place of the recipe's. report: called with every log
    line. Started by torchrun, every process joins one run and the first one saves.
    """
    began = time.monotonic()
    recipe = read_recipe(recipe_path)
    fabric = Fabric(accelerator=device, devices="auto" if device != "cpu" else _processes(), precision="32-true")  # type: ignore[arg-type]
    fabric.launch()
    folder = RunFolder(out or Path("runs") / recipe.name)
    if folder.has("last.pt") and not resume:
        raise UsageError(f"{folder.path} holds a run already; --resume goes on with it, --output names another folder")
    largest = max(phase.crop for phase in recipe.phase)
    masks = Path(recipe.data.masks) if recipe.data.masks else None
    pack = load_pictures(data or [Path(f) for f in recipe.data.folders], masks, largest, recipe.data.limit)
    trained, held = pack.split(recipe.data.held_back)
    run = Run(recipe, folder, fabric)
    if fabric.is_global_zero:
        folder.open(recipe)
    if resume and folder.has("last.pt"):
        run.restore()
        folder.cut_log(run.step)
    trained = trained.to(fabric.device)
    last = recipe.steps if steps is None else min(recipe.steps, run.step + steps)
    deadline = math.inf if max_minutes is None else began + 60 * max_minutes
    _drive(run, trained, held, last, deadline, report or _silent)
    return folder.path


def _processes() -> int:
    import os

    return int(os.environ.get("WORLD_SIZE", "1"))


def _silent(line: dict[str, Any]) -> None:
    """Where nobody listens."""


def _drive(run: Run, trained: PicturePack, held: PicturePack, last: int, deadline: float, report: Report) -> None:
    """Step until `last` or the deadline, logging, validating and saving on the way."""
    recipe, window, since = run.recipe, [], time.monotonic()
    while run.step < last and time.monotonic() < deadline:
        window.append(run.one_step(trained))
        if run.in_a_row == _GIVE_UP and run.folder.has("last.pt"):
            log.warning("no finite gradient in %d steps: going back to the last saved state", _GIVE_UP)
            run.restore()
        if run.step % recipe.log_every == 0 or run.step == last:
            line = _summary(run, window, time.monotonic() - since)
            if line["bpp"] < _COLLAPSE:
                log.warning("the rate has collapsed to %.4f bpp at step %d", line["bpp"], run.step)
            _tell(run, line, report)
            window, since = [], time.monotonic()
        if run.step % recipe.validate_every == 0:
            _tell(run, {"step": run.step, "held_back": validate(run.averaged(), held)}, report)
            since = time.monotonic()
        if run.step % recipe.save_every == 0:
            run.save()
    run.save()
    if held.names:
        _tell(run, {"step": run.step, "held_back": validate(run.averaged(), held)}, report)


def _summary(run: Run, window: list[dict[str, Tensor]], seconds: float) -> dict[str, Any]:
    means = {k: torch.stack([w[k].float() for w in window]).mean().item() for k in window[0]}
    _, phase, at = run.recipe.at(run.step - 1)
    rounded = {k: round(v, 4) for k, v in means.items()}
    pace = {"steps_per_s": round(len(window) / seconds, 3), "lr": round(learning_rate(phase, at), 7)}
    return {"step": run.step, **rounded, **pace, "skipped": run.skipped}


def _tell(run: Run, line: dict[str, Any], report: Report) -> None:
    if run.fabric.is_global_zero:
        run.folder.log(line)
        report(line)
