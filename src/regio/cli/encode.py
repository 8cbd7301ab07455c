"""regio encode: pictures to .rgo files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from regio.cli.batch import Result, change, run_batch
from regio.cli.engines import Engine, codec_for
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

if TYPE_CHECKING:
    from regio.noted import Noted


@takes_encode_options
def encode(
    pictures: Pictures,
    output: Output = None,
    codec: CodecName = None,
    roi: Rois = None,
    roi_box: Boxes = None,
    roi_label: LabelNumbers = None,
    device: Device = "auto",
    engine: Engine = "auto",
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
        from regio import noted
        from regio.images import read_picture

        loaded = codec_for(engine, codec, device)

    def work(job: Transfer) -> Result:
        original = job.source.path or read_whole(job.source)
        picture = read_picture(original)
        before = original.stat().st_size if isinstance(original, Path) else len(original)
        mine: EncodeOptions = {**given, "roi": wanted}
        made = noted.encode(loaded, picture, before, mine)
        write_whole(job, made.data, force=force)
        return _result(job, made, before)

    run_batch(jobs, work, parallel=parallel, as_json=as_json)


def _result(job: Transfer, made: Noted, before: int) -> Result:
    """The result line of a picture. before: bytes of the original."""
    from regio.info import at_scale, quality_of

    info = made.info
    names = ("width", "height", "codec", "quality", "lossless", "scale", "bytes_total", "bpp", "metadata_bytes")
    values = {"source": job.real, "target": job.real_target, "seconds": round(made.seconds, 3)}
    values |= {name: getattr(info, name) for name in names} | {"bytes_in": before, "notes": made.notes}
    if made.region is not None:
        values |= {"roi": made.region.what, "roi_quality": info.roi_quality}
    line = f"{job.name} -> {shown(job.target or '-')}: {info.bytes_total} bytes, {info.bpp:.3f} bpp, "
    line += f"{quality_of(info)}{at_scale(info)}, {change(before, info.bytes_total)}"
    if made.region is not None and made.region.found:
        line += f", {made.region.what}"
    if shares := "; ".join(filter(None, (info.metadata_share, info.opacity_share))):
        line += f" ({shares})"
    return Result(line, values, made.notes, (before, info.bytes_total))
