"""regio export-onnx: the networks of a codec for runtimes without torch."""

import json
from pathlib import Path
from typing import Annotated

import typer

from regio.cli.completion import codecs
from regio.cli.options import Force, Json, needs_extra
from regio.cli.progress import print_result, shown, talking
from regio.errors import UsageError


def export_onnx(
    codec: Annotated[
        str,
        typer.Argument(
            help="a name of `regio models`, a .safetensors file, a folder or a hub id",
            metavar="CODEC",
            autocompletion=codecs,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the two files")] = Path(),
    grid: Annotated[
        int, typer.Option("--grid", min=1, max=16, help="SegPIC: regions are a grid of N by N, as in the files to read")
    ] = 1,
    opset: Annotated[int, typer.Option("--opset", min=18, max=24, help="version of ONNX's operators")] = 20,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Export the analysis and synthesis networks of a codec to ONNX, for pictures of any size.

    Both are run in ONNX Runtime and compared with torch before anything is written.

    \b
    Examples:
      regio export-onnx segpic-xs -o onnx/
      regio export-onnx mine.safetensors --grid 2 --json
    """
    with needs_extra("regio export-onnx", "onnx"), talking("exporting; this takes a minute"):
        from regio.codec import load
        from regio.onnx_export import export, file_names

        loaded = load(codec, device="cpu")
        there = [path for path in file_names(loaded.name, output) if path.exists()]
        if there and not force:
            raise UsageError(f"{shown(there[0])} exists already; --force overwrites")
        written = export(loaded, output, grid=grid, opset=opset)
    for one in written:
        values = {"path": str(one.path), "inputs": one.inputs, "outputs": one.outputs, "difference": one.difference}
        ways = f"{', '.join(one.inputs)} -> {', '.join(one.outputs)}"
        line = f"{shown(one.path)}: {ways}; ONNX Runtime differs by {one.difference:.1e} of the largest value"
        print_result(json.dumps(values) if as_json else line)
