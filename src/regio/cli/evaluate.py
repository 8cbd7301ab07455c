"""regio evaluate: rate-distortion of codecs over a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regio.cli.options import Device, Json, needs_extra
from regio.evaluation.judges import help_text

if TYPE_CHECKING:
    from regio.cli.progress import Progress
    from regio.evaluation.contestants import Lineup
    from regio.evaluation.judging import Judges
    from regio.evaluation.report import Findings
    from regio.evaluation.sweep import Outcome
    from regio.papers.run import Order

CODECS_HELP = (
    "with commas: Regio models, jpeg, webp, jpeg2000, avif, avif-psnr, avif-slow, jxl, hevc, hevc-default, vvc; "
    "default: the default model, jpeg, webp, jpeg2000, avif"
)

JUDGES_HELP = help_text()


def evaluate(
    folder: Annotated[Path | None, typer.Argument(help="folder of pictures; subfolders included")] = None,
    codecs: Annotated[str | None, typer.Option(help=CODECS_HELP + "; MODEL+roi favours what --marks marks")] = None,
    qualities: Annotated[
        str | None, typer.Option(help="qualities of Regio models, 0 … 100, with commas; default: 0,10,…,100")
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(help="settings of other codecs, in their own units: 'jpeg=5,26;avif=20'; default: 8 to 10 each"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the report")] = Path("report"),
    anchor: Annotated[
        str | None, typer.Option(help="the codec in the list that BD-rates compare the others with")
    ] = None,
    references: Annotated[
        Path | None, typer.Option(help="folder of result files (JSON) to draw and to measure against")
    ] = None,
    fit: Annotated[str, typer.Option(help="curve fit of BD-rates: pchip (recommended), akima or cubic")] = "pchip",
    lpips: Annotated[str | None, typer.Option(help="also LPIPS, by squeeze (fast), alex or vgg")] = None,
    lpips_weights: Annotated[
        Path | None, typer.Option(help="folder with its weights; default: fetched once from their publishers")
    ] = None,
    dists: Annotated[
        bool, typer.Option("--dists", help="also DISTS; weights from --lpips-weights, else fetched")
    ] = False,
    ssimulacra2: Annotated[
        bool, typer.Option("--ssimulacra2", help="also SSIMULACRA 2, a second or more a file")
    ] = False,
    judges: Annotated[str | None, typer.Option(help="more judges, with commas. " + JUDGES_HELP)] = None,
    marks: Annotated[
        Path | None, typer.Option(help="regions of interest: JSON of boxes, or folder of masks; adds their PSNR")
    ] = None,
    roi_strength: Annotated[
        float | None,
        typer.Option(min=0.1, max=100, help="of MODEL+roi: points of quality between region and rest; default: 20"),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(help="adds the agreement of its labels: salient, faces, text, file.onnx or module:function"),
    ] = None,
    fid: Annotated[bool, typer.Option("--fid", help="also FID and KID (needs torch-fidelity); slow")] = False,
    crops: Annotated[int, typer.Option(min=0, help="number of pictures whose crops the page shows")] = 3,
    crop_bpp: Annotated[float, typer.Option(min=0.001, max=24, help="bits per pixel of these crops")] = 0.2,
    repeats: Annotated[int, typer.Option(min=1, max=99, help="runs of each measurement; times are their medians")] = 1,
    table: Annotated[
        str | None,
        typer.Option(
            help="a paper's table, its figures beside ours: segpic-1, segpic-2, segpic-3, segpic-kernels, roi-1, "
            "mcm-1, mcm-2; or curves, the BD-rates of all --references against --anchor (vtm)"
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="label maps (PNG) for segpic-3 and segpic-kernels")] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure codecs on a folder from real files: CSV, curves, BD-rates, plots, a page. Continues where it stopped.

    \b
    Examples:
      regio evaluate kodak --codecs segpic-xs,jpeg,avif --anchor avif
      regio evaluate photos --qualities 20,40,60,80 --lpips squeeze -o report/photos
      regio evaluate --table segpic-1 --references curves
    """
    from regio.cli.progress import Progress, say
    from regio.errors import UsageError
    from regio.evaluation.bd_rate import axes, find_curves, fit_named
    from regio.evaluation.contestants import line_up, names_in
    from regio.evaluation.report import write_report
    from regio.evaluation.scenes import scenes_of
    from regio.evaluation.sweep import find_pictures, sweep
    from regio.papers.run import Order

    with needs_extra("eval"):
        method = fit_named(fit)
        own = numbers_in(qualities)
        others = settings_in(settings)
        asked = [*(judges or "").replace(" ", "").split(","), "dists" * dists, "ssimulacra2" * ssimulacra2]
        panel = judges_for(lpips, lpips_weights, marks, segmenter, device, [name for name in asked if name])
        if table is not None:
            names = tuple(names_in(codecs)) if codecs else ()
            order = Order(table, folder, output, references, labels, names, own, panel, method, anchor or "vtm", device)
            print_table(order, as_json)
            return
        if folder is None:
            raise UsageError("name a folder of pictures, or a --table")
        pictures = find_pictures(folder)
        curves = {metric: find_curves(references, metric) if references else [] for metric in axes()}
        lineup = line_up(names_in(codecs), device=device, strength=roi_strength)
        check_before(lineup, anchor, fid)
        progress = Progress(1)
        outcome = sweep(
            pictures,
            lineup.contestants,
            output / "sweep.csv",
            settings=chosen(lineup, own, others),
            judges=panel,
            repeats=repeats,
            progress=progress.show,
        )
        if fid:
            add_fid(lineup, outcome, pictures, output, progress)
        scenes = scenes_of(
            outcome, pictures, lineup.contestants, rate=crop_bpp, count=crops, judges=panel, progress=progress.show
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
            scenes=scenes,
            skipped=lineup.skipped,
        )
        print_report(report, lineup, output, anchor, as_json)


