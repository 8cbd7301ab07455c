"""What moves a level is in float64 in a codec's network: nothing that decides bits is left in float32."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_codec import SMALL_PAPER, paper_net, toy_net

from regio.codec.devices import settle
from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.errors import UsageError
from regio.models.mcm import MCM, MCMConfig
from regio.models.mcm import PRESETS as MCM_PRESETS
from regio.models.mcm_transforms import GlobalViT
from regio.models.roi import PRESETS as ROI_PRESETS
from regio.models.roi import RoiCodec
from regio.models.segpic import PRESETS, SegPIC
from regio.nn.regional import GridRegions

CPU = torch.device("cpu")


class Levels(RateEstimator):
    """Keeps levels; hands back values from a list in the place of those that a model's own rounding would give."""

    def __init__(self) -> None:
        super().__init__(noisy=False)
        self.levels: list[Tensor] = []

    def gaussian(self, stream: str, values: Any, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        self.levels.append(level.detach().double().flatten())
        symbols = (torch.arange(mean.numel()).view(mean.shape) * 7 % 5 - 2).to(mean)  # the same for every precision
        return symbols + mean


def small(slices: int, support: int, rat: bool) -> SegPIC:
    config = replace(SMALL_PAPER, slices=slices, support=support, rat=rat)
    if slices:
        return paper_net(config)
    torch.manual_seed(0)
    return SegPIC(config).eval().requires_grad_(False)


def levels(net: Any, latents: Any, where: Any) -> Tensor:
    coder = Levels()
    with torch.no_grad():
        net.code(latents, coder, where, None, (8, 8))
    return torch.cat(coder.levels)


NETS = {
    "context": lambda: small(4, 2, rat=True),
    "full support": lambda: small(4, 4, rat=True),
    "no regions": lambda: small(4, 2, rat=False),
    "no context": lambda: small(0, 0, rat=True),
}


@pytest.mark.parametrize("kind", NETS)
def test_levels_of_a_settled_network_are_those_of_one_all_in_float64(kind: str) -> None:
    net: SegPIC = NETS[kind]()
    precise = copy.deepcopy(net).double()
    where = GridRegions(2)
    with torch.no_grad():
        latents = net.analyse(torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)), where)
    symbols = latents._replace(y=latents.y * 4)
    doubled = type(symbols)(*(None if t is None else t.double() for t in symbols))
    plain = levels(net, symbols, where)
    settled = settle(net, CPU)
    expected = levels(precise, doubled, where)
    found = levels(settled, symbols, where)
    inside = expected > 0
    assert inside.any()
    assert (found - expected).abs().max() < 1e-11  # hundreds of roundings of 1e-16, some divided by a small scale
    assert (plain - expected).abs().max() > 1e-8  # or the test would say nothing
    assert {p.dtype for p in settled.g_a1.parameters()} == {torch.float32}


def test_slices_that_no_other_slice_sees_stay_in_float32() -> None:
    net = settle(small(4, 2, rat=True), CPU)
    kinds = [[next(part.parameters()).dtype for part in parts] for parts in (net.context.means, net.context.scales)]
    assert kinds[0] == [torch.float64] * 2 + [torch.float32] * 2
    assert kinds[1] == [torch.float64] * 4


def test_mcm_with_floating_point_scales_settles_too() -> None:
    config = MCMConfig(
        vision=GlobalViT(width=8, depth=1, heads=2, decoder_width=8, decoder_depth=1, decoder_heads=2),
        analysis=(8,),
        synthesis=(8,),
        hyper_down=((8, 1), (6, 2), (4, 2)),
        hyper_up=((6, 2), (8, 2), (8, 1)),
        slices=2,
        support=1,
        context=(6,),
    )
    net = settle(MCM(config).eval().requires_grad_(False), CPU)
    assert {p.dtype for part in net.deciding() for p in part.parameters()} == {torch.float64}
    assert {p.dtype for p in net.g_a.parameters()} == {torch.float32}


def test_models_with_exact_levels_are_left_as_they_are() -> None:
    net = settle(toy_net(), CPU)
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert PRESETS["toy"].exact_scales


def test_a_device_without_float64_is_refused_in_one_line() -> None:
    class Part(torch.nn.Linear):
        def double(self) -> Any:
            raise TypeError("Cannot convert a MPS Tensor to float64")

    class Net(torch.nn.Module):
        def deciding(self) -> list[torch.nn.Module]:
            return [Part(1, 1)]

    with pytest.raises(UsageError, match="float64, which device cpu does not support"):
        settle(Net(), CPU)


@pytest.mark.parametrize("family", ["segpic", "roi", "mcm"])
def test_exact_models_read_their_files_in_float64_throughout(family: str) -> None:
    nets = {
        "segpic": toy_net,
        "roi": lambda: RoiCodec(ROI_PRESETS["toy"]).eval().requires_grad_(False),
        "mcm": lambda: MCM(MCM_PRESETS["toy"]).eval().requires_grad_(False),
    }
    net: Any = nets[family]()
    tables = TableSet({stream: prior.tables() for stream, prior in net.priors().items()})
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    writer, where, rate = StreamWriter(tables), GridRegions(1), torch.tensor([0.6])
    with torch.no_grad():
        net.code(net.analyse(x, where), writer, where, rate, (4, 4))
        (written,) = writer.finish()
        reader = StreamReader(tables, [written.payload])
        net.double().code(None, reader, where, rate.double(), (4, 4))
    assert reader.finish() == [written.symbol_crc]
