"""The effect of regions in SegPIC: grids compared with label maps at equal weights, and the resulting kernels.

Table 3 and Figure 9 of [Liu2024].

[Liu2024] Liu et al., "Region-Adaptive Transform with Segmentation Prior for Image Compression", 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from regio.codec import Codec
from regio.errors import UsageError
from regio.evaluation.contestants import Own
from regio.evaluation.estimates import estimated, padded, rate_of
from regio.evaluation.judging import Judges
from regio.evaluation.plots import written
from regio.evaluation.sweep import Row
from regio.images import Pixels, read_picture

GRIDS = (1, 2, 4, 8)
Find = Callable[[Path, Pixels], Tensor | None]  # file, (H,W,3) uint8 -> labels (H,W)


def grids_of(own: Own) -> list[Own]:
    """The codec once with each grid. Raises UsageError if a model of it knows no regions."""
    for setting in own.settings:
        codec = own.at(setting)[0].codec
        if not any("kernels" in name for name, _ in codec.net.named_modules()):
            raise UsageError(f"{codec.name} has no region-adaptive transform")
    return [own.with_grid(grid) for grid in GRIDS]


def with_labels(own: Own, pictures: Mapping[str, Path], find: Find, qualities: Sequence[float]) -> list[Row]:
    """Rows of the codec with each grid and with label maps. All bytes are estimated, as no file carries a map.

    find: file and pixels -> its label map (H,W), or None: the picture is left out. Raises UsageError if all are.
    """
    rows: list[Row] = []
    for name, path in pictures.items():
        pixels = read_picture(path).pixels
        labels = find(path, pixels)
        if labels is None:
            continue
        original = Judges().look_at(name, pixels)
        for setting in own.settings_for(qualities):
            member, quality = own.at(setting)
            x, regions = padded(member.codec, pixels, labels)
            rate = rate_of(x, member.codec, quality)
            ways: dict[str, dict[str, Any]] = {f"{grid}x{grid}": {"grid": grid} for grid in GRIDS}
            for label, where in (ways | {"label maps": {"regions": regions}}).items():
                with torch.inference_mode():
                    made = member.codec.net(x, rate=rate, **where)
                rows.append(estimated(own, label, name, original, setting, made))
    if not rows:
        raise UsageError("no picture has a label map")
    return rows


class Kernels(NamedTuple):
    """Of one region-adaptive transform: the largest magnitude over channels and taps, (h,w) each."""

    layer: str
    values: Tensor
    gradients: Tensor  # of the squared error of the whole picture


def kernels_of(
    codec: Codec, pixels: Pixels, labels: Tensor | None, *, quality: float = 50
) -> tuple[list[Kernels], Tensor]:
    """Kernels that the encoder's transforms make of (H,W,3) pixels, and the squared error (H,W) of the decoded picture.

    labels (H,W), or None for a grid of 4 x 4. Raises UsageError if the model has no region-adaptive transform.
    """
    made: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Any, Any, Tensor], None]:
        def hook(module: Any, given: Any, kernels: Tensor) -> None:
            if name not in made:
                made[name] = kernels
                kernels.retain_grad()

        return hook

    net = codec.net
    found = [(name, module) for name, module in net.named_modules() if name.split(".")[-1] == "kernels"]
    if not found:
        raise UsageError(f"{codec.name} has no region-adaptive transform")
    hooks = [module.register_forward_hook(keep(name)) for name, module in found]
    try:
        x, regions = padded(codec, pixels, labels)
        x.requires_grad_(True)
        error = (net(x, regions=regions, grid=4, rate=rate_of(x, codec, quality)).x_hat - x.detach()).square()
        error.sum().backward()
    finally:
        for hook in hooks:
            hook.remove()
    parts = [
        Kernels(name.removesuffix(".kernels"), _largest(kernels.detach()), _largest(kernels.grad))
        for name, kernels in made.items()
        if kernels.grad is not None
    ]
    height, width = pixels.shape[:2]
    return parts, error.detach()[0, :, :height, :width].mean(0).cpu()


def kernel_figure(codec: Codec, pixels: Pixels, labels: Tensor, path: Path, *, quality: float = 50) -> None:
    """Draw Figure 9 of [Liu2024]: error, kernels and their gradients, label maps above, a 4 x 4 grid below."""
    from matplotlib.figure import Figure

    rows = {"label maps": kernels_of(codec, pixels, labels, quality=quality)}
    rows["4 x 4 grid"] = kernels_of(codec, pixels, None, quality=quality)
    layers = [part.layer for part in rows["4 x 4 grid"][0]]
    drawing = Figure(figsize=(3 * (2 + 2 * len(layers)), 2 * 3), layout="constrained")
    axes = drawing.subplots(2, 2 + 2 * len(layers), squeeze=False)
    for line, (title, (parts, error)) in zip(axes, rows.items(), strict=True):
        line[0].imshow(pixels if title == "4 x 4 grid" else labels.numpy(), cmap="tab20", interpolation="nearest")
        line[0].set_ylabel(title)
        line[0].set_title("picture" if title == "4 x 4 grid" else "labels")
        line[1].imshow(error.numpy(), cmap="magma", vmax=float(error.quantile(0.99)) or None)
        line[1].set_title("squared error")
        for at, part in enumerate(parts):
            for offset, (values, name) in enumerate(((part.values, "kernels"), (part.gradients, "gradients"))):
                line[2 + 2 * at + offset].imshow(values.numpy(), cmap="magma")
                line[2 + 2 * at + offset].set_title(f"{name}\n{part.layer}", fontsize="small")
    written(drawing, path, ticks=False)


def _largest(kernels: Tensor) -> Tensor:
    """(1,C*k*k,h,w) -> (h,w), and the maximum of each 3 x 3 neighbourhood, as the paper draws them."""
    pooled = torch.nn.functional.max_pool2d(kernels.abs().amax(1, keepdim=True), 3, stride=1, padding=1)
    return pooled[0, 0].cpu()
