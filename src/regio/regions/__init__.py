"""Regions of interest as importance maps: boxes, polygons, masks, labels, and detectors. No torch.

`importance` takes everything a region of interest can be; `pool` brings its map to the grid of a latent. Detectors for
faces and text need OpenCV (`pip install 'regio[regions]'`), those of other people ONNX Runtime ('regio[detectors]').
"""

from regio.regions.maps import Importance, Labels, Polygon, read_labels
from regio.regions.onnx import OnnxDetector
from regio.regions.smoothing import BOX, pool, smooth, upper_half
from regio.regions.sources import DETECTORS, importance

__all__ = [
    "BOX", "DETECTORS", "Importance", "Labels", "OnnxDetector", "Polygon", "importance", "pool", "read_labels",
    "smooth", "upper_half",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
