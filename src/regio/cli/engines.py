"""Which engine codes: torch, or ONNX Runtime, which starts in a tenth of the time."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regio.errors import TORCH, RegioError, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from regio.codec import BaseCodec
    from regio.codec.decoding import Region

ENGINES = ("auto", "torch", "onnx")
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        help="auto, torch or onnx; auto uses ONNX Runtime for the codecs that it supports, unless a GPU does the work",
    ),
]


def codec_for(engine: str, codec: str | None, device: str) -> "BaseCodec":
    """The codec that encodes, None for the default one, in the engine that was asked for, or that suits it.

    UsageError where device and engine contradict each other; otherwise as `regio.load`.
    """
    from regio.models.catalog import DEFAULT

    _check(engine)
    name = DEFAULT if codec is None else codec
    if engine == "onnx" and device not in ("auto", "cpu"):
        raise UsageError(f"--engine onnx encodes on the CPU, not on {device!r}")
    if engine == "onnx" or (engine == "auto" and _without_gpu(device)):
        from regio.light.graphs import has

        if engine == "onnx" or (has(name) and _onnx_runs()):
            from regio.light import load as load_lightly

            return load_lightly(name)
    from regio.codec import load

    return load(name, device=device)


class Decoder:
    """Decodes each file by the engine that was asked for, or that suits it."""

    def __init__(
        self, engine: str, codec: str | None, device: str, look: str | None = None, precision: str = "float32"
    ) -> None:
        """codec, device, look, precision: as `regio.decode` takes them. UsageError where they contradict the engine."""
        _check(engine)
        plain = codec is None and look in (None, "faithful") and precision == "float32"
        if engine == "onnx" and not (plain and device in ("auto", "cpu")):
            raise UsageError("--engine onnx decodes on the CPU, by bundled codecs, in their own look and in float32")
        self.engine, self.device, self.look, self.precision = engine, device, look, precision
        self.light = engine == "onnx" or (engine == "auto" and plain and _without_gpu(device))
        self.loaded: BaseCodec | None = None
        if codec is not None:
            from regio.codec import load

            self.loaded = load(codec, device=device, look=look or "faithful", precision=precision)

    def decode(
        self,
        data: bytes,
        region: "Region | None",
        reduced: str | None,
        max_memory: int | None,
        max_pixels: int | None,
    ) -> "Image.Image":
        """The picture of a file."""
        if self._by_light(data, picture=True):
            from regio.light import decode as decode_lightly

            image: Image.Image = decode_lightly(
                data, region=region, reduced=reduced, max_memory=max_memory, max_pixels=max_pixels
            )
            return image
        from regio.codec import decode

        return decode(
            data,
            region=region,
            reduced=reduced,
            codec=self.loaded,
            device=self.device,
            look=self.look,
            precision="float32" if self.loaded else self.precision,  # a loaded codec has its own
            max_memory=max_memory,
            max_pixels=max_pixels,
        )

    def verify(self, data: bytes, max_memory: int | None, max_pixels: int | None) -> None:
        """Whether a file can be decoded, and is what was written."""
        if self._by_light(data, picture=False):
            from regio.light import verify as verify_lightly

            verify_lightly(data, max_memory=max_memory, max_pixels=max_pixels)
            return
        from regio.codec import verify

        verify(data, codec=self.loaded, device=self.device, max_memory=max_memory, max_pixels=max_pixels)

    def _by_light(self, data: bytes, *, picture: bool) -> bool:
        if not self.light:
            return False
        from regio.light.graphs import codec_of, graphs_of

        name = codec_of(data)
        if name is None or (name and not _onnx_runs()):
            return self.engine == "onnx"
        if name:
            graphs_of(name).begin_reading(picture=picture)  # beside the imports that follow
        return True


def _check(engine: str) -> None:
    if engine not in ENGINES:
        raise UsageError(f"--engine {engine!r}: must be {', '.join(ENGINES[:-1])} or {ENGINES[-1]}")
    if engine == "torch" and find_spec("torch") is None:
        raise RegioError(f"--engine torch needs {TORCH}")


def _without_gpu(device: str) -> bool:
    """Whether the CPU does the work; told without torch, which takes long to load."""
    return device == "cpu" or (device == "auto" and (find_spec("torch") is None or not _gpu()))


def _onnx_runs() -> bool:
    """Whether ONNX Runtime is installed, and not broken."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return True


def _gpu() -> bool:
    return Path("/dev/nvidiactl").exists()
