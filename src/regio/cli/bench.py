"""regio bench: how fast codecs are, and how much memory they take."""

from typing import Annotated

import typer

from regio.cli.options import Json, needs_extra


def bench(
    picture: Annotated[
        str | None, typer.Argument(help="picture to crop to these sizes; default: a generated one")
    ] = None,
    codecs: Annotated[
        str | None,
        typer.Option(
            help="with commas, as for `regio evaluate`; default: the default model, jpeg, webp, jpeg2000, avif"
        ),
    ] = None,
    sizes: Annotated[str, typer.Option(help="WIDTHxHEIGHT, with commas")] = "512x512,768x512,1920x1080",
    devices: Annotated[str, typer.Option(help="for Regio models, with commas: cpu, cuda, cuda:1 …")] = "cpu",
    bpp: Annotated[float, typer.Option(min=0.001, max=24, help="bits per pixel of every codec; try 0.1 … 1")] = 0.5,
    repeats: Annotated[
        int, typer.Option(min=1, max=999, help="runs of each measurement; times are their medians; 5 is enough")
    ] = 5,
    threads: Annotated[int, typer.Option(min=1, max=999, help="CPU threads of Regio models; other codecs use one")] = 1,
    as_json: Json = False,
) -> None:
    """Time encoding and decoding at equal bytes, each codec, device and size in a process of its own.

    \b
    Examples:
      regio bench --codecs roi-xs,avif --sizes 768x512
      regio bench photo.png --devices cpu,cuda --threads 4
    """
    import json
    from dataclasses import asdict

    from regio.cli.progress import Progress, print_result, say
    from regio.evaluation import speed
    from regio.evaluation.contestants import names_in
    from regio.images import read_picture

    with needs_extra("regio bench", "eval"):
        wanted = [speed.size_in(text) for text in sizes.split(",") if text.strip()]
        places = [name.strip() for name in devices.split(",") if name.strip()]
        pixels = None if picture is None else read_picture(picture).pixels
        progress = Progress(1)
        found: list[speed.Speed] = []
        for one in speed.bench(
            names_in(codecs),
            devices=places,
            sizes=wanted,
            picture=pixels,
            bpp=bpp,
            repeats=repeats,
            threads=threads,
            progress=progress.show,
        ):
            progress.clear()
            if isinstance(one, speed.Skipped):
                say(f"{one.codec} on {one.device}, {one.size} skipped: {one.reason}")
                continue
            found.append(one)
            if as_json:
                print_result(json.dumps(asdict(one)))
        if not as_json and found:
            print_result(speed.table(found))
