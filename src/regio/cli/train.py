"""regio train: one recipe, one run."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from regio.cli.options import Device, needs_extra
from regio.cli.progress import print_result, shown


def train(
    recipe: Annotated[Path, typer.Argument(help="a .toml file; see recipes/ and docs/training.md", metavar="RECIPE")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder of the run; default: runs/ and the recipe's name")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="continue the run in this folder where it stopped")] = False,
    max_minutes: Annotated[
        float | None, typer.Option("--max-minutes", min=0, help="stop after this time; --resume continues")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="stop after this many steps of this call; --resume continues")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="folder of pictures instead of the recipe's; may be repeated")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="change a field of the recipe, such as phase.batch=16; may be repeated"
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Train a model. The folder of the run is the result; Ctrl-C stops after the step in progress, everything saved.

    \b
    Examples:
      regio train recipes/segpic-xs.toml --max-minutes 9 --resume
      regio train mine.toml -o runs/first --steps 100 --device cpu
      regio train mine.toml -o runs/wide --set data.limit=100 --set phase.batch=16
    """
    with needs_extra("regio train", "train"):
        from regio.cli.training_display import watching
        from regio.training.loop import train as run

        first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun started, one speaks
        with watching(live=first and sys.stderr.isatty()) as report:
            folder = run(
                recipe,
                out=output,
                resume=resume,
                max_minutes=max_minutes,
                device=device,
                steps=steps,
                data=data or None,
                settings=changes or (),
                report=report,
            )
    if first:
        print_result(shown(folder))
