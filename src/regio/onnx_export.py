"""The analysis and synthesis networks of a codec as ONNX files, checked against ONNX Runtime.

    NAME.analysis.onnx    x (1,3,H,W) in [0,1] -> y (1,M,H/16,W/16), and the codes of the prototypes where there are any
    NAME.synthesis.onnx   y_hat (1,M,H/16,W/16), rate (1,) = quality/100, prototypes -> x_hat (1,3,H,W), not clamped

For runtimes and accelerators without torch. What lies between, the entropy model and the coder, is not exported: its
numbers must be the same everywhere to the last bit, which no ONNX runtime promises (docs/portability.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from regio.durable import replacing
from regio.errors import RegioError, UsageError
from regio.models.base import Decoded, Network
from regio.models.segpic import SegPIC
from regio.nn.attention import ShiftedWindowAttention
from regio.nn.regional import GridRegions
from regio.recording.exporting import OPSET, exported

if TYPE_CHECKING:
    from regio.codec import Codec

# Of the largest value of an output. Both compute in float32, which keeps 6e-8 of a number; sums of thousands of
# products in another order, one layer after the other, differ by up to some 1e-5 (1e-6 was measured). A wrong layer
# differs by a tenth and more.
TOLERANCE = 2e-4
SIZES = ((1, 1), (2, 3), (5, 2))  # of pictures that are tried, in units of what sides must be multiples of


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how far ONNX Runtime was from torch: at most, as a share of the largest value."""

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float


class EvenGrid(GridRegions):
    """A grid of n by n that divides the picture evenly: what ONNX can say with sizes that are not known yet."""

    def pool(self, features: Tensor) -> Tensor:
        """Features (B,C,h,w) -> (B,C,n,n)."""
        n = self.grid
        batch, channels, height, width = features.shape
        return features.reshape(batch, channels, n, height // n, n, width // n).mean(dim=(3, 5))

    def spread(self, prototypes: Tensor, size: tuple[int, int]) -> Tensor:
        """Prototypes (B,C,n,n) -> (B,C,h,w)."""
        n = self.grid
        batch, channels = prototypes.shape[:2]
        cells = prototypes[:, :, :, None, :, None].expand(-1, -1, -1, size[0] // n, -1, size[1] // n)
        return cells.reshape(batch, channels, size[0], size[1])


class Half(nn.Module):
    """A network and the grid of its regions."""

    def __init__(self, net: Network, grid: int) -> None:
        super().__init__()
        self.net, self.where = net, EvenGrid(grid)


class Analysis(Half):
    """See the module."""

    def forward(self, given: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """x (1,3,H,W) -> latents, and codes where there are any."""
        latents = self.net.analyse(given["x"], self.where)
        return (latents.y,) if latents.codes is None else (latents.y, latents.codes)


class Synthesis(Half):
    """See the module."""

    def forward(self, given: Mapping[str, Tensor]) -> tuple[Tensor]:
        """y_hat (1,M,h,w), rate (1,), prototypes (1,N,n,n) -> x_hat (1,3,16h,16w)."""
        decoded = Decoded(given["y_hat"], given.get("prototypes"))
        return (self.net.synthesise(decoded, self.where, given.get("rate")),)


def export(codec: Codec, folder: Path, *, grid: int = 1, opset: int = OPSET) -> list[Exported]:
    """Write both networks of a codec (`regio.load`) into a folder, and check them against ONNX Runtime.

    grid: SegPIC's regions are a grid of so many by so many, as in files made with `grid=`; sides of pictures are then
    multiples of 16 times that, too. Sizes are free. Raises UsageError for models that are not exported (MCM: which
    patches it keeps is no network; the paper's models: a graph of attention in windows knows one size), RegioError
    where onnx is missing or a file differs from torch by more than TOLERANCE.
    """
    net = codec.net
    if net.patch_ranker is not None:
        raise UsageError(f"{codec.name}: models of this family are not exported to ONNX")
    if any(isinstance(part, ShiftedWindowAttention) for part in net.modules()):
        raise UsageError(f"{codec.name}: attention in windows is not exported to ONNX")
    if not 1 <= grid <= 16:
        raise UsageError(f"grid={grid}: must be 1 to 16")
    plain = type(net)(net.config).eval().requires_grad_(False)  # on the CPU, all of it in float32
    plain.load_state_dict(net.state_dict())
    unit = math.lcm(plain.multiple, plain.stride * grid)  # what the sides of pictures are multiples of
    seed = torch.Generator().manual_seed(0)
    pictures = [{"x": torch.rand(1, 3, unit * down, unit * across, generator=seed)} for down, across in SIZES]
    latents = [_inputs(plain, given["x"], grid) for given in pictures]
    facts = {"name": codec.name, "multiple": unit, "grid": grid}
    folder.mkdir(parents=True, exist_ok=True)
    first, second = file_names(codec.name, folder)
    return [
        _write(Analysis(plain, grid), first, pictures, ("y", "codes"), facts, opset),
        _write(Synthesis(plain, grid), second, latents, ("x_hat",), facts | {"multiple": unit // plain.stride}, opset),
    ]


def file_names(name: str, folder: Path) -> tuple[Path, Path]:
    """The files that `export` writes."""
    return folder / f"{name}.analysis.onnx", folder / f"{name}.synthesis.onnx"


def _inputs(net: Network, picture: Tensor, grid: int) -> dict[str, Tensor]:
    """The inputs of a synthesis, for a picture (1,3,H,W)."""
    latents = net.analyse(picture, EvenGrid(grid))
    found = {"y_hat": latents.y}
    if net.rated:
        found["rate"] = torch.rand(1, generator=torch.Generator().manual_seed(0))
    if latents.codes is not None:
        assert isinstance(net, SegPIC)
        assert net.regional is not None
        found["prototypes"] = net.regional.shallow_coder.decode(latents.codes)
    return found


def _write(
    part: Half, path: Path, samples: list[dict[str, Tensor]], names: tuple[str, ...], facts: dict[str, Any], opset: int
) -> Exported:
    """Export, compare and write. The sides of what a part takes first are free, and multiples of facts["multiple"]."""
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ModuleNotFoundError as error:
        raise RegioError(f"{error.name} is not installed; export needs: pip install 'regio[onnx]'") from error
    sides = {
        axis: facts["multiple"] * torch.export.Dim(f"{side}_units", min=1, max=4096)
        for axis, side in ((2, "height"), (3, "width"))
    }
    inputs, outputs = tuple(samples[0]), names[: len(part(samples[0]))]
    shapes = (sides, *(None for _ in inputs[1:]))
    model = exported(
        part, dict(zip(inputs, zip(samples[1].values(), shapes, strict=True), strict=True)), outputs, opset
    )
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = f"regio.{key}", json.dumps(value)
    onnx.checker.check_model(model)
    whole = model.SerializeToString()
    session = onnxruntime.InferenceSession(whole, providers=["CPUExecutionProvider"])
    difference = 0.0
    for sample in samples:
        with torch.no_grad():
            expected = part(sample)
        found = session.run(None, {name: one.numpy() for name, one in sample.items()})
        for one, other in zip(expected, found, strict=True):
            difference = max(difference, float((one - torch.from_numpy(other)).abs().max() / one.abs().max()))
    if not difference <= TOLERANCE:
        raise RegioError(f"{path.name}: ONNX Runtime differs from torch by {difference:.1e} of the largest value")
    with replacing(path) as file:
        file.write_bytes(whole)
    return Exported(path, inputs, outputs, difference)
