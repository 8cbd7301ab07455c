"""A codec that keeps every pixel and needs no weights, in place of the real one: what stands around it is on trial.

`python tests/stand_in.py ARGUMENTS...` is the `regio` command with it.
"""

import dataclasses
import io
import os
import sys
import time
import types
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import regio.codec.options  # the real one, loaded while regio.codec is still a package
from regio.errors import CorruptFile, UsageError
from regio.format import Chunk, Header, Kind, RgoFile, pack, parse, rate_step, verify_check

DEFAULT = "stand-in"
FINGERPRINT = b"\x12\x34"


@dataclasses.dataclass(frozen=True)
class Entry:
    id: int
    name: str
    family: str = "none"
    summary: str = "keeps every pixel"


class Found(NamedTuple):
    data: bytes
    notes: tuple[str, ...] = ()


class Codec:
    """Codes as zlib does; remembers the options of each call."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[dict[str, Any]] = []

    def encode_noted(self, image: Any, **options: Any) -> Found:
        return Found(self.encode(image, **options))

    def encode(self, image: Any, **options: Any) -> bytes:
        from PIL import Image

        from regio.images import metadata_chunks, read_picture

        if "STAND_IN_SLEEPS" in os.environ:  # and says so, by making this file
            Path(os.environ["STAND_IN_SLEEPS"]).touch()
            time.sleep(60)
        self.calls.append({name: value for name, value in options.items() if value is not None and value is not False})
        targets = [options.get(name) for name in ("quality", "target_bpp", "max_bytes", "target_psnr")]
        if sum(value is not None for value in targets) > 1:
            raise UsageError("stand-in: one target at a time")
        picture = read_picture(image)
        chunks = () if options.get("strip") else metadata_chunks(picture)
        if picture.alpha is not None:
            stream = io.BytesIO()
            Image.fromarray(picture.alpha).save(stream, "PNG")
            chunks = (*chunks, Chunk(Kind.ALPHA, stream.getvalue()))
        head = Header(
            model=1,
            fingerprint=FINGERPRINT,
            width=picture.width,
            height=picture.height,
            grey=picture.grey,
            rate=rate_step(60 if targets[0] is None else targets[0]),
        )
        raw = picture.pixels.tobytes()
        return pack(RgoFile(head, chunks, zlib.compress(raw)), zlib.crc32(raw))


LOADED: dict[str, Codec] = {}


def load(name_or_path: Any = DEFAULT, device: str = "auto", look: str = "faithful") -> Codec:
    return LOADED.setdefault(str(name_or_path), Codec(str(name_or_path)))


shared = load


def encode(image: Any, *, codec: Any = None, device: str = "auto", **options: Any) -> bytes:
    codec = codec if isinstance(codec, Codec) else load(DEFAULT if codec is None else codec)
    return codec.encode(image, **options)


def _pixels(data: bytes | str | Path) -> tuple[RgoFile, bytes]:
    data = data if isinstance(data, bytes) else Path(data).read_bytes()
    file = parse(data)
    try:
        raw = zlib.decompress(file.payload)
    except zlib.error as error:
        raise CorruptFile("payload: the stand-in cannot read it") from error
    if not verify_check(data, zlib.crc32(raw)):
        raise CorruptFile("checksum differs at offset 12")
    return file, raw


def decode(data: bytes | str | Path, *, region: Any = None, codec: Any = None, **options: Any) -> Any:
    import numpy as np
    from PIL import Image

    from regio.images import Picture, stored_in, to_pil

    file, raw = _pixels(data)
    pixels = np.frombuffer(raw, np.uint8).reshape(file.header.height, file.header.width, 3)
    stored = file.body(Kind.ALPHA)
    alpha = None if stored is None else np.array(Image.open(io.BytesIO(stored)))
    image = to_pil(Picture(pixels, file.header.grey, alpha, **stored_in(file)._asdict()))
    if region is not None:
        x, y, width, height = region
        image = image.crop((x, y, x + width, y + height))
    return image.reduce({"1/2": 2, "1/4": 4}.get(options.get("reduced") or "", 1))


def verify(data: bytes | str | Path, *, codec: Any = None, device: str = "auto", **options: Any) -> None:
    _pixels(data)


def install(modules: dict[str, Any] | None = None) -> dict[str, types.ModuleType]:
    """Modules under the names of the real ones; put into `modules`, if given."""
    codec = types.ModuleType("regio.codec")
    codec.__dict__.update(
        BaseCodec=Codec, Codec=Codec, load=load, shared=shared, encode=encode, decode=decode, verify=verify
    )
    catalog = types.ModuleType("regio.models.catalog")
    entry = Entry(1, DEFAULT)
    for name, value in {"DEFAULT": DEFAULT, "CATALOG": {1: entry}, "Entry": Entry}.items():
        setattr(catalog, name, value)
    light = types.ModuleType("regio.light")
    graphs = types.ModuleType("regio.light.graphs")
    graphs.__dict__.update(codec_of=lambda data: None, graphs_of=None, has=lambda name: False)
    made = {
        "regio.light": light,
        "regio.light.graphs": graphs,
        "regio.codec": codec,
        "regio.codec.options": regio.codec.options,
        "regio.models.catalog": catalog,
    }
    if modules is not None:
        modules.update(made)
    return made


if __name__ == "__main__":
    install(sys.modules)
    from regio.cli import main

    main()