def judges_for(
    lpips: str | None,
    weights: Path | None,
    marks: Path | None,
    segmenter: str | None,
    device: str,
    more: list[str],
) -> Judges:
    """Who is asked besides PSNR and MS-SSIM. more: names of `evaluation.judges`."""
    from regio.evaluation.downstream import labeller_named
    from regio.evaluation.judges import Setting, judges_named
    from regio.evaluation.judging import Judges
    from regio.evaluation.marks import read_marks

    network = None
    if lpips is not None or (weights is not None and "dists" not in more):
        from regio.codec.devices import device_of
        from regio.losses.perceptual import Lpips

        network = Lpips(lpips or "squeeze", weights=weights).to(device_of(device))
    regions, labeller = read_marks(marks) if marks else None, labeller_named(segmenter) if segmenter else None
    return Judges(network, regions, labeller, judges_named(more, Setting(device, weights)))


def check_before(lineup: Lineup, anchor: str | None, fid: bool) -> None:
    """Say who is skipped, and find before hours of work what would fail after them."""
    from regio.cli.progress import say
    from regio.errors import UsageError

    for name, reason in lineup.skipped.items():
        say(f"{name} skipped: {reason}")
    names = [one.name for one in lineup.contestants]
    if anchor is not None and anchor not in names:
        raise UsageError(f"the anchor {anchor} is not among the codecs that take part: {', '.join(names)}")
    if fid:
        from regio.evaluation.fidelity import metrics

        metrics()


def chosen(
    lineup: Lineup, own: tuple[float, ...], others: dict[str, tuple[float, ...]]
) -> dict[str, tuple[float, ...]]:
    """Settings by codec, where the command line names them. UsageError for a codec that does not take part."""
    from regio.errors import UsageError
    from regio.evaluation.contestants import OwnCodec

    names = {one.name for one in lineup.contestants} | set(lineup.skipped)
    if strange := set(others) - names:
        raise UsageError(f"--settings: {min(strange)} is not among the codecs: {', '.join(sorted(names))}")
    found = {one.name: own for one in lineup.contestants if own and isinstance(one, OwnCodec) and len(one.settings) > 1}
    return found | others


def add_fid(lineup: Lineup, outcome: Outcome, pictures: dict[str, Path], output: Path, progress: Progress) -> None:
    """Print FID and KID, and keep them beside the report."""
    from regio.cli.progress import print_result
    from regio.evaluation.columns import columns
    from regio.evaluation.fidelity import columns_of, fidelity

    entries = fidelity(outcome.rows, pictures, lineup.contestants, output / "fid.csv", progress=progress.show)
    progress.clear()
    header, *rows = columns_of(entries)
    print_result(columns(header, rows) + "\n")


def print_report(report: Findings, lineup: Lineup, output: Path, anchor: str | None, as_json: bool) -> None:
    """The figures on standard output; where the page lies, on standard error."""
    import json

    from regio.cli.progress import print_result, say
    from regio.evaluation.means import means_table
    from regio.evaluation.report import markdown

    if as_json:
        entries = json.loads((output / "bd_rates.json").read_text(encoding="utf-8"))
        means = [curve.as_dict() for curve in report.curves]
        return print_result(json.dumps({"curves": means, "bd_rates": entries, "skipped": lineup.skipped}))
    print_result(means_table(report.curves))
    shown = [entry for entry in report.bd_rates if anchor in (None, entry.anchor)]  # the files have them all
    if shown:
        print_result("\n" + markdown(shown).rstrip())
    return say(f"the whole report: {output / 'index.html'}")


def print_table(order: Order, as_json: bool) -> None:
    """A paper's table, its figures beside ours."""
    import json

    from regio.cli.progress import Progress, print_result, say
    from regio.papers.run import run

    progress = Progress(1)
    ran = run(order, progress=progress.show)
    progress.clear()
    for name, reason in ran.skipped.items():
        say(f"{name} skipped: {reason}")
    for problem in ran.problems:
        say(f"{' by '.join(filter(None, (problem.picture, problem.codec)))} skipped: {problem.reason}")
    print_result(json.dumps(ran.table._asdict(), ensure_ascii=False) if as_json else ran.table.text())


def numbers_in(text: str | None) -> tuple[float, ...]:
    """Qualities from a list with commas; none from None."""
    from regio.errors import UsageError

    numbers = _numbers(text or "", "--qualities")
    if not all(0 <= number <= 100 for number in numbers):
        raise UsageError(f"--qualities: {text} is not within 0 … 100")
    return numbers


def settings_in(text: str | None) -> dict[str, tuple[float, ...]]:
    """Settings by codec from "jpeg=5,26;avif=20"; none from None."""
    from regio.errors import UsageError

    found: dict[str, tuple[float, ...]] = {}
    for part in filter(None, (text or "").split(";")):
        name, equals, numbers = part.partition("=")
        found[name.strip()] = _numbers(numbers, "--settings")
        if not equals or not found[name.strip()]:
            raise UsageError(f"--settings: CODEC=VALUE,VALUE;CODEC=… is wanted, not {part!r}")
    return found


def _numbers(text: str, option: str) -> tuple[float, ...]:
    from regio.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"{option}: numbers with commas are wanted, not {text!r}") from None
