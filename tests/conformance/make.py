"""Makes the conformance files: `python tests/conformance/make.py` writes all of them, beside this script.

Pictures are drawn here, so nothing but the repository is needed. See README.md for what the files are.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image, ImageCms

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from conformance import streams  # noqa: E402
from toy_codec import picture  # noqa: E402

import regio  # noqa: E402
from regio.codec import Codec, lossless, preparation  # noqa: E402
from regio.codec.layout import Tiling  # noqa: E402
from regio.codec.search import Found  # noqa: E402
from regio.entropy import StreamReader  # noqa: E402
from regio.format import Chunk, Kind, RgoFile, pack, parse  # noqa: E402
from regio.format.metadata import DEFLATED  # noqa: E402
from regio.models.catalog import CATALOG, DEFAULT  # noqa: E402

TILES = {"tiles": 6, "blocks": 7}  # features whose files have tiles, and log2 of their side
HEADER = ("width", "height", "grey", "varies", "has_chunks", "model", "rate", "grid", "log2_scale", "check")


def plain(height: int, width: int) -> Image.Image:
    return Image.fromarray(picture(height, width))


def grey(height: int, width: int) -> Image.Image:
    return plain(height, width).convert("L")


def with_plane(image: Image.Image) -> Image.Image:
    """An opacity that rises from left to right, with steps."""
    width, height = image.size
    plane = np.arange(width * height).reshape(height, width) % width * 255 // width // 8 * 8
    image.putalpha(Image.fromarray(plane.astype(np.uint8)))
    return image


def with_metadata(image: Image.Image) -> Image.Image:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    image.putalpha(200)
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info["exif"] = exif.tobytes()
    image.info["xmp"] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    return image


def chart(height: int, width: int) -> Image.Image:
    """Bars: few colours, so a palette."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    for k, at in enumerate(range(3, width - 8, 9)):
        pixels[4 + 3 * k % (height - 8) : -2, at : at + 6] = (40 * k % 256, 90, 200)
    return Image.fromarray(pixels)


Made = tuple[str, Image.Image, dict[str, Any]]
Tiles = list[tuple[int, list[list[Any]]]]  # of each tile: symbol CRC, parts


def every_model(rated: bool) -> Iterator[Made]:
    """What each model has: feature, picture, options."""
    quality = {"quality": 55} if rated else {}
    yield "plain", plain(60, 100), quality
    yield "grey", grey(33, 50), quality
    yield "tiles", plain(80, 144), quality


def with_regions() -> Iterator[Made]:
    """What models whose rate may vary have besides."""
    yield "region", plain(96, 160), {"quality": 70, "background": 25, "roi": (40, 20, 60, 50)}


def second_generation() -> Iterator[Made]:
    """What one model has, so that each feature is there once."""
    yield "one", plain(1, 1), {"quality": 0}
    yield "line", plain(1, 70), {"quality": 30}
    yield "best", plain(40, 40), {"quality": 100}
    yield "grid", plain(64, 96), {"quality": 50, "grid": 3}
    yield "alpha", with_plane(plain(63, 65)), {"quality": 50}
    yield "metadata", with_metadata(plain(32, 48)), {"quality": 37.5}
    yield "colour", plain(32, 48), {"quality": 40}
    yield "half", with_plane(plain(75, 131)), {"quality": 30, "scale": "1/2"}
    yield "quarter", grey(90, 141), {"quality": 30, "scale": "1/4"}
    yield "tiles-region", plain(100, 150), {"quality": 60, "background": 20, "roi": (40, 20, 60, 50)}
    yield "blocks", grey(520, 600), {"quality": 20}


def without_loss() -> Iterator[Made]:
    """What needs no weights, so that one codec's files suffice."""
    yield "lossless", with_plane(chart(45, 77)), {}
    yield "lossless-grey", grey(40, 61), {}
    yield "lossless-picture", plain(40, 64), {}


def features(codec: Codec) -> Iterator[Made]:
    yield from every_model(codec.net.rated)
    name = type(codec.net).__name__
    if name != "MCM":
        yield from with_regions()
    if getattr(codec.net.config, "quadtree", None):
        yield from second_generation()
    if codec.name == DEFAULT:
        yield from without_loss()


