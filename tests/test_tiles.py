"""Pictures in tiles: without seams, decodable by region, bounded in memory, and damaged loudly."""

import weakref
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from toy_codec import codec_of, paper, paper_net, picture, tiling, toy, toy_net

import regio
from regio.codec import Codec, layout, memory, preparation, windows
from regio.codec.decoding import Decoding, Opened
from regio.codec.layout import Axis, Box, Layout, Span, layout_of
from regio.codec.memory import encoding_cost, resident
from regio.codec.torch_windows import NetworkSynthesis, WindowRegions
from regio.codec.windows import analysis_window, synthesise
from regio.errors import CorruptFile, LimitExceeded, UsageError
from regio.format import Kind, Tile, TileIndex, pack, parse
from regio.models.base import Decoded
from regio.models.segpic import PRESETS, SegPIC
from regio.models.two_pass import TwoPass
from regio.nn.patch import BottleneckUnit
from regio.nn.regional import RegionAdaptiveTransform

CODECS: dict[str, Callable[[], Codec]] = {"toy": toy, "paper": paper}
TILINGS = {"blocks as tiles": (7, 128), "blocks of tiles": (6, 128), "tiles of blocks": (8, 128)}  # log2 side, block


@pytest.fixture
def small_tiles() -> Iterator[None]:
    """Tiles and blocks of 128 pixels."""
    with tiling(7, 128):
        yield


def squared_error(image: Image.Image, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    error: NDArray[np.float64] = np.square(np.asarray(image).astype(float) - pixels).mean(axis=2)
    return error


def near_borders(height: int, width: int, side: int, reach: int) -> NDArray[np.bool_]:
    """(H,W): the pixels within `reach` of a border between tiles."""

    def along(length: int) -> NDArray[np.bool_]:
        at = np.arange(length)
        nearest = np.round((at + 0.5) / side) * side
        return (np.abs(at + 0.5 - nearest) < reach) & (nearest > 0) & (nearest < length)

    return along(height)[:, None] | along(width)[None]


# Geometry


@given(length=st.integers(1, 90), tile=st.integers(1, 9), block=st.integers(1, 9), halo=st.integers(0, 5))
def test_cells_cut_the_picture_into_parts_that_windows_cover(length: int, tile: int, block: int, halo: int) -> None:
    axis = Axis(2 * length, 2 * tile, 2 * block, halo, align=2)
    cells = [axis.cell(k) for k in range(axis.blocks)]
    assert [at for cell in cells for at in range(*cell)] == list(range(axis.length))
    for k, cell in enumerate(cells):
        reach, window, inner = axis.reach(k), axis.window(k), axis.inner(k)
        assert reach.start <= cell.start
        assert cell.stop <= reach.stop
        assert reach.wider(halo).within(axis.whole).within(window) == reach.wider(halo).within(axis.whole)
        assert inner is None or inner.wider(halo).within(axis.whole).within(axis.core(k)).length >= inner.length
        if k:  # a border that two blocks share: both know it
            assert axis.reach(k - 1).stop - reach.start == 2 * layout.FADE


@given(start=st.integers(0, 79), size=st.integers(1, 80), block=st.integers(1, 9))
def test_a_part_is_made_of_all_blocks_that_reach_into_it(start: int, size: int, block: int) -> None:
    axis = Axis(80, 4, 2 * block, 3, align=2)
    part = Span(start, min(start + size, 80))
    assert list(axis.blocks_for(part)) == [k for k in range(axis.blocks) if axis.reach(k).meets(part)]


def test_the_picture_decides_whether_there_are_tiles() -> None:
    sizes = {(2048, 2048): None, (2048, 2049): 1024, (20000, 300): 1024}
    for (height, width), side in sizes.items():
        blank = regio.images.Picture(np.zeros((height, width, 3), np.uint8))
        chosen, keep = preparation._layout(toy().runtime, blank, memory.Budget.of(None), False, False)
        assert (chosen.log2_side and 1 << chosen.log2_side) == side
        assert not keep


# Pixels


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [(1, 1), (300, 1), (129, 257), (128, 128), (300, 350)])
def test_tiled_pictures_of_any_size_come_back_at_their_size(name: str, size: tuple[int, int]) -> None:
    codec, pixels = CODECS[name](), picture(*size)
    data = codec.encode(pixels)
    image = codec.decode(data)
    assert (image.mode, image.size) == ("RGB", size[::-1])
    codec.verify(data)
    assert regio.inspect(data).tile_side == 128
    if name == "toy":
        assert squared_error(image, pixels).mean() < 650  # 20 dB, as without tiles


