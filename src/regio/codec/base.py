"""What every codec does, whichever engine runs it. Loads no torch."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

from PIL import Image

from regio.arrays import Form, given_as
from regio.codec import preparation
from regio.codec.decoding import Opened, Region, decoded, verified
from regio.codec.engine import Engine
from regio.codec.memory import within_memory
from regio.codec.options import DecodeOptions, EncodeOptions, checked, limits_of, log2_reduced
from regio.codec.search import Found
from regio.errors import TargetMissed, UsageError
from regio.format import Data
from regio.images import Picture, Pixels, Source, read_picture, to_pil

if TYPE_CHECKING:
    import torch


class BaseCodec(ABC):
    """A codec with its engine: `regio.Codec`, which is torch, or `regio.light.LightCodec`."""

    name: str
    fingerprint: str
    """32 hex digits."""
    runtime: Engine

    @property
    @abstractmethod
    def look(self) -> str:
        """Which synthesis decodes: "faithful", the weights' own, or "natural"."""

    @abstractmethod
    def looking(self, look: str) -> BaseCodec:
        """The same codec with another look. MissingWeights where it does not have it."""

    def _undisturbed(self) -> AbstractContextManager[object]:
        """Keep what the program has set in the engine's libraries away from the work."""
        return nullcontext()

    def watched(self, told: Callable[[int, int], None]) -> Self:
        """The same codec, for work that takes long: it calls told(tile, count) before each of `count` tiles.

        A search tries several files, and each of them begins at tile 0. What `told` raises ends the work.
        """
        found = copy.copy(self)
        found.runtime = replace(self.runtime, told=told)
        return found

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

    def encode_noted(self, image: Source | Picture, **options: Unpack[EncodeOptions]) -> Found:
        """`encode` for programs with a place for notes: the file, and a line for each target that it misses."""
        with self._undisturbed(), within_memory():
            settings = checked(options)
            if not self.runtime.facts.rated and settings.rate is not None:
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
        return self.decode_opened(opened, as_, region, log2_reduced(reduced), max_memory)

    def decode_opened(
        self, opened: Opened, as_: Form, region: Region | None, smaller: int, max_memory: int | str | None
    ) -> Any:
        """`decode` for those who had to look into the file for its codec; smaller: by its power of two."""
        with self._undisturbed(), within_memory():
            return given_as(to_pil(decoded(self.runtime, opened, region, smaller, max_memory)), as_)

    def verify(self, data: Data, *, max_memory: int | str | None = None, max_pixels: int | str | None = None) -> None:
        """Decode every symbol of a .rgo file and compare the checksum; raises as `decode` does."""
        self.verify_opened(Opened.of(data, limits_of(max_pixels, max_memory)), max_memory)

    def verify_opened(self, opened: Opened, max_memory: int | str | None) -> None:
        """`verify`, likewise."""
        with self._undisturbed(), within_memory():
            verified(self.runtime, opened, max_memory)
