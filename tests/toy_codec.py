"""Small codecs with untrained weights, whose layers all do something, and what tests code with them."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regio.codec import Codec
from regio.codec.layout import Tiling
from regio.entropy.tables import SCALE_MIN
from regio.models.segpic import PRESETS, SegPIC, SegPICConfig
from regio.weights import store

PAGE = Path(__file__).parents[1] / "docs" / "format.md"


def toy_net(config: SegPICConfig = PRESETS["toy"], seed: int = 0) -> SegPIC:
    """Scales by whole numbers. Fresh, our models are plain transform coders: what starts as zero is made not to be."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    net = SegPIC(config).eval().requires_grad_(False)
    for parameter in net.parameters():
        if not parameter.any():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.005)
    return net


SMALL_PAPER = PRESETS["toy-guarded"]


def paper_net(config: SegPICConfig = SMALL_PAPER, seed: int = 0) -> SegPIC:
    """The paper's model, made small: scales in floating point, which depend on context, and a guard band."""
    torch.manual_seed(seed)
    net = SegPIC(config).eval().requires_grad_(False)
    assert net.context is not None
    assert net.context.scales is not None
    for scales in net.context.scales:  # fresh, they would all lie under the lowest table
        last = scales[-1]
        last.weight.mul_(5)
        last.bias.copy_(SCALE_MIN * torch.exp(torch.rand(len(last.bias)) * 4))
    convolutions = [module for module in net.g_a2.modules() if isinstance(module, torch.nn.Conv2d)]
    last_conv = [conv for conv in convolutions if conv.stride == (2, 2)][-1]
    last_conv.weight.mul_(20)  # and the latents be all zero
    return net


def codec_of(net: SegPIC, name: str = "toy", half: bool = False) -> Codec:
    """Through a weights file, as everybody's codec is made."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        store.save(net, path, name=name, half=half)
        return Codec(store.load(path), "cpu")


@lru_cache(maxsize=1)
def toy() -> Codec:
    return codec_of(toy_net())


@lru_cache(maxsize=1)
def paper() -> Codec:
    return codec_of(paper_net(), "paper")


@contextmanager
def tiling(log2_side: int, block: int, *codecs: Codec) -> Iterator[None]:
    """Let codecs (toy and paper, if none are named) write every picture in tiles, and synthesise in blocks."""
    runtimes = [codec.runtime for codec in codecs or (toy(), paper())]
    before = [runtime.tiling for runtime in runtimes]
    for runtime in runtimes:
        runtime.tiling = Tiling(whole_pixels=0, log2_sides=(log2_side,), blocks=(block, block))
    yield
    for runtime, one in zip(runtimes, before, strict=True):
        runtime.tiling = one


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """(H,W,3): long waves, an edge here and there and a little noise, so that some symbols are not zero."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(3):
        a, b, c = generator.uniform(0.01, 0.07, 3)
        planes.append(70 * np.sin(a * rows + b * columns) + 20 * np.sign(np.sin(c * (columns - rows))))
    noisy = np.stack(planes, axis=2) + 128 + generator.normal(0, 2, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def code_of_page() -> dict[str, Any]:
    """What the Python code of docs/format.md defines."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)
    return names
