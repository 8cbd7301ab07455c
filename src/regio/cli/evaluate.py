"""regio evaluate: rate-distortion of codecs over a folder of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regio.cli.options import CONTESTANTS, Device, Json, needs_extra
from regio.evaluation.judges import Setting, Ssimulacra2, help_text, judges_named

if TYPE_CHECKING:
    from regio.cli.progress import Progress
    from regio.evaluation.contestants import Lineup
    from regio.evaluation.judging import Judges
    from regio.evaluation.report import Findings
    from regio.evaluation.sweep import Outcome
    from regio.papers.order import Order

Folder = Annotated[Path | None, typer.Argument(help="folder of pictures; subfolders included")]
Codecs = Annotated[str | None, typer.Option(help=CONTESTANTS + " into one curve; MODEL+roi favours what --marks marks")]
Qualities = Annotated[
    str | None, typer.Option(help="qualities of Regio models, 0 … 100, with commas; default: 0,10,…,100")
]
Settings = Annotated[
    str | None,
    typer.Option(help="settings of other codecs, in their own units: 'jpeg=5,26;avif=20'; default: 8 to 10 each"),
]
Report = Annotated[Path, typer.Option("--output", "-o", help="folder for the report")]
Anchor = Annotated[str | None, typer.Option(help="the codec, one of --codecs, that BD-rates compare the others with")]
References = Annotated[Path | None, typer.Option(help="folder of result files (JSON) to draw and to measure against")]
Fitted = Annotated[str, typer.Option(help="curve fit of BD-rates: pchip (recommended), akima or cubic")]
Network = Annotated[str | None, typer.Option(help="add LPIPS, by squeeze (fast), alex or vgg")]
Weights = Annotated[
    Path | None,
    typer.Option(help="folder with the weights of LPIPS and DISTS; default: downloaded once from their publishers"),
]
WithDists = Annotated[bool, typer.Option("--dists", help="add DISTS; weights from --lpips-weights, or downloaded")]
WithSsimulacra2 = Annotated[
    bool | None,
    typer.Option(
        "--ssimulacra2/--no-ssimulacra2",
        help="SSIMULACRA 2, a third of a second for a file of 768x512 pixels; default: if its package is installed",
    ),
]
MoreJudges = Annotated[str | None, typer.Option(help="more judges, with commas. " + help_text())]
MarkedBy = Annotated[
    Path | None, typer.Option(help="regions of interest: JSON of boxes, or folder of masks; adds their PSNR")
]
Strength = Annotated[
    float | None,
    typer.Option(min=0.1, max=100, help="for MODEL+roi: difference in quality between region and rest; default: 20"),
]
Segmenter = Annotated[
    str | None,
    typer.Option(
        help="add how well the labels or objects found in originals and decoded pictures agree: salient, faces, "
        "text, file.onnx or "
        "module:function"
    ),
]
TrueLabels = Annotated[
    Path | None,
    typer.Option(
        help="labels by people, which those of --segmenter are compared with instead of its own on the original: a "
        "folder of PNG files with the pictures' names, or CelebAMask-HQ's folder of masks"
    ),
]
Fid = Annotated[bool, typer.Option("--fid", help="add FID and KID (needs torch-fidelity); slow")]
Crops = Annotated[int, typer.Option(min=0, help="number of pictures whose crops the page shows")]
CropBpp = Annotated[float, typer.Option(min=0.001, max=24, help="bits per pixel of these crops")]
Repeats = Annotated[int, typer.Option(min=1, max=99, help="runs of each measurement; times are their medians")]
Table = Annotated[
    str | None,
    typer.Option(
        help="print a paper's table with our figures beside it: segpic-1, segpic-2, segpic-3, segpic-kernels, roi-1, "
        "mcm-1, mcm-2, mcm-masks, mcm-texture; or curves, the BD-rates of all --references against --anchor (vtm)"
    ),
]
LabelMaps = Annotated[
    Path | None,
    typer.Option(
        help="label maps for segpic-3 and segpic-kernels: a folder of PNG files, COCO's panoptic JSON, "
        "or auto, made by segmentation"
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(help="which data set of a paper's --table FOLDER is: kodak (default), clic; coco (default), celeba"),
]


def evaluate(
    folder: Folder = None,
    codecs: Codecs = None,
    qualities: Qualities = None,
    settings: Settings = None,
    output: Report = Path("report"),
    anchor: Anchor = None,
    references: References = None,
    fit: Fitted = "pchip",
    lpips: Network = None,
    lpips_weights: Weights = None,
    dists: WithDists = False,
    ssimulacra2: WithSsimulacra2 = None,
    judges: MoreJudges = None,
    marks: MarkedBy = None,
    roi_strength: Strength = None,
    segmenter: Segmenter = None,
    truth: TrueLabels = None,
    fid: Fid = False,
    crops: Crops = 3,
    crop_bpp: CropBpp = 0.2,
    repeats: Repeats = 1,
    table: Table = None,
    labels: LabelMaps = None,
    dataset: Dataset = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure codecs on a folder from real files: CSV, curves, BD-rates, plots, a page. Continues where it stopped.

    \b
    Examples:
      regio evaluate kodak --codecs roi-xs,jpeg,avif --anchor avif
      regio evaluate photos --qualities 20,40,60,80 --lpips squeeze -o report/photos
      regio evaluate --table segpic-1 --references curves
      regio evaluate kodak --table segpic-1 --references curves --codecs segpic=q1.safetensors+q2.safetensors
    """
    from regio.errors import UsageError
    from regio.evaluation.bd_rate import fit_named
    from regio.evaluation.contestants import names_in
    from regio.evaluation.sweep import find_pictures
    from regio.papers.order import Order

    with needs_extra("regio evaluate", "eval"):
        method, own, others = fit_named(fit), numbers_in(qualities), settings_in(settings)
        if ssimulacra2 is None:  # the papers' tables do not have it
            ssimulacra2 = table is None and Ssimulacra2.installed()
        asked = names_of_judges(judges, lpips, lpips_weights, dists=dists, ssimulacra2=ssimulacra2)
        asked += ["truth"] if truth else ["agreement"] if segmenter else []
        panel = judges_for(asked, Setting(device, lpips_weights, lpips or "squeeze", segmenter, truth), marks)
        names = tuple(names_in(codecs)) if codecs or table is None else ()
        order = Order(
            table or "", folder, output, references, labels, names, own, others, panel, method, anchor, dataset,
            roi_strength, repeats, fid, device,
        )  # fmt: skip
        if table is not None:
            return print_table(order, as_json)
        if folder is None:
            raise UsageError("name a folder of pictures, or a --table")
        return print_report(*report_on(order, find_pictures(folder), crops, crop_bpp), order, as_json)


