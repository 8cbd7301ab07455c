"""regio export: the weights of a training run as a file that the other commands take."""

from pathlib import Path
from typing import Annotated

import typer

from regio.cli.options import Force
from regio.cli.progress import print_result, shown, talking
from regio.codec.options import count
from regio.durable import replacing
from regio.errors import UsageError

SUFFIX = ".safetensors"


def export(
    source: Annotated[
        Path, typer.Argument(help="folder of a run, or one of the parts that --parts made", metavar="RUN")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="the .safetensors file to write; default: in the run's folder")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="name stored in the weights; default: the recipe's name")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="store numbers in half precision: half the size")] = False,
    look: Annotated[
        str | None,
        typer.Option(
            "--look", help="write only the synthesis, as this look of the weights that the run started from: natural"
        ),
    ] = None,
    parts: Annotated[
        str | None, typer.Option("--parts", help="write parts of at most this size instead of one file: 16M")
    ] = None,
    force: Force = False,
) -> None:
    """Export the averaged weights of a run, with a card that says how they were trained.

    If RUN is one of the parts that --parts wrote, join all parts again.

    \b
    Examples:
      regio export runs/mine --half -o mine.safetensors
      regio export runs/mine --half --parts 16M -o mine.safetensors
      regio export mine.safetensors.1of3 -o mine.safetensors
      regio export runs/mine-natural --look natural --half -o mine.natural.safetensors
    """
    if look is not None:
        if name or parts or not source.is_dir():
            raise UsageError("--look takes the folder of a run, and neither --name nor --parts")
        _export_look(source, output, look, half, force)
        return
    if source.is_dir():
        target = output or source / f"{name or source.resolve().name}{SUFFIX}"
        check_target(target, force)
        _export(source, target, name, half, count(parts, "--parts") if parts else None, force)
        return
    if name or half or parts:
        raise UsageError(f"{shown(source)}: --name, --half and --parts are for the folder of a run")
    if output is None:
        raise UsageError("which file to write? name it with --output")
    check_target(output, force)
    with talking("joining"):
        from regio.training.export import join

        with replacing(output) as part:
            join(source, part)
    print_result(shown(output))


def _export_look(run: Path, output: Path | None, look: str, half: bool, force: bool) -> None:
    target = output or run / f"{run.resolve().name}.{look}{SUFFIX}"
    check_target(target, force)
    with talking("exporting"):
        from regio.training.export import export_look

        with replacing(target) as part:
            export_look(run, part, look, half=half)
    print_result(shown(target))


def check_target(target: Path, force: bool) -> None:
    """UsageError for what cannot become a file of weights."""
    if target.suffix != SUFFIX:
        raise UsageError(f"{shown(target)}: the name must end in {SUFFIX}")
    if not target.parent.is_dir():
        raise UsageError(f"no such folder: {shown(target.parent)}")
    if target.exists() and not force:
        raise UsageError(f"{shown(target)} exists already; --force overwrites")


def _export(run: Path, target: Path, name: str | None, half: bool, size: int | None, force: bool) -> None:
    from regio.training import export as exporter

    with talking("exporting"):
        with replacing(target) as part:
            exporter.export(run, part, half=half, name=name)
        with replacing(target.with_suffix(".md")) as part:
            part.write_text(exporter.card(run, target), encoding="utf-8")
        written = [target]
        if size is not None:
            written = exporter.split(target, size)
            target.unlink()
    for path in written:
        print_result(shown(path))
