"""Do our SegPIC and our MCM compute what their authors' code computes?

    python benchmarks/parity.py FOLDER/segpic_public.npz
    python benchmarks/parity.py FOLDER/mcm_public.npz

The file holds outputs of the published code for parameters that are drawn from a seed; parity_params.py and
segpic_keys.json or mcm_keys.json beside it draw the same parameters again. They are loaded as a published checkpoint
would be, and every array, the bits of every stream and the parameter counts of the family are compared. Exit status 1
if one is out of tolerance, 2 if the files are not there.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from regio.entropy import FactorizedPrior, RateEstimator
from regio.interop import mcm_from_official, segpic_from_official
from regio.models.base import Chosen
from regio.models.mcm import MCM, MCMConfig
from regio.models.segpic import SegPIC
from regio.nn.regional import GridRegions
from regio.papers.tables import parameters

ARRAY_TOLERANCE = 1e-4  # absolute; two float32 paths of the published code differ by up to 1.3e-5
BITS_TOLERANCE = 1e-5  # relative
COUNT_TOLERANCE = 0.1  # millions of parameters: the paper prints one decimal
BITS = {"y": "y", "z": "z", "prototypes_shallow": "z_center", "prototypes_deep": "z_center2"}
MCM_BITS = {"y": "y", "z": "z"}  # the published code does not estimate the bits of positions
PAPER_MILLIONS = {  # tables 1 and 2 of the SegPIC paper
    "segpic": 83.5,
    "wacnn": 75.2,
    "wacnn-sal": 76.7,
    "wacnn-rat": 82.0,
    "charm": 48.8,
    "segpic-s": 29.2,
    "baseline-s": 21.7,
}
MCM_NUMBERS = 200_855_200  # of the published code without VGG: parameters, and its two tables of positions


class Row(NamedTuple):
    """One comparison."""

    name: str
    ours: float | None
    theirs: float | None
    difference: float
    tolerance: float


class Recorder(RateEstimator):
    """Estimates rates, and keeps the values that came to be coded."""

    def __init__(self) -> None:
        super().__init__(noisy=False)
        self.values: dict[str, Tensor | None] = {}

    def factorized(
        self,
        stream: str,
        values: Tensor | None,
        prior: FactorizedPrior,
        size: tuple[int, int],
        present: Tensor | None = None,
    ) -> Tensor:
        """See RateEstimator."""
        self.values[stream] = values
        return super().factorized(stream, values, prior, size, present)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "reference", type=Path, help="segpic_public.npz or mcm_public.npz; parity_params.py and the keys beside it"
    )
    reference: Path = parser.parse_args(arguments).reference
    wanted = (reference, reference.with_name("parity_params.py"), keys_beside(reference))
    missing = [path.name for path in wanted if not path.is_file()]
    if missing:
        print(f"parity: {', '.join(missing)} not found in {reference.parent}", file=sys.stderr)
        return 2
    rows = [*function_rows(reference), *(mcm_count_rows() if is_mcm(reference) else count_rows())]
    print(table(rows))
    return 0 if all(within(row) for row in rows) else 1


def function_rows(reference: Path) -> list[Row]:
    """Largest differences of the arrays, and bits stream by stream."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    params = load_beside(reference)
    with np.load(reference) as arrays:
        want = {name: arrays[name] for name in arrays.files}
    meta = json.loads(str(want["meta"]))
    state = params.make_state_dict(keys_beside(reference), meta["seed"])
    digest, total = params.digest(state)
    same = digest == meta["param_sha256"]
    drift = 0.0 if same else abs(total / meta["param_abs_sum"] - 1)
    rows = [Row("parameters drawn", total, meta["param_abs_sum"], drift, 1e-6)]
    picture = params.image(meta["h"], meta["w"], meta["input_seed"])
    if is_mcm(reference):
        keep = torch.from_numpy(want["ids_keep"]).long()
        got, bits = mcm_outputs(mcm_from_official(state, visible_tokens=keep.shape[1]), picture, keep)
    else:
        got, bits = outputs(segpic_from_official(state), picture, meta["grid"])
    for name, value in got.items():
        rows.append(Row(f"{name}, largest |difference|", None, None, largest(value, want[name]), ARRAY_TOLERANCE))
    for stream, theirs in (MCM_BITS if is_mcm(reference) else BITS).items():
        expected = float(want[f"bits_{theirs}"])
        rows.append(Row(f"bits of {stream}", bits[stream], expected, abs(bits[stream] / expected - 1), BITS_TOLERANCE))
    return rows


