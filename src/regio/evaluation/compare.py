"""One picture by several codecs at the same number of bytes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from regio.evaluation.columns import columns, figure
from regio.evaluation.contestants import Contestant
from regio.evaluation.metrics import bpp, ms_ssim, psnr
from regio.evaluation.side_by_side import Panel, Window, busiest_window, side_by_side
from regio.images import Pixels


class Version(NamedTuple):
    """The result of a codec for the picture."""

    codec: str
    setting: float
    fits: bool  # within the budget
    size: int  # bytes
    bpp: float
    psnr: float  # dB
    ms_ssim: float  # NaN: too small a picture
    encode_seconds: float  # one encoding at the setting found; the search for it is not in it
    decode_seconds: float
    data: bytes
    pixels: Pixels  # decoded, (H,W,3)


FIGURES = tuple(name for name in Version._fields if name not in ("data", "pixels"))


def at_bytes(pixels: Pixels, contestant: Contestant, budget: int) -> Version:
    """The contestant's best file of at most `budget` bytes, or its smallest if none is so small (then not `fits`)."""
    made = contestant.at_bytes(pixels, budget)
    return _version(pixels, contestant, made.setting, made.data, fits=made.fits)


def at_setting(pixels: Pixels, contestant: Contestant, setting: float) -> Version:
    """The contestant's file at one of its own settings."""
    return _version(pixels, contestant, setting, contestant.encode(pixels, setting), fits=True)


def _version(pixels: Pixels, contestant: Contestant, setting: float, data: bytes, *, fits: bool) -> Version:
    """Time one encoding and one decoding; judge `data`."""
    contestant.decode(contestant.encode(pixels, setting))  # warm-up: libraries load and networks settle
    start = time.perf_counter()
    contestant.encode(pixels, setting)
    between = time.perf_counter()
    decoded = contestant.decode(data)
    end = time.perf_counter()
    return Version(
        codec=contestant.name,
        setting=setting,
        fits=fits,
        size=len(data),
        bpp=bpp(len(data), pixels),
        psnr=psnr(pixels, decoded),
        ms_ssim=ms_ssim(pixels, decoded),
        encode_seconds=between - start,
        decode_seconds=end - between,
        data=data,
        pixels=decoded,
    )


def table(versions: Sequence[Version]) -> str:
    """The figures of several versions as lines of text."""
    header = ("codec", "setting", "bytes", "bpp", "PSNR dB", "MS-SSIM", "encode s", "decode s")
    rows = [
        (
            one.codec + ("" if one.fits else " (over the budget)"),
            f"{one.setting:.4g}",
            str(one.size),
            f"{one.bpp:.4f}",
            f"{one.psnr:.2f}",
            figure(one.ms_ssim, ".4f"),
            f"{one.encode_seconds:.3f}",
            f"{one.decode_seconds:.3f}",
        )
        for one in versions
    ]
    return columns(header, rows)


def contact_sheet(pixels: Pixels, versions: Sequence[Version], windows: Sequence[Window] = ()) -> Image.Image:
    """Original and versions beside each other, labelled, with crops: the windows given, and where they differ most."""
    height, width = pixels.shape[:2]
    panels = [Panel("original", (f"{width} x {height} pixels", ""), pixels)]
    for one in versions:
        over = "" if one.fits else ", over the budget"
        quality = f"PSNR {one.psnr:.2f} dB" + f", MS-SSIM {figure(one.ms_ssim, '.4f')}"
        panels.append(Panel(one.codec, (f"{one.size} bytes, {one.bpp:.3f} bpp{over}", quality), one.pixels))
    window = busiest_window(pixels, [one.pixels for one in versions])
    return side_by_side(panels, [*windows, window])
