"""Facts about a .rgo file, read in milliseconds without a model, torch or numpy."""

from __future__ import annotations

import dataclasses
import html
from dataclasses import dataclass
from typing import Any

from regio.format import NO_LIMITS, Data, Kind, RgoFile, parse, read
from regio.format.chunks import METADATA, block_of, kind_name
from regio.format.header import STEPS_PER_QUALITY

BEST = 100.0
LOSSLESS = "without loss"


@dataclass(frozen=True, kw_only=True, repr=False)
class Info:
    """The result of inspect().

    width, height  of the decoded picture, in pixels
    codec          name in the catalog, "custom (NAME)" or "unknown (id N)"
    fingerprint    of the weights, in hexadecimal: two bytes for the catalog's, all sixteen for custom ones
    quality        0..100; 0 where the model has one rate, 100 where the picture is stored without loss
    lossless       whether the file holds the picture without loss: then no codec is needed
    grid           SegPIC's regions are a grid of this many by as many
    bpp            bits of the whole file for each pixel
    parts          bytes of header, each chunk, rate map and payload; they add up to bytes_total
    metadata       which of icc, exif, xmp the file keeps
    metadata_bytes what they take of the file, opacity not counted
    tile_side      in pixels; None when the payload is one piece
    scale          1, 0.5 or 0.25: the size at which the picture is coded, as a fraction of width and height
    roi_quality    0..100, that of the region of interest, where `quality` is that of the rest; None without one
    """

    width: int
    height: int
    grey: bool
    alpha: bool
    codec: str
    fingerprint: str
    quality: float
    lossless: bool
    grid: int
    bytes_total: int
    bpp: float
    parts: dict[str, int]
    metadata: tuple[str, ...]
    metadata_bytes: int
    tile_side: int | None
    scale: float
    roi_quality: float | None
    version: int

    @property
    def colour(self) -> str:
        """The picture's kind in Pillow's word: L, LA, RGB or RGBA."""
        return ("L" if self.grey else "RGB") + ("A" if self.alpha else "")

    @property
    def metadata_share(self) -> str:
        """ "icc, exif: 540 bytes, 12 % of the file"; empty without metadata."""
        if not self.metadata:
            return ""
        share = f"{100 * self.metadata_bytes / self.bytes_total:.3g}"
        return f"{', '.join(self.metadata)}: {self.metadata_bytes} bytes, {share} % of the file"

    @property
    def opacity_share(self) -> str:
        """ "opacity: 540 bytes, 12 % of the file", where that is a tenth of it or more; else empty."""
        size = self.parts.get("alpha", 0)
        return (
            f"opacity: {size} bytes, {100 * size / self.bytes_total:.3g} % of the file"
            if 10 * size >= self.bytes_total
            else ""
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return dataclasses.asdict(self)

    def _repr_html_(self) -> str:
        """HTML for notebooks: the main fields, and the bytes of each part."""
        quality = f"{self.quality:g}" if self.roi_quality is None else f"{self.quality:g}, region {self.roi_quality:g}"
        if self.lossless:
            quality = LOSSLESS
        facts = {
            "picture": f"{self.width} × {self.height}, {self.colour}",
            "codec": f"{self.codec}, weights {self.fingerprint[:8]}",
            "quality": quality,
            "size": f"{self.bytes_total} bytes, {self.bpp:.4g} bpp",
            "parts": ", ".join(f"{part} {size}" for part, size in self.parts.items()),
            "metadata": self.metadata_share or "none",
        }
        rows = "".join(f"<tr><th>{name}</th><td>{html.escape(fact)}</td></tr>" for name, fact in facts.items())
        return f"<table>{rows}</table>"

    def __repr__(self) -> str:
        extras = "".join(f", {name}" for name in self.metadata)
        return (
            f"<Info {self.width}x{self.height} {self.colour}, {self.codec}, {quality_of(self)}, "
            f"{self.bytes_total} bytes, {self.bpp:.4g} bpp{extras}>"
        )


def inspect(data: Data) -> Info:
    """Read the facts about a file, given as bytes, path or binary stream.

    Damage to the payload is not noticed here, since nothing is decoded, nor a missing end unless the file has a tile
    index. CorruptFile, UnsupportedFile, UsageError for what is no file; NoSuchFile, IsAFolder or OSError for a path.
    """
    whole = read(data)
    return _describe(parse(whole, NO_LIMITS), len(whole))


def at_scale(info: Info) -> str:
    """The note on a picture that is coded smaller: ", at 1/2 size"; otherwise empty."""
    return "" if info.scale == 1 else f", at 1/{1 / info.scale:g} size"


def quality_of(info: Info) -> str:
    """The quality in words, such as "quality 60" and "quality 70 in the region of interest and 50 elsewhere"."""
    if info.lossless:
        return LOSSLESS
    if info.roi_quality is None:
        return f"quality {info.quality:g}"
    return f"quality {info.roi_quality:g} in the region of interest and {info.quality:g} elsewhere"


def _describe(file: RgoFile, total: int) -> Info:
    head = file.header
    tiles = file.tiles
    weights = file.weights
    end = 1 if file.chunks else 0  # the zero byte after the last chunk
    sizes = {chunk.name: chunk.size for chunk in file.chunks}
    kept = [chunk for chunk in file.chunks if chunk.kind in METADATA]
    maps = list(file.maps())
    span = max((rates.ladder.span for rates, _ in maps if rates is not None), default=0)
    if maps:
        sizes["rate map"] = sum(size for _, size in maps)
    return Info(
        width=head.width,
        height=head.height,
        grey=head.grey,
        alpha=file.body(Kind.ALPHA) is not None,
        codec=_catalog_name(head.model) if weights is None else f"custom ({weights.name})",
        fingerprint=(head.fingerprint if weights is None else weights.fingerprint).hex(),
        quality=BEST if file.lossless else head.quality,
        lossless=file.lossless,
        grid=head.grid,
        bytes_total=total,
        bpp=8 * total / head.pixels,
        parts={"header": head.size + end, **sizes, "payload": len(file.payload) - sizes.get("rate map", 0)},
        metadata=tuple(kind_name(block_of(chunk.kind)) for chunk in kept),
        metadata_bytes=sum(chunk.size for chunk in kept),
        tile_side=tiles.side if tiles else None,
        scale=1 / (1 << head.log2_scale),
        roi_quality=(head.rate + span) / STEPS_PER_QUALITY if maps else None,
        version=head.version,
    )


def _catalog_name(model: int) -> str:
    from regio.models.catalog import CATALOG  # only here, so that reading bytes needs no catalog

    return CATALOG[model].name if model in CATALOG else f"unknown (id {model})"
