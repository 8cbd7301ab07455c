"""Codec, and what stands beside it in the public interface: load, encode, decode, verify."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import torch
from PIL import Image

from regio.arrays import Form, given_as
from regio.codec import preparation
from regio.codec.decoding import Opened, Region, decoded, verified
from regio.codec.host import undisturbed
from regio.codec.memory import within_memory
from regio.codec.options import (
    DEFAULT_QUALITY,
    DecodeOptions,
    EncodeOptions,
    Settings,
    checked,
    limits_of,
    log2_reduced,
)
from regio.codec.runtime import Runtime
from regio.codec.search import Found
from regio.entropy import RateEstimator, TableSet
from regio.errors import MissingWeights, TargetMissed, UsageError
from regio.format import Data, rate_step
from regio.images import Picture, Pixels, Source, read_picture, to_pil
from regio.models.base import Network
from regio.models.catalog import DEFAULT, by_id
from regio.models.sharing import Goods, Shareable
from regio.weights import looks, store


class Codec(Shareable):
    """A model with its weights and tables on one device, for any number of pictures. Made by `regio.load`."""

    def __init__(self, weights: store.Weights, device: str = "auto") -> None:
        self.weights = weights
        self.name, self.fingerprint = weights.name, weights.fingerprint.hex()
        with undisturbed():
            self.runtime = Runtime.of(weights, device)

    @property
    def net(self) -> Network:
        """The network."""
        return self.runtime.net

    @property
    def tables(self) -> TableSet:
        """The tables of its priors."""
        return self.runtime.tables

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.runtime.device

    def watched(self, told: Callable[[int, int], None]) -> "Codec":
        """The same codec, for work that takes long: it calls told(tile, count) before each of `count` tiles.

        A search tries several files, and each of them begins at tile 0. What `told` raises ends the work.
        """
        found = copy.copy(self)
        found.runtime = replace(self.runtime, told=told)
        return found

    def to_share(self) -> Goods:
        """What goes to the hub: the network with the tables that its files were made with.

        UsageError for another look than the weights' own, whose numbers their fingerprint is not of.
        """
        if self.look != looks.FAITHFUL:
            raise UsageError(f"{self.name} cannot be saved in its look {self.look!r}; load it without a look")
        return Goods(self.net, self.name, self.weights.tables)

    def __reduce__(self) -> tuple[type["Codec"], tuple[store.Weights, str]]:
        """For pickle and copy: the tables of the range coder are made anew."""
        return Codec, (self.weights, str(self.device))

    @property
    def look(self) -> str:
        """Which synthesis decodes: "faithful", the weights' own, or "natural"."""
        return self.weights.look

    def looking(self, look: str) -> "Codec":
        """The same codec with another look, "faithful" or "natural". Files are the same; decoded pictures are not.

        MissingWeights where these weights do not have it.
        """
        with undisturbed():
            weights = looks.dressed(self.weights, look)
        return self if weights is self.weights else Codec(weights, str(self.device))

    def __repr__(self) -> str:
        return f"<regio codec {self.name}, weights {self.fingerprint[:8]}, on {self.device}>"

    def encode(self, image: Source | Picture, **options: Unpack[EncodeOptions]) -> bytes:
        """One picture to the bytes of a .rgo file; more than 4 megapixels go into tiles, which decode by themselves.

        image: a path, bytes of a picture file, a stream, a PIL image, an array (H,W[,C]) or a torch tensor (C,H,W),
        uint8 or floating point from 0 to 1.
        quality: 0 to 100, any real number, default 60; or instead of it one of target_bpp (bits per pixel of the whole
        file, the nearest that is possible), max_bytes (the best quality that fits; 40000 or "40k"), target_psnr (dB;
        the smallest file that reaches it). A target_bpp or target_psnr out of reach gives the nearest file and the
        warning `regio.TargetMissed`; strict=True makes a file that would be too large, or too poor, an error.
        grid: regions of a picture, or of each tile, are grid x grid, 1 to 16 (default by size). strip: no metadata.
        scale: 1, "1/2" or "1/4", the size at which the picture is coded; a reader enlarges it again. By default
        whichever is best for target_bpp, max_bytes and target_psnr at very low rates, and 1 elsewhere.
        max_memory: bytes that this process may occupy, kept by smaller tiles; about, not exactly.
        max_pixels: larger pictures are refused, default 2**28; Pillow's own limit, `PIL.Image.MAX_IMAGE_PIXELS`, holds
        besides for what Pillow reads.

        roi: what matters more than the rest, all that `regio.regions.importance` takes: "faces", "text", "salient", a
        box (x, y, width, height), a mask, a list of these. Where a detector finds nothing, the file is a plain one.
        roi_strength: points of quality between region and rest, default 20. With `quality`, bytes stay as many as
        without a region, and move there. background: the quality outside the region, instead of roi_strength; `quality`
        is then that of the region.

        Raises UsageError for options that contradict each other, and for max_bytes that are too few; BadImage,
        LimitExceeded.
        """
        found = self.encode_noted(image, **options)
        for note in found.notes:
            warnings.warn(note, TargetMissed, stacklevel=2)
        return found.data

    @undisturbed()
    @within_memory()
    def encode_noted(self, image: Source | Picture, **options: Unpack[EncodeOptions]) -> Found:
        """`encode` for programs with a place for notes: the file, and a line for each target that it misses."""
        settings = checked(options)
        if not self.net.rated and settings.rate is not None:
            raise UsageError(f"{self.name} has one rate only; {settings.rate} cannot be chosen")
        picture = read_picture(image)
        settings.limits.check_size(picture.width, picture.height)
        return preparation.encode(self.runtime, picture, settings)

    @overload
    def decode(self, data: Data, *, as_: Literal["pil"] = ..., **options: Unpack[DecodeOptions]) -> Image.Image: ...

    @overload
    def decode(self, data: Data, *, as_: Literal["numpy"], **options: Unpack[DecodeOptions]) -> Pixels: ...

    @overload
    def decode(self, data: Data, *, as_: Literal["torch"], **options: Unpack[DecodeOptions]) -> torch.Tensor: ...

    def decode(
        self,
        data: Data,
        *,
        as_: Form = "pil",
        region: Region | None = None,
        reduced: float | str | None = None,
        max_memory: int | str | None = None,
        max_pixels: int | str | None = None,
    ) -> Any:
        """The bytes or the path of a .rgo file to a picture.

        as_: "pil", an image; "numpy", uint8 (H,W) or (H,W,C); or "torch", a uint8 tensor (C,H,W) on the CPU. C is 1 for
        grey (no axis in NumPy), 3 for colour, and one more with alpha.
        region: (x, y, width, height) in pixels, the part that is wanted; the same pixels as in the whole, and of a file
        with tiles only those are decoded that it needs.
        reduced: "1/2" or "1/4", a smaller picture, such as a thumbnail; its sides are rounded up. A file that is coded
        at that size gives the coded pixels, which are quick to decode. Others are decoded as they are coded and then
        reduced, each pixel the mean of a square (or enlarged, to 1/2 from 1/4): that saves memory, but no time. A
        region is still in pixels of the full size; the result is what it meets.
        max_memory: bytes that this process may occupy, about.
        max_pixels: files of larger pictures are refused before anything is decoded, default 2**28; as in encoding, both
        sides count as multiples of 64.

        Raises CorruptFile for damaged data, MissingWeights for a file of other weights, UnsupportedFile, LimitExceeded,
        UsageError for a region that is not inside the picture.
        """
        opened = Opened.of(data, limits_of(max_pixels, max_memory))
        return self._decode(opened, as_, region, log2_reduced(reduced), max_memory)

    @undisturbed()
    @within_memory()
    def _decode(
        self, opened: Opened, as_: Form, region: Region | None, smaller: int, max_memory: int | str | None
    ) -> Any:
        return given_as(to_pil(decoded(self.runtime, opened, region, smaller, max_memory)), as_)

    def verify(self, data: Data, *, max_memory: int | str | None = None, max_pixels: int | str | None = None) -> None:
        """Decode every symbol of a .rgo file and compare the checksum; raises as `decode` does."""
        self._verify(Opened.of(data, limits_of(max_pixels, max_memory)), max_memory)

    @undisturbed()
    @within_memory()
    def _verify(self, opened: Opened, max_memory: int | str | None) -> None:
        verified(self.runtime, opened, max_memory)

    @undisturbed()
    def estimate_bits(
        self, image: Source | Picture, quality: float = DEFAULT_QUALITY, grid: int | None = None
    ) -> float:
        """Bits that the model expects the latents to take, without header; real files come within 0.5 %."""
        settings: Settings = checked({"quality": quality, "grid": grid, "strip": True})
        job = preparation.prepare(self.runtime, read_picture(image), settings)
        total = 0.0
        for k in range(job.layout.count):
            coder = RateEstimator(noisy=False, exact=True)
            step = rate_step(quality)
            with self.runtime.working():
                self.runtime.walk(job.latents(k, step), job.terms(k, step), coder)
            total += float(torch.stack(list(coder.bits.values())).double().sum())
        return total


