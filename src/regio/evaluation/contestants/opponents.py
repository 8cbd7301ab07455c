"""Other codecs, one small adapter each, behind one interface: `Opponent`, for VVC `Vvc`, for BPG `Bpg`.

All but these two work in memory, from (H,W,3) uint8 RGB, and all but jpegli through Pillow; all with one thread, so
that times compare. AVIF comes in three tunings because they disagree: libaom's default (``tune=iq``) gains MS-SSIM and
loses PSNR, ``tune=psnr`` the other way round; ``tune=ssimulacra2`` is made for that judge. JPEG XL (pillow-jxl-plugin),
HEVC intra (pillow-heif), jpegli (pyjpegli), VVC and BPG are optional: `missing` says why one cannot take part.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from PIL import Image, features

from regio.evaluation.budget import OnLadder
from regio.evaluation.contestants.bpg import Bpg
from regio.evaluation.contestants.vvc import Vvc
from regio.images import Pixels


def _whole(quality: float) -> dict[str, Any]:
    return {"quality": int(quality)}


@dataclass(frozen=True, kw_only=True)
class Opponent(OnLadder):
    """A codec that Pillow, or a plugin of it, can write and read."""

    name: str
    description: str
    library: str  # as the plugin's distribution, or Pillow's feature, is called
    file_format: str  # Pillow's name for it
    ladder: tuple[float, ...] = field(repr=False)  # every setting worth trying, by rising file size
    settings: tuple[float, ...]  # the few that a sweep measures, by rising file size
    options: dict[str, Any] = field(default_factory=dict, repr=False)  # arguments of Image.save
    knob: Callable[[float], dict[str, Any]] = field(default=_whole, repr=False)  # setting -> more of them
    plugin: str | None = None  # module that teaches Pillow the format

    def missing(self) -> str | None:
        """Why this codec cannot take part here; None if it can."""
        if self.plugin is None:
            return None if features.check(self.library) else f"this Pillow is built without {self.library}"
        try:
            version(self.library)
            self._register()
        except (ImportError, PackageNotFoundError):
            return f"needs the package {self.library} (pip install {self.library})"
        return None

    @cached_property
    def weights(self) -> str:
        """Library and version, in the place where a learned codec has the fingerprint of its weights."""
        found = features.version(self.library) if self.plugin is None else version(self.library)
        return f"{self.library} {found}"

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """(H,W,3) uint8 RGB -> bytes of a whole file."""
        self._register()
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, self.file_format, **self.knob(setting), **self.options)
        return buffer.getvalue()

    def decode(self, data: bytes) -> Pixels:
        """Bytes of a whole file -> (H,W,3) uint8 RGB."""
        self._register()
        with Image.open(io.BytesIO(data), formats=[self.file_format]) as image:
            return np.asarray(image.convert("RGB"))

    def _register(self) -> None:
        if self.plugin is None:
            return
        module = importlib.import_module(self.plugin)  # registers itself with Pillow, or
        if hasattr(module, "register_heif_opener"):  # is asked to
            module.options.DECODE_THREADS = 1
            module.register_heif_opener()


@dataclass(frozen=True, kw_only=True)
class Jpegli(Opponent):
    """JPEG by jpegli, which has no plugin for Pillow; every JPEG decoder reads its files, ours is Pillow's."""

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """See Opponent."""
        height, width = pixels.shape[:2]
        coder = importlib.import_module("pyjpegli")
        data: bytes = coder.encode(np.ascontiguousarray(pixels), width, height, quality=int(setting))
        return data


def _steps(low: int, high: int) -> tuple[float, ...]:
    return tuple(float(setting) for setting in range(low, high + 1))


_AVIF = {"subsampling": "4:4:4", "speed": 6, "max_threads": 1, "autotiling": False}
# tune=psnr alone leaves x265's adaptive and psychovisual choices on, which cost PSNR
_X265_FOR_PSNR = {"preset": "slow", "tune": "psnr", "x265:aq-mode": "0", "x265:psy-rd": "0", "x265:psy-rdoq": "0"}
RATIOS = tuple(2000 * 0.99**step for step in range(688))
"""JPEG 2000's knob is the compression ratio: from 2000 down to 2 in steps of one per cent."""

