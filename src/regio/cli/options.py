"""Options that several commands share, declared once, and the small languages of their values."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from regio.cli.completion import codecs
from regio.errors import RegioError, UsageError

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
Parallel = Annotated[int, typer.Option("--jobs", "-j", min=1, help="files at once; more than cores does not help")]
Force = Annotated[bool, typer.Option("--force", help="overwrite outputs that exist")]
Json = Annotated[bool, typer.Option("--json", help="results as JSON, one object a line")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 ...; auto takes a GPU that is there")]
Memory = Annotated[
    str | None,
    typer.Option("--max-memory", help="about what the process may occupy: 1500M, 2G; big pictures", metavar="SIZE"),
]
MaxPixels = Annotated[
    str | None,
    typer.Option(
        "--max-pixels", help="refuse larger pictures: 300M; default 179M of Pillow's, 268M of ours", metavar="COUNT"
    ),
]
CodecName = Annotated[
    str | None,
    typer.Option(
        "--codec",
        help="a name of `regio models`, a .safetensors file or a hub id; default: the first",
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
    str | None, typer.Option("--max-bytes", help="the best quality that fits: 4000, 40k, 1M, 64Ki", metavar="SIZE")
]
TargetPsnr = Annotated[
    float | None,
    typer.Option("--target-psnr", min=10, max=60, help="the smallest file with this PSNR in dB; try 30-38"),
]
Grid = Annotated[
    int | None,
    typer.Option("--grid", min=1, max=16, help="SegPIC: regions are a grid of N by N; default: the codec's"),
]
RoiStrength = Annotated[
    float | None,
    typer.Option(
        "--roi-strength",
        min=0.1,
        max=100,
        help="points of quality between the region and the rest; default 20, try 10-40",
    ),
]
Background = Annotated[
    float | None,
    typer.Option(
        "--background", min=0, max=100, help="instead: the quality of the rest; --quality is that of the region"
    ),
]
Strip = Annotated[bool, typer.Option("--strip", help="leave EXIF, XMP and colour profile out")]

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}


def size_of(text: str, what: str = "bytes") -> int:
    """ "40k" -> 40000, "1.5M" -> 1500000, "64Ki" -> 65536; a trailing B is allowed."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", text.strip(), re.IGNORECASE)
    if not match or not (size := int(float(match[1]) * _UNITS[(match[2] or "").lower()])):
        raise UsageError(f"{text!r} is not a number of {what}; try 4000, 40k or 1M")
    return size


def memory_of(text: str | None) -> int | None:
    """The value of --max-memory in bytes."""
    return None if text is None else size_of(text)


def pixels_of(text: str | None) -> int | None:
    """The value of --max-pixels. Pillow's limit, which is one of the process, follows it: a command is a process."""
    if text is None:
        return None
    from PIL import Image

    limit = size_of(text, "pixels")
    Image.MAX_IMAGE_PIXELS = -(-limit // 2)  # Pillow warns from there on, and refuses twice as many
    return limit


def region_of(text: str) -> tuple[int, int, int, int]:
    """The value of --region in pixels: "0,16,640,480" -> x 0, y 16, width 640, height 480."""
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", text)
    if not match:
        raise UsageError(f"{text!r} is not a region; x,y,width,height in pixels are wanted, such as 0,16,640,480")
    x, y, width, height = (int(number) for number in match.groups())
    return x, y, width, height


def at_most_one(**given: object) -> None:
    """Refuse options that contradict each other. Keywords are option names, with _ for -; None is not given."""
    names = ["--" + name.replace("_", "-") for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} contradict each other; give one")


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a missing optional package into advice."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "regio":
            raise
        raise RegioError(f"{error.name} is not installed; this command needs: pip install 'regio[{extra}]'") from error