@pytest.mark.parametrize(("name", "kind"), [*(("toy", kind) for kind in TILINGS), ("paper", "blocks as tiles")])
def test_a_region_has_exactly_the_pixels_of_the_whole(name: str, kind: str) -> None:
    height, width, count = (300, 421, 12) if name == "toy" else (140, 270, 4)
    generator = np.random.default_rng(1)
    with tiling(*TILINGS[kind]):
        codec = CODECS[name]()
        data = codec.encode(picture(height, width))
        whole = np.asarray(codec.decode(data))
        for _ in range(count):
            x, y = int(generator.integers(0, width)), int(generator.integers(0, height))
            across, down = int(generator.integers(1, width - x + 1)), int(generator.integers(1, height - y + 1))
            part = codec.decode(data, region=(x, y, across, down))
            assert np.array_equal(np.asarray(part), whole[y : y + down, x : x + across]), (x, y, across, down)


@pytest.mark.parametrize("tiled", [True, False])
def test_a_region_keeps_colour_kind_opacity_and_metadata(tiled: bool) -> None:
    image = Image.fromarray(picture(150, 200)).convert("L")
    image.putalpha(Image.fromarray(picture(150, 200, seed=1)[..., 0]))
    image.info["exif"] = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
    data = toy().encode(image)
    if tiled:
        with tiling(6, 64):
            data = toy().encode(image)
    assert (regio.inspect(data).tile_side is not None) == tiled
    part, whole = toy().decode(data, region=(30, 40, 100, 90)), toy().decode(data)
    assert part.mode == "LA"
    assert part.tobytes() == whole.crop((30, 40, 130, 130)).tobytes()
    assert part.info["exif"] == whole.info["exif"]
    assert regio.decode(data, region=(30, 40, 100, 90), codec=toy()).tobytes() == part.tobytes()


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((0, 0, 201, 150), "0,0,201,150.*not inside the picture of 200 x 150"),
        ((0, 0, 200, 151), "not inside"),
        ((-1, 0, 5, 5), "not inside"),
        ((0, 0, 0, 5), "not inside"),
        ((199, 149, 2, 1), "not inside"),
        ((0, 0, 10), "four whole numbers"),
        ((0, 0, 10.5, 3), "four whole numbers"),
        ("abcd", "four whole numbers"),
    ],
)
def test_a_region_that_is_not_in_the_picture_is_one_clear_error(region: Any, message: str) -> None:
    data = toy().encode(picture(150, 200))
    with pytest.raises(UsageError, match=message) as caught:
        toy().decode(data, region=region)
    assert "\n" not in str(caught.value)


XS_LIKE = replace(
    PRESETS["toy"],
    transform=PRESETS["segpic-xs-1"].transform,
    latent=24,
    deep_codes=(24, 8, 4),
    two_pass=TwoPass(slices=(4, 20), hidden=8, level_hidden=4, hyper=8),
)


def busy_net() -> SegPIC:
    """As deep as segpic-xs, each layer at work, and one that looks far."""
    net = toy_net(XS_LIKE)
    generator = torch.Generator().manual_seed(1)
    for unit in (module for module in net.modules() if isinstance(module, BottleneckUnit)):
        unit.out.weight.copy_(torch.randn(unit.out.weight.shape, generator=generator) * 0.1)
    return net


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_borders_of_tiles_are_no_worse_than_the_rest(seed: int) -> None:
    """Error in a band of 16 pixels along borders and elsewhere, each over that of the picture in one piece."""
    pixels = picture(512, 512, seed)
    whole = squared_error(toy().decode(toy().encode(pixels, grid=4)), pixels)
    with tiling(7, 128):
        tiled = squared_error(toy().decode(toy().encode(pixels, grid=1)), pixels)
    band = near_borders(512, 512, 128, 8)
    assert tiled[band].mean() / whole[band].mean() < 1.01 * tiled[~band].mean() / whole[~band].mean()


