"""Regions of interest in the codec: bytes move where they are wanted, in pieces or whole, and damage is noticed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from shared import SHARED, needs_shared
from toy_codec import codec_of, paper, picture, tiling, toy, toy_net

import regio
from regio.codec import Codec, layout, windows
from regio.codec.decoding import Decoding, Opened
from regio.codec.roi import LEVELS, Background, Gap, alpha_of
from regio.codec.torch_windows import NetworkSynthesis
from regio.errors import CorruptFile, RegioError, UsageError
from regio.format import RgoFile, pack, parse
from regio.models.base import Decoded, Latents
from regio.models.catalog import DEFAULT
from regio.models.facts import RegionSupport
from regio.models.mcm import MCM, MCMConfig
from regio.models.roi import RoiCodec, RoiCodecConfig
from regio.models.segpic import SegPIC

BOX = (32, 64, 96, 80)
KODAK = SHARED / "data" / "kodak"


def psnr_inside(codec: Codec, data: bytes, pixels: NDArray[np.uint8], box: tuple[int, int, int, int] = BOX) -> float:
    x, y, width, height = box
    error = np.asarray(codec.decode(data)).astype(float) - pixels
    return float(10 * np.log10(255**2 / np.square(error[y : y + height, x : x + width]).mean()))


def map_of(data: bytes, codec: Codec | None = None) -> NDArray[np.float64]:
    """Qualities at the positions of the hyper-latent of a file of one tile."""
    decoding = Decoding((codec or toy()).runtime, Opened.of(data))
    rate = decoding.read(0).rate
    assert rate is not None
    return rate[0, 0].double().numpy() * 100


# What numbers mean


def test_a_gap_closes_at_both_ends() -> None:
    plan = Gap(800)
    assert plan.ends == (-800, 4000)
    assert [plan.at(t) for t in (-800, -300, 0, 1000, 3500, 4000)] == [
        *[(0, 0), (0, 500), (0, 800), (1000, 1800), (3500, 4000), (4000, 4000)]
    ]
    assert [Background(600).at(t) for t in Background(600).ends] == [(600, 600), (600, 4000)]


def test_alpha_of_the_paper_is_about_seventeen_points() -> None:
    assert alpha_of(17.1) == pytest.approx(1.5, rel=0.01)
    assert (1 + alpha_of(20)) / alpha_of(20) == pytest.approx(2**0.86, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roi_strength": 10}, "roi_strength has no effect without a region"),
        ({"background": 10}, "background has no effect without a region"),
        ({"roi": BOX, "roi_strength": 0}, "roi_strength=0"),
        ({"roi": BOX, "roi_strength": 101}, "above 0 and at most 100"),
        ({"roi": BOX, "roi_strength": float("nan")}, "roi_strength=nan"),
        ({"roi": BOX, "background": -1}, "background=-1"),
        ({"roi": BOX, "background": 10, "roi_strength": 10}, "contradict"),
        ({"roi": BOX, "background": 61}, "background=61 is above the quality of the region, 60"),
        ({"roi": BOX, "background": 31, "quality": 30}, "above the quality of the region, 30"),
        ({"roi": (300, 0, 10, 10)}, "outside the picture of 200 x 160"),
        ({"roi": np.zeros((160, 200), bool)}, "empty"),
        ({"roi": np.ones((160, 100), bool)}, "does not fit"),
        ({"roi": "no-such-thing"}, "neither a file nor one of faces, text, salient"),
        ({"roi": 3.5}, "not a region of interest"),
    ],
)
def test_contradictions_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        toy().encode(picture(160, 200), **options)
    assert "\n" not in str(caught.value)


def test_a_codec_of_one_rate_says_that_it_cannot() -> None:
    with pytest.raises(UsageError, match="one rate only"):
        paper().encode(picture(64, 64), roi=(0, 0, 32, 32))


# Files


def test_bytes_move_into_the_region_and_stay_as_many() -> None:
    pixels = picture(256, 320)
    plain, moved = toy().encode(pixels, quality=60), toy().encode(pixels, quality=60, roi=BOX, roi_strength=30)
    assert 0.98 * len(plain) <= len(moved) <= len(plain)
    info = regio.inspect(moved)
    assert info.roi_quality is not None
    assert info.quality < 60 < info.roi_quality
    assert info.roi_quality - info.quality == pytest.approx(30)
    # a tenth of a dB would be much: the toy's weights are not trained. The test below has those that are
    assert psnr_inside(toy(), moved, pixels) > psnr_inside(toy(), plain, pixels)
    toy().verify(moved)


def test_the_map_ramps_from_the_rest_to_the_region() -> None:
    data = toy().encode(picture(256, 320), quality=70, background=20, roi=(88, 96, 144, 96))
    qualities = map_of(data)
    assert qualities.shape == (8, 10)
    assert qualities[4, 5] == pytest.approx(70)
    assert qualities[0, 0] == pytest.approx(20)
    assert set(np.round(qualities, 3).ravel()) <= {20, 36.675, 53.325, 53.35, 70}
    assert len(set(qualities.ravel())) == LEVELS
    info = regio.inspect(data)
    assert (info.quality, info.roi_quality) == (20, 70)
    assert 5 <= info.parts["rate map"] <= 20


def test_targets_hold_with_a_region() -> None:
    pixels = picture(256, 320)
    sizes = [len(toy().encode(pixels, quality=q)) for q in (0, 40)]
    between = toy().encode(pixels, quality=60, background=10, roi=BOX)
    for options, wanted in (({"roi_strength": 25}, sizes[1]), ({"background": 10}, len(between))):
        assert len(toy().encode(pixels, max_bytes=wanted, roi=BOX, **options)) <= wanted
        near = toy().encode(pixels, target_bpp=wanted * 8 / pixels.shape[0] / pixels.shape[1], roi=BOX, **options)
        assert len(near) == pytest.approx(wanted, rel=0.02)
    least = toy().encode(pixels, max_bytes=sizes[0], roi=BOX)
    assert len(least) == sizes[0]  # no rate is left for a region
    reached = toy().encode(pixels, target_psnr=24, roi=BOX)
    error = np.asarray(toy().decode(reached)).astype(float) - pixels
    assert 10 * np.log10(255**2 / np.square(error).mean()) >= 24


@pytest.mark.parametrize("roi", ["faces", np.full((160, 200), 200, np.uint8)])
def test_without_a_find_or_with_one_everywhere_the_file_is_a_plain_one(roi: Any) -> None:
    if isinstance(roi, str):
        pytest.importorskip("cv2")
    pixels = picture(160, 200)
    assert toy().encode(pixels, roi=roi) == toy().encode(pixels)


def test_a_background_as_good_as_the_region_is_a_plain_file() -> None:
    pixels = picture(160, 200)
    assert toy().encode(pixels, quality=50, background=50, roi=BOX) == toy().encode(pixels, quality=50)


@pytest.mark.parametrize("size", [(1, 1), (33, 200), (129, 257)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    pixels = picture(*size)
    data = toy().encode(pixels, roi=(0, 0, 1, 1), roi_strength=40)
    assert toy().decode(data).size == size[::-1]
    toy().verify(data)


@pytest.mark.weights
@needs_shared
def test_a_face_gains_a_decibel_at_equal_bytes() -> None:
    """What docs/regions.md says of one picture, with weights that people use."""
    with Image.open(KODAK / "kodim04.png") as image:
        pixels = np.asarray(image)
    codec, face = regio.load(DEFAULT), (110, 165, 300, 410)
    plain = codec.encode(pixels, target_bpp=0.15)
    moved = codec.encode(pixels, max_bytes=len(plain), roi=face)
    assert len(moved) <= len(plain)
    assert psnr_inside(codec, moved, pixels, face) > psnr_inside(codec, plain, pixels, face) + 1


# Tiles


def test_tiles_have_their_part_of_the_map_and_regions_decode_alike() -> None:
    pixels = picture(300, 421)
    generator = np.random.default_rng(0)
    with tiling(7, 128):
        plain = toy().encode(pixels, quality=50)
        data = toy().encode(pixels, quality=50, roi=(100, 50, 150, 90), roi_strength=30)
        file = parse(data)
        maps = [rates for rates, _ in file.maps()]
        assert len(maps) == 12
        assert maps[11] is None  # far from the region: one byte
        assert maps[1] is not None
        assert len(data) <= len(plain)
        toy().verify(data)
        whole = np.asarray(toy().decode(data))
        assert psnr_inside(toy(), data, pixels, (130, 60, 90, 60)) > psnr_inside(
            toy(), plain, pixels, (130, 60, 90, 60)
        )
        for _ in range(6):
            x, y = int(generator.integers(0, 421)), int(generator.integers(0, 300))
            across, down = int(generator.integers(1, 421 - x + 1)), int(generator.integers(1, 300 - y + 1))
            part = np.asarray(toy().decode(data, region=(x, y, across, down)))
            assert np.array_equal(part, whole[y : y + down, x : x + across])


@torch.inference_mode()
def test_tiles_of_a_map_look_like_the_whole() -> None:
    """The latents of one file by one window and by tiles: rates reach the same places."""
    net = toy_net()
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(1, net.config.latent, 16, 24, generator=generator)
    rate = torch.rand(1, 1, 8, 12, generator=generator)
    plane = torch.zeros(1, net.config.shallow, 1, 1)

    def tile(cut: layout.Layout, k: int) -> windows.Tile:
        rows, columns = cut.tile(k)
        part = y[:, :, slice(*rows), slice(*columns)]
        coarse = rate[:, :, rows.start // 2 : rows.stop // 2, columns.start // 2 : columns.stop // 2]
        return windows.Tile(Decoded(part, plane), coarse)

    pictures = []
    for side in (None, 6):
        cut = layout.layout_of(net, 384, 256, side)
        x = torch.zeros(3, 256, 384)
        engine = NetworkSynthesis(net)
        for box, part in windows.synthesise(engine, cut, cut.picture, lambda k, cut=cut: tile(cut, k), 1):
            x[(..., *box.seen_from(cut.picture))] = part
        pictures.append(x)
    # one block for all of it, in both: the sums are the same, and so is their order
    assert torch.equal(pictures[0], pictures[1])


def test_the_budget_holds_with_a_region() -> None:
    with pytest.raises(regio.errors.LimitExceeded):
        toy().encode(picture(300, 300), roi=BOX, max_memory=1 << 20)


# Damage


@pytest.fixture(scope="module")
def sound() -> bytes:
    return toy().encode(picture(160, 200), roi=BOX, roi_strength=30)


def test_damage_to_the_map_is_noticed(sound: bytes) -> None:
    start = len(sound) - len(parse(sound).payload)
    length = regio.inspect(sound).parts["rate map"]
    for at in range(start, start + length + 4):
        for bit in range(8):
            changed = bytearray(sound)
            changed[at] ^= 1 << bit
            with pytest.raises(RegioError):
                toy().decode(bytes(changed))


def test_a_map_of_another_picture_is_noticed(sound: bytes) -> None:
    """Its levels are part of the checksum of the symbols."""
    file = parse(sound)
    rates, streams = file.tile(0, file.spans[0])
    assert rates is not None
    other = replace(rates, coded=b"\x01\x02\x03")
    with pytest.raises(CorruptFile):
        toy().decode(pack(RgoFile(file.header, file.chunks, other.pack() + streams), 0))


def test_a_map_for_a_codec_without_rates_is_damage() -> None:
    file = parse(paper().encode(picture(64, 64)))
    rates = parse(toy().encode(picture(64, 64), roi=(0, 0, 32, 32))).tile(0, slice(0, 10))[0]
    assert rates is not None
    data = pack(RgoFile(replace(file.header, varies=True), file.chunks, rates.pack() + file.payload), 0)
    with pytest.raises(CorruptFile, match="cannot use"):
        paper().decode(data)


# Models that know by themselves how to give more to a region


FAMILIES: dict[str, Any] = {
    "roi": lambda: RoiCodec(RoiCodecConfig.preset("toy")),
    "mcm": lambda: MCM(MCMConfig.preset("toy")),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_other_models_emphasise_and_the_file_says_nothing(family: str) -> None:
    torch.manual_seed(0)
    codec, pixels = codec_of(FAMILIES[family]().eval().requires_grad_(False), family), picture(200, 300)
    plain, data = codec.encode(pixels, quality=50), codec.encode(pixels, quality=80, background=50, roi=BOX)
    info = regio.inspect(data)
    assert (info.quality, info.roi_quality) == (50, None)
    assert data != plain
    codec.verify(data)
    moved = codec.encode(pixels, quality=50, roi=BOX, roi_strength=30)
    assert 0.97 * len(plain) <= len(moved) <= len(plain)
    with tiling(7, 128, codec):
        tiled = codec.encode(pixels, quality=50, roi=BOX)
        whole, part = codec.decode(tiled), codec.decode(tiled, region=(10, 20, 200, 100))
        assert part.tobytes() == whole.crop((10, 20, 210, 120)).tobytes()


def test_a_roi_codec_without_emphasis_has_a_map_of_rates() -> None:
    torch.manual_seed(0)
    net = RoiCodec(RoiCodecConfig.preset("toy-maps")).eval().requires_grad_(False)
    codec, pixels = codec_of(net, "roi"), picture(200, 300)
    data = codec.encode(pixels, quality=80, background=50, roi=BOX)
    info = regio.inspect(data)
    assert (info.quality, info.roi_quality) == (50, 80)
    codec.verify(data)
    assert len(codec.encode(pixels, quality=50, roi=BOX, roi_strength=30)) <= len(codec.encode(pixels, quality=50))


class Emphatic(SegPIC):
    """Scales latents of the region, and remembers by how much."""

    region_support = RegionSupport.LATENTS

    def emphasise(self, latents: Latents, importance: torch.Tensor, alpha: float) -> Latents:
        assert importance.shape == (1, 1, *latents.y.shape[2:])
        self.seen = (float(importance.max()), float(importance.min()), alpha)
        return latents._replace(y=latents.y * (importance + alpha) / alpha)


def test_importance_and_alpha_reach_the_model() -> None:
    codec = codec_of(toy_net())
    codec.net.__class__ = Emphatic
    pixels = picture(256, 320)
    data = codec.encode(pixels, quality=50, background=30, roi=BOX)
    most, least, alpha = codec.net.seen
    assert (most, least) == (pytest.approx(1), 0)
    assert alpha == alpha_of(20)
    assert len(data) > len(codec.encode(pixels, quality=30))
    assert codec.decode(data).size == (320, 256)