@torch.no_grad()
def outputs(model: SegPIC, picture: Tensor, grid: int) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Arrays and bits, by the names of the reference file, from the model's one walk."""
    coder, where = Recorder(), GridRegions(grid)
    latents = model.analyse(picture, where)
    decoded = model.code(latents, coder, where, None, model.latent_size(picture))
    x_hat = model.synthesise(decoded, where, None)
    z = coder.values["z"]
    assert z is not None
    bits = {stream: float(value.sum()) for stream, value in coder.bits.items()}
    return {"x_hat": x_hat, "y": latents.y, "y_hat": decoded.y_hat, "z": z}, bits


@torch.no_grad()
def mcm_outputs(model: MCM, picture: Tensor, keep: Tensor) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The same for MCM; tokens and latents in the order of `keep` (1,K), on the packed map."""
    coder, size = Recorder(), model.latent_size(picture)
    features = model.analyse(picture)
    tokens = model.encoder(features.y, keep)
    decoded = model.code(features._replace(order=Chosen(keep)), coder, None, None, size)
    x_hat = model.synthesise(decoded, None, None)
    z = coder.values["z"]
    assert z is not None
    side = round(keep.shape[1] ** 0.5)
    y_hat = decoded.y_hat.flatten(2)[:, :, keep[0]].reshape(1, -1, side, side)
    y = model.g_a(tokens[..., None]).reshape(1, -1, side, side)
    bits = {stream: float(value.sum()) for stream, value in coder.bits.items()}
    return {"x_hat": x_hat, "tokens": tokens.mT, "y": y, "y_hat": y_hat, "z": z}, bits


def mcm_count_rows() -> list[Row]:
    """Numbers of the paper's MCM beside those of the published code, to the last one."""
    with torch.device("meta"):
        model = MCM(MCMConfig.preset("mcm"))
    ours = sum(p.numel() for p in model.parameters())
    ours += sum(b.numel() for name, b in model.state_dict().items() if name.endswith("pos_embed"))
    return [Row("parameters and positions of mcm, M", ours / 1e6, MCM_NUMBERS / 1e6, abs(ours - MCM_NUMBERS), 0)]


def is_mcm(reference: Path) -> bool:
    """Whether a reference file is one of MCM."""
    return reference.name.startswith("mcm")


def keys_beside(reference: Path) -> Path:
    """Where the names and shapes of the published checkpoint stand."""
    return reference.with_name("mcm_keys.json" if is_mcm(reference) else "segpic_keys.json")


def count_rows() -> list[Row]:
    """Parameters of every member of the family, in millions, beside the paper's."""
    return [
        Row(f"parameters of {name}, M", ours, theirs, abs(ours - theirs), COUNT_TOLERANCE)
        for name, theirs in PAPER_MILLIONS.items()
        for ours in [parameters(name) / 1e6]
    ]


def largest(ours: Tensor, theirs: np.ndarray) -> float:
    """The largest absolute difference; infinite where the shapes differ."""
    if tuple(ours.shape) != theirs.shape:
        return float("inf")
    return float(np.abs(ours.double().numpy() - theirs).max())


def within(row: Row) -> bool:
    """Whether a comparison is in tolerance; a NaN is not."""
    return row.difference <= row.tolerance


def table(rows: list[Row]) -> str:
    """All comparisons as text."""
    lines = [f"{'':34} {'ours':>14} {'published':>14} {'difference':>11} {'tolerance':>10}"]
    for row in rows:
        ours, theirs = ("" if v is None else f"{v:.2f}" for v in (row.ours, row.theirs))
        verdict = "ok" if within(row) else "OUT OF TOLERANCE"
        lines.append(f"{row.name:34} {ours:>14} {theirs:>14} {row.difference:11.2e} {row.tolerance:10.0e}  {verdict}")
    return "\n".join(lines)


def load_beside(reference: Path) -> ModuleType:
    """The generator of parameters that lies beside the reference file."""
    spec = importlib.util.spec_from_file_location("parity_params", reference.with_name("parity_params.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