_PILLOW = (
    Opponent(
        name="jpeg",
        description="libjpeg-turbo, 4:2:0, baseline, optimised Huffman tables",
        library="libjpeg_turbo",
        file_format="JPEG",
        ladder=_steps(1, 100),
        settings=(5, 8, 12, 18, 26, 38, 52, 68, 80),
        options={"subsampling": "4:2:0", "optimize": True},
    ),
    Opponent(
        name="webp",
        description="libwebp lossy, 4:2:0, method 6",
        library="webp",
        file_format="WEBP",
        ladder=tuple(quarter / 4 for quarter in range(401)),  # libwebp takes fractions
        settings=(0, 2, 5, 10, 20, 35, 50, 65, 78, 88),
        options={"method": 6},
        knob=lambda quality: {"quality": quality},
    ),
    Opponent(
        name="jpeg2000",
        description="OpenJPEG, irreversible 9/7 transform, one layer (setting: compression ratio)",
        library="jpg_2000",
        file_format="JPEG2000",
        ladder=RATIOS,
        settings=(400, 240, 160, 100, 64, 44, 32, 22, 16),
        options={"quality_mode": "rates", "irreversible": True, "mct": 1},
        knob=lambda ratio: {"quality_layers": [ratio]},
    ),
    Opponent(
        name="avif",
        description="libaom, 4:4:4, 8 bit, speed 6, default tuning",
        library="avif",
        file_format="AVIF",
        ladder=_steps(0, 100),
        settings=(0, 8, 17, 28, 40, 52, 64, 76),
        options=_AVIF,
    ),
    Opponent(
        name="avif-psnr",
        description="libaom, 4:4:4, 8 bit, speed 6, tune=psnr",
        library="avif",
        file_format="AVIF",
        ladder=_steps(0, 100),
        settings=(0, 6, 13, 21, 31, 42, 53, 64),
        options=_AVIF | {"advanced": {"tune": "psnr"}},
    ),
    Opponent(
        name="avif-slow",
        description="libaom, 4:4:4, 8 bit, speed 4, tune=psnr",
        library="avif",
        file_format="AVIF",
        ladder=_steps(0, 100),
        settings=(0, 6, 13, 21, 31, 42, 53, 64),
        options=_AVIF | {"advanced": {"tune": "psnr"}, "speed": 4},
    ),
    Opponent(
        name="avif-ssimulacra2",
        description="libaom, 4:4:4, 8 bit, speed 6, tune=ssimulacra2",
        library="avif",
        file_format="AVIF",
        ladder=_steps(0, 99),  # 100 would be lossless, which this tuning refuses
        settings=(0, 6, 13, 22, 33, 45, 58, 70),
        options=_AVIF | {"advanced": {"tune": "ssimulacra2"}},
    ),
    Opponent(
        name="jxl",
        description="libjxl, effort 7",
        library="pillow-jxl-plugin",
        plugin="pillow_jxl",
        file_format="JXL",
        ladder=_steps(0, 99),  # 100 would be lossless, another codec altogether
        settings=(0, 8, 16, 25, 35, 47, 60, 72, 81, 88),
        options={"effort": 7, "num_threads": 1},
    ),
    Opponent(
        name="hevc",
        description="x265 intra in HEIF, 4:4:4, 8 bit, preset slow, tuned for PSNR",
        library="pillow-heif",
        plugin="pillow_heif",
        file_format="HEIF",
        ladder=_steps(0, 99),  # 100 would be lossless, another codec altogether
        settings=(0, 4, 9, 15, 22, 29, 36, 43),
        options={"chroma": "444", "enc_params": _X265_FOR_PSNR},
    ),
    Opponent(
        name="hevc-default",
        description="x265 intra in HEIF, 4:2:0, 8 bit, as pillow-heif sets it up (preset slow, tune=ssim)",
        library="pillow-heif",
        plugin="pillow_heif",
        file_format="HEIF",
        ladder=_steps(0, 99),
        settings=(0, 7, 15, 23, 32, 41, 50, 60),
        options={"chroma": "420"},
    ),
    Jpegli(
        name="jpegli",
        description="jpegli, 4:2:0, sequential, as pyjpegli sets it up",
        library="pyjpegli",
        plugin="pyjpegli",
        file_format="JPEG",
        ladder=_steps(1, 100),
        settings=(1, 8, 16, 25, 38, 52, 68, 80),
    ),
)

OPPONENTS: dict[str, Opponent | Vvc | Bpg] = {opponent.name: opponent for opponent in (*_PILLOW, Vvc(), Bpg())}
