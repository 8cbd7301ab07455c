"""Codec, and what stands beside it in the public interface: load, decode, verify."""

import math
import operator
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, overload

import torch
from PIL import Image

from regio.arrays import Form, given_as
from regio.codec.decoding import Decoding
from regio.codec.devices import device_of, settle
from regio.codec.encoding import Job
from regio.codec.layout import LOG2_SIDES, WHOLE_PIXELS, Box, Layout, Span, layout_of
from regio.codec.memory import Budget, decoding_cost, encoding_cost, within_memory
from regio.codec.pixels import pack_alpha
from regio.codec.roi import Emphasis, steps_of
from regio.codec.search import largest_within, nearest_size, smallest_reaching
from regio.entropy import RateEstimator, TableSet
from regio.errors import MissingWeights, UsageError
from regio.format import DEFAULT_LIMITS, Chunk, CustomWeights, Kind, Limits, RgoFile, parse, rate_step
from regio.hub import SharedCodec
from regio.images import Picture, Pixels, Source, read_picture, to_pil
from regio.models.catalog import DEFAULT, by_id
from regio.regions import importance
from regio.weights import store

DEFAULT_QUALITY = 60.0
Region = tuple[int, int, int, int]  # x, y, width, height in pixels


class Codec(SharedCodec):
    """A model with its weights and tables on one device, for any number of pictures. Made by `regio.load`."""

    def __init__(self, weights: store.Weights, device: str = "auto") -> None:
        self.weights = weights
        self.name, self.fingerprint = weights.name, weights.fingerprint.hex()
        self.device = device_of(device)
        self.net = settle(weights.net, self.device)
        self.tables = TableSet(weights.tables)

    def __repr__(self) -> str:
        return f"<regio codec {self.name}, weights {self.fingerprint[:8]}, on {self.device}>"

    @within_memory()
    def encode(
        self,
        image: Source | Picture,
        *,
        quality: float | None = None,
        target_bpp: float | None = None,
        max_bytes: int | None = None,
        target_psnr: float | None = None,
        grid: int | None = None,
        roi: Any = None,
        roi_strength: float | None = None,
        background: float | None = None,
        strip: bool = False,
        max_memory: int | None = None,
        max_pixels: int | None = None,
    ) -> bytes:
        """One picture to the bytes of a .rgo file; more than 4 megapixels go into tiles, which decode by themselves.

        image: a path, bytes of a picture file, a stream, a PIL image, an array (H,W[,C]) or a torch tensor (C,H,W),
        uint8 or floating point from 0 to 1.
        quality: 0 to 100, any real number, default 60; or instead of it one of target_bpp (bits per pixel of the whole
        file, the nearest that is possible), max_bytes (the best quality that fits), target_psnr (dB; the smallest file
        that reaches it). grid: regions of a picture, or of each tile, are grid x grid, 1 to 16 (default by size).
        strip: no metadata. max_memory: bytes that this process may occupy, kept by smaller tiles; about, not exactly.
        max_pixels: larger pictures are refused, default 2**28; Pillow's own limit, `PIL.Image.MAX_IMAGE_PIXELS`, holds
        besides for what Pillow reads.

        roi: what matters more than the rest, all that `regio.regions.importance` takes: "faces", "text", "salient", a
        box (x, y, width, height), a mask, a list of these. Where a detector finds nothing, the file is a plain one.
        roi_strength: points of quality between region and rest, default 20. With `quality`, bytes stay as many as
        without a region, and move there. background: instead, the quality of the rest; `quality` is that of the region.

        Raises UsageError for contradictions and for targets out of reach, BadImage, LimitExceeded.
        """
        targets = {"target_bpp": target_bpp, "max_bytes": max_bytes, "target_psnr": target_psnr}
        named = self._named({"quality": quality} | targets)
        if roi is None and (roi_strength is not None or background is not None):
            raise UsageError(f"{'background' if roi_strength is None else 'roi_strength'} says nothing without a roi")
        step = rate_step(DEFAULT_QUALITY if quality is None else quality)
        searched = named not in (None, "quality")
        plan = None if roi is None else steps_of(roi_strength, background, None if searched else step)
        limits = limits_of(max_pixels)
        picture = read_picture(image)
        limits.check_size(picture.width, picture.height)
        region = None if roi is None else importance(roi, picture.pixels)
        searched |= region is not None and background is None
        job = self._prepare(picture, grid, strip, max_memory, searched, target_psnr is not None)
        if plan is not None and region is not None and (emphasis := Emphasis.of(region, job.layout, self.net)):
            job = replace(job, plan=plan, emphasis=emphasis)
            if named in (None, "quality") and background is None:
                plain = job.without_roi().bytes_at(step)
                return largest_within(job, plain, between=(step + job.steps[0], step))
        if target_bpp is not None:
            return nearest_size(job, target_bpp * job.pixels / 8)
        if max_bytes is not None:
            return largest_within(job, max_bytes)
        if target_psnr is not None:
            return smallest_reaching(job, target_psnr)
        return job.at(0 if self.net.gain is None else step)

    @overload
    def decode(
        self,
        data: bytes,
        *,
        as_: Literal["pil"] = ...,
        region: Region | None = ...,
        max_memory: int | None = ...,
        max_pixels: int | None = ...,
    ) -> Image.Image: ...

    @overload
    def decode(
        self,
        data: bytes,
        *,
        as_: Literal["numpy"],
        region: Region | None = ...,
        max_memory: int | None = ...,
        max_pixels: int | None = ...,
    ) -> Pixels: ...

    @overload
    def decode(
        self,
        data: bytes,
        *,
        as_: Literal["torch"],
        region: Region | None = ...,
        max_memory: int | None = ...,
        max_pixels: int | None = ...,
    ) -> torch.Tensor: ...

    @within_memory()
    def decode(
        self,
        data: bytes,
        *,
        as_: Form = "pil",
        region: Region | None = None,
        max_memory: int | None = None,
        max_pixels: int | None = None,
    ) -> Any:
        """The bytes of a .rgo file to a picture.

        as_: "pil", an image; "numpy", uint8 (H,W) or (H,W,C); or "torch", a uint8 tensor (C,H,W) on the CPU. C is 1 for
        grey (no axis in NumPy), 3 for colour, and one more with alpha.
        region: (x, y, width, height) in pixels, the part that is wanted; the same pixels as in the whole, and of a file
        with tiles only those are decoded that it needs. max_memory: bytes that this process may occupy, about.
        max_pixels: files of larger pictures are refused before anything is decoded, default 2**28.

        Raises CorruptFile for damaged data, MissingWeights for a file of other weights, UnsupportedFile, LimitExceeded,
        UsageError for a region that is not inside the picture.
        """
        file = parse(data, limits_of(max_pixels))
        self._check_weights(file)
        box = _box(region, file.header.width, file.header.height)
        budget = Budget.of(max_memory)
        decoding = Decoding(self, file, data)
        budget.check(decoding_cost(self.net, decoding.layout, box))
        return given_as(to_pil(decoding.picture(box)), as_)

    @within_memory()
    def verify(self, data: bytes, *, max_pixels: int | None = None) -> None:
        """Decode every symbol of a .rgo file and compare the checksum; raises as `decode` does."""
        file = parse(data, limits_of(max_pixels))
        self._check_weights(file)
        Decoding(self, file, data).verify()

    @torch.inference_mode()
    def estimate_bits(
        self, image: Source | Picture, quality: float = DEFAULT_QUALITY, grid: int | None = None
    ) -> float:
        """Bits that the model expects the latents to take, without header; real files are to come within 0.5 %."""
        job = self._prepare(read_picture(image), grid, strip=True)
        total = 0.0
        for k in range(job.layout.count):
            coder = RateEstimator(noisy=False, exact=True)
            job.walk(k, rate_step(quality), coder)
            total += float(torch.stack(list(coder.bits.values())).double().sum())
        return total

    def _named(self, wanted: dict[str, float | None]) -> str | None:
        """Which of the ways to choose a rate was taken, if any; UsageError for several, or where there is no choice."""
        named = [name for name, value in wanted.items() if value is not None]
        if len(named) > 1:
            raise UsageError(f"{' and '.join(named)} contradict each other; give one of them")
        if self.net.gain is None and named:
            raise UsageError(f"{self.name} has one rate only; {named[0]} cannot be chosen")
        quality = wanted["quality"]
        if quality is not None and not 0 <= quality <= 100:
            raise UsageError(f"quality={quality}: 0 to 100 is possible")
        return named[0] if named else None

    def _prepare(
        self,
        picture: Picture,
        grid: int | None,
        strip: bool,
        max_memory: int | None = None,
        searches: bool = False,
        synthesises: bool = False,
    ) -> Job:
        """Everything but the rate. searches: files at several rates will be tried; synthesises: and decoded."""
        cells = _default_grid(picture) if grid is None else grid
        if not 1 <= cells <= 16:
            raise UsageError(f"grid={cells}: 1 to 16 is possible")
        layout, keep = self._layout(picture, Budget.of(max_memory), searches, synthesises)
        return Job(self, picture, layout, cells, self._chunks(picture, strip), keep)

    def _layout(self, picture: Picture, budget: Budget, searches: bool, synthesises: bool) -> tuple[Layout, bool]:
        """The largest tiles that fit the memory, and whether the latents of all of them fit as well."""
        sides: list[int | None] = [None] if picture.width * picture.height <= WHOLE_PIXELS else []
        sides += LOG2_SIDES
        least = math.inf
        for keep in (True, False) if searches else (False,):
            for side in sides:
                try:
                    layout = layout_of(self.net, picture.width, picture.height, side)
                except ValueError as error:
                    raise UsageError(f"{self.name}: {error}") from error
                cost = encoding_cost(self.net, layout, keep, synthesises)
                if cost <= budget.free:
                    return layout, keep
                least = min(least, cost)
        raise budget.refuse(int(least))

    def _chunks(self, picture: Picture, strip: bool) -> tuple[Chunk, ...]:
        bodies: list[tuple[Kind, bytes | None]] = []
        if not strip:
            bodies += [(Kind.ICC, picture.icc), (Kind.EXIF, picture.exif), (Kind.XMP, picture.xmp)]
        if picture.alpha is not None:
            bodies.append((Kind.ALPHA, pack_alpha(picture.alpha)))
        chunks = [Chunk(kind, body) for kind, body in bodies if body is not None]
        if self.weights.number == 0:
            chunks.append(CustomWeights(self.weights.fingerprint, self.name).chunk())
        return tuple(chunks)

    def _check_weights(self, file: RgoFile) -> None:
        header = file.header
        if header.model != self.weights.number:
            wanted = f"custom weights {file.weights.name!r}" if file.weights else f"model {by_id(header.model).name}"
            raise MissingWeights(f"the file needs {wanted}, not {self.name}")
        theirs = file.weights.fingerprint if file.weights else header.fingerprint
        if not self.weights.fingerprint.startswith(theirs):
            raise MissingWeights(
                f"the file was made with other weights of {self.name} ({theirs.hex()}); another release has them"
            )


