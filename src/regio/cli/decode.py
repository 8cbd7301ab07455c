"""regio decode: .rgo files to pictures."""

from pathlib import Path
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


def decode(
    files: RgoFiles,
    output: Output = None,
    kind: PictureFormat = None,
    codec: RgoCodec = None,
    region: Annotated[
        str | None,
        typer.Option("--region", help="decode only this part, in pixels: 0,0,640,480", metavar="X,Y,W,H"),
    ] = None,
    reduced: Reduced = None,
    quality: PictureQuality = None,
    look: Annotated[
        str | None,
        typer.Option("--look", help="faithful (the default), or natural where the codec's weights have that"),
    ] = None,
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
    extension = "." + kind.lstrip(".").lower() if kind else ".png"
    jobs = plan(files, output, suffixes=RGO, extension=extension, force=force, skip_existing=skip_existing)
    if not jobs:
        return

    with talking("loading the codec"):
        from regio.images import quality_options, to_file

        extensions = {job: _extension(job.target, extension, explicit=kind is not None) for job in jobs}
        for wanted in set(extensions.values()):
            quality_options(wanted, quality)
        decoder = Decoder(engine, codec, device, look)

    def work(job: Transfer) -> Result:
        data = read_rgo(job.source)
        start = perf_counter()
        image = decoder.decode(data, part, reduced, allowed, most)
        seconds = perf_counter() - start
        written = to_file(image, extensions[job], strip=strip, quality=quality)
        write_whole(job, written, force=force)
        target = shown(job.target or "-")
        values = {"source": job.real, "target": job.real_target, "width": image.width, "height": image.height}
        line = f"{job.name} -> {target}: {image.width} x {image.height}"
        values |= {"bytes_total": len(written), "seconds": round(seconds, 3)}
        return Result(line, values, sizes=(len(data), len(written)))

    run_batch(jobs, work, parallel=parallel, as_json=as_json)


def _extension(target: Path | None, default: str, *, explicit: bool) -> str:
    """What kind of picture to write: --format, else the name of the output, else the default."""
    return default if explicit or target is None or not target.suffix else target.suffix
