"""regio import-weights: published checkpoints to the .safetensors files that --codec takes."""

from pathlib import Path
from typing import Annotated

import typer

from regio.cli.files import replacing
from regio.cli.options import Force
from regio.cli.progress import print_result, shown, talking
from regio.errors import UsageError

FAMILIES = ("segpic",)


def import_weights(
    family: Annotated[str, typer.Argument(help=f"whose layout: {', '.join(FAMILIES)}", metavar="FAMILY")],
    checkpoint: Annotated[Path, typer.Argument(help="the authors' file, .pth or .pth.tar", metavar="CHECKPOINT")],
    output: Annotated[Path, typer.Argument(help="the file to write, .safetensors", metavar="OUTPUT")],
    force: Force = False,
) -> None:
    """Convert the weights that a paper's authors published.

    The checkpoint is read as tensors only; code in it is not run.

    \b
    Examples:
      regio import-weights segpic official.pth.tar segpic.safetensors
      regio encode photo.png --codec segpic.safetensors
    """
    if family not in FAMILIES:
        raise UsageError(f"no layout {family!r}; there is {', '.join(FAMILIES)}")
    if output.suffix != ".safetensors":
        raise UsageError(f"{shown(output)}: a name that ends in .safetensors is wanted")
    if not output.parent.is_dir():
        raise UsageError(f"no such folder: {shown(output.parent)}")
    if output.exists() and not force:
        raise UsageError(f"{shown(output)} exists already; --force overwrites")
    with talking("converting"):
        from regio.interop import read_checkpoint, segpic_from_official
        from regio.weights.store import save

        net = segpic_from_official(read_checkpoint(checkpoint))
        with replacing(output) as part:
            save(net, part, name=output.stem)
    print_result(shown(output))
