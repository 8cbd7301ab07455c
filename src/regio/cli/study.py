"""regio study: fill a blind study from a folder."""

from pathlib import Path
from typing import Annotated

import typer

from regio.cli.options import Device, Json, needs_extra


def study(
    folder: Annotated[Path, typer.Argument(help="folder of pictures; subfolders included")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="the study, an SQLite file; if it exists, pictures are added")
    ],
    codecs: Annotated[
        str | None,
        typer.Option(
            help="two to twelve with commas, as for `regio evaluate`; default: the default model, jpeg, webp, "
            "jpeg2000, avif"
        ),
    ] = None,
    bpp: Annotated[str, typer.Option(help="bits per pixel, with commas: each picture is a question at each")] = "0.1",
    pictures: Annotated[
        int | None, typer.Option(min=1, help="number of pictures at each rate, drawn at random; default: all")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the draw")] = 0,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Fill a blind study from a folder: each picture by each codec at the same bytes. Continues where it stopped.

    `regio app --study FILE` lets people vote.

    \b
    Examples:
      regio study photos -o votes.db --codecs mcm-tiny,avif,vvc,bpg --bpp 0.05,0.08 --pictures 50
      regio app --study votes.db
    """
    import json

    from regio.cli.progress import Progress, print_result, say, say_left_out
    from regio.errors import UsageError

    with needs_extra("regio study", "eval"):
        from regio.app.gather import gather
        from regio.app.study import LETTERS, Study
        from regio.evaluation.contestants import line_up, names_in
        from regio.evaluation.sweep import find_pictures

        rates = _rates(bpp)
        found = find_pictures(folder)
        lineup = line_up(names_in(codecs), device=device)
        say_left_out(lineup.skipped)
        if not 2 <= len(lineup.contestants) <= len(LETTERS):
            raise UsageError(f"a study compares 2 to {len(LETTERS)} codecs, not {len(lineup.contestants)}")
        progress = Progress(1)
        made = gather(
            Study(output), found, lineup.contestants, rates, limit=pictures, seed=seed, progress=progress.show
        )
        progress.clear()
        say_left_out({}, made.problems)
        for name, count in made.over.items():
            files = "1 file is" if count == 1 else f"{count} files are"
            say(f"{name}: {files} larger than the rate allows; the codec makes no smaller ones")
        if as_json:
            print_result(json.dumps({"added": made.added, "there": made.there, "over": made.over}))
        else:
            added = "1 question" if made.added == 1 else f"{made.added} questions"
            before = f", {made.there} {'was' if made.there == 1 else 'were'} there" if made.there else ""
            print_result(f"{output}: {added} added{before}; vote with regio app --study {output}")


def _rates(text: str) -> list[float]:
    from regio.errors import UsageError

    try:
        rates = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate <= 24 for rate in rates):
        raise UsageError(f"--bpp: give numbers from 0 to 24, separated by commas, not {text!r}")
    return rates
