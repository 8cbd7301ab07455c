"""regio compare: one picture by several codecs at the same number of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regio.cli.options import CONTESTANTS, Device, Force, Json, needs_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

    from regio.evaluation.compare import Version
    from regio.images import Pixels


def compare(
    picture: Annotated[str, typer.Argument(help="picture to compare on, or - for standard input")],
    bpp: Annotated[float, typer.Option(min=0.001, max=24, help="bits per pixel of every codec; try 0.1 … 0.5")] = 0.2,
    codecs: Annotated[str | None, typer.Option(help=CONTESTANTS)] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="side-by-side picture; default: beside the picture, .compare.png"),
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option(help="region of interest, which MODEL+roi favours: JSON of boxes, or folder of masks"),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help="draw the objects or labels that a network finds in original and versions, instead of crops: "
            "file.onnx, salient, faces, text or module:function"
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="COCO's instances JSON: names the classes of the objects that --segmenter finds, and adds those that "
            "people marked in the picture"
        ),
    ] = None,
    force: Force = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Compare codecs on a picture at equal bytes, in figures and in one labelled picture.

    \b
    Examples:
      regio compare photo.png --bpp 0.2 --codecs roi-xs,jpeg,avif
      regio compare - -o sheet.png < a.png
      regio compare photo.png --bpp 0.08 --codecs mcm-tiny,avif --segmenter maskrcnn.onnx --truth instances_val2017.json
    """
    import io
    import json

    from regio.cli.files import read_whole, write_whole
    from regio.cli.paths import plan
    from regio.cli.progress import print_result, say_left_out, talking
    from regio.errors import UsageError
    from regio.evaluation.compare import FIGURES, at_bytes, table
    from regio.evaluation.contestants import line_up, names_in
    from regio.evaluation.marks import read_marks
    from regio.images import read_picture
    from regio.names import PICTURES

    with needs_extra("regio compare", "eval"):
        jobs = plan([picture], output, suffixes=PICTURES, extension=".compare.png", force=force)
        if len(jobs) > 1:
            raise UsageError("one picture at a time; `regio evaluate` takes folders")
        job = jobs[0]
        if as_json and job.target is None:
            raise UsageError("--json and the side-by-side picture cannot both go to standard output; use -o FILE")
        pixels, name = read_picture(read_whole(job.source)).pixels, Path(job.source.real).name
        draw = drawing(segmenter, truth, name)
        mask = read_marks(marks).mask(name, *pixels.shape[:2]) if marks else None
        if marks and mask is None:
            raise UsageError(f"--marks: {marks} marks nothing in {name}")
        lineup = line_up(names_in(codecs), device=device)
        say_left_out(lineup.skipped)
        budget = max(1, int(bpp * pixels.shape[0] * pixels.shape[1] / 8))
        versions = []
        for contestant in lineup.contestants:
            with talking(f"{contestant.name}: at most {budget} bytes"):
                versions.append(at_bytes(pixels, contestant.aimed_at(mask), budget))
        sheet = io.BytesIO()
        draw(pixels, versions).save(sheet, "PNG")
        write_whole(job, sheet.getvalue(), force=force)
        if as_json:
            figures = [{name: getattr(one, name) for name in FIGURES} for one in versions]
            print_result(json.dumps({"budget": budget, "versions": figures, "skipped": lineup.skipped}))
        elif job.target is not None:
            print_result(table(versions))


def drawing(segmenter: str | None, truth: Path | None, name: str) -> Callable[[Pixels, Sequence[Version]], Image.Image]:
    """How the side-by-side picture is made: crops, or what a network sees. name: the picture's, in COCO's JSON.

    Raises UsageError or MissingWeights before any work is done.
    """
    from regio.cli.progress import say
    from regio.errors import UsageError

    if segmenter is None:
        from regio.evaluation.compare import contact_sheet

        if truth is not None:
            raise UsageError("--truth names the objects that a --segmenter finds; name one")
        return contact_sheet
    from regio.data.importance import CocoInstances
    from regio.evaluation.judges.agreement import Labeller, labeller_named
    from regio.evaluation.objects import objects_sheet, people_saw

    network = labeller_named(segmenter)
    if truth is None:
        return lambda pixels, versions: objects_sheet(pixels, versions, network)
    if isinstance(network, Labeller):
        raise UsageError(f"--truth: {network.name} labels every pixel; a detector of objects is wanted")
    coco = CocoInstances(truth)
    if name not in coco.found:
        say(f"{truth} does not list {name}; what people saw in it is not drawn")

    def draw(pixels: Pixels, versions: Sequence[Version]) -> Image.Image:
        return objects_sheet(pixels, versions, network, people_saw(coco, name, pixels), coco.names)

    return draw