def report_on(order: Order, pictures: dict[str, Path], crops: int, crop_bpp: float) -> tuple[Findings, Lineup]:
    """Measure and write. crops: pictures that the page shows crops of, at crop_bpp."""
    from regio.cli.progress import Progress, say_left_out
    from regio.evaluation.bd_rate import axes, find_curves
    from regio.evaluation.contestants import line_up
    from regio.evaluation.report import write_report
    from regio.evaluation.scenes import scenes_of
    from regio.evaluation.sweep import sweep

    curves = {metric: find_curves(order.references, metric) if order.references else [] for metric in axes()}
    lineup = line_up(order.codecs, device=order.device, strength=order.strength)
    check_before(lineup, order.anchor, order.fid)
    contestants, progress = lineup.contestants, Progress(1)
    outcome = sweep(
        pictures,
        contestants,
        order.output / "sweep.csv",
        settings=chosen(lineup, order),
        judges=order.judges,
        repeats=order.repeats,
        progress=progress.show,
    )
    if order.fid:
        add_fid(lineup, outcome, pictures, order.output, progress)
    scenes = scenes_of(
        outcome, pictures, contestants, rate=crop_bpp, count=crops, judges=order.judges, progress=progress.show
    )
    progress.clear()
    say_left_out({}, outcome.problems)
    report = write_report(
        outcome,
        order.output,
        descriptions={one.name: one.description for one in contestants},
        references=curves,
        anchor=order.anchor,
        fit=order.fit,
        scenes=scenes,
        skipped=lineup.skipped,
    )
    return report, lineup