class Open(torch.nn.Module):
    """A gate that looks at nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(1, 1, 1, 1)


def without_gates(net: SegPIC) -> SegPIC:
    for module in net.modules():
        if isinstance(module, RegionAdaptiveTransform):
            module.gate = Open()  # type: ignore[assignment]
    return net


def random_tiles(net: SegPIC, cut: Layout, grid: int) -> dict[int, Decoded]:
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    m, n = net.config.latent, net.config.shallow
    return {k: Decoded(some(1, m, *cut.tile(k).size), some(1, n, grid, grid)) for k in range(cut.count)}


@torch.inference_mode()
def assembled(net: SegPIC, cut: Layout, tiles: dict[int, Decoded], grid: int) -> torch.Tensor:
    x = torch.full((3, cut.height, cut.width), torch.nan)
    rate = None if not net.rated else torch.tensor([0.4])
    for box, part in synthesise(NetworkSynthesis(net), cut, cut.picture, lambda k: windows.Tile(tiles[k], rate), grid):
        x[(..., *box.seen_from(cut.picture))] = part
    return x


@pytest.mark.parametrize("name", ["toy", "xs", "paper"])
def test_windows_see_all_that_a_pixel_depends_on(name: str) -> None:
    """With gates taken out, windows give what one window over the whole picture gives, but for the order of sums."""
    nets = {"toy": toy_net, "xs": busy_net, "paper": paper_net}
    net = without_gates(nets[name]())
    cut = replace_blocks(layout_of(net, 400, 300, 7), 12)
    tiles = random_tiles(net, cut, 3)
    whole = assembled(net, replace_blocks(cut, 100), tiles, 3)
    found = assembled(net, cut, tiles, 3)
    assert (found - whole).abs().max() < 1e-4 * whole.std()
    if name == "xs":  # and the test would notice a smaller halo
        narrow = [replace(axis, align=1, halo=axis.halo - 3) for axis in cut.axes]
        less = assembled(net, replace(cut, rows=narrow[0], columns=narrow[1]), tiles, 3)
        assert (less - whole).abs().max() > 1e-4 * whole.std()


def test_windows_differ_at_their_borders_no_more_than_elsewhere() -> None:
    """Gates included, against one window over the whole picture; with windows that end where they fade for contrast."""
    codec = codec_of(busy_net(), "busy")
    with tiling(7, 128, codec):
        data = codec.encode(picture(512, 512))
    opened = Decoding(codec.runtime, Opened.of(data))
    cut = replace_blocks(opened.layout, 8)
    tiles = {k: opened.read(k).decoded for k in range(cut.count)}
    whole = assembled(codec.net, replace_blocks(cut, 100), tiles, 4)
    band = torch.from_numpy(near_borders(512, 512, 128, 8))
    ratios = []
    for halo in (codec.net.halo, 0):
        axes = [replace(axis, halo=halo, align=axis.align if halo else 1) for axis in cut.axes]
        found = assembled(codec.net, replace(cut, rows=axes[0], columns=axes[1]), tiles, 4)
        error = (found - whole).square().mean(0)
        ratios.append(float(error[band].mean() / error[~band].mean()))
    assert ratios[0] < 1.1
    assert ratios[1] > 10


def replace_blocks(cut: Layout, block: int) -> Layout:
    return replace(cut, rows=replace(cut.rows, block=block), columns=replace(cut.columns, block=block))


@torch.inference_mode()
def test_the_analysis_of_a_tile_sees_what_it_needs_of_its_neighbours() -> None:
    net = without_gates(busy_net())
    cut = layout_of(net, 512, 512, 7)
    x = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(1))
    k = 5
    found = []
    for halo in (net.halo, 100):
        wide = replace(cut, rows=replace(cut.rows, halo=halo), columns=replace(cut.columns, halo=halo))
        seen, tile = wide.seen_by(k), wide.tile(k)
        rows, columns = seen.times(16)
        latents = net.analyse(x[:, :, slice(*rows), slice(*columns)], WindowRegions(analysis_window(wide, k, 2)))
        found.append(latents.y[(..., *tile.seen_from(seen))])
    assert (found[0] - found[1]).abs().max() < 1e-4 * found[1].std()


# Work and memory


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tiles that are decoded."""
    seen: list[int] = []
    read = Decoding.read

    def counted(self: Decoding, k: int) -> Decoded:
        seen.append(k)
        return read(self, k)

    monkeypatch.setattr(Decoding, "read", counted)
    return seen


