"""The lines of a run's log, as they are written to log.jsonl and passed to `report`."""

from collections.abc import Callable
from typing import TypedDict


class StepRecord(TypedDict):
    """Means over the steps since the last line, in the first process. None when no step was finite."""

    step: int  # steps done
    of: int  # steps of the whole recipe
    phase: int  # counted from 1
    loss: float | None
    cost: float | None  # bits per pixel + weighted distortion, without balance
    bpp: float | None
    psnr: float | None  # dB
    more: dict[str, float | None]  # what the family's step reports besides
    norm: float | None  # of the gradient before clipping
    lr: float
    steps_per_s: float
    skipped: int  # steps without a finite gradient since the run began
    restored: int  # times the last good state was restored
    alarm: str | None


class RatePoint(TypedDict):
    """Held-back pictures at one rate."""

    rate: float
    bpp: float  # estimated
    psnr: float  # dB, of 8-bit pictures, mean over pictures
    streams: dict[str, float]  # bits per pixel by stream


class HeldBackRecord(TypedDict):
    """One validation, with the averaged weights."""

    step: int
    held_back: list[RatePoint]
    samples: str | None  # picture beside the log: original and reconstruction side by side


Record = StepRecord | HeldBackRecord
Listener = Callable[[Record], None]
