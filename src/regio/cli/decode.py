"""regio decode: .rgo files to pictures."""

from collections.abc import Sequence
from time import perf_counter
from typing import Annotated

import typer

from regio.cli.batch import Result, run_batch
from regio.cli.engines import Decoder, Engine
from regio.cli.files import read_rgo, write_whole
from regio.cli.options import (
    Device,
    Force,
    Json,
    MaxPixels,
    Memory,
    Output,
    Parallel,
    PictureFormat,
    PictureQuality,
    Reduced,
    RgoCodec,
    RgoFiles,
    SkipExisting,
    Strip,
    raise_pillow_limit,
    region_of,
)
from regio.cli.paths import Transfer, plan
from regio.cli.progress import shown, talking
from regio.codec.options import log2_reduced, memory_of
from regio.names import RGO

Region = Annotated[
    str | None, typer.Option("--region", help="decode only this part, in pixels: 0,0,640,480", metavar="X,Y,W,H")
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        help="float32, or bfloat16, which takes a quarter less time in torch on CPUs with AVX512-BF16 or AMX; pixels "
        "may differ by 1 or 2 of 255",
    ),
]
Look = Annotated[
    str | None, typer.Option("--look", help="faithful (the default), or natural if the codec has that look")
]


def decode(
    files: RgoFiles,
    output: Output = None,
    kind: PictureFormat = None,
    codec: RgoCodec = None,
    region: Region = None,
    reduced: Reduced = None,
    quality: PictureQuality = None,
    look: Look = None,
    precision: Precision = "float32",
    strip: Strip = False,
    memory: Memory = None,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
    engine: Engine = "auto",
    parallel: Parallel = 1,
    skip_existing: SkipExisting = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Decode .rgo files to pictures: PNG, unless --format or the name in -o says otherwise.

    \b
    Examples:
      regio decode photo.rgo -o photo.webp
      regio decode small/ -o pictures/ --format jpg -q 80
      regio decode - -o - < a.rgo > a.png
      regio decode huge.rgo --region 400,200,512,512 -o part.png
      regio decode photo.rgo --look natural
      regio decode small/ -o thumbnails/ --reduced 1/4 --format jpg
    """
    part = None if region is None else region_of(region)
    log2_reduced(reduced, "--reduced")  # before any work
    allowed, most = memory_of(memory), raise_pillow_limit(max_pixels)
    jobs = plan(files, output, suffixes=RGO, extension=_suffix(kind), force=force, skip_existing=skip_existing)
    if not jobs:
        return

    with talking("loading the codec"):
        from regio.images import to_file

        extensions = _extensions(jobs, kind, quality)
        decoder = Decoder(engine, codec, device, look, precision)

    def work(job: Transfer) -> Result:
        data = read_rgo(job.source)
        start = perf_counter()
        image = decoder.decode(data, part, reduced, allowed, most)
        seconds = perf_counter() - start
        written = to_file(image, extensions[job], strip=strip, quality=quality)
        write_whole(job, written, force=force)
        values = {"source": job.real, "target": job.real_target, "width": image.width, "height": image.height}
        line = f"{job.name} -> {shown(job.target or '-')}: {image.width} x {image.height}"
        values |= {"bytes_total": len(written), "seconds": round(seconds, 3)}
        return Result(line, values, sizes=(len(data), len(written)))

    run_batch(jobs, work, parallel=parallel, as_json=as_json)


def _suffix(kind: str | None) -> str:
    """Of --format."""
    return "." + kind.lstrip(".").lower() if kind else ".png"


def _extensions(jobs: Sequence[Transfer], kind: str | None, quality: float | None) -> dict[Transfer, str]:
    """The format to write: by --format, else by the name of the output, else PNG. UsageError if it takes no quality."""
    from regio.images import quality_options

    found = {job: _suffix(kind) if kind or job.target is None else job.target.suffix or _suffix(kind) for job in jobs}
    for extension in set(found.values()):
        quality_options(extension, quality)
    return found
