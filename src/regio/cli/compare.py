"""regio compare: one picture by several codecs at the same number of bytes."""

from typing import Annotated

import typer

from regio.cli.options import CONTESTANTS, Device, Force, Json, needs_extra


def compare(
    picture: Annotated[str, typer.Argument(help="picture to compare on, or - for standard input")],
    bpp: Annotated[float, typer.Option(min=0.001, max=24, help="bits per pixel of every codec; try 0.1 … 0.5")] = 0.2,
    codecs: Annotated[str | None, typer.Option(help=CONTESTANTS)] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="side-by-side picture; default: beside the picture, .compare.png"),
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
    """
    import io
    import json

    from regio.cli.files import read_whole, write_whole
    from regio.cli.paths import plan
    from regio.cli.progress import print_result, say_left_out, talking
    from regio.errors import UsageError
    from regio.evaluation.compare import FIGURES, at_bytes, contact_sheet, table
    from regio.evaluation.contestants import line_up, names_in
    from regio.images import read_picture
    from regio.names import PICTURES

    with needs_extra("eval"):
        jobs = plan([picture], output, suffixes=PICTURES, extension=".compare.png", force=force)
        if len(jobs) > 1:
            raise UsageError("one picture at a time; `regio evaluate` takes folders")
        job = jobs[0]
        if as_json and job.target is None:
            raise UsageError("--json and the side-by-side picture cannot both go to standard output; use -o FILE")
        pixels = read_picture(read_whole(job.source)).pixels
        lineup = line_up(names_in(codecs), device=device)
        say_left_out(lineup.skipped)
        budget = max(1, int(bpp * pixels.shape[0] * pixels.shape[1] / 8))
        versions = []
        for contestant in lineup.contestants:
            with talking(f"{contestant.name}: at most {budget} bytes"):
                versions.append(at_bytes(pixels, contestant, budget))
        sheet = io.BytesIO()
        contact_sheet(pixels, versions).save(sheet, "PNG")
        write_whole(job, sheet.getvalue(), force=force)
        if as_json:
            figures = [{name: getattr(one, name) for name in FIGURES} for one in versions]
            print_result(json.dumps({"budget": budget, "versions": figures, "skipped": lineup.skipped}))
        elif job.target is not None:
            print_result(table(versions))
