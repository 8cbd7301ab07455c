"""One range-coded byte string, written and read symbol group by symbol group.

A thin layer over constriction's range coder (32-bit words, 64-bit state): integer tables, escapes, whole numbers, the
shortest ending, and a running checksum of all symbols.
"""

import zlib
from functools import lru_cache

import constriction
import numpy as np
from numpy.typing import NDArray

from regio.entropy.tables import PRECISION, Counts
from regio.errors import CorruptFile

_ROWS = constriction.stream.model.Categorical(perfect=False)  # a family: a table for each symbol
NATURAL_BITS = 24  # numbers written by `natural` stay below 2**24 - 1
SYMBOL_LIMIT = 1 << 20  # encoders clip symbols here, far beyond any picture
SLACK_BITS = 128  # by which a string may be shorter than its symbols are worth
_queue = constriction.stream.queue
_model = constriction.stream.model

Symbols = NDArray[np.int32]
Tables = NDArray[np.float64]


def table_model(counts: Counts) -> object:
    """Integer counts (n,), sum 2**24 -> constriction model with exactly these probabilities.

    The fast construction adds one to every entry and spreads the rest in proportion, in float64; given integers that
    sum to 2**24 - n the proportion is one and every step exact. `tests/entropy/test_range_coder.py` holds it to that.
    """
    return _model.Categorical((counts - 1).astype(np.float64), perfect=False)


@lru_cache(maxsize=32)
def _uniform(size: int) -> object:
    return _model.Uniform(size)


@lru_cache(maxsize=4096)
def _binary(ones: int) -> object:
    return table_model(np.array([(1 << PRECISION) - ones, ones], np.int64))


class RangeWriter:
    """Collects symbols into one byte string."""

    def __init__(self) -> None:
        self._encoder = _queue.RangeEncoder()
        self.checksum = 0

    def table(self, symbols: Symbols, lowest: int, model: object, size: int) -> None:
        """Write symbols (n,) by a table of `size` entries: the first stands for `lowest`, the last for escapes."""
        shifted = symbols - lowest
        outside = (shifted < 0) | (shifted >= size - 1)
        if outside.any():
            self._encoder.encode(np.where(outside, size - 1, shifted).astype(np.int32), model)
            for value in shifted[outside].tolist():
                self._escape(value, size)
        else:
            self._encoder.encode(shifted, model)

    def rows(self, symbols: Symbols, tables: Tables, lowest: int, shift: int) -> None:
        """Write symbols (n,) by tables of their own (n,m), escape last; counts less one, whole, sum 2**24 - m.

        The first entry stands for `lowest` and the 2**shift - 1 symbols above it, the next for as many; which one it is
        follows with equal probabilities.
        """
        shifted = symbols - np.int32(lowest)
        entries = tables.shape[1] - 1
        coarse = shifted >> shift
        outside = (shifted < 0) | (coarse >= entries)
        self._encoder.encode(np.where(outside, entries, coarse).astype(np.int32), _ROWS, tables)
        if shift and not outside.all():
            self._encoder.encode(shifted[~outside] & np.int32((1 << shift) - 1), _uniform(1 << shift))
        for value in shifted[outside].tolist():
            self._escape(value, (entries << shift) + 1)

    def number(self, value: int, bits: int) -> None:
        """Write 0 <= value < 2**bits with equal probabilities; bits <= 24."""
        if bits:
            self._encoder.encode(value, _uniform(1 << bits))

    def binary(self, value: int, ones: int) -> None:
        """Write 0 or 1, of which 1 has the probability ones / 2**24; 0 < ones < 2**24."""
        self._encoder.encode(value, _binary(ones))

    def natural(self, value: int) -> None:
        """Write 0 <= value < 2**24 - 1: the bit length of value + 1 in five bits, then its bits below the highest."""
        width = (value + 1).bit_length()
        self.number(width - 1, 5)
        self.number(value + 1 - (1 << (width - 1)), width - 1)

    def rice(self, value: int, bits: int) -> None:
        """Write value >= 0 by a Rice code: value >> bits in unary, ended by a zero, then the lower bits."""
        for _ in range(value >> bits):
            self.number(1, 1)
        self.number(0, 1)
        self.number(value & ((1 << bits) - 1), bits)

    def log(self, symbols: Symbols) -> None:
        """Add symbols, in raster order, to the checksum."""
        self.checksum = zlib.crc32(symbols.astype("<i4").tobytes(), self.checksum)

    def _escape(self, shifted: int, size: int) -> None:
        below = shifted < 0
        self.number(int(below), 1)
        self.natural(-shifted - 1 if below else shifted - size + 1)

    def finish(self) -> bytes:
        """The shortest byte string that a reader, who continues it with zeros, decodes to what was written."""
        words = self._encoder.get_compressed()
        if not len(words):
            return b""
        # the string may continue its first `at` words by any of lower ... lower + width - 1
        at, (lower, width) = self._encoder.pos()
        head: bytes = words[:at].astype(">u4").tobytes()
        if lower + width <= 1 << 64:
            return (head + _roundest(lower, lower + width).to_bytes(8, "big")).rstrip(b"\0")
        # 2**64 is among them and ends in the most zeros; where constriction stayed below it, the carry is to do
        if int(words[at]) >= lower >> 32:
            head = (int.from_bytes(head, "big") + 1).to_bytes(len(head), "big")
        return head.rstrip(b"\0")


