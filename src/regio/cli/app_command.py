"""regio app: the codec in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from regio.cli.options import Device, needs_extra
from regio.codec.options import count


def app(
    host: Annotated[
        str,
        typer.Option(help="address to listen on; 127.0.0.1: this machine only; 0.0.0.0: other machines, too"),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="default: the first free port from 7860 on")
    ] = None,
    max_pixels: Annotated[str, typer.Option(help="largest picture, in pixels", metavar="NUMBER")] = "25M",
    max_upload: Annotated[str, typer.Option(help="largest file", metavar="SIZE")] = "50M",
    max_total: Annotated[str, typer.Option(help="all files of all visitors together", metavar="SIZE")] = "4G",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="also answer to this host name; IP addresses and localhost always work; may be repeated"),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="keep the blind study in this SQLite file; default: votes are lost when the server ends"),
    ] = None,
    codec: Annotated[
        list[str] | None, typer.Option(help="offer these weights, too: a .safetensors path; may be repeated")
    ] = None,
    lpips_weights: Annotated[
        Path | None, typer.Option(help="folder with the weights of LPIPS (SqueezeNet); default: the cache")
    ] = None,
    device: Device = "auto",
) -> None:
    """Serve a page to compress pictures, compare, open .rgo files and vote in a blind study. Ctrl-C ends it.

    \b
    Examples:
      regio app
      regio app --port 8000 --study votes.db --max-pixels 12M
    """
    from regio.cli.progress import print_result, talking

    with needs_extra("regio app", "app"), talking("starting"):
        from regio.app.limits import Limits
        from regio.app.server import Settings, serve

        settings = Settings(
            host=host,
            port=port,
            limits=Limits(
                pixels=count(max_pixels, "--max-pixels", "pixels"),
                upload=count(max_upload, "--max-upload"),
                total=count(max_total, "--max-total"),
            ),
            hosts=tuple(allow_host or ()),
            study=study,
            codecs=tuple(codec or ()),
            lpips=lpips_weights,
            device=device,
        )
        serve(settings, print_result)