@pytest.mark.usefixtures("small_tiles")
def test_a_region_decodes_the_tiles_it_needs_and_no_others(reads: list[int]) -> None:
    data = toy().encode(picture(512, 512))  # 4 x 4 tiles
    expected = {
        (40, 40, 20, 20): [0],
        (128 + 60, 256 + 60, 8, 8): [9],
        (100, 40, 20, 20): [0, 1],  # so near the border that its neighbour's latents matter
        (256, 256, 1, 1): [5, 6, 9, 10],
        (500, 500, 12, 12): [15],
        (0, 0, 512, 512): list(range(16)),
    }
    for region, tiles in expected.items():
        reads.clear()
        toy().decode(data, region=region)
        assert sorted(reads) == tiles, region  # each once


def test_at_most_three_rows_of_tiles_are_held() -> None:
    net = toy_net()
    cut = replace_blocks(layout_of(net, 512, 1024, 7), 8)
    across = cut.columns.tiles
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    most = 0

    def fetch(k: int) -> windows.Tile:
        nonlocal most
        y = torch.zeros(1, net.config.latent, *cut.tile(k).size)
        alive.add(y)
        most = max(most, len(alive))
        return windows.Tile(Decoded(y, torch.zeros(1, net.config.shallow, 2, 2)), torch.tensor([0.5]))

    with torch.inference_mode():
        for _ in synthesise(NetworkSynthesis(net), cut, cut.picture, fetch, 2):
            pass
    assert across < most <= 3 * across


def test_tiles_are_coded_by_themselves() -> None:
    """What lies further away than the analysis looks leaves no trace in a tile's bytes."""
    pixels = picture(512, 512)
    other = pixels.copy()
    other[:, 256:] = picture(512, 512, seed=3)[:, 256:]
    with tiling(7, 128):
        one, two = (parse(toy().encode(x)) for x in (pixels, other))
    assert one.tiles is not None
    assert two.tiles is not None
    for k in (0, 4, 8, 12):
        assert one.payload[one.tiles.spans()[k]] == two.payload[two.tiles.spans()[k]]
    assert one.payload[one.tiles.spans()[2]] != two.payload[two.tiles.spans()[2]]


def test_memory_decides_the_side_of_tiles_and_in_the_end_refuses() -> None:
    net = toy().net
    blank = regio.images.Picture(np.zeros((5000, 5000, 3), np.uint8))

    def chosen(free: float) -> tuple[int | None, bool]:
        cut, keep = preparation._layout(toy().runtime, blank, memory.Budget(1 << 30, free), True, True)
        return cut.log2_side, keep

    costs = {side: encoding_cost(net, layout_of(net, 5000, 5000, side), True, True) for side in (10, 8)}
    assert chosen(1e10) == chosen(costs[10]) == (10, True)
    assert costs[8] < costs[10] - 1
    assert chosen(costs[10] - 1)[0] in (9, 8)
    with pytest.raises(LimitExceeded, match=r"does not fit 1024 MiB of memory; about \d+ MiB"):
        chosen(1e6)


