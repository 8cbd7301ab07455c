"""Records declared field by field, from which reading, writing, sizes and the table in the documentation follow.

    @dataclass(frozen=True, kw_only=True)
    class Picture:
        height: int = u16(lo=1, doc="rows")
        width: int = u16(lo=1, doc="columns")

    pack(Picture(height=3, width=5)) == bytes.fromhex("00030005")

Fields lie in the order of their declaration, big endian. Fields of bits are filled from the top bit down; each run of
them must fill whole bytes.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from regio.errors import CorruptFile, RegioError, UsageError
from regio.format.cursor import Cursor, varint_bytes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)
else:
    Record = TypeVar("Record")

WIRE = "regio.wire"  # key of a Wire in the metadata of a dataclass field


class Form(Enum):
    """The conversion of a value to bytes."""

    BITS = "bits"
    UINT = "unsigned integer, big endian"
    VARINT = "varint"
    BYTES = "bytes"


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One field in the file: its form, its width in bits (of a varint: the most), its range and its meaning.

    The stored number is value - bias. A value read outside lo..hi raises fault: CorruptFile, or UnsupportedFile where a
    later release may give the value a meaning.
    """

    form: Form
    width: int
    lo: int = 0
    hi: int = 0
    bias: int = 0
    fixed: bytes | None = None
    boolean: bool = False
    when: str = ""
    """A flag further up; the field is in the file where it is set, and has its default where it is not."""
    fault: type[RegioError] = CorruptFile
    doc: str = ""

    def admits(self, value: Any) -> bool:
        """Tell whether value may stand in the file."""
        if self.form is Form.BYTES:
            return isinstance(value, bytes) and 8 * len(value) == self.width and self.fixed in (None, value)
        return self.lo <= operator.index(value) <= self.hi

    @property
    def values(self) -> str:
        """The permitted values as text for messages and tables."""
        if self.form is Form.BYTES:
            return self.fixed.hex(" ").upper() if self.fixed else "any"
        return str(self.lo) if self.lo == self.hi else f"{self.lo}..{self.hi}"


def _declare(wire: Wire, default: Any) -> Any:
    if wire.form is not Form.BYTES and not wire.bias <= wire.lo <= wire.hi < wire.bias + (1 << wire.width):
        raise ValueError(f"{wire.lo}..{wire.hi} with bias {wire.bias} does not fit {wire.width} bits")
    return dataclasses.field(default=default, metadata={WIRE: wire})


def _uint(width: int, lo: int, hi: int | None, default: Any, doc: str) -> Any:
    top = (1 << width) - 1 if hi is None else hi
    return _declare(Wire(form=Form.UINT, width=width, lo=lo, hi=top, doc=doc), default)


def u8(*, doc: str, lo: int = 0, hi: int | None = None, default: Any = dataclasses.MISSING) -> Any:
    """Declare an unsigned integer of one byte."""
    return _uint(8, lo, hi, default, doc)


def u16(*, doc: str, lo: int = 0, hi: int | None = None, default: Any = dataclasses.MISSING) -> Any:
    """Declare an unsigned integer of two bytes."""
    return _uint(16, lo, hi, default, doc)


def u32(*, doc: str, lo: int = 0, hi: int | None = None, default: Any = dataclasses.MISSING) -> Any:
    """Declare an unsigned integer of four bytes."""
    return _uint(32, lo, hi, default, doc)


def varint(*, doc: str, hi: int, lo: int = 0, default: Any = dataclasses.MISSING) -> Any:
    """Declare an unsigned LEB128 number; the bound hi is part of the format, and so is the shortest spelling."""
    wire = Wire(form=Form.VARINT, width=8 * len(varint_bytes(hi)), lo=lo, hi=hi, doc=doc)
    return _declare(wire, default)


def bits(
    width: int,
    *,
    doc: str,
    lo: int = 0,
    hi: int | None = None,
    bias: int = 0,
    when: str = "",
    fault: type[RegioError] = CorruptFile,
    default: Any = dataclasses.MISSING,
) -> Any:
    """Declare width bits that hold value - bias. when: the name of a flag, without which they are not in the file."""
    top = bias + (1 << width) - 1 if hi is None else hi
    wire = Wire(form=Form.BITS, width=width, lo=lo, hi=top, bias=bias, when=when, fault=fault, doc=doc)
    return _declare(wire, default)


def flag(*, doc: str, default: Any = dataclasses.MISSING) -> Any:
    """Declare one bit that is a truth value."""
    return _declare(Wire(form=Form.BITS, width=1, hi=1, boolean=True, doc=doc), default)


def raw(count: int, *, doc: str, default: Any = dataclasses.MISSING) -> Any:
    """Declare count bytes kept as they are."""
    return _declare(Wire(form=Form.BYTES, width=8 * count, doc=doc), default)


def constant(value: bytes, *, doc: str) -> Any:
    """Declare bytes that are always the same."""
    return _declare(Wire(form=Form.BYTES, width=8 * len(value), fixed=value, doc=doc), value)


class Slot(NamedTuple):
    """The least run of fields that fills whole bytes: one field, or some fields of bits."""

    names: tuple[str, ...]
    wires: tuple[Wire, ...]

    @property
    def width(self) -> int:
        """Bits of the slot (of a varint: the most)."""
        return sum(wire.width for wire in self.wires)

    def present(self, flags: Callable[[str], bool]) -> bool:
        """Tell whether the slot is in the file. flags: the value of a flag, by its name."""
        return not self.wires[0].when or flags(self.wires[0].when)