class Recorder:
    """Listens to readers: of each, the parts [stream, number of symbols, CRC-32 of all symbols up to here]."""

    KINDS = ("factorized", "gaussian", "mixture", "positions")

    def __init__(self) -> None:
        self.tiles: list[tuple[StreamReader, list[list[Any]]]] = []

    def heard(self, reader: StreamReader, stream: str, symbols: Any) -> None:
        if not self.tiles or self.tiles[-1][0] is not reader:
            self.tiles.append((reader, []))
        self.tiles[-1][1].append([stream, symbols.numel(), f"{reader.readers[0].checksum:08X}"])

    def of(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """A method of readers that reports what it reads."""

        def reporting(reader: StreamReader, stream: str, *given: Any) -> Any:
            out = method(reader, stream, *given)
            self.heard(reader, stream, out)
            return out

        return reporting


def recorded(codec: Codec, data: bytes) -> tuple[Image.Image, Tiles]:
    """The picture, and of each tile its symbol CRC and its parts."""
    recorder = Recorder()
    with ExitStack() as stack:
        for kind in Recorder.KINDS:
            stack.enter_context(patch.object(StreamReader, kind, recorder.of(getattr(StreamReader, kind))))
        codec.verify(data)
    return codec.decode(data), [(reader.readers[0].checksum, parts) for reader, parts in recorder.tiles]


def encode(codec: Codec, feature: str, image: Image.Image, options: dict[str, Any]) -> bytes:
    side = TILES.get(feature.split("-")[0])
    codec.runtime.tiling = Tiling(whole_pixels=0, log2_sides=(side,)) if side else Tiling()
    exact = feature.startswith("lossless")  # whatever takes fewer bytes
    with ExitStack() as stack:
        if exact:
            stack.enter_context(patch.object(lossless, "_guess", return_value=0))
            stack.enter_context(patch.object(preparation, "_coded", return_value=Found(bytes(1 << 20), 0)))
        else:
            stack.enter_context(patch.object(preparation, "_lossless", return_value=None))
        data = codec.encode(image, **options)
    assert parse(data).lossless == exact
    if feature == "colour":  # Display P3, which a profile would have to say in one of many ways
        file = parse(data)
        _, ((symbol_crc, _),) = recorded(codec, data)
        data = pack(RgoFile(file.header, (Chunk(Kind.COLOUR, b"\x01"),), file.payload), symbol_crc)
    return data


def described(data: bytes, tiles: Tiles) -> dict[str, Any]:
    """What files.json says of a file."""
    file = parse(data)
    blocks = {kind.name.lower(): file.block(kind) for kind in DEFLATED}
    return {
        "bytes": len(data),
        "header": {name: getattr(file.header, name) for name in HEADER}
        | {"fingerprint": file.header.fingerprint.hex()},
        "chunks": {chunk.kind: len(chunk.body) for chunk in file.chunks},
        "metadata": {name: len(block) for name, block in blocks.items() if block is not None},
        "tile_bytes": [span.stop - span.start for span in file.spans],
        "tiles": [{"symbol_crc": f"{crc:08X}", "parts": parts} for crc, parts in tiles],
    }


def make(folder: Path = HERE) -> None:
    for old in [*folder.glob("*.rgo"), *folder.glob("*.png")]:
        old.unlink()
    facts: dict[str, Any] = {}
    for entry in CATALOG.values():
        codec = regio.load(entry.name, device="cpu")
        for feature, image, options in features(codec):
            name = f"{entry.name}-{feature}"
            data = encode(codec, feature, image, options)
            shown, tiles = recorded(codec, data)
            facts[name] = {"codec": entry.name, "feature": feature, **described(data, tiles)}
            (folder / f"{name}.rgo").write_bytes(data)
            bare = Image.fromarray(np.asarray(shown))
            bare.save(folder / f"{name}.png", optimize=True)
            print(f"{name}: {len(data)} bytes", file=sys.stderr)  # noqa: T201
        codec.runtime.tiling = Tiling()
    lines = [f"{json.dumps(name)}: {json.dumps(fact, separators=(',', ':'))}" for name, fact in facts.items()]
    (folder / "files.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    (folder / "streams.json").write_text(streams.made(), encoding="utf-8")


if __name__ == "__main__":
    make()
