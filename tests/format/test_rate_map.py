"""What a tile begins with where rates vary: literal bytes, bounds, and damage."""

from dataclasses import replace

import pytest

from regio.errors import CorruptFile, UsageError
from regio.format import NO_MAP, Chunk, Header, Kind, Ladder, RateMap, RgoFile, Tile, TileIndex, pack, parse, rate_map
from regio.info import inspect

HEADER = Header(model=1, fingerprint=b"\xab\xcd", width=300, height=100, rate=1000, grid=4, varies=True)
MAP = RateMap(Ladder(span=800, levels=4), b"\x12\x34")


def test_a_map_has_these_bytes() -> None:
    # five bytes follow: 800 is 320 in hexadecimal, and 4 levels are stored as 3
    assert MAP.pack() == bytes.fromhex("04 3203 1234")
    assert rate_map.split(bytes.fromhex("04 3203 1234 99"), 1000, "tile 0", 20) == (MAP, b"\x99")
    assert rate_map.split(NO_MAP + b"\x99", 1000, "tile 0", 20) == (None, b"\x99")


@pytest.mark.parametrize(("level", "step"), [(0, 1000), (1, 1267), (2, 1533), (3, 1800)])
def test_levels_lie_evenly_between_the_rates(level: int, step: int) -> None:
    assert MAP.ladder.step(1000, level) == step


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "tile 7: rate map: 1 bytes wanted at offset 20"),
        ("05 3203 1234", "5 bytes wanted at offset 21, 4 left"),
        ("01 32", "2 bytes wanted at offset 21, 1 left"),
        ("02 0003", r"span is 0 at offset 21, expected 1\.\.4000"),
        ("02 fa13", r"span is 4001 at offset 21"),
        ("02 3200", r"levels is 1 at offset 21, expected 2\.\.16"),
        ("02 bb93", "rate steps up to 4001, above 4000 at offset 20"),
        ("8000", "needless zero bits"),
        ("ffffff7f", "longer than the 3 bytes"),
        ("818040", "above its bound 1048576"),
    ],
)
def test_damage_is_named(data: str, message: str) -> None:
    with pytest.raises(CorruptFile, match=message):
        rate_map.split(bytes.fromhex(data), 1000, "tile 7", 20)


@pytest.mark.parametrize(("span", "levels"), [(0, 4), (4001, 4), (5, 1), (5, 17)])
def test_a_ladder_that_does_not_fit_is_a_usage_error(span: int, levels: int) -> None:
    with pytest.raises(UsageError, match="does not fit the file"):
        Ladder(span=span, levels=levels)


def test_a_file_tells_its_map_and_what_it_takes() -> None:
    data = pack(RgoFile(HEADER, (Chunk(Kind.ALPHA, b"\x80"),), MAP.pack() + b"streams"), 0)
    assert data[2] == 0x15
    info = inspect(data)
    assert (info.quality, info.roi_quality) == (25, 45)
    assert info.parts["rate map"] == 5
    assert info.parts["payload"] == 7
    assert sum(info.parts.values()) == info.bytes_total == len(data)


def test_each_tile_has_its_own() -> None:
    tiles = (MAP.pack() + b"abc", NO_MAP + b"de", MAP.pack())
    index = TileIndex(7, tuple(Tile(len(tile), 0) for tile in tiles))
    file = parse(pack(RgoFile(HEADER, (index.chunk(),), b"".join(tiles)), 0))
    assert list(file.maps()) == [(MAP, 5), (None, 1), (MAP, 5)]
    assert file.tile(1, file.spans[1]) == (None, b"de")
    broken = replace(file, payload=tiles[0] + b"\x09e" + tiles[2] + b"x")
    with pytest.raises(CorruptFile, match="tile 1: rate map: 9 bytes wanted"):
        list(broken.maps())


def test_damage_to_a_map_is_met_when_parsing() -> None:
    data = pack(RgoFile(HEADER, (), b"\x7f"), 0)
    with pytest.raises(CorruptFile, match="tile 0: rate map: 127 bytes wanted at offset 16, 0 left"):
        parse(data)
