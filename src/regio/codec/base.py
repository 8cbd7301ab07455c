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
from regio.codec.decoding import Opened, Region, decoded, stored, verified
from regio.codec.engine import Engine
from regio.codec.memory import within_memory
from regio.codec.options import DecodeOptions, EncodeOptions, checked, limits_of, log2_reduced
from regio.errors import TargetMissed, UsageError
from regio.format import Data
from regio.images import Picture, Pixels, Source, read_picture, to_pil

if TYPE_CHECKING:
    import torch

    from regio.codec.search import Found


class BaseCodec(ABC):
    """A codec with its engine: `regio.Codec`, which is torch, or `regio.light.LightCodec`."""

    name: str
    fingerprint: str
    """32 hex digits."""
    runtime: Engine

    @property
    @abstractmethod
    def look(self) -> str:
        """The synthesis that decodes: "faithful", the weights' own, or "natural"."""

    @abstractmethod
    def looking(self, look: str) -> BaseCodec:
        """The same codec with another look. MissingWeights where it does not have it."""

    @property
    def _decoder(self) -> Engine:
        """The engine that decodes, where it is not quite the one that encodes."""
        return self.runtime

    def _undisturbed(self) -> AbstractContextManager[object]:
        """Keep what the program has set in the engine's libraries away from the work."""
        return nullcontext()

    def watched(self, told: Callable[[int, int], None]) -> Self:
        """The same codec, for long work: it calls told(tile, count) before each of `count` tiles.

        A search tries several files, and each begins at tile 0. If `told` raises an exception, the work ends.
        """
        found = copy.copy(self)
        found.runtime = replace(self.runtime, told=told)
        return found

    def encode(self, image: Source | Picture, **options: Unpack[EncodeOptions]) -> bytes:
        """Encode a picture -> the bytes of a .rgo file. Pictures above 4 megapixels are coded in independent tiles.

        image: a path, bytes of a picture file, a stream, a PIL image, an array (H,W[,C]) or a torch tensor (C,H,W),
        uint8 or floating point from 0 to 1.
        quality: 0 to 100, any real number, default 60. Instead of it you can give one of target_bpp (bits per pixel of
        the whole file, as near as possible), max_bytes (the best quality that fits; 40000 or "40k") and target_psnr
        (dB; the smallest file that reaches it). If target_bpp or target_psnr is out of reach, you get the nearest file
        and the warning `regio.TargetMissed`. strict=True: an error if the file would be too large, or its PSNR too low.
        With bundled weights, a picture that takes fewer bytes without loss, or whose target_psnr no quality reaches, is
        stored without loss (docs/rates.md).
        grid: the picture, or each tile, has grid x grid regions, 1 to 16 (default: by size). strip: leave out metadata.
        scale: 1, "1/2" or "1/4", the size at which the picture is coded; decoding enlarges it again. The default is 1;
        for target_bpp, max_bytes and target_psnr at very low rates it is whichever size is best.
        max_memory: approximate limit of the memory of this process in bytes, kept by smaller tiles.
        max_pixels: larger pictures are refused, default 2**28. For pictures that Pillow reads, Pillow's own limit,
        `PIL.Image.MAX_IMAGE_PIXELS`, holds as well.

        roi: the region of interest, in any form that `regio.regions.importance` takes: "faces", "text", "salient", a
        box (x, y, width, height), a mask, or a list of these. If a detector finds nothing, the picture is coded evenly.
        roi_strength: difference in quality between region and rest, default 20. With `quality`, the file is as large as
        without a region, and bytes move into the region. background: the quality outside the region, instead of
        roi_strength; then `quality` is that of the region.

        Raises UsageError if options contradict each other or max_bytes is too small; BadImage, LimitExceeded.
        """
        found = self.encode_noted(image, **options)
        for note in found.notes:
            warnings.warn(note, TargetMissed, stacklevel=2)
        return found.data

    def encode_noted(self, image: Source | Picture, **options: Unpack[EncodeOptions]) -> Found:
        """Like `encode`, but returns the file together with notes: a line for each missed target."""
        from regio.codec import preparation  # which decoding does not need

        with self._undisturbed(), within_memory():
            settings = checked(options)
            if not self.runtime.facts.rated and settings.rate is not None:
                raise UsageError(f"{self.name} has one rate only, so {settings.rate} cannot be set")
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
        """Decode the bytes or the path of a .rgo file -> a picture.

        as_: "pil", an image; "numpy", uint8 (H,W) or (H,W,C); or "torch", a uint8 tensor (C,H,W) on the CPU. C is 1 for
        grey (no axis in NumPy), 3 for colour, and one more with alpha.
        region: (x, y, width, height) in pixels, the part to decode. It has the same pixels as in the whole picture. In
        a file with tiles, only the tiles that it needs are decoded.
        reduced: "1/2" or "1/4", a smaller picture, such as a thumbnail; its sides are rounded up. This is fast if the
        file is coded at that size. Otherwise the picture is decoded as it is coded and then reduced, each pixel the
        mean of a square (or enlarged, from 1/4 to 1/2), which saves memory but no time. A region is still given in
        pixels of the full size; the result covers the pixels that it touches.
        max_memory: approximate limit of the memory of this process in bytes.
        max_pixels: files of larger pictures are refused before anything is decoded, default 2**28. As in encoding, both
        sides are rounded up to multiples of 64.

        Raises CorruptFile for damaged data, MissingWeights for a file of other weights, UnsupportedFile, LimitExceeded,
        and UsageError for a region that is not inside the picture.
        """
        opened = Opened.of(data, limits_of(max_pixels, max_memory))
        return self.decode_opened(opened, as_, region, log2_reduced(reduced), max_memory)

    def decode_opened(
        self, opened: Opened, as_: Form, region: Region | None, smaller: int, max_memory: int | str | None
    ) -> Any:
        """`decode` for those who had to look into the file for its codec; smaller: by its power of two."""
        with self._undisturbed(), within_memory():
            return given_as(to_pil(decoded(self._decoder, opened, region, smaller, max_memory)), as_)

    def verify(self, data: Data, *, max_memory: int | str | None = None, max_pixels: int | str | None = None) -> None:
        """Decode every symbol of a .rgo file and compare the checksum. Raises the same errors as `decode`."""
        self.verify_opened(Opened.of(data, limits_of(max_pixels, max_memory)), max_memory)

    def verify_opened(self, opened: Opened, max_memory: int | str | None) -> None:
        """`verify`, likewise."""
        with self._undisturbed(), within_memory():
            verified(self.runtime, opened, max_memory)


def decode_stored(opened: Opened, as_: Form, region: Region | None, smaller: int, max_memory: int | str | None) -> Any:
    """`BaseCodec.decode_opened` for a file that holds its picture without loss: no codec is needed."""
    with within_memory():
        return given_as(to_pil(stored(opened, region, smaller, max_memory)), as_)
