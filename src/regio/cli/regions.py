"""regio regions: shows a region of interest before anything is encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from regio.cli.batch import Result, run_batch
from regio.cli.completion import detectors
from regio.cli.files import read_whole, write_whole
from regio.cli.options import Force, Json, Output, Pictures, region_of
from regio.cli.paths import Transfer, plan
from regio.cli.progress import shown
from regio.errors import UsageError
from regio.names import PICTURES

if TYPE_CHECKING:
    from regio.images import Pixels

Rois = Annotated[
    list[str] | None,
    typer.Option(
        "--roi",
        help="region of interest: faces, text, salient, a mask file (white is the region), or an ONNX saliency model "
        "(a file or URL#sha256=...); may be repeated",
        metavar="ROI",
        autocompletion=detectors,
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option("--roi-box", help="a box as region, in pixels; may be repeated", metavar="X,Y,WIDTH,HEIGHT"),
]
LabelNumbers = Annotated[
    list[int] | None,
    typer.Option("--roi-label", help="--roi is a label map and this label is the region; may be repeated"),
]


def roi_of(rois: list[str] | None, boxes: list[str] | None, labels: list[int] | None) -> list[Any] | None:
    """The three options -> what `regio.regions.importance` takes, or None where nothing is wanted. UsageError."""
    found: list[Any] = [region_of(box) for box in boxes or ()]
    if not labels:
        found += rois or []
        return found or None
    if not rois or len(rois) > 1:
        raise UsageError("--roi-label needs one label map; name it with --roi")
    from pathlib import Path

    from regio.regions import Labels, read_labels

    if not Path(rois[0]).is_file():
        raise UsageError(f"no such label map: {shown(rois[0])}")
    return [*found, Labels(read_labels(Path(rois[0])), labels)]


def regions(
    pictures: Pictures,
    output: Output = None,
    roi: Rois = None,
    roi_box: Boxes = None,
    roi_label: LabelNumbers = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="show the picture, darkened outside the region")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Show a region of interest as a grey picture, white where it matters.

    You can edit the result and pass it to `regio encode` as a mask. Default name: photo.roi.png. In a folder
    it is photo.png, the name that training (`importance` of a recipe) and `regio evaluate --marks` look for.

    \b
    Examples:
      regio regions photo.jpg --roi faces -o map.png
      regio regions holiday/ -o maps/ --roi faces --roi text --overlay
      regio regions photo.jpg --roi-box 110,165,300,410 -o map.png
    """
    wanted = roi_of(roi, roi_box, roi_label)
    if wanted is None:
        raise UsageError("say what matters: --roi, --roi-box")
    jobs = plan(pictures, output, suffixes=PICTURES, extension=".roi.png", in_folder=".png", force=force)

    from PIL import Image

    from regio.images import read_picture, to_file
    from regio.regions import importance

    def work(job: Transfer) -> Result:
        picture = read_picture(job.source.path or read_whole(job.source))
        found = importance(wanted, picture.pixels)
        shows = shaded(picture.pixels, found.values) if overlay else found.values
        extension = job.target.suffix if job.target is not None else ".png"
        write_whole(job, to_file(Image.fromarray(shows), extension), force=force)
        target, share = shown(job.target or "-"), float(found.values.mean()) / 255
        values = {
            "source": job.real,
            "target": job.real_target,
            "roi": found.what,
            "found": found.found,
            "share": share,
        }
        return Result(f"{job.name} -> {target}: {found.what}, {share:.1%} of the picture", values)

    run_batch(jobs, work, parallel=1, as_json=as_json)


def shaded(pixels: Pixels, values: Pixels) -> Pixels:
    """(H,W,3) and its importance map (H,W) -> the picture, a quarter as bright where nothing matters."""
    import numpy as np

    light = 64 + values[..., None].astype(np.uint16) * 192 // 255
    return np.asarray(pixels * light // 256).astype(np.uint8)
