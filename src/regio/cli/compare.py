"""regio compare: one picture by several codecs at the same number of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    picture: Annotated[str, typer.Argument(help="picture to compare on, or - for standard input")],
    bpp: Annotated[float, typer.Option(min=0.001, max=24, help="bits per pixel for everybody; try 0.1 … 0.5")] = 0.2,
    codecs: Annotated[
        str, typer.Option(help="who takes part: Regio models, jpeg, webp, jpeg2000, avif, avif-psnr, jxl, hevc")
    ] = "segpic-xs,jpeg,webp,avif",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="side-by-side picture; default: beside the picture, .compare.png"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite the output")] = False,
    device: Annotated[str, typer.Option(help="where Regio models run: auto, cpu, cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="print the figures as JSON")] = False,
) -> None:
    """Compare codecs on a picture at equal bytes, in figures and in one labelled picture.

    Examples: regio compare photo.png --bpp 0.2 --codecs segpic-xs,jpeg,avif · regio compare - -o sheet.png < a.png
    """
    import json
    import sys

    from regio.errors import UsageError
    from regio.evaluation.compare import FIGURES, at_bytes, contact_sheet, table
    from regio.evaluation.contestants import line_up
    from regio.images import read_picture

    if output is None and picture == "-":
        raise UsageError("a picture from standard input needs -o for the side-by-side picture")
    sheet = output or Path(picture).with_suffix(".compare.png")
    if sheet.exists() and not force:
        raise UsageError(f"{sheet} exists; --force overwrites it")
    pixels = read_picture(sys.stdin.buffer if picture == "-" else picture).pixels
    lineup = line_up([name.strip() for name in codecs.split(",") if name.strip()], device=device)
    for name, reason in lineup.skipped.items():
        typer.echo(f"skipped {name}: {reason}", err=True)
    budget = int(bpp * pixels.shape[0] * pixels.shape[1] / 8)
    versions = [at_bytes(pixels, one, budget) for one in lineup.contestants]
    contact_sheet(pixels, versions).save(sheet, "PNG")
    if as_json:
        figures = [{name: getattr(one, name) for name in FIGURES} for one in versions]
        typer.echo(json.dumps({"budget": budget, "versions": figures, "skipped": lineup.skipped}))
    else:
        typer.echo(table(versions))
    typer.echo(f"side by side: {sheet}", err=True)
