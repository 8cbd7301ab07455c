"""docs/format.md says what the code does: its tables, its example, and its range decoder."""

import random
import re
from pathlib import Path
from typing import Any

import pytest

from regio.format import Chunk, Header, Kind, Ladder, RgoFile, chunks, fields, metadata, pack, parse, verify_check

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")


def tables() -> list[str]:
    return re.findall(r"<!-- table .*?-->\n\n(.*?)\n<!-- end of table -->", PAGE, re.DOTALL)


def example() -> bytes:
    block = re.search(r"<!-- example.*?```\n(.*?)```", PAGE, re.DOTALL)
    assert block
    return bytes.fromhex("".join(line[:14] for line in block[1].splitlines()))


def decoder() -> Any:
    """The class RangeDecoder of the page."""
    block = re.search(r"```python\n(class RangeDecoder.*?)```", PAGE, re.DOTALL)
    assert block
    names: dict[str, Any] = {}
    exec(block[1], names)
    return names["RangeDecoder"]


def test_the_tables_are_those_of_the_declarations() -> None:
    header, kinds, colours, ladder = tables()
    assert header == fields.table(Header), f"docs/format.md should show\n{fields.table(Header)}"
    assert kinds == chunks.table(), f"docs/format.md should show\n{chunks.table()}"
    assert colours == metadata.table(), f"docs/format.md should show\n{metadata.table()}"
    assert ladder == fields.table(Ladder), f"docs/format.md should show\n{fields.table(Ladder)}"


def test_every_kind_has_its_section() -> None:
    assert re.findall(r"^### (\d+) (\w+)$", PAGE, re.MULTILINE) == [
        (str(kind.value), kind.name.lower()) for kind in Kind
    ]


def test_the_example_is_what_the_library_writes() -> None:
    data = example()
    file = RgoFile(
        Header(model=1, fingerprint=b"\xab\xcd", width=4, height=3, rate=2400, grid=4),
        (Chunk(Kind.ALPHA, b"\x80"),),
        b"\x12\x34",
    )
    assert pack(file, 0x89ABCDEF) == data
    assert parse(data).payload == b"\x12\x34"
    assert verify_check(data, 0x89ABCDEF)


def test_a_string_of_two_words_decodes_to_these_symbols() -> None:
    # halves: each symbol is one bit of the string, but for the rounding of 2**64 - 1 over 2**24
    reader = decoder()(bytes.fromhex("5a"))
    halves = [1 << 23, 1 << 23]
    assert [reader.symbol(halves) for _ in range(12)] == [0, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0]


def test_the_decoder_of_the_page_reads_what_constriction_writes() -> None:
    numpy = pytest.importorskip("numpy")
    constriction = pytest.importorskip("constriction")
    generator = random.Random(1)
    for length in (0, 1, 2, 5, 40, 400):
        steep = [1, 1, 5, generator.randrange(1 << 20), 1 << 22]
        counts = [*steep, (1 << 24) - sum(steep)]
        shares = numpy.array(counts, dtype=numpy.float64) - 1  # the library adds one to each
        model = constriction.stream.model.Categorical(shares, perfect=False)
        symbols = generator.choices(range(6), counts, k=length) + list(range(6))
        writer = constriction.stream.queue.RangeEncoder()
        writer.encode(numpy.array(symbols, dtype=numpy.int32), model)
        data = writer.get_compressed().astype(">u4").tobytes().rstrip(b"\0")
        reader = decoder()(data)
        assert [reader.symbol(counts) for _ in symbols] == symbols


def test_both_decoders_make_the_same_of_noise() -> None:
    numpy = pytest.importorskip("numpy")
    constriction = pytest.importorskip("constriction")
    counts = [3, 1 << 10, 1 << 23, (1 << 23) - (1 << 10) - 3]
    model = constriction.stream.model.Categorical(numpy.array(counts, dtype=numpy.float64) - 1, perfect=False)
    generator = random.Random(2)
    for _ in range(50):
        words = [generator.randrange(1 << 32) for _ in range(generator.randrange(5))]
        reader = decoder()(b"".join(word.to_bytes(4, "big") for word in words))
        theirs = constriction.stream.queue.RangeDecoder(numpy.array(words, dtype=numpy.uint32))
        for _ in range(60):  # long past the end of the words, where both read zeros
            try:
                expected = int(theirs.decode(model))
            except AssertionError:
                with pytest.raises(ValueError, match="damaged"):
                    reader.symbol(counts)
                break
            assert reader.symbol(counts) == expected
