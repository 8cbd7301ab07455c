"""Means over the last steps, for the log."""

import logging
import time

import torch
from torch import Tensor

from regio.training.optimizers import learning_rate
from regio.training.records import StepRecord
from regio.training.run import Run

log = logging.getLogger(__name__)
ALWAYS = "loss", "cost", "bpp", "psnr", "norm"
COLLAPSE = 0.004  # bits per pixel, averaged over a log interval, at which the rate counts as collapsed


class Window:
    """The steps since the last line of the log."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._clear()

    def _clear(self) -> None:
        self.values: list[dict[str, Tensor]] = []
        self.since = self.shown = time.monotonic()

    def add(self, values: dict[str, Tensor]) -> None:
        """Add the scalars of one step."""
        self.values.append(values)

    def leave_out(self, seconds: float) -> None:
        """Subtract time that was not spent on steps."""
        self.since += seconds

    def quiet_for(self) -> float:
        """Return the seconds since the last report."""
        return time.monotonic() - self.shown

    def summary(self) -> StepRecord:
        """Return the figures so far."""
        self.shown = time.monotonic()
        run = self.run
        number, phase, at = run.recipe.at(run.step - 1)
        means = {name: self._mean(name) for name in ALWAYS}
        more = {name: self._mean(name) for name in self.values[-1] if name not in ALWAYS}
        collapsed = means["bpp"] is not None and means["bpp"] < COLLAPSE
        return StepRecord(
            step=run.step,
            of=run.recipe.steps,
            phase=number + 1,
            loss=means["loss"],
            cost=means["cost"],
            bpp=means["bpp"],
            psnr=means["psnr"],
            more=more,
            norm=means["norm"],
            lr=round(learning_rate(phase, at), 7),
            steps_per_s=round(len(self.values) / max(self.shown - self.since, 1e-6), 3),
            skipped=run.skipped,
            restored=run.restored,
            alarm="the rate has collapsed" if collapsed else None,
        )

    def close(self) -> StepRecord:
        """Return the figures of a log line and begin a new window."""
        line = self.summary()
        if line["alarm"]:
            log.warning("step %d: %s to %.4f bits per pixel", line["step"], line["alarm"], line["bpp"])
        self._clear()
        return line

    def _mean(self, name: str) -> float | None:
        """Return the mean over the steps where the value is finite."""
        values = torch.stack([v[name].float() for v in self.values if name in v])
        values = values[torch.isfinite(values)]
        return round(float(values.mean()), 4) if len(values) else None
