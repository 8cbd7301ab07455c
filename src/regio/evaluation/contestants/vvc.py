"""VVC intra by VVenC, through installed programs: vvencapp and vvdecapp, or an ffmpeg that has both.

VVenC takes 4:2:0 only. Pictures become YCbCr of BT.709, full range, 10 bits, chroma averaged over 2 x 2 pixels and put
back by cubic interpolation; odd sizes are continued by a row or column, sides under 64 to 64 (VVenC fails on some
smaller ones). The file is the bitstream and four bytes for the picture's size. VTM, which papers use, is another
encoder: slower, somewhat better, and for 4:4:4; a curve of one is no curve of the other.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from regio.errors import RegioError
from regio.evaluation.budget import OnLadder
from regio.evaluation.contestants.programs import run_program, version_of
from regio.images import Pixels

Plane = npt.NDArray[np.float32]
KR, KB = 0.2126, 0.0722  # BT.709
TOP = 1023  # 10 bits


class Programs(NamedTuple):
    """The programs that encode and decode; the same twice for ffmpeg."""

    encoder: str
    decoder: str
    version: str

    @property
    def is_ffmpeg(self) -> bool:
        return self.encoder == self.decoder


@dataclass(frozen=True)
class Vvc(OnLadder):
    """VVC as a contestant; its setting is the quantisation parameter, 63 smallest to 8 best (VVenC fails under it)."""

    name: str = "vvc"
    preset: str = "slow"
    ladder: tuple[float, ...] = tuple(float(qp) for qp in range(63, 7, -1))
    settings: tuple[float, ...] = (50, 46, 42, 37, 32, 27, 22, 17)

    @property
    def description(self) -> str:
        return f"VVenC intra, 4:2:0, 10 bit, preset {self.preset}, without perceptual adaptation (setting: QP)"

    @cached_property
    def programs(self) -> Programs | None:
        """The programs found, if any."""
        return find_programs()

    @property
    def weights(self) -> str:
        return self.programs.version if self.programs else "absent"

    def missing(self) -> str | None:
        """Why it cannot take part here; None if it can."""
        return None if self.programs else "needs vvencapp and vvdecapp, or an ffmpeg with libvvenc (imageio-ffmpeg has)"

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """(H,W,3) uint8 RGB -> bytes. Raises RegioError with the program's first line if it fails."""
        height, width = pixels.shape[:2]
        samples = to_samples(pixels)
        size = f"{_coded(width)}x{_coded(height)}"
        programs = self._programs()
        if programs.is_ffmpeg:
            raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", size, "-i", "-", "-frames:v", "1"]
            coder = ["-c:v", "libvvenc", "-preset", self.preset, "-qp", f"{setting:g}", "-qpa", "0", "-threads", "1"]
            data = run_program([programs.encoder, *QUIET, *raw, *coder, "-f", "vvc", "-"], samples)
        else:
            shape = ["-s", size, "-c", "yuv420_10", "-r", "25", "-f", "1"]
            coder = ["--preset", self.preset, "-q", f"{setting:g}", "--qpa", "0", "-t", "1", "-v", "1"]
            data = _through_files([programs.encoder, *shape, *coder], "-i", samples)
        return int(width).to_bytes(2, "big") + int(height).to_bytes(2, "big") + data

    def decode(self, data: bytes) -> Pixels:
        """Bytes -> (H,W,3) uint8 RGB. Raises RegioError with the program's first line if it fails."""
        width, height = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        programs = self._programs()
        if programs.is_ffmpeg:
            raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-"]
            samples = run_program([programs.decoder, *QUIET, "-f", "vvc", "-threads", "1", "-i", "-", *raw], data[4:])
        else:
            samples = _through_files([programs.decoder, "-t", "1", "-v", "1"], "-b", data[4:])
        return to_pixels(samples, height, width)

    def _programs(self) -> Programs:
        if self.programs is None:
            raise RegioError(f"vvc {self.missing()}")
        return self.programs


QUIET = ("-hide_banner", "-loglevel", "error")


def find_programs() -> Programs | None:
    """vvencapp and vvdecapp of the search path, else an ffmpeg there or of imageio-ffmpeg that does both."""
    encoder, decoder = shutil.which("vvencapp"), shutil.which("vvdecapp")
    if encoder and decoder:
        return Programs(encoder, decoder, f"vvenc {version_of([encoder, '--version'])}")
    candidates = [shutil.which("ffmpeg")]
    try:
        import imageio_ffmpeg

        candidates.append(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        pass
    for ffmpeg in filter(None, candidates):
        codecs = subprocess.run([ffmpeg, *QUIET, "-codecs"], capture_output=True, text=True, check=False).stdout
        line = next((line for line in codecs.splitlines() if " vvc " in line), "")
        if line.strip().startswith("DEV") and "libvvenc" in line:
            return Programs(ffmpeg, ffmpeg, f"libvvenc in ffmpeg {version_of([ffmpeg, '-version'])}")
    return None


def to_samples(pixels: Pixels) -> bytes:
    """(H,W,3) uint8 RGB -> planes Y, Cb, Cr of an even size, 4:2:0, 16-bit words of 10 bits."""
    height, width = pixels.shape[:2]
    more = ((0, _coded(height) - height), (0, _coded(width) - width), (0, 0))
    even = np.pad(pixels, more, mode="edge").astype(np.float32) / 255
    red, green, blue = even[..., 0], even[..., 1], even[..., 2]
    luma = KR * red + (1 - KR - KB) * green + KB * blue
    chroma = [0.5 * (blue - luma) / (1 - KB) + 0.5, 0.5 * (red - luma) / (1 - KR) + 0.5]
    halved = [plane.reshape(plane.shape[0] // 2, 2, -1, 2).mean((1, 3)) for plane in chroma]
    return b"".join((plane * TOP).round().clip(0, TOP).astype("<u2").tobytes() for plane in (luma, *halved))


def to_pixels(samples: bytes, height: int, width: int) -> Pixels:
    """The way back -> (H,W,3) uint8 RGB. Raises RegioError if there are not as many samples as that takes."""
    rows, columns = _coded(height), _coded(width)
    words = np.frombuffer(samples, "<u2").astype(np.float32) / TOP
    if words.size != rows * columns * 3 // 2:
        raise RegioError(f"vvc: {words.size} samples decoded, {rows * columns * 3 // 2} expected")
    luma, blues, reds = np.split(words, [rows * columns, rows * columns * 5 // 4])
    luma = luma.reshape(rows, columns)
    blue_part, red_part = (_enlarged(plane.reshape(rows // 2, columns // 2)) - 0.5 for plane in (blues, reds))
    red, blue = luma + 2 * (1 - KR) * red_part, luma + 2 * (1 - KB) * blue_part
    green = (luma - KR * red - KB * blue) / (1 - KR - KB)
    rgb = np.stack([red, green, blue], -1)[:height, :width]
    return (rgb * 255).round().clip(0, 255).astype(np.uint8)


def _coded(side: int) -> int:
    """A side of the picture that VVC gets."""
    return max(64, side + side % 2)


def _enlarged(plane: npt.NDArray[Any]) -> Plane:
    height, width = plane.shape
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((2 * width, 2 * height), Image.Resampling.BICUBIC))


def _through_files(command: Sequence[str], source: str, fed: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        given, made = Path(place) / "in", Path(place) / "out"
        given.write_bytes(fed)
        run_program([*command, source, str(given), "-o", str(made)])
        return made.read_bytes()