def names_of_judges(
    named: str | None,
    lpips: str | None,
    weights: Path | None,
    *,
    dists: bool,
    ssimulacra2: bool,
) -> list[str]:
    """Names of the judges that the options ask besides those that are always asked."""
    names = [name for name in (named or "").replace(" ", "").split(",") if name]
    if dists:
        names.append("dists")
    if ssimulacra2:
        names.append("ssimulacra2")
    if lpips is not None or (weights is not None and "dists" not in names):
        names.insert(0, "lpips")
    return names


def judges_for(names: list[str], setting: Setting, marks: Path | None) -> Judges:
    """The judges of these names, and the regions that are marked."""
    from regio.evaluation.judging import Judges
    from regio.evaluation.marks import read_marks

    return Judges(judges_named(names, setting), read_marks(marks) if marks else None)


def check_before(lineup: Lineup, anchor: str | None, fid: bool) -> None:
    """Say who is skipped, and find before hours of work what would fail after them."""
    from regio.cli.progress import say_left_out
    from regio.errors import UsageError

    say_left_out(lineup.skipped)
    names = [one.name for one in lineup.contestants]
    if anchor is not None and anchor not in names:
        raise UsageError(f"the anchor {anchor} is not among the codecs that take part: {', '.join(names)}")
    if fid:
        from regio.evaluation.fidelity import metrics

        metrics()


def chosen(lineup: Lineup, order: Order) -> dict[str, Sequence[float]]:
    """Settings by codec, where the command line names them. UsageError for a codec that does not take part."""
    from regio.errors import UsageError
    from regio.evaluation.contestants import Own

    names = {one.name for one in lineup.contestants} | set(lineup.skipped)
    if strange := set(order.settings) - names:
        raise UsageError(f"--settings: {min(strange)} is not among the codecs: {', '.join(sorted(names))}")
    own = {one.name: one.settings_for(order.qualities) for one in lineup.contestants if isinstance(one, Own)}
    return {**own, **order.settings}


def add_fid(lineup: Lineup, outcome: Outcome, pictures: dict[str, Path], output: Path, progress: Progress) -> None:
    """Print FID and KID, and keep them beside the report."""
    from regio.cli.progress import print_result
    from regio.evaluation.columns import columns
    from regio.evaluation.fidelity import columns_of, fidelity, plot_fidelity

    entries = fidelity(outcome.rows, pictures, lineup.contestants, output / "fid.csv", progress=progress.show)
    progress.clear()
    plot_fidelity(entries, output / "rd_fid")
    header, *rows = columns_of(entries)
    print_result(columns(header, rows) + "\n")


def print_report(report: Findings, lineup: Lineup, order: Order, as_json: bool) -> None:
    """The figures on standard output; where the page lies, on standard error."""
    import json

    from regio.cli.progress import print_result, say
    from regio.evaluation.means import means_table
    from regio.evaluation.report import markdown

    if as_json:
        entries = json.loads((order.output / "bd_rates.json").read_text(encoding="utf-8"))
        means = [curve.as_dict() for curve in report.curves]
        return print_result(json.dumps({"curves": means, "bd_rates": entries, "skipped": lineup.skipped}))
    print_result(means_table(report.curves))
    shown = [entry for entry in report.bd_rates if order.anchor in (None, entry.anchor)]  # the files have them all
    if shown:
        print_result("\n" + markdown(shown).rstrip())
    return say(f"the whole report: {order.output / 'index.html'}")


def print_table(order: Order, as_json: bool) -> None:
    """A paper's table, its figures beside ours."""
    import json

    from regio.cli.progress import Progress, print_result, say_left_out
    from regio.papers.run import run

    progress = Progress(1)
    ran = run(order, progress=progress.show)
    progress.clear()
    say_left_out(ran.skipped, ran.problems)
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
            raise UsageError(f"--settings: give CODEC=VALUE,VALUE;CODEC=…, not {part!r}")
    return found


def _numbers(text: str, option: str) -> tuple[float, ...]:
    from regio.errors import UsageError

    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise UsageError(f"{option}: give numbers, separated by commas, not {text!r}") from None
