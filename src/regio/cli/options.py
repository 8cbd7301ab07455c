"""Options that several commands share, declared once, and the small languages of their values."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Annotated, Any, TypeVar, cast, get_type_hints

import typer

from regio.cli.completion import codecs, formats
from regio.codec.options import GRIDS, EncodeOptions, checked, limits_of, numbers_of
from regio.errors import NeedsTorch, RegioError, UsageError

Pictures = Annotated[
    list[str], typer.Argument(help="pictures, folders or globs, or - for standard input", metavar="PICTURE...")
]
RgoFiles = Annotated[
    list[str], typer.Argument(help=".rgo files, folders or globs, or - for standard input", metavar="FILE...")
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", help="file, folder, or - for standard output; default: beside the input"),
]
Parallel = Annotated[
    int,
    typer.Option("--jobs", "-j", min=1, help="files to work on at once; more than the number of cores does not help"),
]
Force = Annotated[bool, typer.Option("--force", help="overwrite outputs that exist")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="skip inputs whose outputs exist")]
KeepSuffix = Annotated[bool, typer.Option("--keep-suffix", help="photo.avif becomes photo.avif.rgo, not photo.rgo")]
Json = Annotated[bool, typer.Option("--json", help="results as JSON, one object per line")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 ...; auto uses a GPU if there is one")]
Memory = Annotated[
    str | None,
    typer.Option(
        "--max-memory", help="approximate memory limit of the process, for large pictures: 1500M, 2G", metavar="SIZE"
    ),
]
MaxPixels = Annotated[
    str | None,
    typer.Option(
        "--max-pixels",
        help="refuse pictures with more pixels: 300M; default 179M for input pictures, 268M for .rgo",
        metavar="COUNT",
    ),
]
CodecName = Annotated[
    str | None,
    typer.Option(
        "--codec",
        help="a name from `regio models`, a .safetensors file or a hub id; default: roi-xs",
        autocompletion=codecs,
    ),
]
Quality = Annotated[
    float | None,
    typer.Option("--quality", "-q", min=0, max=100, help="0 smallest ... 100 best; default 60, try 40-75"),
]
TargetBpp = Annotated[
    float | None,
    typer.Option("--target-bpp", min=0.001, max=24, help="bits per pixel of the whole file; try 0.1-0.6"),
]
MaxBytes = Annotated[
    str | None,
    typer.Option(
        "--max-bytes", help="the best quality that fits into these bytes: 4000, 40k, 1M, 64Ki", metavar="SIZE"
    ),
]
TargetPsnr = Annotated[
    float | None,
    typer.Option("--target-psnr", min=10, max=60, help="the smallest file with this PSNR in dB; try 30-38"),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="fail if --target-bpp or --target-psnr is out of reach, instead of writing the nearest file"
    ),
]
Grid = Annotated[
    int | None,
    typer.Option(
        "--grid", min=GRIDS[0], max=GRIDS[1], help="SegPIC: regions are a grid of N by N; default: the codec's"
    ),
]
RoiStrength = Annotated[
    float | None,
    typer.Option(
        "--roi-strength",
        min=0.1,
        max=100,
        help="difference in quality between the region and the rest; default 20, try 10-40",
    ),
]
Background = Annotated[
    float | None,
    typer.Option(
        "--background",
        min=0,
        max=100,
        help="quality outside the region, instead of --roi-strength; --quality is the region's",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="size at which the picture is coded: auto, 1, 1/2 or 1/4; it decodes at full size",
        metavar="SCALE",
    ),
]
RgoCodec = Annotated[
    str | None,
    typer.Option(
        "--codec",
        help="weights to decode with, for files made with custom weights; other files name theirs",
        autocompletion=codecs,
    ),
]
PictureFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="png, webp, jpg, tiff ...; default: png, which is lossless",
        autocompletion=formats,
    ),
]
PictureQuality = Annotated[
    float | None,
    typer.Option(
        "--quality", "-q", min=0, max=100, help="quality of .jpg (default 85), .avif (75) or .webp (default: lossless)"
    ),
]
Reduced = Annotated[
    str | None,
    typer.Option(
        "--reduced",
        help="decode to 1/2 or 1/4 of the size; fast only if the file is coded at that size",
        metavar="SCALE",
    ),
]
Strip = Annotated[bool, typer.Option("--strip", help="leave out EXIF, XMP and the colour profile")]

CONTESTANTS = (
    "with commas: Regio models, jpeg, webp, jpeg2000, avif, avif-psnr, avif-slow, avif-ssimulacra2, jxl, hevc, "
    "hevc-default, jpegli, vvc, bpg; "
    "default: the default model, jpeg, webp, jpeg2000, avif; NAME=A.safetensors+B.safetensors joins models"
)
"""Help of `--codecs` where codecs are compared."""

# The encode options whose values a command passes on as they are: name -> (type and help, default).
_ENCODE_OPTIONS: dict[str, tuple[Any, Any]] = {
    "quality": (Quality, None),
    "target_bpp": (TargetBpp, None),
    "max_bytes": (MaxBytes, None),
    "target_psnr": (TargetPsnr, None),
    "strict": (Strict, False),
    "grid": (Grid, None),
    "roi_strength": (RoiStrength, None),
    "background": (Background, None),
    "scale": (Scale, None),
    "strip": (Strip, False),
    "max_memory": (Memory, None),
    "max_pixels": (MaxPixels, None),
}
_REGIONS = ("roi", "roi_box", "roi_label")  # which become the option `roi`

Command = TypeVar("Command", bound=Callable[..., None])


def takes_encode_options(command: Command) -> Command:
    """Let typer see the encode options instead of the command's **options; it reads the signature.

    They follow `codec`, with the command's own options for regions before those about their strength.
    """
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command)
    mine = {
        name: parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in own.parameters.items()
        if name != "options"
    }
    shared = {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
        for name, (hint, default) in _ENCODE_OPTIONS.items()
    }
    names = list(mine)
    after = names.index("codec") + 1
    regions = [name for name in names if name in _REGIONS]
    middle = list(shared)
    at = middle.index("roi_strength")
    order = [*names[:after], *middle[:at], *regions, *middle[at:]]
    order += [name for name in names[after:] if name not in regions]
    found = {name: shared.get(name) or mine[name] for name in order}
    command.__signature__ = own.replace(parameters=list(found.values()))  # type: ignore[attr-defined]
    command.__annotations__ = {name: parameter.annotation for name, parameter in found.items()} | {"return": None}
    return command


def flag(name: str) -> str:
    """An option as people type it: max_bytes -> --max-bytes."""
    return "--" + name.replace("_", "-")


def checked_options(options: dict[str, Any], roi: Any) -> EncodeOptions:
    """The encode options of a command, checked before any work, sizes read. UsageError.

    Pillow's limit of pixels, which is one of the process, follows --max-pixels: a command is a process.
    """
    given = options | {"roi": roi}
    checked(given, flag)
    raise_pillow_limit(options["max_pixels"])
    return cast(EncodeOptions, numbers_of(given, flag))


def raise_pillow_limit(max_pixels: str | None) -> int | None:
    """Let Pillow read as many pixels as --max-pixels says -> that number."""
    if max_pixels is None:
        return None
    from PIL import Image

    limit = limits_of(max_pixels).pixels
    Image.MAX_IMAGE_PIXELS = -(-limit // 2)  # Pillow warns from there on, and refuses twice as many
    return limit


def region_of(text: str) -> tuple[int, int, int, int]:
    """The value of --region in pixels: "0,16,640,480" -> x 0, y 16, width 640, height 480."""
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", text)
    if not match:
        raise UsageError(f"{text!r} is not a region; give x,y,width,height in pixels, such as 0,16,640,480")
    x, y, width, height = (int(number) for number in match.groups())
    return x, y, width, height


@contextmanager
def needs_extra(command: str, extra: str) -> Iterator[None]:
    """For a command that needs torch and the packages of an extra: turn missing ones into advice."""
    try:
        if find_spec("torch") is None:
            raise NeedsTorch(f"{command} needs PyTorch: pip install 'regio[{extra}]'")
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "regio":
            raise
        raise RegioError(f"{error.name} is not installed; {command} needs: pip install 'regio[{extra}]'") from error
