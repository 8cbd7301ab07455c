"""regio import-weights: published checkpoints to the .safetensors files that --codec takes."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from regio.cli.export import check_target
from regio.cli.options import Force
from regio.cli.progress import print_result, shown, talking
from regio.durable import replacing
from regio.errors import UsageError

FAMILIES = ("segpic", "mcm", "mae")


def import_weights(
    family: Annotated[str, typer.Argument(help=f"kind of checkpoint: {', '.join(FAMILIES)}", metavar="FAMILY")],
    checkpoint: Annotated[Path, typer.Argument(help="the authors' file, .pth or .pth.tar", metavar="CHECKPOINT")],
    output: Annotated[Path, typer.Argument(help="the file to write, .safetensors", metavar="OUTPUT")],
    visible_tokens: Annotated[
        int, typer.Option(min=1, max=256, help="mcm: patches of 256 that the model was trained to send: 64 or 144")
    ] = 144,
    force: Force = False,
) -> None:
    """Convert the weights that a paper's authors published.

    Tensors, plain values and options are read from the checkpoint; code in it is not run. A masked autoencoder (mae)
    becomes an MCM with a trained transformer and an untrained codec, to start training from.

    \b
    Examples:
      regio import-weights segpic official.pth.tar segpic.safetensors
      regio encode photo.png --codec segpic.safetensors
      regio import-weights mcm checkpoint.pth mcm.safetensors --visible-tokens 64
    """
    if family not in FAMILIES:
        raise UsageError(f"no layout {family!r}; there are {', '.join(FAMILIES)}")
    check_target(output, force)
    with talking("converting"):
        from regio.weights.store import save

        interop = import_module("regio.interop")
        tensors = interop.read_checkpoint(checkpoint)
        numbers = {"visible_tokens": visible_tokens} if family == "mcm" else {}
        net = getattr(interop, f"{family}_from_official")(tensors, **numbers)
        with replacing(output) as part:
            save(net, part, name=output.stem)
    print_result(shown(output))