def load(name_or_path: str | PathLike[str] = DEFAULT, device: str = "auto") -> Codec:
    """A codec by bundled name, path of a .safetensors file or of a folder, or hub id ("owner/name@revision").

    device: auto, cpu, cuda, cuda:1 ... MissingWeights where there are none, UnsupportedFile where they are not ours.
    """
    return Codec(store.load(Path(name_or_path) if isinstance(name_or_path, PathLike) else name_or_path), device)


@lru_cache(maxsize=4)
def shared(name: str, device: str = "auto") -> Codec:
    """The codec of bundled weights, loaded once and used by all calls that only name it."""
    return load(name, device)


@overload
def decode(
    data: bytes | str | PathLike[str],
    *,
    as_: Literal["pil"] = ...,
    region: Region | None = ...,
    codec: Codec | str | None = ...,
    device: str = ...,
    max_memory: int | None = ...,
    max_pixels: int | None = ...,
) -> Image.Image: ...


@overload
def decode(
    data: bytes | str | PathLike[str],
    *,
    as_: Literal["numpy"],
    region: Region | None = ...,
    codec: Codec | str | None = ...,
    device: str = ...,
    max_memory: int | None = ...,
    max_pixels: int | None = ...,
) -> Pixels: ...


@overload
def decode(
    data: bytes | str | PathLike[str],
    *,
    as_: Literal["torch"],
    region: Region | None = ...,
    codec: Codec | str | None = ...,
    device: str = ...,
    max_memory: int | None = ...,
    max_pixels: int | None = ...,
) -> torch.Tensor: ...


