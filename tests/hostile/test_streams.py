"""Files whose container is sound and whose checks would pass, but whose coded bytes are made to break a reader."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from toy_codec import benchmark, codec_of, paper, picture, toy

from regio.codec import Codec, options
from regio.entropy import coders
from regio.entropy.guard import table_indices
from regio.entropy.range_coder import RangeReader, RangeWriter
from regio.errors import CorruptFile, LimitExceeded, RegioError, UnsupportedFile
from regio.format import Limits, RgoFile, Tile, TileIndex, pack, parse
from regio.models.mcm import MCM, TOY

damage = benchmark("damage")


@lru_cache(maxsize=1)
def mcm() -> Codec:
    return codec_of(MCM(TOY).eval().requires_grad_(False), "mcm-toy")


def refused(codec: Codec, data: bytes, error: type[RegioError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        codec.decode(data)
    assert "\n" not in str(caught.value)


def guard_of(*numbers: Callable[[RangeWriter, int], None]) -> Callable[..., Any]:
    """In the place of `write_guard`: what a writer says who lies about its list."""

    def write(writer: RangeWriter, levels: Any, width: float) -> Any:
        for number in numbers:
            number(writer, len(levels))
        return table_indices(levels)

    return write


GUARDS = {
    "more positions than there are": (
        guard_of(lambda writer, n: writer.natural(n + 1)),
        r"65 guarded positions among 64",
    ),
    "a count that fits no table": (guard_of(lambda writer, n: writer.number(24, 5)), "a number of 24 bits"),
    "a position behind the last": (
        guard_of(
            lambda writer, n: writer.natural(1), lambda writer, n: writer.rice(n, (69 * n // 100).bit_length() - 1)
        ),
        "a guarded position lies outside the latent",
    ),
    "a gap without end": (
        guard_of(lambda writer, n: writer.natural(1), lambda writer, n: [writer.number(1, 1) for _ in range(99)]),
        "a gap leaves the latent",
    ),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_list_that_lies_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write, message = GUARDS[name]
    monkeypatch.setattr(coders, "write_guard", write)
    data = paper().encode(picture(32, 32))
    monkeypatch.undo()
    refused(paper(), data, CorruptFile, message)


@pytest.mark.parametrize(("count", "message"), [(0, "0 of 16 patches"), (17, "17 of 16 patches"), (31, "31 of 16")])
def test_a_set_of_no_patches_or_too_many_is_refused(count: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(writer: RangeWriter, kept: Any, expected: int | None) -> None:
        writer.number(1, 1)
        writer.number(count, kept.size.bit_length())

    monkeypatch.setattr(coders, "write_positions", lie)
    data = mcm().encode(picture(64, 64))
    monkeypatch.undo()
    refused(mcm(), data, CorruptFile, message)


def test_a_quantile_of_no_symbol_is_refused() -> None:
    data = toy().encode(picture(32, 32))
    start = len(data) - len(parse(data).payload)
    refused(toy(), data[:start] + b"\xff" * 40, CorruptFile, "its end does not follow from its beginning")


def test_a_symbol_beyond_all_bounds_is_no_work_and_no_crash() -> None:
    """A writer may say 2**20 for every latent: that is a picture, if none that anybody wants to see."""

    def shout(symbols: Any) -> Any:
        return np.full_like(symbols, 1 << 20)

    with pytest.MonkeyPatch.context() as patch:
        plain = coders._to_symbols
        patch.setattr(coders, "_to_symbols", lambda rounded: shout(plain(rounded)))
        data = toy().encode(picture(32, 32))
    image = toy().decode(data)  # its writer computed the check, so it is what was written
    assert image.size == (32, 32)
    refused(toy(), data[:-1] + bytes([data[-1] ^ 1]), CorruptFile, "the (coded data|decoded symbols)")


def test_a_rate_map_without_an_end_is_refused_where_it_stands() -> None:
    data = toy().encode(picture(64, 64), roi=(0, 0, 32, 32))
    parts = damage.Parts.of(data)
    parts.tiles[0] = b"\xff" * 4 + parts.tiles[0]
    refused(toy(), parts.pack(), CorruptFile, "tile 0: rate map: number longer than the 3 bytes")
    parts.tiles[0] = b"\x05" + parts.tiles[0][4:7]
    refused(toy(), parts.pack(), CorruptFile, "tile 0: rate map: 5 bytes wanted at offset")


def test_tiles_that_do_not_fit_the_model_are_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = damage.Parts.of(paper().encode(picture(40, 40)))
    parts.index = TileIndex(6, (Tile(len(parts.tiles[0]), 0),))
    monkeypatch.setattr(paper().net, "multiple", 128)
    refused(paper(), parts.pack(), UnsupportedFile, "tiles of 64 pixels do not fit a model that needs multiples of 128")


def test_a_piece_and_a_picture_have_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy().encode(picture(40, 70))
    monkeypatch.setattr(options, "DEFAULT_LIMITS", Limits(piece=2799))
    refused(toy(), data, LimitExceeded, "128 x 64 pixels in one piece, the limit is 2799")
    monkeypatch.setattr(options, "DEFAULT_LIMITS", Limits(pixels=2799))
    refused(toy(), data, LimitExceeded, "70x40 = 2800 pixels, coded as 128x64 = 8192, the limit is 2799")


@pytest.mark.parametrize("payload", [b"", b"\0", b"\x40\x21", b"\xff\xff", bytes(range(16))])
def test_a_payload_too_short_for_its_symbols_is_refused_before_they_are_read(
    payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = toy()
    sound = parse(codec.encode(picture(64, 64)))
    data = pack(RgoFile(replace(sound.header, width=2048, height=2560), sound.chunks, payload), 7)

    read: list[int] = []
    table = RangeReader.table

    def counted(reader: RangeReader, count: int, *arguments: Any) -> Any:
        read.append(count)
        return table(reader, count, *arguments)

    monkeypatch.setattr(RangeReader, "table", counted)
    for call in (codec.decode, codec.verify):
        with pytest.raises(CorruptFile, match="too short for its symbols"):
            call(data)
    assert sum(read) < 64 * 64  # the prototypes of the picture, and nothing that grows with its size


def test_flat_pictures_have_enough_bits_for_their_symbols() -> None:
    for value in (0, 90, 255):
        for codec in (toy(), paper()):
            flat = np.full((512, 640, 3), value, np.uint8)
            for quality in (0, 100) if codec is toy() else (None,):
                codec.verify(codec.encode(flat, quality=quality))


def test_verify_keeps_to_a_memory_limit() -> None:
    data = toy().encode(picture(256, 300))
    toy().verify(data, max_memory="1024G")
    with pytest.raises(LimitExceeded, match="does not fit 1 MiB"):
        toy().verify(data, max_memory=1 << 20)


def test_a_reader_of_noise_asks_for_no_more_symbols_than_it_was_told() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        reader = RangeReader(generator.integers(0, 256, 12, np.uint8).tobytes())
        try:
            for _ in range(40):
                assert 0 <= reader.natural() < 1 << 24
        except CorruptFile:
            continue