def test_a_memory_limit_is_kept_or_said_to_be_too_low() -> None:
    pixels = picture(256, 300)
    data = toy().encode(pixels, max_memory=1 << 40)
    assert toy().decode(data, max_memory=1 << 40).size == (300, 256)
    for refused in (lambda: toy().encode(pixels, max_memory=1 << 20), lambda: toy().decode(data, max_memory=1 << 20)):
        with pytest.raises(LimitExceeded, match="does not fit 1 MiB"):
            refused()
    with pytest.raises(UsageError, match="max_memory=0"):
        toy().encode(pixels, max_memory=0)
    assert resident() > 50 << 20  # this process has torch in it


def test_less_memory_than_the_picture_in_one_piece_needs_brings_tiles() -> None:
    blank = regio.images.Picture(np.zeros((2048, 2048, 3), np.uint8))
    budget = memory.Budget(1 << 30, 4e8)
    assert preparation._layout(toy().runtime, blank, budget, False, False)[0].log2_side is not None


# Search


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Calls of the analysis."""
    seen: list[int] = []
    analyse = SegPIC.analyse

    def counted(self: SegPIC, *arguments: Any) -> Any:
        seen.append(1)
        return analyse(self, *arguments)

    monkeypatch.setattr(SegPIC, "analyse", counted)
    return seen


@pytest.mark.usefixtures("small_tiles")
def test_targets_are_met_in_tiles_and_each_tile_is_analysed_once(analyses: list[int]) -> None:
    pixels = picture(200, 300)
    files = [toy().encode(pixels, quality=quality) for quality in (20, 60)]
    low, high = (len(data) for data in files)
    middle = (low + high) // 2
    analyses.clear()
    data = toy().encode(pixels, max_bytes=middle)
    assert len(analyses) == 6
    assert middle - 16 <= len(data) <= middle
    assert abs(len(toy().encode(pixels, target_bpp=8 * middle / 60000)) - middle) <= 16
    psnr = [10 * np.log10(255**2 / squared_error(toy().decode(data), pixels).mean()) for data in files]
    wanted = sum(psnr) / 2
    analyses.clear()
    data = toy().encode(pixels, target_psnr=wanted)
    assert len(analyses) == 6
    reached = 10 * np.log10(255**2 / squared_error(toy().decode(data), pixels).mean())
    assert wanted <= reached < wanted + 0.1  # the PSNR of the search is that of the file
    toy().verify(data)


@pytest.mark.usefixtures("small_tiles")
def test_without_the_memory_to_keep_latents_they_are_made_anew(
    analyses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = picture(200, 300)
    kept = toy().encode(pixels, max_bytes=3000)
    choose = preparation._layout
    monkeypatch.setattr(preparation, "_layout", lambda *arguments: (choose(*arguments)[0], False))
    analyses.clear()
    anew = toy().encode(pixels, max_bytes=3000)
    assert len(analyses) > 6
    assert abs(len(anew) - len(kept)) < 16  # half precision, or not


# Damage


def rebuilt(data: bytes, change: Callable[[list[Tile], list[bytes]], None], consistent: bool = True) -> bytes:
    """A tiled file after `change`; consistent: with checksums that fit, as anybody can make them."""
    file = parse(data)
    index = file.tiles
    assert index is not None
    tiles, parts = list(index.tiles), [file.payload[span] for span in index.spans()]
    change(tiles, parts)
    changed = TileIndex(index.log2_side, tuple(tiles))
    chunks = tuple(changed.chunk() if chunk.kind == Kind.TILES else chunk for chunk in file.chunks)
    crc = changed.symbol_crc if consistent else index.symbol_crc ^ 1
    return pack(replace(file, chunks=chunks, payload=b"".join(parts)), crc)


def swap(tiles: list[Tile], parts: list[bytes]) -> None:
    tiles[1], tiles[2] = tiles[2], tiles[1]
    parts[1], parts[2] = parts[2], parts[1]


def swap_bytes(tiles: list[Tile], parts: list[bytes]) -> None:
    parts[1], parts[2] = parts[2], parts[1]
    tiles[1], tiles[2] = (replace(tiles[k], length=len(parts[k])) for k in (1, 2))


def shorten(tiles: list[Tile], parts: list[bytes]) -> None:
    parts[3] = parts[3][: len(parts[3]) // 2]
    tiles[3] = replace(tiles[3], length=len(parts[3]))


def wrong_crc(tiles: list[Tile], parts: list[bytes]) -> None:
    tiles[4] = replace(tiles[4], check=tiles[4].check ^ 1)


def flip(tiles: list[Tile], parts: list[bytes]) -> None:
    parts[5] = bytes([*parts[5][:20], parts[5][20] ^ 4, *parts[5][21:]])


@pytest.fixture(scope="module")
def sound() -> bytes:
    with tiling(7, 128):
        return toy().encode(picture(200, 300))  # 3 x 2 tiles, all of different bytes


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize(
    ("change", "tile"),
    [(swap_bytes, "tile 1 "), (shorten, "tile 3 "), (wrong_crc, "tile 4 "), (flip, r"tile 5 \(column 2, row 1")],
)
def test_a_damaged_tile_is_named(change: Any, tile: str, consistent: bool, sound: bytes) -> None:
    data = rebuilt(sound, change, consistent)
    for refused in (lambda: toy().decode(data), lambda: toy().verify(data)):
        with pytest.raises(CorruptFile, match=tile) as caught:
            refused()
        assert "\n" not in str(caught.value)


def test_tiles_swapped_with_their_checks_are_noticed(sound: bytes) -> None:
    """Tiles of one size, each sound in itself: what notices is the header's check, over the checks in their order."""
    data = rebuilt(sound, swap_nothing_but_order, consistent=False)
    with pytest.raises(CorruptFile, match="the file fails its check"):
        toy().decode(data)