@undisturbed()
def load(name_or_path: str | PathLike[str] = DEFAULT, device: str = "auto", look: str = looks.FAITHFUL) -> Codec:
    """A codec by bundled name, path of a .safetensors file or of a folder, or hub id ("owner/name@revision").

    device: auto, cpu, cuda, cuda:1 ... look: "natural" decodes with another synthesis, where the weights have one.
    MissingWeights where there are none, UnsupportedFile where they are not ours.
    """
    if not isinstance(name_or_path, str | PathLike):
        raise UsageError(f"cannot load a codec from {type(name_or_path).__name__}: a name or a path is wanted")
    if not str(name_or_path).strip():
        raise UsageError("the name of the codec is empty; `regio models` lists the names")
    weights = store.load(Path(name_or_path) if isinstance(name_or_path, PathLike) else name_or_path)
    return Codec(looks.dressed(weights, look), device)


@lru_cache(maxsize=4)
def shared(name: str, device: str = "auto", look: str = looks.FAITHFUL) -> Codec:
    """The codec of bundled weights, loaded once and used by all calls that only name it."""
    return load(name, device, look)


def encode(
    image: Source | Picture,
    *,
    codec: Codec | str | PathLike[str] | None = None,
    device: str = "auto",
    **options: Unpack[EncodeOptions],
) -> bytes:
    """One picture to the bytes of a .rgo file, with the default codec or the given one.

    options: quality, max_bytes, roi and all others of `Codec.encode`. For several pictures, `regio.load` once.
    """
    if not isinstance(codec, Codec):
        codec = shared(DEFAULT, device) if codec is None else load(codec, device)
    return codec.encode(image, **options)


