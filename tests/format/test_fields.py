"""A record declared field by field is read, written, measured and described from that one declaration."""

from dataclasses import dataclass

import pytest

from regio.errors import CorruptFile, UnsupportedFile, UsageError
from regio.format import fields
from regio.format.cursor import Cursor
from regio.format.fields import Described, bits, constant, flag, pack, raw, table, u8, u16, u32, unpack, varint


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One field of every form."""

    mark: bytes = constant(b"OK", doc="mark")
    small: int = u8(lo=1, hi=9, doc="small")
    middle: int = u16(doc="middle")
    large: int = u32(doc="large")
    loose: int = varint(lo=2, hi=300, doc="loose")
    name: bytes = raw(3, doc="name")
    top: int = bits(3, hi=4, fault=UnsupportedFile, doc="top")
    on: bool = flag(doc="on")
    side: int = bits(4, lo=1, hi=16, bias=1, doc="side")


SAMPLE = Sample(small=9, middle=0x0102, large=0x03040506, loose=300, name=b"abc", top=4, on=True, side=16)
BYTES = bytes.fromhex("4f4b 09 0102 03040506 ac02 616263 9f")


def changed(**values: object) -> Sample:
    return Sample(**{**{name: getattr(SAMPLE, name) for name in Sample.__dataclass_fields__}, **values})


def test_a_record_is_these_very_bytes() -> None:
    assert pack(SAMPLE) == BYTES
    assert fields.size(SAMPLE) == len(BYTES)


def test_the_bytes_read_back_with_their_types() -> None:
    found = unpack(Sample, Cursor(BYTES, where="sample"))
    assert found == SAMPLE
    assert found.on is True


def test_every_prefix_says_at_which_offset_it_ends() -> None:
    for cut in range(len(BYTES)):
        with pytest.raises(CorruptFile, match=r"sample: \d bytes wanted at offset \d+, \d left"):
            unpack(Sample, Cursor(BYTES[:cut], where="sample"))


EDGES = [
    ("small", 1, 9),
    ("middle", 0, 0xFFFF),
    ("large", 0, 0xFFFFFFFF),
    ("loose", 2, 300),
    ("top", 0, 4),
    ("side", 1, 16),
]


@pytest.mark.parametrize(("name", "lo", "hi"), EDGES)
def test_the_lowest_and_highest_value_pass_and_their_neighbours_do_not(name: str, lo: int, hi: int) -> None:
    for value in (lo, hi):
        record = changed(**{name: value})
        assert unpack(Sample, Cursor(pack(record), where="sample")) == record
    for value in (lo - 1, hi + 1):
        with pytest.raises(UsageError, match=rf"{name}={value} .*{lo}\.\.{hi}"):
            pack(changed(**{name: value}))


@pytest.mark.parametrize("value", [b"", b"ab", b"abcd", "abc"])
def test_raw_bytes_have_their_one_length(value: object) -> None:
    with pytest.raises(UsageError, match="3 bytes"):
        pack(changed(name=value))


@pytest.mark.parametrize(
    ("at", "byte", "error", "message"),
    [
        (0, 0x4E, CorruptFile, "mark is 4E 4B at offset 0, expected 4F 4B"),
        (2, 0, CorruptFile, r"small is 0 at offset 2, expected 1\.\.9"),
        (2, 10, CorruptFile, r"small is 10 at offset 2, expected 1\.\.9"),
        (9, 0xAD, CorruptFile, "number 301 above its bound 300 at offset 9"),
        (10, 0x80, CorruptFile, "number longer than the 2 bytes its bound 300 needs at offset 9"),
        (10, 0x00, CorruptFile, "needless zero bits at offset 9"),
        (9, 0x01, CorruptFile, r"loose is 1 at offset 9, expected 2\.\.300"),
        (14, 0xBF, UnsupportedFile, r"top is 5 at offset 14, expected 0\.\.4"),
    ],
)
def test_a_wrong_byte_is_named_with_its_offset(at: int, byte: int, error: type[Exception], message: str) -> None:
    damaged = bytearray(BYTES)
    damaged[at] = byte
    with pytest.raises(error, match=message):
        unpack(Sample, Cursor(bytes(damaged), where="sample"))


def test_describe_says_where_each_field_lies() -> None:
    found = list(fields.describe(SAMPLE))
    assert found[0] == Described("mark", 0, 2, b"OK")
    assert found[4] == Described("loose", 9, 2, 300)
    assert found[-1] == Described("side", 14, 1, 16)


def test_the_table_has_a_line_for_each_field() -> None:
    assert table(Sample).splitlines()[2:] == [
        "| `mark` | 2 bytes | 4F 4B | mark |",
        "| `small` | 1 byte | 1..9 | small |",
        "| `middle` | 2 bytes | 0..65535 | middle |",
        "| `large` | 4 bytes | 0..4294967295 | large |",
        "| `loose` | varint, 1 to 2 bytes | 2..300 | loose |",
        "| `name` | 3 bytes | any | name |",
        "| `top` | bits 7 to 5 of 1 byte | 0..4 | top |",
        "| `on` | bit 4 of 1 byte | 0..1 | on |",
        "| `side` | bits 3 to 0 of 1 byte | 1..16 (stored less 1) | side |",
    ]


def test_bits_that_do_not_fill_bytes_are_refused() -> None:
    @dataclass(frozen=True)
    class Loose:
        half: int = bits(4, doc="half")
        whole: int = u8(doc="whole")

    with pytest.raises(ValueError, match="bits of half do not fill"):
        fields.slots(Loose)


def test_a_range_wider_than_its_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit 4 bits"):
        bits(4, hi=16, doc="too wide")