def decode(
    data: bytes | str | PathLike[str],
    *,
    as_: Form = "pil",
    region: Region | None = None,
    codec: Codec | str | None = None,
    device: str = "auto",
    max_memory: int | None = None,
    max_pixels: int | None = None,
) -> Any:
    """The bytes or path of a .rgo file to a picture; the file names its codec, unless its weights are not bundled.

    as_: "pil", "numpy" (uint8, (H,W[,C])) or "torch" (uint8, (C,H,W)), see `Codec.decode`.
    region: (x, y, width, height) in pixels, the part that is wanted; max_memory: bytes that this process may occupy;
    max_pixels: files of larger pictures are refused, before any weights are loaded.
    """
    whole = _whole(data)
    loaded = _codec_for(whole, codec, device, max_pixels)
    return loaded.decode(whole, as_=as_, region=region, max_memory=max_memory, max_pixels=max_pixels)


def verify(
    data: bytes | str | PathLike[str],
    *,
    codec: Codec | str | None = None,
    device: str = "auto",
    max_pixels: int | None = None,
) -> None:
    """Raise unless every symbol of the file decodes to what was encoded."""
    whole = _whole(data)
    _codec_for(whole, codec, device, max_pixels).verify(whole, max_pixels=max_pixels)


def limits_of(max_pixels: int | None) -> Limits:
    """The limits of files, with another number of pixels if one is given; UsageError for none at all."""
    if max_pixels is None:
        return DEFAULT_LIMITS
    if max_pixels < 1:
        raise UsageError(f"max_pixels={max_pixels}: a number above 0 is wanted")
    return replace(DEFAULT_LIMITS, pixels=max_pixels)


