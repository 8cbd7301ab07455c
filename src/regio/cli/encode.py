"""regio encode: pictures to .rgo files."""

from pathlib import Path
from time import perf_counter
from typing import Any

from regio.cli.batch import Result, change, run_batch
from regio.cli.files import read_whole, write_whole
from regio.cli.options import (
    CodecName,
    Device,
    Force,
    Json,
    KeepSuffix,
    Output,
    Parallel,
    Pictures,
    SkipExisting,
    checked_options,
    takes_encode_options,
)
from regio.cli.paths import Transfer, plan
from regio.cli.progress import shown, talking
from regio.cli.regions import Boxes, LabelNumbers, Rois, roi_of
from regio.codec.options import EncodeOptions
from regio.names import PICTURES


@takes_encode_options
def encode(
    pictures: Pictures,
    output: Output = None,
    codec: CodecName = None,
    roi: Rois = None,
    roi_box: Boxes = None,
    roi_label: LabelNumbers = None,
    device: Device = "auto",
    parallel: Parallel = 1,
    keep_suffix: KeepSuffix = False,
    skip_existing: SkipExisting = False,
    force: Force = False,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Encode pictures.

    Choose the rate by quality, bits per pixel, bytes or PSNR, one of them. With a region of interest and --quality,
    the file is as large as without a region: bytes move into the region. --background sets the quality outside it
    instead. A target out of reach gives the nearest file and a note; --strict makes it an error.

    \b
    Examples:
      regio encode photo.jpg -q 50
      regio encode holiday/ -o small/ --max-bytes 40k -j 2
      regio encode portrait.jpg -q 45 --roi faces
      regio encode scan.png --max-bytes 30k --roi text --roi-box 40,60,200,80
      regio encode - -o - < a.png > a.rgo
    """
    wanted = roi_of(roi, roi_box, roi_label)
    given = checked_options(options, wanted)
    jobs = plan(
        pictures,
        output,
        suffixes=PICTURES,
        extension=".rgo",
        force=force,
        keep_suffix=keep_suffix,
        skip_existing=skip_existing,
    )
    if not jobs:
        return

    with talking("loading the codec"):
        from regio.codec import load
        from regio.images import lossless_size, read_picture
        from regio.info import at_scale, inspect, quality_of
        from regio.models.catalog import DEFAULT
        from regio.regions import importance

        loaded = load(DEFAULT if codec is None else codec, device=device)

    def work(job: Transfer) -> Result:
        original = job.source.path or read_whole(job.source)
        picture = read_picture(original)
        before = original.stat().st_size if isinstance(original, Path) else len(original)
        start = perf_counter()
        region = None if wanted is None else importance(wanted, picture.pixels)
        mine: EncodeOptions = {**given, "roi": region}
        found = loaded.encode_noted(picture, **mine)
        seconds = perf_counter() - start
        write_whole(job, found.data, force=force)
        info = inspect(found.data)
        target = shown(job.target or "-")
        values = {"source": job.real, "target": job.real_target, "seconds": round(seconds, 3)}
        names = ("width", "height", "codec", "quality", "scale", "bytes_total", "bpp", "metadata_bytes")
        notes = picture.notes + found.notes
        if region is not None and not region.found:
            notes += (f"{region.what}; coded evenly",)
        notes += _better_kept(before, info.bytes_total, lossless_size(picture))
        values |= {name: getattr(info, name) for name in names} | {"bytes_in": before, "notes": notes}
        if region is not None:
            values |= {"roi": region.what, "roi_quality": info.roi_quality}
        line = f"{job.name} -> {target}: {info.bytes_total} bytes, {info.bpp:.3f} bpp, {quality_of(info)}"
        line += f"{at_scale(info)}, {change(before, info.bytes_total)}"
        if shares := "; ".join(filter(None, (info.metadata_share, info.opacity_share))):
            line += f" ({shares})"
        return Result(line, values, notes, (before, info.bytes_total))

    run_batch(jobs, work, parallel=parallel, as_json=as_json)


def _better_kept(before: int, after: int, lossless: int) -> tuple[str, ...]:
    """A note where another file would serve better: the original, or the picture as a WebP file without any loss."""
    if lossless < after:
        return (
            f"a lossless WebP file of this picture takes {lossless} bytes, this .rgo file {after}: "
            "line art, charts and screens are better kept as WebP or PNG",
        )
    if after > before:
        return (f"the .rgo file is larger than the original: {after} bytes, not {before}; try a lower quality",)
    return ()
