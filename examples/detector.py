"""A region of interest from a detector of your own: here the eyes most, the rest of the face half as much.

    python examples/detector.py [PICTURE] [--bpp 0.12] [--strength 30] [-o detector.png]

A detector is any function from pixels (H,W,3) to an array (h,w) of numbers from 0, not at all, to 1, matters most; a
network that returns boxes or a saliency map becomes one in a few lines, as OpenCV's face cascade does here. Needs
`pip install 'regio[regions]'`. The photograph is Matplotlib's portrait unless another is named.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray

import regio
from regio.errors import RegioError
from regio.evaluation.side_by_side import Panel, side_by_side
from regio.images import Pixels, read_picture
from regio.models.catalog import DEFAULT
from regio.regions import importance

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
EYES = 0.22, 0.52  # from where to where down a face they lie


class Eyes:
    """Faces by a cascade, and in each a band for the eyes."""

    name = "eyes and faces"  # what messages call the detector

    def __init__(self) -> None:
        self.cascade = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_alt2.xml")

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """Pixels (H,W,3) -> importance (H,W): 1 in the band, 0.5 elsewhere in a face, 0 around it."""
        values = np.zeros(pixels.shape[:2], np.float32)
        least = max(24, min(pixels.shape[:2]) // 12)
        faces = self.cascade.detectMultiScale(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 1.1, 5, minSize=(least, least))
        for x, y, width, height in faces:
            values[y : y + height, x : x + width] = np.maximum(values[y : y + height, x : x + width], 0.5)
            top, bottom = (y + round(share * height) for share in EYES)
            values[top:bottom, x : x + width] = 1
        return values


def main() -> None:
    """Encode at equal bytes without and with the detector, and show what the decoder makes of both."""
    options = arguments()
    photo = read_picture(options.picture).pixels
    detector = Eyes()
    region = importance(detector, photo)  # `roi=detector` would do; asked for here to say what it found
    if not region.found:
        raise SystemExit(f"{options.picture.name}: {region.what}")
    codec = regio.load(options.codec, device="cpu")
    even = codec.encode(photo, target_bpp=options.bpp)
    moved = codec.encode(photo, max_bytes=len(even), roi=detector, roi_strength=options.strength)
    shade = 0.25 + 0.75 * region.values[..., None] / 255
    panels = [Panel("the detector", (region.what,), (photo * shade).astype(np.uint8))]
    places = {"eyes": region.values > 200, "face": region.values > 100, "all": np.ones(photo.shape[:2], bool)}
    for title, data in (("spread evenly", even), ("by the detector", moved)):
        decoded = np.asarray(codec.decode(data))
        figures = ", ".join(f"{name} {psnr(photo, decoded, where):.1f}" for name, where in places.items())
        panels.append(Panel(title, (f"{len(data)} bytes", f"dB: {figures}"), decoded))
        print(f"{title}: {len(data)} bytes; dB: {figures}")
    side_by_side(panels, []).save(options.output)
    print(f"written: {options.output}")


def psnr(original: Pixels, decoded: Pixels, where: NDArray[np.bool_]) -> float:
    """PSNR in dB over the pixels of a mask (H,W)."""
    error = np.square(decoded[where].astype(np.float64) - original[where]).mean()
    return float(10 * np.log10(255**2 / error))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Move bytes to what a detector finds.")
    parser.add_argument("picture", nargs="?", type=Path, default=PORTRAIT, help="default: Matplotlib's portrait")
    parser.add_argument("--bpp", type=float, default=0.12, help="bits per pixel of both files; default 0.12")
    parser.add_argument("--strength", type=float, default=30, help="points of quality between region and rest")
    parser.add_argument("--codec", default=DEFAULT, help=f"a bundled name or a .safetensors path; default {DEFAULT}")
    parser.add_argument("--output", "-o", type=Path, default=Path("detector.png"), help="default: detector.png")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except (RegioError, OSError) as error:
        sys.exit(str(error))
