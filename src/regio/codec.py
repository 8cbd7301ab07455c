"""Pictures to bytes and back: what everything around the models stands on."""

import copy
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.errors import BadImage, CorruptFile, LimitExceeded, MissingWeights, UsageError
from regio.format import Chunk, CustomWeights, Header, Kind, RgoFile, pack, parse, rate_step, verify_check
from regio.format.header import MAX_RATE
from regio.images import Picture, Pixels, Source, read_picture, to_pil
from regio.models.catalog import by_id
from regio.nn.regional import GridRegions
from regio.weights import store

DEFAULT_QUALITY = 60.0
MAX_PIXELS = 2**26  # of a picture coded in one piece: features take about 100 bytes a pixel


@contextmanager
def _within_memory() -> Iterator[None]:
    """Turn every way of saying that memory has run out into LimitExceeded."""
    message = "not enough memory to code a picture of this size in one piece"
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise LimitExceeded(message) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # on the CPU torch has no class for this
            raise LimitExceeded(message) from error
        raise


class Codec:
    """A model with its weights and tables on one device, for any number of pictures. Made by `regio.load`."""

    def __init__(self, weights: store.Weights, device: str = "auto") -> None:
        self.weights = weights
        self.name, self.fingerprint = weights.name, weights.fingerprint.hex()
        self.device = _device(device)
        self.net = weights.net.to(self.device)
        self.tables = TableSet(weights.tables)

    def __repr__(self) -> str:
        return f"<regio codec {self.name}, weights {self.fingerprint[:8]}, on {self.device}>"

    @_within_memory()
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
        strip: bool = False,
    ) -> bytes:
        """One picture to the bytes of a .rgo file.

        image: a path, bytes of a picture file, a stream, a PIL image or an (H,W[,C]) uint8 array.
        quality: 0 to 100, any real number, default 60; or instead of it one of target_bpp (bits per pixel of the whole
        file, the nearest that is possible), max_bytes (the best quality that fits), target_psnr (dB; the smallest file
        that reaches it). grid: regions are grid x grid, 1 to 16 (default by size of the picture). strip: no metadata.

        Raises UsageError for contradictions and for targets out of reach, BadImage, LimitExceeded.
        """
        wanted = {"quality": quality, "target_bpp": target_bpp, "max_bytes": max_bytes, "target_psnr": target_psnr}
        named = [name for name, value in wanted.items() if value is not None]
        if len(named) > 1:
            raise UsageError(f"{' and '.join(named)} contradict each other; give one of them")
        if roi is not None:
            raise UsageError("regions of interest are not in this release yet")
        if self.net.gain is None and named:
            raise UsageError(f"{self.name} has one rate only; {named[0]} cannot be chosen")
        if quality is not None and not 0 <= quality <= 100:
            raise UsageError(f"quality={quality}: 0 to 100 is possible")
        job = self._prepare(read_picture(image), grid, strip)
        if target_bpp is not None:
            return _nearest_size(job, target_bpp * job.picture.height * job.picture.width / 8)
        if max_bytes is not None:
            return _largest_within(job, max_bytes)
        if target_psnr is not None:
            return _smallest_reaching(job, target_psnr)
        return job.at(0 if self.net.gain is None else rate_step(DEFAULT_QUALITY if quality is None else quality))

    @_within_memory()
    def decode(self, data: bytes) -> Image.Image:
        """The bytes of a .rgo file to a PIL image.

        Raises CorruptFile for damaged data, MissingWeights for a file of other weights, UnsupportedFile, LimitExceeded.
        """
        file = parse(data)
        self._check_weights(file)
        return to_pil(self._picture(file, data))

    @_within_memory()
    def verify(self, data: bytes) -> None:
        """Decode every symbol of a .rgo file and compare the checksum; raises as `decode` does."""
        file = parse(data)
        self._check_weights(file)
        self._symbols(file, data)

    @torch.inference_mode()
    def estimate_bits(
        self, image: Source | Picture, quality: float = DEFAULT_QUALITY, grid: int | None = None
    ) -> float:
        """Bits that the model expects the latents to take, without header; real files are to come within 0.5 %."""
        job = self._prepare(read_picture(image), grid, strip=True)
        coder = RateEstimator(noisy=False)
        with _exact_arithmetic():
            self.net.code(job.latents, coder, GridRegions(job.grid), job.rate(rate_step(quality)), job.size)
        return float(torch.stack(list(coder.bits.values())).double().sum())

    @torch.inference_mode()
    def _prepare(self, picture: Picture, grid: int | None, strip: bool) -> "_Job":
        """Run the analysis, once for all rates."""
        _check_size(picture.width, picture.height)
        cells = _default_grid(picture) if grid is None else grid
        if not 1 <= cells <= 16:
            raise UsageError(f"grid={cells}: 1 to 16 is possible")
        x = _pad(_to_tensor(picture.pixels, self.device), self.net.multiple)
        with _exact_arithmetic():
            latents = self.net.analyse(x, GridRegions(cells))
        return _Job(self, picture, cells, self._chunks(picture, strip), latents, self.net.latent_size(x))

    def _chunks(self, picture: Picture, strip: bool) -> tuple[Chunk, ...]:
        bodies: list[tuple[Kind, bytes | None]] = []
        if not strip:
            bodies += [(Kind.ICC, picture.icc), (Kind.EXIF, picture.exif), (Kind.XMP, picture.xmp)]
        if picture.alpha is not None:
            bodies.append((Kind.ALPHA, _pack_alpha(picture.alpha)))
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
        _check_size(header.width, header.height)

    @torch.inference_mode()
    def _picture(self, file: RgoFile, data: bytes) -> Picture:
        header = file.header
        net, decoded, rate = self._symbols(file, data)
        with _exact_arithmetic():
            x_hat = net.synthesise(decoded, GridRegions(header.grid), rate)
        pixels = _to_pixels(x_hat[0, :, : header.height, : header.width], header.grey)
        alpha = file.body(Kind.ALPHA)
        return Picture(
            pixels,
            grey=header.grey,
            alpha=None if alpha is None else _unpack_alpha(alpha, header.height, header.width),
            icc=file.body(Kind.ICC),
            exif=file.body(Kind.EXIF),
            xmp=file.body(Kind.XMP),
        )

    @torch.inference_mode()
    def _symbols(self, file: RgoFile, data: bytes) -> tuple[Any, Any, Tensor | None]:
        """Decode the latents -> (network that did it, decoded latents, rate); checked against the file's checksum.

        Where scales are floating-point, a mismatch gets a second chance on the CPU in float64 before it is an error.
        """
        header = file.header
        size = tuple(
            -(-side // self.net.multiple) * self.net.multiple // self.net.stride
            for side in (header.height, header.width)
        )
        attempts: list[Callable[[], Any]] = [lambda: self.net]
        if self.net.config.exact_scales is None:
            attempts.append(lambda: copy.deepcopy(self.net).cpu().double())
        fault = CorruptFile("the decoded symbols fail the file's checksum: the file is damaged")
        for attempt in attempts:
            net = attempt()
            like = next(net.parameters())
            rate = None if net.gain is None else like.new_tensor([header.rate / MAX_RATE])
            reader = StreamReader(self.tables, [file.payload])
            try:
                with _exact_arithmetic():
                    decoded = net.code(None, reader, GridRegions(header.grid), rate, size)
            except CorruptFile as error:  # a wrong table leads here too, so it does not end the attempts
                fault = error
                continue
            if verify_check(data, reader.finish()[0]):
                return net, decoded, rate
        raise fault


@dataclass
class _Job:
    """A picture after its analysis: can be written at any rate. The walk runs anew for each, the analysis does not."""

    codec: Codec
    picture: Picture
    grid: int
    chunks: tuple[Chunk, ...]
    latents: Any
    size: tuple[int, int]
    files: dict[int, bytes] = field(default_factory=dict)

    def rate(self, step: int) -> Tensor | None:
        """Rate step -> the model's rate (1,)."""
        return None if self.codec.net.gain is None else self.latents.y.new_tensor([step / MAX_RATE])

    @torch.inference_mode()
    def at(self, step: int) -> bytes:
        """The file at a rate step, 0 to 4000."""
        if step not in self.files:
            writer = StreamWriter(self.codec.tables)
            with _exact_arithmetic():
                self.codec.net.code(self.latents, writer, GridRegions(self.grid), self.rate(step), self.size)
            (written,) = writer.finish()
            header = Header(
                model=self.codec.weights.number,
                fingerprint=self.codec.weights.fingerprint[:2],
                width=self.picture.width,
                height=self.picture.height,
                rate=step,
                grid=self.grid,
                grey=self.picture.grey,
            )
            self.files[step] = pack(RgoFile(header, self.chunks, written.payload), written.symbol_crc)
        return self.files[step]

    def bytes_at(self, step: int) -> int:
        """Size of the whole file at a rate step."""
        return len(self.at(step))

    def psnr(self, step: int) -> float:
        """PSNR in dB of the decoded 8-bit picture at a rate step."""
        data = self.at(step)
        decoded = self.codec._picture(parse(data), data).pixels
        error = np.square(decoded.astype(np.float64) - self.picture.pixels).mean()
        return float(10 * np.log10(255**2 / max(error, 1e-10)))


def load(name_or_path: str | PathLike[str] = "segpic-xs", device: str = "auto") -> Codec:
    """A codec by bundled name, path of a .safetensors file, or hub id. device: auto, cpu, cuda, cuda:1 ..."""
    return Codec(store.load(Path(name_or_path) if isinstance(name_or_path, PathLike) else name_or_path), device)


@lru_cache(maxsize=4)
def _bundled(name: str, device: str) -> Codec:
    return load(name, device)


def decode(data: bytes | str | PathLike[str], *, codec: Codec | str | None = None, device: str = "auto") -> Image.Image:
    """The bytes or path of a .rgo file to a PIL image; the file names its codec, unless its weights are not bundled."""
    whole = _whole(data)
    return _codec_for(whole, codec, device).decode(whole)


def verify(data: bytes | str | PathLike[str], *, codec: Codec | str | None = None, device: str = "auto") -> None:
    """Raise unless every symbol of the file decodes to what was encoded."""
    whole = _whole(data)
    _codec_for(whole, codec, device).verify(whole)


def _whole(data: bytes | str | PathLike[str]) -> bytes:
    return Path(data).read_bytes() if isinstance(data, str | PathLike) else bytes(data)


def _codec_for(data: bytes, codec: Codec | str | None, device: str) -> Codec:
    if isinstance(codec, Codec):
        return codec
    if codec is not None:
        return load(codec, device)
    file = parse(data)
    if file.weights is not None:
        raise MissingWeights(
            f"the file was made with custom weights, {file.weights.name!r}; name them with codec= or --codec"
        )
    return _bundled(by_id(file.header.model).name, device)


def _nearest_size(job: _Job, wanted: float) -> bytes:
    """Bisection over rate steps for the file whose size is nearest to `wanted` bytes."""
    low, high = job.bytes_at(0), job.bytes_at(MAX_RATE)
    if not 0.98 * low <= wanted <= 1.02 * high:
        pixels = job.picture.height * job.picture.width
        bounds = f"{low * 8 / pixels:.4g} to {high * 8 / pixels:.4g} bpp is possible for this picture"
        raise UsageError(f"{wanted * 8 / pixels:.4g} bpp is out of reach: {bounds}")
    above = _first_step(lambda step: job.bytes_at(step) >= wanted)
    return min((job.at(step) for step in {max(above - 1, 0), above}), key=lambda data: abs(len(data) - wanted))


def _largest_within(job: _Job, limit: int) -> bytes:
    """The highest rate step whose file takes at most `limit` bytes."""
    if job.bytes_at(0) > limit:
        raise UsageError(
            f"{limit} bytes are too few: the smallest file of this picture takes {job.bytes_at(0)} (try strip)"
        )
    if job.bytes_at(MAX_RATE) <= limit:
        return job.at(MAX_RATE)
    step = _first_step(lambda step: job.bytes_at(step) > limit) - 1
    return job.at(step)


def _smallest_reaching(job: _Job, wanted: float) -> bytes:
    """The lowest rate step whose picture has at least the wanted PSNR."""
    if not job.psnr(MAX_RATE) >= wanted:  # so that NaN is out of reach, too
        raise UsageError(f"{wanted:g} dB is out of reach: the best is {job.psnr(MAX_RATE):.2f} dB for this picture")
    return job.at(_first_step(lambda step: job.psnr(step) >= wanted))


def _first_step(holds: Callable[[int], bool]) -> int:
    """The first rate step at which a condition, false below and true above, holds; MAX_RATE when nowhere before."""
    low, high = 0, MAX_RATE
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise LimitExceeded(f"{width} x {height} pixels; this release codes up to {MAX_PIXELS} in one piece")


def _default_grid(picture: Picture) -> int:
    """4 x 4 as in the paper, fewer where a region would be smaller than 64 pixels: prototypes cost bits too."""
    return max(1, min(4, min(picture.height, picture.width) // 64))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} is not to be had here") from error
    return device


def _exact_arithmetic() -> Any:
    """Full float32 everywhere: TF32 would make scales differ between machines by more than the guard band."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def _to_tensor(pixels: Pixels, device: torch.device) -> Tensor:
    """(H,W,3) uint8 -> (1,3,H,W) in [0,1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(2, 0, 1)[None].float() / 255


def _pad(x: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples."""
    return F.pad(x, (0, -x.shape[3] % multiple, 0, -x.shape[2] % multiple), mode="replicate")


def _to_pixels(x_hat: Tensor, grey: bool) -> Pixels:
    """(3,H,W) -> (H,W,3) uint8; a grey picture takes the mean of its planes."""
    if grey:
        x_hat = x_hat.mean(0, keepdim=True).expand(3, -1, -1)
    pixels: Pixels = x_hat.clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return pixels


def _pack_alpha(alpha: Pixels) -> bytes:
    """One byte for a constant plane, otherwise a grey PNG."""
    if alpha.min() == alpha.max():
        return bytes([int(alpha.flat[0])])
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, "PNG", optimize=True)
    return out.getvalue()


def _unpack_alpha(body: bytes, height: int, width: int) -> Pixels:
    """What `_pack_alpha` made; CorruptFile where the PNG does not decode to the picture's size."""
    if len(body) == 1:
        return np.full((height, width), body[0], np.uint8)
    try:
        alpha = read_picture(body)
    except BadImage as error:
        raise CorruptFile(f"the alpha plane is damaged: {error}") from error
    if not alpha.grey or alpha.pixels.shape[:2] != (height, width):
        raise CorruptFile("the alpha plane is not a grey picture of the right size")
    return np.ascontiguousarray(alpha.pixels[..., 0])
