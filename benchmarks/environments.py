"""The worker of portability.py: one process in one environment, which decodes files and says what it found.

    python benchmarks/environments.py FOLDER ENVIRONMENT

FOLDER is what portability.py has prepared; one finding a line, as JSON, goes to standard output.
"""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import regio
from regio.codec import Codec
from regio.codec.tile_rates import rates_of_tile
from regio.entropy import Mixture, StreamReader, TableSet
from regio.entropy.mixture import quantise
from regio.entropy.tables import SCALE_MIN
from regio.errors import CorruptFile
from regio.format import RgoFile, parse, verify_check
from regio.format.header import MAX_RATE
from regio.models.base import Network
from regio.models.mcm import MCM
from regio.models.mcm import PRESETS as MCM_PRESETS
from regio.models.roi import PRESETS as ROI_PRESETS
from regio.models.roi import RoiCodec
from regio.models.segpic import PRESETS, SegPIC
from regio.nn.fixed_point import FixedConv
from regio.nn.regional import GridRegions
from regio.weights import store

DECADES = (-16, -15, -14, -13, -12, -11, -10, -8, -6, -4)  # of the histogram of drifts: below 1e-16 ...


class Environment(NamedTuple):
    """Where files are decoded: variables of the process, and what is done inside it."""

    variables: dict[str, str] = {}  # noqa: RUF012 - of a tuple, and never changed
    tweak: str = ""
    fails: bool = False  # beyond what the guard band provides for: differences are expected, and must be noticed
    needs: str = ""


