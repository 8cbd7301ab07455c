"""Arrays and tensors in and out."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
import toy_codec
from PIL import Image

import regio
from regio.arrays import given_as, image_of
from regio.errors import BadImage, UsageError
from regio.images import read_picture

PIXELS = toy_codec.picture(20, 30)


@pytest.mark.parametrize(
    "source",
    [
        PIXELS,
        PIXELS.astype(np.float32) / 255,
        (PIXELS / 255).tolist,
        torch.from_numpy(PIXELS).movedim(2, 0),
        torch.from_numpy(PIXELS).movedim(2, 0) / 255,
        (torch.from_numpy(PIXELS).movedim(2, 0) / 255).double().requires_grad_(),
    ],
    ids=["uint8", "float32", "array-like", "tensor", "float tensor", "float64 tensor with gradient"],
)
def test_every_kind_of_array_is_the_same_picture(source: Any) -> None:
    if callable(source) and not isinstance(source, torch.Tensor):

        class Like:
            def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
                return PIXELS

        source = Like()
    np.testing.assert_array_equal(read_picture(source).pixels, PIXELS)
    assert toy_codec.toy().encode(source) == toy_codec.toy().encode(PIXELS)


def test_every_level_survives_floating_point() -> None:
    levels = np.arange(256, dtype=np.uint8)[None]
    for kind in (np.float32, np.float64):
        np.testing.assert_array_equal(np.asarray(image_of(levels.astype(kind) / 255)), levels)
    half = torch.from_numpy(levels).to(torch.bfloat16) / 255  # 8 bits of mantissa: neighbours may fall together
    assert np.abs(np.asarray(image_of(half)).astype(int) - levels).max() <= 1
    assert np.asarray(image_of(np.array([[0.49 / 255, 0.5 / 255, 1.0]]))).tolist() == [[0, 1, 255]]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_channels_of_a_tensor_come_first_and_say_what_it_is(channels: int, mode: str) -> None:
    tensor = torch.arange(channels * 6, dtype=torch.uint8).view(channels, 2, 3)
    image = image_of(tensor)
    assert image.mode == mode
    assert torch.equal(given_as(image, "torch"), tensor)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (torch.zeros(2, 3, 8, 8), r"shape \(2, 3, 8, 8\) is a batch: one picture at a time, such as x\[0\]"),
        (torch.zeros(8, 8, 3), r"tensor of shape \(8, 8, 3\): \(H,W\) or \(C,H,W\) with 1 to 4"),
        (np.zeros((3, 8, 8), np.uint8), r"array of shape \(3, 8, 8\): \(H,W\) or \(H,W,C\) with 1 to 4"),
        (torch.full((3, 2, 2), 1.01), "from 1.01 to 1.01: must be from 0 to 1; clip or divide first"),
        (torch.tensor([[float("nan")]]), "must be from 0 to 1"),
        (torch.zeros(3, 2, 2, dtype=torch.int64), "pixels of int64"),
        (torch.zeros(3, 0, 2), "no pixels"),
    ],
)
def test_what_is_no_picture_is_refused(source: Any, message: str) -> None:
    with pytest.raises(BadImage, match=message):
        read_picture(source)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_decoding_gives_what_is_asked_for(mode: str) -> None:
    codec = toy_codec.toy()
    data = codec.encode(Image.fromarray(PIXELS).convert(mode))
    image = codec.decode(data)
    array, tensor = codec.decode(data, as_="numpy"), codec.decode(data, as_="torch")
    np.testing.assert_array_equal(array, np.asarray(image))
    assert array.flags.writeable
    assert (tensor.dtype, tuple(tensor.shape)) == (torch.uint8, (len(mode), 20, 30))
    np.testing.assert_array_equal(tensor.movedim(0, 2).numpy().squeeze(), array)
    part = regio.decode(data, codec=codec, as_="torch", region=(3, 4, 5, 6))
    assert torch.equal(part, tensor[:, 4:10, 3:8])
    with pytest.raises(UsageError, match="as_='jax': must be 'pil', 'numpy' or 'torch'"):
        codec.decode(data, as_="jax")  # type: ignore[call-overload]


def test_a_mask_may_be_a_tensor() -> None:
    codec, mask = toy_codec.toy(), np.zeros((20, 30), bool)
    mask[2:9, 4:12] = True
    expected = codec.encode(PIXELS, roi=mask)
    assert codec.encode(PIXELS, roi=torch.from_numpy(mask)) == expected
    assert codec.encode(PIXELS, roi=torch.from_numpy(mask).float()) == expected


def test_arrays_need_no_torch() -> None:
    code = "import sys, numpy, regio.arrays as a; a.image_of(numpy.zeros((2, 2))); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
