"""The salient object: found by our own network, which is small enough to run in numpy.

It is distilled from the maps of a larger saliency network (docs/decisions/0013, `benchmarks/salient.py`).

    96² ─ stem ─► 48² ─ c2 c3 ─► 24² ─ c4 c5 ─► 12² ─ c6 c7 ─► 6² ─ + mean
                   │              │              │               │
    48² ◄─ head ── d1 ◄── ×2 ──── d2 ◄── ×2 ──── d3 ◄──── ×2 ────┘
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regio.errors import MissingWeights

SIDE = 96  # pixels: what the network looks at, whatever the shape of the picture
Layer = tuple[int, int, int, int]  # channels before, after, kernel, stride
LAYERS: dict[str, Layer] = {
    "stem": (5, 16, 3, 2),
    "c2": (16, 32, 3, 2),
    "c3": (32, 32, 3, 1),
    "c4": (32, 48, 3, 2),
    "c5": (48, 48, 3, 1),
    "c6": (48, 56, 3, 2),
    "c7": (56, 56, 3, 1),
    "mean": (56, 56, 1, 1),
    "u3": (56, 48, 1, 1),
    "d3": (48, 48, 3, 1),
    "u2": (48, 32, 1, 1),
    "d2": (32, 32, 3, 1),
    "u1": (32, 16, 1, 1),
    "d1": (16, 16, 3, 1),
    "head": (16, 1, 1, 1),
}
Floats = NDArray[np.float32]


def walk(x: Any, layer: Callable[[str, Any], Any], relu: Any, mean: Any, double: Any) -> Any:
    """The network, for any kind of array: x (B,5,S,S) -> logits (B,1,S/2,S/2). Training and use share it.

    layer(name, x) is the convolution of LAYERS, mean(x) the average over positions, double(x) repeats each of them.
    """
    half = relu(layer("stem", x))
    fourth = relu(layer("c3", relu(layer("c2", half))))
    eighth = relu(layer("c5", relu(layer("c4", fourth))))
    deep = relu(layer("c7", relu(layer("c6", eighth))))
    deep = relu(deep + layer("mean", mean(deep)))
    eighth = relu(layer("d3", relu(layer("u3", double(deep)) + eighth)))
    fourth = relu(layer("d2", relu(layer("u2", double(eighth)) + fourth)))
    half = relu(layer("d1", relu(layer("u1", double(fourth)) + half)))
    return layer("head", half)


def places(side: int) -> Floats:
    """(1,2,side,side): how far from the middle each position lies, down and across."""
    off = np.abs((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5) * 4 - 1
    return np.stack(np.broadcast_arrays(off[:, None], off[None]))[None].astype(np.float32)


class Salient:
    """The salient object of a picture."""

    def __init__(self, weights: Path | None = None) -> None:
        """weights: a file that `benchmarks/salient.py` made; default: the one that comes with Regio. MissingWeights."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = weights or Path(__file__).parents[1] / "weights" / "salient.safetensors"
        try:
            self.tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(path).items()}
        except (OSError, SafetensorError) as error:
            raise MissingWeights(f"{path}: the weights of the salient-object network are missing or damaged") from error
        for name, (before, after, kernel, _) in LAYERS.items():
            weight = self.tensors.get(f"{name}.weight")
            if weight is None or weight.shape != (after, before, kernel, kernel) or f"{name}.bias" not in self.tensors:
                raise MissingWeights(f"{path}: not the weights of the salient-object network (layer {name})")

    def map(self, pixels: NDArray[np.uint8]) -> Floats:
        """(H,W,3) -> (S/2,S/2) in 0..1: the picture squeezed to a square, how salient each part of it is."""
        from PIL import Image

        small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX)
        x = (np.asarray(small).astype(np.float32).transpose(2, 0, 1)[None] - 127.5) / 64
        logits = walk(np.concatenate([x, places(SIDE)], 1), self._layer, _relu, _mean, _double)
        return np.asarray(1 / (1 + np.exp(-logits[0, 0])), np.float32)

    def _layer(self, name: str, x: Floats) -> Floats:
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        return convolve(x, weight, LAYERS[name][3]) + bias[:, None, None]


def convolve(x: Floats, weight: Floats, stride: int) -> Floats:
    """x (1,C,h,w), weight (K,C,k,k), k odd, zeros outside -> (1,K,h/stride,w/stride)."""
    kernel = weight.shape[2]
    padded = np.pad(x[0], ((0, 0), (kernel // 2,) * 2, (kernel // 2,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (1, 2))[:, ::stride, ::stride]
    columns = windows.transpose(0, 3, 4, 1, 2).reshape(weight[0].size, -1)
    return np.asarray(weight.reshape(len(weight), -1) @ columns).reshape(1, len(weight), *windows.shape[1:3])


def _relu(x: Floats) -> Floats:
    return np.maximum(x, 0)


def _mean(x: Floats) -> Floats:
    return np.asarray(x.mean((2, 3), keepdims=True))


def _double(x: Floats) -> Floats:
    return x.repeat(2, 2).repeat(2, 3)