def swap_nothing_but_order(tiles: list[Tile], parts: list[bytes]) -> None:
    tiles[0], tiles[1] = tiles[1], tiles[0]
    parts[0], parts[1] = parts[1], parts[0]


def test_every_truncation_names_a_tile_or_an_offset(sound: bytes) -> None:
    payload = len(parse(sound).payload)
    for cut in range(0, len(sound), 37):
        expected = r"from tile \d+ on" if cut >= len(sound) - payload else "offset|it is empty"
        with pytest.raises(CorruptFile, match=expected):
            toy().decode(sound[:cut])


@pytest.mark.parametrize("at", range(40))
def test_damage_anywhere_is_noticed_by_a_region_too(at: int, sound: bytes) -> None:
    """Even in bytes that the region has no use for: the check is that of the file."""
    places = [*range(2, 16), *range(len(sound) - 300, len(sound), 12)]
    changed = bytearray(sound)
    changed[places[at % len(places)]] ^= 1 << (at % 8)
    with pytest.raises(regio.errors.RegioError):
        toy().decode(bytes(changed), region=(0, 0, 8, 8))


def test_the_check_of_a_tiled_file_is_over_the_checks_of_its_tiles(sound: bytes) -> None:
    index = parse(sound).tiles
    assert index is not None
    assert len(index.tiles) == 6
    crc = zlib.crc32(b"".join(tile.check.to_bytes(4, "big") for tile in index.tiles))
    assert index.symbol_crc == crc
    head = parse(sound)
    assert pack(head, crc) == sound


@settings(max_examples=40, deadline=None)
@given(region=st.tuples(st.integers(0, 299), st.integers(0, 199), st.integers(1, 300), st.integers(1, 200)))
def test_needs_of_a_region_grow_with_it(region: tuple[int, int, int, int]) -> None:
    x, y, across, down = region
    cut = layout_of(toy().net, 300, 200, 6)
    part = Box(Span(y, min(y + down, 200)), Span(x, min(x + across, 300)))
    needed = {k for block in cut.blocks(part) for k in block.needs}
    assert cut.tiles_in(cut.latents(part)) <= needed <= set(range(cut.count))
