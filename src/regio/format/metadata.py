"""Metadata in few bytes: common colours by a code; other profiles, EXIF and XMP deflated.

Which chunk stands for which block, and the two ways out of a body: `colours_of` and `inflated`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from regio.errors import LimitExceeded, UnsupportedFile
from regio.format.chunks import Chunk, Kind
from regio.format.cursor import Buffer, Cursor

MOST_INFLATED = 16 << 20  # bytes of a deflated body once inflated; more is an attack
_PIECE = 1 << 14  # bytes that are inflated at a time

DEFLATED = {Kind.ICC: Kind.ICC_DEFLATED, Kind.EXIF: Kind.EXIF_DEFLATED, Kind.XMP: Kind.XMP_DEFLATED}


@dataclass(frozen=True)
class Colours:
    """What a code says of the colours: x and y of white, red, green and blue (None for grey), and the curve.

    The curve leads from stored values 0..1 to light: (gamma,), or (gamma, a, b, c, d) for (a v + b)^gamma from v = d
    on, and c v below.
    """

    name: str
    primaries: tuple[float, ...] | None
    curve: tuple[float, ...]

    @property
    def grey(self) -> bool:
        """Whether they are those of a grey picture."""
        return self.primaries is None


_D65 = (0.3127, 0.3290)
_REC_2020 = (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
COLOURS = {  # the numbers stand in files: append only
    1: Colours(
        "Display P3",
        (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
        (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    ),
    2: Colours("Adobe RGB (1998)", (*_D65, 0.640, 0.330, 0.210, 0.710, 0.150, 0.060), (563 / 256,)),
    3: Colours("Rec. 2020", _REC_2020, (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)),
    4: Colours("Rec. 2020, gamma 2.4", _REC_2020, (2.4,)),
    5: Colours("Grey, gamma 2.2", None, (2.2,)),
    6: Colours("Grey, gamma 1.8", None, (1.8,)),
    7: Colours("Grey, linear", None, (1.0,)),
}


def colours_of(cursor: Cursor, grey: bool) -> Colours:
    """Read the body of a colour chunk; CorruptFile, UnsupportedFile for a code of a later release."""
    start = cursor.at
    code = cursor.uint(1)
    cursor.finish()
    if code not in COLOURS:
        raise UnsupportedFile(f"colour chunk: code {code} at offset {start} is not known; try a newer release")
    found = COLOURS[code]
    if found.grey != grey:
        raise cursor.fault(f"{found.name} are not the colours of a {'grey' if grey else 'colour'} picture", start)
    return found


def inflated(cursor: Cursor, most: int = MOST_INFLATED) -> bytes:
    """Read a deflated body; CorruptFile, LimitExceeded where it inflates to more than `most` bytes.

    No more than a piece beyond the limit is inflated.
    """
    return b"".join(_pieces(cursor, most))


def check_deflated(cursor: Cursor, most: int) -> None:
    """Raise as `inflated`, but hold only a little of what is inflated at a time."""
    for _ in _pieces(cursor, most):
        pass


def _pieces(cursor: Cursor, most: int) -> Iterator[bytes]:
    start, machine, total = cursor.at, zlib.decompressobj(), 0
    left: Buffer = cursor.take(cursor.left)
    while not machine.eof and total <= most:
        try:
            piece = machine.decompress(left, _PIECE)
        except zlib.error as error:
            raise cursor.fault("damaged zlib data", start) from error
        if not piece and not machine.eof:
            raise cursor.fault("zlib data without an end", start)
        left = machine.unconsumed_tail
        total += len(piece)
        yield piece
    if total > most:
        raise LimitExceeded(f"{cursor.where} at offset {start} inflates to more than {most} bytes, which is the limit")
    if machine.unused_data:
        raise cursor.fault(f"{len(machine.unused_data)} bytes behind the zlib data", start)


def packed(kind: Kind, body: bytes) -> Chunk:
    """The chunk of an ICC profile, an EXIF block or an XMP packet: deflated where that is smaller."""
    smaller = zlib.compress(body, 9) if len(body) <= MOST_INFLATED else body
    return Chunk(DEFLATED[kind], smaller) if len(smaller) < len(body) else Chunk(kind, body)


def table() -> str:
    """Return the Markdown table of colour codes that docs/format.md shows."""
    lines = ["| code | name | red, green, blue | curve |", "|---|---|---|---|"]
    for code, colours in COLOURS.items():
        x_and_y = "" if colours.primaries is None else ", ".join(f"{number:.3f}" for number in colours.primaries[2:])
        lines.append(f"| {code} | {colours.name} | {x_and_y} | {_text_of(colours.curve)} |")
    return "\n".join(lines) + "\n"


def _text_of(curve: tuple[float, ...]) -> str:
    if len(curve) == 1:
        return f"v^{curve[0]:.10g}"
    gamma, a, b, c, d = curve
    return f"({a:.6g} v + {b:.6g})^{gamma:.6g} from {d:.6g} on, {c:.6g} v below"
