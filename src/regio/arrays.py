"""Pictures as arrays: NumPy's (H,W,C), torch's (C,H,W), 8 bits or numbers from 0 to 1.

torch is not imported here unless a tensor is asked for; one that is given has brought it along.
"""

import sys
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from regio.errors import BadImage, UsageError

Form = Literal["pil", "numpy", "torch"]
_CHANNELS = (1, 2, 3, 4)  # L, LA, RGB, RGBA


def is_array(source: object) -> bool:
    """Whether this is an array of NumPy's, a tensor of torch's, or something that NumPy can make an array of."""
    return isinstance(source, np.ndarray) or (hasattr(source, "__array__") and not isinstance(source, Image.Image))


def image_of(source: Any) -> Image.Image:
    """An array (H,W) or (H,W,C), or a torch tensor (H,W) or (C,H,W), C 1 to 4 -> L, LA, RGB or RGBA.

    uint8, 0 to 255, or floating point, 0 to 1, rounded to the nearest of 255 steps. BadImage for all else: nothing is
    clipped, since what is out of range is more often a mistake than meant.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.Tensor):
        return _from_hwc(_array_of_tensor(source), f"tensor of shape {tuple(source.shape)}", "(C,H,W)")
    array = np.asarray(source)
    return _from_hwc(array, f"array of shape {array.shape}", "(H,W,C)")


def given_as(image: Image.Image, form: Form) -> Any:
    """A decoded picture as image, uint8 array (H,W[,C]) or uint8 tensor (C,H,W)."""
    if form == "pil":
        return image
    if form == "numpy":
        return np.array(image)
    if form == "torch":
        import torch

        array = np.array(image)
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.atleast_3d(array), 2, 0)))
    raise UsageError(f"as_={form!r}: must be 'pil', 'numpy' or 'torch'")


def _array_of_tensor(tensor: Any) -> npt.NDArray[Any]:
    """(C,H,W) -> (H,W,C), in a type that NumPy knows."""
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()  # NumPy knows no bfloat16
    array: npt.NDArray[Any] = tensor.numpy()
    if array.ndim == 4:
        raise BadImage(f"tensor of shape {array.shape} is a batch: one picture at a time, such as x[0]")
    return np.moveaxis(array, 0, 2) if array.ndim == 3 else array


def _from_hwc(array: npt.NDArray[Any], what: str, order: str) -> Image.Image:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in _CHANNELS:
        raise BadImage(f"{what}: (H,W) or {order} with 1 to 4 channels is needed")
    if 0 in array.shape:
        raise BadImage(f"{what} has no pixels")
    pixels = _to_8_bits(array)
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if array.ndim == 3 and channels == 1 else pixels))


def _to_8_bits(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise BadImage(f"pixels of {array.dtype}: must be uint8 from 0 to 255, or floating point from 0 to 1")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # so that NaN does not pass
        raise BadImage(f"floating-point pixels from {low:.4g} to {high:.4g}: must be from 0 to 1; clip or divide first")
    return np.floor(array.astype(np.float64) * 255 + 0.5).astype(np.uint8)