def _roundest(low: int, end: int) -> int:
    """The number in [low, end) with the most trailing zero bits."""
    for bits in range(63, 0, -1):
        value = -(-low >> bits) << bits
        if value < end:
            return value
    return low


class RangeReader:
    """Reads what a RangeWriter wrote. Damaged bytes give wrong symbols or CorruptFile, never more work than asked."""

    def __init__(self, data: bytes) -> None:
        words = np.frombuffer(data + bytes(-len(data) % 4), dtype=">u4").astype(np.uint32)
        self._decoder = _queue.RangeDecoder(words)
        self._bits_left = 8.0 * len(data) + SLACK_BITS
        self.checksum = 0

    def expect(self, bits: float) -> None:
        """Refuse data that cannot hold what is to be read next, `bits` at least; CorruptFile.

        A writer drops zeros at the end, which saves it more than SLACK_BITS with a probability of about 2**-SLACK_BITS.
        """
        self._bits_left -= bits
        if self._bits_left < 0:
            raise CorruptFile("the coded data is too short for its symbols (truncated file?)")

    def table(self, count: int, lowest: int, model: object, size: int) -> Symbols:
        """Read `count` symbols by a table of `size` entries -> (count,) int32."""
        shifted = self._decode(model, count)
        for at in np.flatnonzero(shifted == size - 1):
            shifted[at] = self._escape(size)
        return shifted + np.int32(lowest)

    def rows(self, tables: Tables, lowest: int, shift: int) -> Symbols:
        """Read what `RangeWriter.rows` wrote -> (n,) int32."""
        entries = tables.shape[1] - 1
        coarse = self._decode(_ROWS, tables)
        outside = coarse == entries
        shifted = coarse << np.int32(shift)
        if shift and not outside.all():
            shifted[~outside] += self._decode(_uniform(1 << shift), int((~outside).sum()))
        for at in np.flatnonzero(outside):
            shifted[at] = self._escape((entries << shift) + 1)
        return shifted + np.int32(lowest)

    def number(self, bits: int) -> int:
        """Read a number of `bits` bits."""
        return int(self._decode(_uniform(1 << bits), 1)[0]) if bits else 0

    def binary(self, ones: int) -> bool:
        """Read what `RangeWriter.binary` wrote."""
        return bool(self._decode(_binary(ones), 1)[0])

    def natural(self) -> int:
        """Read what `RangeWriter.natural` wrote."""
        width = self.number(5)
        if width >= NATURAL_BITS:
            raise CorruptFile(f"the coded data is damaged: a number of {width} bits")
        return (1 << width) + self.number(width) - 1

    def rice(self, bits: int, limit: int) -> int:
        """Read a Rice code; one above `limit` is CorruptFile."""
        high = 0
        while self.number(1):
            high += 1
            if high << bits > limit:
                raise CorruptFile("the coded data is damaged: a gap leaves the latent")
        return (high << bits) + self.number(bits)

    def log(self, symbols: Symbols) -> None:
        """Add symbols, in raster order, to the checksum."""
        self.checksum = zlib.crc32(symbols.astype("<i4").tobytes(), self.checksum)

    def _decode(self, model: object, wanted: int | NDArray[np.float64]) -> Symbols:
        """wanted: how many symbols, or, of a model family, the parameters of each."""
        try:
            symbols: Symbols = self._decoder.decode(model, wanted)
        except (AssertionError, ValueError) as error:
            raise CorruptFile("the coded data is damaged: its end does not follow from its beginning") from error
        return symbols

    def _escape(self, size: int) -> int:
        below = self.number(1)
        beyond = self.natural()
        return -beyond - 1 if below else beyond + size - 1
