"""OpenCV, which is optional, and the grey picture that its detectors look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from regio.errors import RegioError


def cv2_of(purpose: str) -> Any:
    """The module; RegioError that says how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise RegioError(f"{purpose} needs OpenCV: pip install 'regio[regions]'") from error
    return cv2


def resized_to(cv2: Any, pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(H,W,3) -> (h,w,3) with a long side of at most `side`."""
    factor = min(1.0, side / max(pixels.shape[:2]))
    size = tuple(max(1, round(length * factor)) for length in pixels.shape[1::-1])
    small: NDArray[np.uint8] = pixels if factor == 1 else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small)


def grey_of(cv2: Any, pixels: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """(H,W,3) -> grey (h,w), its long side at most `side`, and h / H."""
    grey: NDArray[np.uint8] = cv2.cvtColor(resized_to(cv2, pixels, side), cv2.COLOR_RGB2GRAY)
    return grey, min(1.0, side / max(pixels.shape[:2]))
