"""Finds the rate for a target size or PSNR by trying several rates; only the last file is kept."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

from regio.errors import UsageError

_LITTLE = 20  # bytes; an opacity that is the same everywhere takes less


class Rated(Protocol):
    """A picture that can be written at any rate; `step` is a whole number, and files grow with it."""

    @property
    def steps(self) -> tuple[int, int]:
        """The least and the greatest step."""

    @property
    def pixels(self) -> int:
        """Width times height."""

    @property
    def metadata(self) -> int:
        """Bytes of metadata in every file."""

    @property
    def opacity(self) -> int:
        """Bytes of opacity in every file, which is kept without loss."""

    @property
    def where(self) -> str:
        """ " at scale 1/2" where the user chose the size at which the picture is coded, else nothing."""

    def at(self, step: int) -> bytes:
        """The file."""

    def bytes_at(self, step: int) -> int:
        """Its size."""

    def psnr(self, step: int) -> float:
        """PSNR in dB of what it decodes to."""


class Found(NamedTuple):
    """A file, the step it was written at, and a line for each target that it misses."""

    data: bytes
    step: int
    notes: tuple[str, ...] = ()


def nearest_size(job: Rated, wanted: float, strict: bool = False) -> Found:
    """The file whose size is nearest to `wanted` bytes.

    Out of reach, it is the best or the smallest file, and a note. strict: UsageError where even the smallest is larger.
    """
    least, most = job.steps
    low, high = job.bytes_at(least), job.bytes_at(most)
    if wanted > 1.02 * high:
        return Found(
            job.at(most),
            most,
            (f"{_bpp(job, wanted)} is more than the best quality takes{job.where}: {_bpp(job, high)}",),
        )
    if wanted < 0.98 * low:
        note = f"{_bpp(job, wanted)} is out of reach{job.where}: the smallest file of this picture takes "
        note += _bpp(job, low) + _of_other_parts(job, low)
        if strict:
            raise UsageError(note)
        return Found(job.at(least), least, (note,))
    above = first_step(_logarithm(job.bytes_at), math.log(wanted), *job.steps)
    step = min((max(above - 1, least), above), key=lambda step: abs(job.bytes_at(step) - wanted))
    return Found(job.at(step), step)


def _of_other_parts(job: Rated, size: int) -> str:
    """The end of a message if opacity or metadata take a large part of a file that is too large."""
    note = ""
    if job.opacity > _LITTLE:
        note += f", {job.opacity} bytes of them for opacity, which is stored without loss"
    if job.metadata:
        note += f", of which {job.metadata} are metadata; strip (--strip) leaves them out, and it takes "
        note += f"{size - job.metadata}"
    return note


def _bpp(job: Rated, size: float) -> str:
    return f"{size * 8 / job.pixels:.4g} bpp"


def largest_within(job: Rated, limit: int, between: tuple[int, int] | None = None) -> Found:
    """The file of the highest rate step that takes at most `limit` bytes; UsageError where none does.

    between: the steps that it probably lies between, which saves files at the ends of the range.
    """
    least, most = job.steps
    if between is not None:
        low, high = max(between[0], least), min(between[1], most)
        least = low if job.bytes_at(low) <= limit else least
        most = high if job.bytes_at(high) > limit else most
    if job.bytes_at(least) > limit:
        smallest = job.bytes_at(least)
        note = f"{limit} bytes are too few{job.where}: the smallest file of this picture takes {smallest}"
        raise UsageError(note + _of_other_parts(job, smallest))
    if job.bytes_at(most) <= limit:
        return Found(job.at(most), most)
    step = first_step(_logarithm(job.bytes_at), math.log(limit + 0.5), least, most) - 1
    return Found(job.at(step), step)


def smallest_reaching(job: Rated, wanted: float, strict: bool = False) -> Found:
    """The file of the lowest rate step whose picture has at least the wanted PSNR.

    Where none has, it is the best file, and a note; strict: UsageError.
    """
    most = job.steps[1]
    best = job.psnr(most)
    if best < wanted:
        note = f"{wanted:g} dB is out of reach{job.where}: the best is {best:.2f} dB for this picture"
        if strict:
            raise UsageError(note)
        return Found(job.at(most), most, (note,))
    step = first_step(job.psnr, wanted, *job.steps)
    return Found(job.at(step), step)


def _logarithm(size: Callable[[int], int]) -> Callable[[int], float]:
    """Sizes grow by nearly the same factor from each step to the next, so their logarithms lie on a line."""
    return lambda step: math.log(size(step))


def first_step(value: Callable[[int], float], wanted: float, low: int, high: int) -> int:
    """The first step from low to high whose value, growing with the step, is at least `wanted`; high when none before.

    Interpolates between the ends of a bracket, a little towards its far end, so that the next try closes it from the
    other side; halves it where that does not help. Each value costs a whole file, so every one saved counts.
    """
    at = lru_cache(maxsize=None)(value)
    if at(low) >= wanted:
        return low
    widths = [math.inf, math.inf]
    while high - low > 1:
        width = high - low
        below, above = wanted - at(low), at(high) - wanted
        if 2 * width > widths[-2] or above <= 0:
            step = (low + high) // 2
        else:
            guess = low + width * below / (below + above)
            step = round(guess + width / 64 if guess < low + width / 2 else guess - width / 64)
        step = min(max(step, low + 1), high - 1)
        widths.append(width)
        if at(step) >= wanted:
            high = step
        else:
            low = step
    return high