@cache
def slots(cls: type) -> tuple[Slot, ...]:
    """Group the fields of a record class; ValueError if a run of bits does not fill bytes."""
    done: list[Slot] = []
    names: list[str] = []
    wires: list[Wire] = []
    for field in dataclasses.fields(cls):
        wire: Wire = field.metadata[WIRE]
        if wires and wire.form is not Form.BITS:
            break
        names.append(field.name)
        wires.append(wire)
        if sum(w.width for w in wires) % 8 == 0:
            done.append(Slot(tuple(names), tuple(wires)))
            names, wires = [], []
    if wires:
        raise ValueError(f"{cls.__name__}: the bits of {', '.join(names)} do not fill whole bytes")
    return tuple(done)


def _slots_of(record: DataclassInstance) -> Iterator[Slot]:
    """The slots that the file has."""
    return (slot for slot in slots(type(record)) if slot.present(lambda flag: bool(getattr(record, flag))))


def check(record: DataclassInstance) -> None:
    """Refuse a record with a value the file cannot hold: UsageError that names the field and its range."""
    for slot in slots(type(record)):
        for name, wire in zip(slot.names, slot.wires, strict=True):
            if not wire.admits(getattr(record, name)):
                kind = f"{wire.width // 8} bytes, " if wire.form is Form.BYTES else ""
                raise UsageError(f"{name}={getattr(record, name)!r} does not fit the file ({kind}{wire.values})")


def _slot_bytes(record: DataclassInstance, slot: Slot) -> bytes:
    first = slot.wires[0]
    if first.form is Form.BYTES:
        return bytes(getattr(record, slot.names[0]))
    if first.form is Form.VARINT:
        return varint_bytes(operator.index(getattr(record, slot.names[0])) - first.bias)
    packed = 0
    for name, wire in zip(slot.names, slot.wires, strict=True):
        packed = packed << wire.width | (operator.index(getattr(record, name)) - wire.bias)
    return packed.to_bytes(slot.width // 8, "big")


def pack(record: DataclassInstance) -> bytes:
    """Write a record; UsageError if a value lies outside its range."""
    check(record)
    return b"".join(_slot_bytes(record, slot) for slot in _slots_of(record))


def size(record: DataclassInstance) -> int:
    """Return the bytes that pack() would write."""
    return len(pack(record))


def _read_slot(slot: Slot, cursor: Cursor) -> list[Any]:
    first = slot.wires[0]
    if first.form is Form.BYTES:
        return [cursor.take(first.width // 8)]
    if first.form is Form.VARINT:
        return [cursor.varint(first.hi)]
    packed = cursor.uint(slot.width // 8)
    values: list[Any] = []
    below = slot.width
    for wire in slot.wires:
        below -= wire.width
        value = (packed >> below & (1 << wire.width) - 1) + wire.bias
        values.append(bool(value) if wire.boolean else value)
    return values


def unpack(cls: type[Record], cursor: Cursor) -> Record:
    """Read a record and step over it.

    The first wrong field ends the reading, so a field may decide (a version) whether those after it are understood.
    CorruptFile, or the fault the field declares.
    """
    found: dict[str, Any] = {}
    for slot in slots(cls):
        if not slot.present(found.__getitem__):
            continue
        start = cursor.at
        for name, wire, value in zip(slot.names, slot.wires, _read_slot(slot, cursor), strict=True):
            if not wire.admits(value):
                shown = value.hex(" ").upper() if isinstance(value, bytes) else value
                raise wire.fault(f"{cursor.where}: {name} is {shown} at offset {start}, expected {wire.values}")
            found[name] = value
    return cls(**found)


class Described(NamedTuple):
    """One line of describe(): where a field lies in the bytes of its record, and what it says."""

    name: str
    offset: int
    size: int
    value: Any


def describe(record: DataclassInstance) -> Iterator[Described]:
    """Yield each field with its offset and bytes; fields of bits share those of their slot."""
    at = 0
    for slot in _slots_of(record):
        length = len(_slot_bytes(record, slot))
        for name in slot.names:
            yield Described(name, at, length, getattr(record, name))
        at += length


def table(cls: type) -> str:
    """Return the Markdown table that docs/format.md shows for a record class."""
    lines = ["| field | size | values | meaning |", "|---|---|---|---|"]
    for slot in slots(cls):
        below = slot.width
        for name, wire in zip(slot.names, slot.wires, strict=True):
            most = slot.width // 8
            unit = "byte" if most == 1 else "bytes"
            if wire.form is Form.VARINT:
                extent = f"varint, 1 to {most} bytes" if most > 1 else "varint, 1 byte"
            elif wire.form is Form.BITS:
                top, below = below - 1, below - wire.width
                place = f"bit {top}" if wire.width == 1 else f"bits {top} to {below}"
                extent = f"{place} of {most} {unit}"
            else:
                extent = f"{most} {unit}"
            extent += f", if `{wire.when}` is 1" if wire.when else ""
            stored = f" (stored less {wire.bias})" if wire.bias else ""
            lines.append(f"| `{name}` | {extent} | {wire.values}{stored} | {wire.doc} |")
    return "\n".join(lines) + "\n"