LIVELY = 1.5  # standard deviation of what a layer of random weights makes
OLDEST = {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
ENVIRONMENTS = {
    "threads 1": Environment({"OMP_NUM_THREADS": "1"}),
    "threads 2": Environment({"OMP_NUM_THREADS": "2"}),
    "threads 4": Environment({"OMP_NUM_THREADS": "4"}),
    "oneDNN SSE4.1": Environment({"ONEDNN_MAX_CPU_ISA": "SSE41"}),
    "oneDNN AVX2": Environment({"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    "oneDNN off": Environment(tweak="mkldnn off"),
    "ATen default": Environment({"ATEN_CPU_CAPABILITY": "default"}),
    "ATen AVX2": Environment({"ATEN_CPU_CAPABILITY": "avx2"}),
    "MKL compatible": Environment({"MKL_CBWR": "COMPATIBLE"}),
    "MKL SSE4.2": Environment({"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}),
    "all of the oldest": Environment(OLDEST | {"OMP_NUM_THREADS": "1"}),
    "plain loops": Environment({"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}, "mkldnn off"),
    "channels last": Environment(tweak="channels last"),
    "batch of two": Environment(tweak="batch"),
    "float64": Environment(tweak="double"),
    "compiled": Environment(tweak="compile", needs="asking"),  # takes minutes
    "CUDA": Environment(tweak="cuda", needs="cuda"),
    "noise of 0.9 widths": Environment(tweak="noise 0.9"),
    "noise of 100 widths": Environment(tweak="noise 100", fails=True),
    "scales in float32": Environment(tweak="single", fails=True),
    "oneDNN in bfloat16": Environment({"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}),
    "torch in bfloat16": Environment(tweak="matmul medium"),
    "CUDA with TF32": Environment(tweak="cuda tf32", needs="cuda"),
}


@dataclass
class Sample:
    """One file, and what the writing process knows of it."""

    model: str
    weights: str
    quality: float
    name: str
    guard: float
    bytes: int
    unguarded: int  # bytes, had it no guard lists


@dataclass
class Finding:
    """One file in one environment."""

    model: str
    environment: str
    agrees: bool
    noticed: bool  # where it does not agree: by the checksum or before it
    recovers: bool  # a codec that is loaded in the same process, and not tampered with, reads the file
    drift: float
    histogram: list[int]
    torch: str  # version


class Recorder(StreamReader):
    """A reader that keeps levels and symbols of the Gaussian streams; with `noise`, levels are off by so much."""

    def __init__(self, tables: TableSet, payloads: list[bytes], noise: float = 0.0) -> None:
        super().__init__(tables, payloads)
        self.levels: list[Tensor] = []
        self.symbols: list[Tensor] = []
        self.noise, self.generator = noise, torch.Generator().manual_seed(0)

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder."""
        level = level.double().cpu()
        if self.noise and guard:
            sign = torch.randint(0, 2, level.shape, generator=self.generator) * 2 - 1
            level = level + sign * self.noise * guard
        decoded = super().gaussian(stream, values, mean, level, guard)
        self.levels.append(level[0].flatten())
        self.symbols.append(torch.round(decoded[0] - mean[0]).flatten().int().cpu())
        return decoded

    def mixture(self, stream: str, values: Tensor | None, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder. What is kept of a mixture in the place of levels are its whole numbers."""
        decoded = super().mixture(stream, values, mean, mixture)
        self.levels.extend(whole_numbers(mixture))
        self.symbols.append(torch.round(decoded[0] - mean[0]).flatten().int().cpu())
        return decoded


class Replay(Recorder):
    """Reads the factorised streams, and takes the symbols of the Gaussian ones from another process."""

    def __init__(self, tables: TableSet, payloads: list[bytes], symbols: Tensor) -> None:
        super().__init__(tables, payloads)
        self.left = symbols

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder."""
        part, self.left = self.left[: mean[0].numel()], self.left[mean[0].numel() :]
        self.levels.append(level[0].double().cpu().flatten())
        return part.view(1, *mean.shape[1:]).to(mean) + mean

    def mixture(self, stream: str, values: Tensor | None, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder."""
        part, self.left = self.left[: mean[0].numel()], self.left[mean[0].numel() :]
        self.levels.extend(whole_numbers(mixture))
        return part.view(1, *mean.shape[1:]).to(mean) + mean


def whole_numbers(mixture: Mixture) -> list[Tensor]:
    """What a mixture is coded by, of the first picture; must be equal everywhere."""
    return [part[0].flatten().double().cpu() for part in quantise(mixture)]


@torch.inference_mode()
def size_of(net: Network, file: RgoFile) -> tuple[int, int]:
    """(h,w) of the latents of a file without tiles."""
    height, width = (-(-side // net.multiple) * net.multiple for side in (file.header.height, file.header.width))
    return height // net.stride, width // net.stride


def streams_of(net: Network, file: RgoFile) -> bytes:
    """The payload of a file without tiles, but for its rate map."""
    return rates_of_tile(net, file, 0, file.spans[0], size_of(net, file))[1]


def walk(net: Network, file: RgoFile, reader: StreamReader, batch: int = 1) -> None:
    """Decode the latents of a file by any reader, as a codec does."""
    like, size = next(net.parameters()), size_of(net, file)
    rates, _ = rates_of_tile(net, file, 0, file.spans[0], size)
    rate = None if not net.rated else like.new_tensor([file.header.rate / MAX_RATE]).expand(batch)
    if rates is not None:
        rate = like.new_tensor(rates.values(file.header.rate))[None, None].expand(batch, -1, -1, -1)
        for one in reader.readers:
            one.log(rates.levels)
    net.code(None, reader, GridRegions(file.header.grid), rate, size)


def random_weights(preset: str, folder: Path, guard: float | None = None) -> Path:
    """Untrained weights, enlivened; scales, if floating-point, reach over most tables and depend on what they see.

    preset: of the SegPIC family, `mcm:` and one of MCM's, or `roi:` and one of the ROI codec's, whose context then says
    something. guard: width of the guard, where there is one, in the place of the model's own.
    """
    torch.manual_seed(0)
    path = folder / f"random-{preset.replace(':', '-')}.safetensors"
    if preset.startswith("roi:"):
        roi = RoiCodec(ROI_PRESETS[preset.removeprefix("roi:")]).eval().requires_grad_(False)
        enliven(roi)
        roi.mixture.net.last.weight.normal_(std=0.3)
        store.save(roi, path)
        return path
    if preset.startswith("mcm:"):
        config = MCM_PRESETS[preset.removeprefix("mcm:")]
        net: MCM | SegPIC = MCM(config if guard is None else replace(config, guard=guard))
    else:
        plain = PRESETS[preset]
        net = SegPIC(plain if guard is None else replace(plain, guard=guard))
    net.eval().requires_grad_(False)
    if net.config.exact_scales is None:
        enliven(net)
        ends = [net.h_scale[-1]] if net.context is None else [scales[-1] for scales in net.context.scales]
        for last in ends:
            assert isinstance(last, nn.Conv2d)
            last.bias.copy_(SCALE_MIN * torch.exp(torch.rand(len(last.bias)) * math.log(40)))
    store.save(net, path)
    return path


@torch.no_grad()
def enliven(net: nn.Module) -> None:
    """Scale every layer of untrained weights so that what it makes of a picture spreads by LIVELY.

    Maps shrink from layer to layer of a fresh network, until all symbols are zero whatever the picture, and its levels
    always the same. Layers of whole numbers keep their weights, which have limits.
    """

    def scale(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, _: Any, made: Tensor) -> Tensor:
        spread = float(made.std(correction=0))
        factor = LIVELY / spread if spread > 1e-3 else 1.0  # a constant cannot be made to spread
        layer.weight.mul_(factor)
        if layer.bias is not None:
            layer.bias.mul_(factor)
        return made * factor

    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    found = [layer for layer in net.modules() if isinstance(layer, layers) and not isinstance(layer, FixedConv)]
    hooks = [layer.register_forward_hook(scale) for layer in found]
    noise = [torch.rand(1, 3, side, side) for side in (8, 32, 256)]
    net(torch.stack([nn.functional.interpolate(one, size=256) for one in noise]).mean(0))
    for hook in hooks:
        hook.remove()


def tweaked(net: Network, tweak: str) -> Network:
    """The network as an environment runs it."""
    match tweak.split():
        case ["mkldnn", "off"]:
            torch.backends.mkldnn.set_flags(_enabled=False)
        case ["channels", "last"]:
            return net.to(memory_format=torch.channels_last)
        case ["double"]:
            return net.double()
        case ["single"]:
            return net.float()
        case ["compile"]:
            for module in net.children():
                module.compile()
        case ["matmul", precision]:
            torch.set_float32_matmul_precision(precision)
        case ["cuda", *rest]:
            torch.backends.cudnn.conv.fp32_precision = "tf32" if rest else "ieee"
            torch.backends.cuda.matmul.fp32_precision = "tf32" if rest else "ieee"
            return net.cuda()
    return net


def decode_all(folder: Path, environment: str) -> None:
    """What a worker process does: print one finding a line."""
    tweak = ENVIRONMENTS[environment].tweak
    noise = float(tweak.split()[1]) if tweak.startswith("noise") else 0.0
    batch = 2 if tweak == "batch" else 1
    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    samples = [Sample(**line) for line in json.loads((folder / "samples.json").read_text())]
    codecs: dict[str, tuple[Codec, Any]] = {}
    for sample in samples:
        if sample.weights not in codecs:
            codec = regio.load(sample.weights, device="cpu")
            codecs[sample.weights] = codec, tweaked(regio.load(sample.weights, device="cpu").net, tweak)
        codec, net = codecs[sample.weights]
        finding = decode(codec, net, sample, folder, environment, noise, batch)
        print(json.dumps(asdict(finding)), flush=True)


def decode(
    codec: Codec, net: Network, sample: Sample, folder: Path, environment: str, noise: float, batch: int
) -> Finding:
    """One file: are its symbols right here, is it noticed if not, can a codec read it, how far do levels drift?"""
    data = (folder / f"{sample.name}.rgo").read_bytes()
    file, expected = parse(data), np.load(folder / f"{sample.name}.npz")
    streams = streams_of(net, file)
    reader = Recorder(codec.tables, [streams] * batch, noise)
    noticed = False
    try:
        walk(net, file, reader, batch)
        noticed = not all(verify_check(data, checksum) for checksum in reader.finish())
    except CorruptFile:
        noticed = True
    found = torch.cat(reader.symbols).numpy() if reader.symbols else np.empty(0)
    agrees = not noticed and np.array_equal(found, expected["symbols"])
    replay = Replay(codec.tables, [streams], torch.from_numpy(expected["symbols"]))
    walk(net, file, replay)
    drift = np.abs(torch.cat(replay.levels).numpy() - expected["levels"])
    drift = drift[(expected["levels"] > 0) & (expected["levels"] < 63)]  # elsewhere there is no boundary
    edges = [0.0, 1e-300, *(10.0**decade for decade in DECADES), math.inf]
    histogram = np.histogram(drift, edges)[0].tolist()
    return Finding(
        sample.model,
        environment,
        agrees,
        noticed,
        agrees or recovers(codec, data),
        float(drift.max(initial=0.0)),
        histogram,
        torch.__version__,
    )


def recovers(codec: Codec, data: bytes) -> bool:
    """Whether a codec as users have it, without the changes of this environment but in its process, reads the file."""
    try:
        codec.verify(data)
    except CorruptFile:
        return False
    return True


if __name__ == "__main__":
    decode_all(Path(sys.argv[1]), sys.argv[2])