def _whole(data: bytes | str | PathLike[str]) -> bytes:
    return Path(data).read_bytes() if isinstance(data, str | PathLike) else bytes(data)


def _codec_for(data: bytes, codec: Codec | str | None, device: str, max_pixels: int | None) -> Codec:
    if isinstance(codec, Codec):
        return codec
    file = parse(data, limits_of(max_pixels))  # so that no weights are loaded for what is refused anyway
    if codec is not None:
        return load(codec, device)
    if file.weights is not None:
        raise MissingWeights(
            f"the file was made with custom weights, {file.weights.name!r}; name them with codec= or --codec"
        )
    return shared(by_id(file.header.model).name, device)


def _default_grid(picture: Picture) -> int:
    """4 x 4 as in the paper, fewer where a region would be smaller than 64 pixels: prototypes cost bits too."""
    return max(1, min(4, min(picture.height, picture.width) // 64))


def _box(region: Region | None, width: int, height: int) -> Box:
    """A region as the user gave it -> rows and columns; UsageError unless it lies in the picture."""
    if region is None:
        return Box(Span(0, height), Span(0, width))
    try:
        x, y, across, down = (operator.index(number) for number in region)
    except (TypeError, ValueError) as error:
        raise UsageError(f"region={region!r}: four whole numbers x, y, width, height are wanted") from error
    if x < 0 or y < 0 or across < 1 or down < 1 or x + across > width or y + down > height:
        raise UsageError(
            f"the region {x},{y},{across},{down} (x, y, width, height) is not inside the picture of {width} x {height}"
        )
    return Box(Span(y, y + down), Span(x, x + across))