class _Which(DecodeOptions, total=False):
    codec: Codec | str | PathLike[str] | None
    device: str
    look: str | None


@overload
def decode(data: Data, *, as_: Literal["pil"] = ..., **options: Unpack[_Which]) -> Image.Image: ...


@overload
def decode(data: Data, *, as_: Literal["numpy"], **options: Unpack[_Which]) -> Pixels: ...


@overload
def decode(data: Data, *, as_: Literal["torch"], **options: Unpack[_Which]) -> torch.Tensor: ...


def decode(
    data: Data,
    *,
    as_: Form = "pil",
    region: Region | None = None,
    reduced: float | str | None = None,
    codec: Codec | str | PathLike[str] | None = None,
    device: str = "auto",
    look: str | None = None,
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
) -> Any:
    """The bytes or path of a .rgo file to a picture; the file names its codec, unless its weights are not bundled.

    as_: "pil", "numpy" (uint8, (H,W[,C])) or "torch" (uint8, (C,H,W)), see `Codec.decode`.
    region: (x, y, width, height) in pixels, the part that is wanted; reduced: "1/2" or "1/4", a smaller picture;
    max_memory: bytes that this process may occupy; max_pixels: files of larger pictures are refused, before any weights
    are loaded. look: "faithful", the codec's own, or "natural", where its weights have that.
    """
    opened, smaller = Opened.of(data, limits_of(max_pixels, max_memory)), log2_reduced(reduced)
    return _codec_for(opened, codec, device, look)._decode(opened, as_, region, smaller, max_memory)


def verify(
    data: Data,
    *,
    codec: Codec | str | PathLike[str] | None = None,
    device: str = "auto",
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
) -> None:
    """Raise unless every symbol of the file decodes to what was encoded."""
    opened = Opened.of(data, limits_of(max_pixels, max_memory))
    _codec_for(opened, codec, device)._verify(opened, max_memory)


def _codec_for(
    opened: Opened, codec: Codec | str | PathLike[str] | None, device: str, look: str | None = None
) -> Codec:
    """The codec that was named, or else the one that the file names, in a look; MissingWeights."""
    if isinstance(codec, Codec):
        return codec if look is None else codec.looking(look)
    look = look or looks.FAITHFUL
    if codec is not None:
        return load(codec, device, look)
    if opened.file.weights is not None:
        raise MissingWeights(
            f"the file was made with custom weights, {opened.file.weights.name!r}; name them with codec= or --codec"
        )
    return shared(by_id(opened.file.header.model).name, device, look)
