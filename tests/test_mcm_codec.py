"""MCM through real files: any size, one budget over all tiles, regions of interest, no seams, no garbage."""

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from toy_codec import codec_of, picture, tiling

import regio
from regio.codec import Codec
from regio.codec.decoding import Decoding, Opened
from regio.codec.kept import Order
from regio.codec.layout import layout_of
from regio.entropy import StreamReader, StreamWriter
from regio.errors import CorruptFile, RegioError, UnsupportedFile, UsageError
from regio.format import CustomWeights, RgoFile, pack, parse
from regio.format.header import MAX_RATE
from regio.models.mcm import MCM, PRESETS, TOY, MCMConfig
from regio.models.mcm_transforms import GlobalViT


def net_of(config: MCMConfig = TOY) -> MCM:
    """Fresh, but that everything that starts as zero does something."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    net = MCM(config).eval().requires_grad_(False)
    for parameter in net.parameters():
        if not parameter.any():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.005)
    return net


@lru_cache(maxsize=1)
def codec() -> Codec:
    return codec_of(net_of(), "mcm-toy")


def kept_of(data: bytes) -> NDArray[np.bool_]:
    """The kept set of a whole file, tile by tile."""
    decoding = Decoding(codec().runtime, Opened.of(data))
    plan = decoding.layout
    grid = np.zeros((plan.rows.length, plan.columns.length), bool)
    for k in range(plan.count):
        rows, columns = (slice(*span) for span in plan.tile(k))
        grid[rows, columns] = decoding.read(k).decoded.kept[0, 0].numpy() > 0
    return grid


@pytest.mark.parametrize("size", [(1, 1), (1, 70), (65, 63), (128, 256)])
@pytest.mark.parametrize("quality", [0, 55, 100])
def test_pictures_of_any_size_come_back_and_cost_what_was_estimated(size: tuple[int, int], quality: float) -> None:
    pixels = picture(*size)
    data = codec().encode(pixels, quality=quality)
    assert codec().decode(data).size == size[::-1]
    overhead = len(data) - codec().estimate_bits(pixels, quality) / 8
    assert overhead <= 0.005 * len(data) + 16 + 30  # custom weights name themselves in 30 bytes


def test_the_whole_picture_shares_one_budget() -> None:
    pixels = np.full((256, 256, 3), 128, np.uint8)
    pixels[:128, :128] = picture(128, 128)  # one busy quarter
    with tiling(7, 128, codec()):
        data = codec().encode(pixels, quality=25)
        kept = kept_of(data)
    share = codec().net.budget(torch.tensor([0.25]), 256)
    assert kept.sum() == share
    quarters = kept.reshape(2, 8, 2, 8).sum(axis=(1, 3))
    assert quarters[0, 0] > 0.8 * (share - 12)
    assert (quarters.flatten()[1:] >= 4).all()  # one of every 4x4 all the same
    assert regio.inspect(data).tile_side == 128


def test_a_flat_tile_of_a_busy_picture_keeps_one_patch_at_the_lowest_quality() -> None:
    """Such tiles are why a reader cannot ask for more than one patch a tile."""
    few = codec_of(net_of(replace(TOY, kept=(10, 1000))), "mcm-toy")
    pixels = np.full((256, 320, 3), 200, np.uint8)
    pixels[:, :256] = np.random.default_rng(0).integers(0, 256, (256, 256, 3))
    with tiling(7, 128, few):
        data = few.encode(pixels, quality=0)
        assert few.net.budget(torch.tensor([0.0]), 320) == 3
        few.verify(data)
        assert few.decode(data).size == (320, 256)


def test_tiles_keep_the_patches_that_the_picture_in_one_piece_keeps() -> None:
    pixels = picture(200, 300)
    whole = kept_of(codec().encode(pixels, quality=40))
    with tiling(7, 128, codec()):
        parts = kept_of(codec().encode(pixels, quality=40))
    assert np.array_equal(whole, parts)


def test_files_grow_with_quality_and_sets_are_nested() -> None:
    pixels = picture(160, 224)
    files = [codec().encode(pixels, quality=q) for q in range(0, 101, 10)]
    sizes = [len(data) for data in files]
    assert sizes == sorted(sizes)
    assert sizes[0] * 3 < sizes[-1]
    sets = [kept_of(data) for data in files[::3]]
    assert all((small <= large).all() for small, large in pairwise(sets))


def test_a_painted_region_keeps_its_patches_at_the_same_bytes() -> None:
    pixels = picture(256, 256)
    box = (32, 160, 80, 64)
    plain = codec().encode(pixels, quality=20)
    marked = codec().encode(pixels, quality=20, roi=box)
    inside = np.zeros((16, 16), bool)
    inside[10:14, 2:7] = True
    assert len(marked) <= len(plain)
    assert kept_of(marked)[inside].mean() > 0.9
    assert kept_of(plain)[inside].mean() < 0.5


def test_patches_that_only_fill_up_are_not_kept() -> None:
    pixels = picture(70, 40)  # 5 x 3 patches of 6 x 4
    kept = kept_of(codec().encode(pixels, quality=95))
    assert not kept[5:].any()
    assert not kept[:, 3:].any()
    assert kept.any()


def test_a_region_has_exactly_the_pixels_of_the_whole() -> None:
    pixels = picture(300, 421)
    with tiling(7, 128, codec()):
        data = codec().encode(pixels, quality=50)
        whole = np.asarray(codec().decode(data))
        for x, y, across, down in ((0, 0, 10, 10), (120, 100, 50, 160), (400, 280, 21, 20)):
            part = np.asarray(codec().decode(data, region=(x, y, across, down)))
            assert np.array_equal(part, whole[y : y + down, x : x + across])


def test_borders_of_tiles_and_blocks_do_not_show() -> None:
    """The step across a border, against steps elsewhere in the same picture and against the picture in one piece."""
    rows, columns = np.mgrid[0:256, 0:384]
    smooth = np.stack([128 + 90 * np.sin(rows / 90 + k) * np.cos(columns / 70 + k) for k in range(3)], axis=2)
    pixels = smooth.clip(0, 255).astype(np.uint8)
    with tiling(7, 128, codec()):
        tiled = np.asarray(codec().decode(codec().encode(pixels, quality=70))).astype(float)
    whole = np.asarray(codec().decode(codec().encode(pixels, quality=70))).astype(float)
    jump = np.abs(np.diff(tiled, axis=1)).mean(axis=(0, 2))
    usual = np.abs(np.diff(whole, axis=1)).mean(axis=(0, 2))
    for border in (127, 255):
        assert jump[border] <= 1.5 * usual[border] + 0.5
    assert np.abs(tiled - whole).mean() < 2


@pytest.mark.parametrize("tiled", [False, True])
def test_every_damaged_byte_is_an_error_and_never_a_picture(tiled: bool) -> None:
    pixels = picture(96, 160)
    with tiling(6 if tiled else 10, 128, codec()):
        data = codec().encode(pixels, quality=50)
        for at in range(60, len(data), 7):
            damaged = bytearray(data)
            damaged[at] ^= 1 << (at % 8)
            with pytest.raises(RegioError):
                codec().decode(bytes(damaged))
        for cut in range(len(data) - 1, 60, -9):
            with pytest.raises(RegioError):
                codec().decode(data[:cut])


def test_files_decode_with_any_number_of_threads() -> None:
    pixels, before = picture(128, 192), torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            data = codec().encode(pixels, quality=60)
            torch.set_num_threads(3 - threads)
            codec().verify(data)
    finally:
        torch.set_num_threads(before)


def test_targets_are_met() -> None:
    pixels = picture(192, 256)
    data = codec().encode(pixels, target_bpp=0.12)
    assert len(data) * 8 / (192 * 256) == pytest.approx(0.12, rel=0.05)
    assert len(codec().encode(pixels, max_bytes=500)) <= 500


def test_the_order_of_patches_does_not_depend_on_the_tiles() -> None:
    pixels, net = picture(300, 200), net_of()
    whole = Order(net, pixels, layout_of(net, 200, 300, None), None).of_tile(0, None)
    tiled = layout_of(net, 200, 300, 7)
    order = Order(net, pixels, tiled, None)
    joined = torch.full(whole.places.shape[1:], -1)
    for k in range(tiled.count):
        rows, columns = (slice(*span) for span in tiled.tile(k))
        joined[rows, columns] = order.of_tile(k, None).places[0]
    assert torch.equal(joined[: whole.places.shape[1], : whole.places.shape[2]], whole.places[0])
    assert order.of_tile(0, None).total == 19 * 13


def test_a_count_beyond_the_grid_is_corrupt() -> None:
    writer = StreamWriter(codec().tables)
    writer.writers[0].number(1, 1)
    writer.writers[0].number(200, 8)
    net = codec().net
    reader = StreamReader(codec().tables, [writer.finish()[0].payload])
    with pytest.raises(CorruptFile, match="200 of 128 patches"):
        net.code(None, reader, None, torch.tensor([0.5]), (8, 16))


def test_rates_of_a_file_reach_the_model_as_they_were() -> None:
    assert MAX_RATE == 4000
    net = MCM(replace(TOY, kept=(100, 1000)))
    assert [net.budget(torch.tensor([s / MAX_RATE]), 1000) for s in (0, 1000, 4000)] == [100, 325, 1000]


@lru_cache(maxsize=1)
def papers() -> Codec:
    """The paper's model, made small: 128x128 pixels, one rate, scales in floating point, tokens packed."""
    small = GlobalViT(width=16, depth=1, heads=2, decoder_width=8, decoder_depth=1, decoder_heads=2, grid=8)
    config = replace(
        PRESETS["mcm"],
        vision=small,
        analysis=(14, 12),
        synthesis=(14, 16),
        hyper_down=((12, 1), (10, 2), (8, 2)),
        hyper_up=((10, 2), (12, 2)),
        slices=3,
        support=2,
        context=(8,),
    )
    return codec_of(net_of(config), "paper-toy")


@pytest.mark.parametrize("size", [(1, 1), (100, 90), (128, 128)])
def test_the_papers_model_codes_pictures_up_to_its_size(size: tuple[int, int]) -> None:
    data = papers().encode(picture(*size))
    assert papers().decode(data).size == size[::-1]
    papers().verify(data)


def test_larger_pictures_are_refused_by_the_papers_model_in_one_line() -> None:
    with pytest.raises(UsageError, match="up to 128 x 128 pixels, not of 130 x 20"):
        papers().encode(picture(20, 130))
    with pytest.raises(UsageError, match="one rate only"):
        papers().encode(picture(20, 20), quality=50)
    large = codec().encode(picture(20, 130))
    renamed = replace_weights(large, papers())
    with pytest.raises(UnsupportedFile, match="up to 128 x 128"):
        papers().decode(renamed)


def replace_weights(data: bytes, other: Codec) -> bytes:
    """A file that claims to be of other weights; its check is that of nothing."""
    file = parse(data)
    header = replace(file.header, fingerprint=other.weights.fingerprint[:2])
    return pack(RgoFile(header, (CustomWeights(other.weights.fingerprint, other.name).chunk(),), file.payload), 0)
