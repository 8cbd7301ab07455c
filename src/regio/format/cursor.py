"""Bounded reading of bytes, forwards only; errors name the part and the offset."""

from __future__ import annotations

from typing import Self

from regio.errors import CorruptFile

Buffer = bytes | bytearray | memoryview


def varint_bytes(value: int) -> bytes:
    """Write value >= 0 as shortest unsigned LEB128: seven bits to a byte, low bits first, top bit = more follow."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Cursor:
    """Read from data, never past its end; every error is a CorruptFile that names the part and the offset in the file.

    where names the part being read; base is the offset in the file of data[0], so that a cursor over a chunk reports
    positions in the file.
    """

    def __init__(self, data: Buffer, *, where: str, base: int = 0) -> None:
        self.data = bytes(data)  # the very object, if it is bytes
        self.where = where
        self.base = base
        self.read = 0

    @property
    def at(self) -> int:
        """Offset in the file of the next byte."""
        return self.base + self.read

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.read

    def fault(self, what: str, at: int | None = None) -> CorruptFile:
        """Make, not raise, the error for `what` at an offset in the file (default: here)."""
        return CorruptFile(f"{self.where}: {what} at offset {self.at if at is None else at}")

    def take(self, count: int) -> bytes:
        """Return the next count bytes; nothing is allocated before they are known to exist."""
        if count > self.left:
            raise CorruptFile(
                f"{self.where}: {count} bytes wanted at offset {self.at}, {self.left} left (truncated file?)"
            )
        self.read += count
        return self.data[self.read - count : self.read]

    def uint(self, count: int) -> int:
        """Return an unsigned integer of count bytes, big endian."""
        return int.from_bytes(self.take(count), "big")

    def varint(self, hi: int) -> int:
        """Return a LEB128 number <= hi. A longer spelling than needed is refused: one number, one spelling."""
        start = self.at
        most = len(varint_bytes(hi))
        value = 0
        for index in range(most):
            byte = self.uint(1)
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if byte == 0 and index > 0:
                    raise self.fault("number spelt with needless zero bits", start)
                if value > hi:
                    raise self.fault(f"number {value} above its bound {hi}", start)
                return value
        raise self.fault(f"number longer than the {most} bytes its bound {hi} needs", start)

    def inside(self, count: int, where: str) -> Self:
        """Return a cursor over the next count bytes alone, and step over them."""
        start = self.at
        return type(self)(self.take(count), where=where, base=start)

    def finish(self) -> None:
        """CorruptFile if unread bytes are left."""
        if self.left:
            raise self.fault(f"{self.left} bytes too many")
