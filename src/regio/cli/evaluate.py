"""regio evaluate: rate-distortion of codecs over a folder of pictures."""

from pathlib import Path
from typing import Annotated

import typer

from regio.cli.options import Device, Json, needs_extra


def evaluate(
    folder: Annotated[Path, typer.Argument(help="folder of pictures; subfolders included")],
    codecs: Annotated[
        str | None,
        typer.Option(
            help="with commas: Regio models, jpeg, webp, jpeg2000, avif, avif-psnr, jxl, hevc; "
            "default: the default model, jpeg, webp, jpeg2000, avif"
        ),
    ] = None,
    qualities: Annotated[
        str | None, typer.Option(help="of the Regio models, 0 … 100, with commas; default: 0,10,…,100")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the report")] = Path("report"),
    anchor: Annotated[str | None, typer.Option(help="a codec of the list that the others are measured against")] = None,
    references: Annotated[
        Path | None, typer.Option(help="folder of result files (JSON) to draw and to measure against")
    ] = None,
    fit: Annotated[str, typer.Option(help="of BD-rates: pchip, akima or cubic; pchip is recommended")] = "pchip",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure codecs on a folder from real files: CSV, curves, BD-rates, plots. Goes on where it was interrupted.

    \b
    Examples:
      regio evaluate kodak --codecs segpic-xs,jpeg,avif --anchor avif
      regio evaluate photos --qualities 20,40,60,80 -o report/photos
    """
    import json

    from regio.cli.progress import Progress, print_result, say
    from regio.evaluation.bd_rate import find_curves, fit_named
    from regio.evaluation.contestants import OwnCodec, line_up, names_in
    from regio.evaluation.report import AXES, markdown, means_table, write_report
    from regio.evaluation.sweep import find_pictures, sweep

    with needs_extra("eval"):
        method = fit_named(fit)
        own = numbers_in(qualities)
        pictures = find_pictures(folder)
        curves = {metric: find_curves(references, metric) if references else [] for metric in AXES}
        lineup = line_up(names_in(codecs), device=device)
        for name, reason in lineup.skipped.items():
            say(f"{name} skipped: {reason}")
        progress = Progress(1)
        outcome = sweep(
            pictures,
            lineup.contestants,
            output / "sweep.csv",
            settings={one.name: own for one in lineup.contestants if own and isinstance(one, OwnCodec)},
            progress=progress.show,
        )
        progress.clear()
        for problem in outcome.problems:
            say(f"{' by '.join(filter(None, (problem.picture, problem.codec)))} skipped: {problem.reason}")
        report = write_report(
            outcome,
            output,
            descriptions={one.name: one.description for one in lineup.contestants},
            references=curves,
            anchor=anchor,
            fit=method,
        )
        if as_json:
            entries = json.loads((output / "bd_rates.json").read_text(encoding="utf-8"))
            means = [curve.as_dict() for curve in report.curves]
            print_result(json.dumps({"curves": means, "bd_rates": entries, "skipped": lineup.skipped}))
            return
        print_result(means_table(report.curves))
        if report.bd_rates:
            print_result("\n" + markdown(report.bd_rates).rstrip())


def numbers_in(text: str | None) -> tuple[float, ...]:
    """Qualities from a list with commas; none from None."""
    from regio.errors import UsageError

    try:
        numbers = tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise UsageError(f"--qualities: numbers with commas are wanted, not {text!r}") from None
    if not all(0 <= number <= 100 for number in numbers):
        raise UsageError(f"--qualities: {text} is not within 0 … 100")
    return numbers
