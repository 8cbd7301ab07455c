"""Generated pictures of what photographs lack: flat and saturated areas, text, charts, interfaces, patterns.

A codec trained on photographs alone breaks on them. The same seed gives the same picture with the same Pillow.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]
WORDS = (  # noqa: SIM905 - two lines instead of 33
    "Save Open Cancel Total Average Budget Region Picture Quality Monday April North South Table Figure Result "
    "12.5% 3,481 kB/s 2026 bits where they matter one file many rates left right help search settings"
).split()
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


class Canvas:
    """A square to draw on, larger than the picture where edges are to be smooth, and the chance that decides."""

    def __init__(self, seed: int, side: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.scale = 2 if self.often(0.6) else 1
        self.side = side * self.scale
        self.image = Image.new("RGB", (self.side, self.side), self.colour())

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        """The drawing object of the canvas."""
        return ImageDraw.Draw(self.image)

    def often(self, share: float) -> bool:
        """True in such a share of cases."""
        return bool(self.chance.random() < share)

    def number(self, low: int, high: int) -> int:
        """A whole number from low up to high, without high."""
        return int(self.chance.integers(low, high))

    def length(self, low: int, high: int) -> int:
        """The same in pixels of the finished picture."""
        return self.number(low, high) * self.scale

    def colour(self) -> Colour:
        """A corner of the colour cube, a light grey, or any colour."""
        if self.often(0.35):
            return (255 * self.number(0, 2), 255 * self.number(0, 2), 255 * self.number(0, 2))
        if self.often(0.3):
            return (self.number(235, 256),) * 3
        return (self.number(0, 256), self.number(0, 256), self.number(0, 256))

    def words(self, low: int, high: int) -> str:
        """Some words in a row."""
        return " ".join(WORDS[self.number(0, len(WORDS))] for _ in range(self.number(low, high)))

    def font(self, low: int, high: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        """The font that Pillow brings, in a size."""
        return ImageFont.load_default(size=self.length(low, high))

    def fill(self, colour: Colour) -> None:
        """The whole canvas in a colour."""
        self.draw.rectangle((0, 0, self.side, self.side), fill=colour)

    def box(self) -> tuple[int, int, int, int]:
        """A rectangle anywhere, in part outside perhaps."""
        x, y = self.number(-40, self.side), self.number(-40, self.side)
        return x, y, x + self.number(20, self.side), y + self.number(20, self.side)

    def labels(self, count: int) -> None:
        """Words in any colour and size, anywhere."""
        for _ in range(count):
            place = self.number(-20, self.side), self.number(0, self.side)
            self.draw.text(place, self.words(1, 6), fill=self.colour(), font=self.font(9, 30))

    def finished(self) -> Pixels:
        """The picture (side,side,3)."""
        size = self.side // self.scale
        if self.scale > 1:
            filters = (Image.Resampling.BOX, Image.Resampling.LANCZOS)
            self.image = self.image.resize((size, size), filters[self.number(0, 2)])
        return np.asarray(self.image)


def flat(canvas: Canvas) -> None:
    """Rectangles of one colour each."""
    for _ in range(canvas.number(0, 6)):
        canvas.draw.rectangle(canvas.box(), fill=canvas.colour())


def gradient(canvas: Canvas) -> None:
    """From one colour to another, along a line or around a point, clipped at the ends perhaps."""
    down, across = np.mgrid[0 : canvas.side, 0 : canvas.side] / canvas.side
    if canvas.often(0.6):
        angle = canvas.chance.random() * 2 * np.pi
        place = np.cos(angle) * across + np.sin(angle) * down
    else:
        place = 1.4 * np.hypot(across - canvas.chance.random(), down - canvas.chance.random())
    share = (place * (0.5 + 2 * canvas.chance.random())).clip(0, 1)[..., None]
    mixed = np.array(canvas.colour()) * (1 - share) + np.array(canvas.colour()) * share
    canvas.image = Image.fromarray(mixed.round().astype(np.uint8))
    canvas.labels(canvas.number(0, 4))


def page(canvas: Canvas) -> None:
    """Lines of text."""
    canvas.fill(WHITE if canvas.often(0.6) else canvas.colour())
    ink = BLACK if canvas.often(0.6) else canvas.colour()
    size = canvas.length(9, 22)
    font = ImageFont.load_default(size=size)
    for top in range(6, canvas.side, round(1.35 * size)):
        canvas.draw.text((10 * canvas.scale, top), canvas.words(8, 16), fill=ink, font=font)


def chart(canvas: Canvas) -> None:
    """Bars, lines or a pie, with a grid and labels."""
    canvas.fill(WHITE)
    side, edge, colours = canvas.side, 20 * canvas.scale, [canvas.colour() for _ in range(4)]
    for k in range(6):
        canvas.draw.line((edge, side * k // 6, side - edge, side * k // 6), fill=(210, 210, 210), width=canvas.scale)
    kind, count = canvas.number(0, 3), canvas.number(3, 14)
    step = (side - 2 * edge) // count
    for k in range(count if kind == 0 else 0):
        left, top = edge + k * step, canvas.number(edge, side - edge)
        canvas.draw.rectangle((left, top, left + round(0.7 * step), side - edge), fill=colours[k % 4])
    for colour in colours if kind == 1 else ():
        heights = side / 2 + np.cumsum(canvas.chance.normal(0, side / 16, count))
        points = [(edge + k * step, float(height)) for k, height in enumerate(heights)]
        canvas.draw.line(points, fill=colour, width=canvas.length(1, 4))
    angles = np.sort(canvas.chance.random(4)) * 360
    for start, end, colour in zip(angles, [*angles[1:], angles[0] + 360], colours if kind == 2 else (), strict=False):
        canvas.draw.pieslice((2 * edge, 2 * edge, side - 2 * edge, side - 2 * edge), start, end, fill=colour)
    canvas.labels(5)


def interface(canvas: Canvas) -> None:
    """A window with a bar and a column of buttons and fields."""
    canvas.fill((canvas.number(225, 256) if canvas.often(0.6) else canvas.number(15, 60),) * 3)
    canvas.draw.rectangle((0, 0, canvas.side, 28 * canvas.scale), fill=canvas.colour())
    canvas.draw.text((8 * canvas.scale, 6 * canvas.scale), canvas.words(1, 3), fill=WHITE, font=canvas.font(11, 17))
    top = 40 * canvas.scale
    while top < canvas.side:
        height, left = canvas.length(20, 40), 10 * canvas.scale
        shape = left, top, left + canvas.length(60, 300), top + height
        canvas.draw.rounded_rectangle(shape, canvas.length(0, 9), fill=canvas.colour(), outline=(128, 128, 128))
        ink = BLACK if canvas.often(0.5) else WHITE
        canvas.draw.text((left + 8, top + 5 * canvas.scale), canvas.words(1, 3), fill=ink, font=canvas.font(9, 16))
        top += height + canvas.length(5, 30)


def line_art(canvas: Canvas) -> None:
    """Lines and ellipses on white, black for the most part."""
    canvas.fill(WHITE)
    for _ in range(canvas.number(8, 50)):
        ink = BLACK if canvas.often(0.7) else canvas.colour()
        if canvas.often(0.4):
            canvas.draw.ellipse(canvas.box(), outline=ink, width=canvas.length(1, 4))
        else:
            ends = [canvas.number(0, canvas.side) for _ in range(4)]
            canvas.draw.line(ends, fill=ink, width=canvas.length(1, 5))


def pattern(canvas: Canvas) -> None:
    """Checkers, stripes or dither of two colours, as fine as a pixel; a banner over it perhaps."""
    canvas.side, canvas.scale = canvas.side // canvas.scale, 1  # reduced, it would be grey
    step = (1, 1, 2, 3, 4, 8, 16)[canvas.number(0, 7)]
    down, across = np.mgrid[0 : canvas.side, 0 : canvas.side] // step
    kind = canvas.number(0, 4)
    drawn = (down + across, across, down, None)[kind]
    one = canvas.chance.random((canvas.side, canvas.side)) < canvas.chance.random() if drawn is None else drawn % 2 == 0
    colours = np.array([canvas.colour(), canvas.colour()], np.uint8)
    canvas.image = Image.fromarray(colours[one.astype(int)])
    if canvas.often(0.4):
        canvas.draw.rectangle((0, 0, canvas.side, canvas.number(8, canvas.side)), fill=canvas.colour())


def mosaic(canvas: Canvas) -> None:
    """Tiles of stripes, checkers, noise, ramps and flat areas between the corners of the colour cube."""
    canvas.side, canvas.scale = canvas.side // canvas.scale, 1
    drawn = np.zeros((canvas.side, canvas.side, 3), np.uint8)
    cell = (32, 48, 64, 96)[canvas.number(0, 4)]
    down, across = np.mgrid[0:cell, 0:cell]
    for top in range(0, canvas.side, cell):
        for left in range(0, canvas.side, cell):
            ends = 255 * canvas.chance.integers(0, 2, (2, 3))
            if canvas.often(0.2):
                ends = canvas.chance.integers(0, 256, (2, 3))
            step = (1, 2, 3, 4, 6, 8, 8, 12, 16)[canvas.number(0, 9)]
            ramp = ((across - cell / 2) * 4 / step / cell + 0.5).clip(0, 1)
            coarse = canvas.chance.random((cell // step + 1,) * 2).repeat(step, 0).repeat(step, 1)[:cell, :cell]
            shares = (
                (down // step + across // step) % 2,
                across // step % 2,
                down // step % 2,
                (down + across) // step % 2,
                coarse < 0.5,
                coarse,
                ramp if canvas.often(0.5) else ramp.T,
                np.zeros((cell, cell)),
            )
            share = shares[canvas.number(0, len(shares))][..., None]
            tile = ends[0] * (1 - share) + ends[1] * share
            room = drawn[top : top + cell, left : left + cell]
            room[:] = tile.round()[: room.shape[0], : room.shape[1]]
    canvas.image = Image.fromarray(drawn)


def banner(canvas: Canvas) -> None:
    """Text and shapes on a flat area over soft noise, as on a photograph."""
    coarse = canvas.chance.integers(0, 256, (20, 20, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((canvas.side, canvas.side), Image.Resampling.BICUBIC), np.int64)
    grain = canvas.chance.normal(0, 12 * canvas.chance.random(), (canvas.side, canvas.side, 1))
    canvas.image = Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8))
    canvas.draw.rectangle((0, canvas.number(0, canvas.side), canvas.side, canvas.side), fill=canvas.colour())
    for _ in range(3):
        x, y, wide = canvas.number(0, canvas.side), canvas.number(0, canvas.side), canvas.number(10, canvas.side // 3)
        canvas.draw.ellipse((x, y, x + wide, y + wide), fill=canvas.colour())
    canvas.labels(4)


KINDS: tuple[Callable[[Canvas], None], ...] = (
    flat,
    gradient,
    page,
    chart,
    interface,
    line_art,
    pattern,
    banner,
    mosaic,
)


def made_picture(seed: int, side: int = 320) -> tuple[str, Pixels]:
    """The picture of a seed: a name, and pixels (side,side,3). Kinds take turns."""
    kind = KINDS[seed % len(KINDS)]
    canvas = Canvas(seed, side)
    kind(canvas)
    return f"made-{seed:05d}-{kind.__name__.replace('_', '-')}", canvas.finished()
