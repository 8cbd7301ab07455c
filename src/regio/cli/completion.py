"""regio completion: what makes a shell complete the commands, options and values of `regio`."""

import os
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from regio.cli.progress import print_result

ASKED = "_REGIO_COMPLETE"  # set by the script below when a shell asks


class Shell(StrEnum):
    """The shells that it is written for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="the shell to write for", metavar="SHELL")]) -> None:
    """Print a script that completes commands, options and their values when TAB is pressed.

    The first example goes into .bashrc, the second into .zshrc after compinit.

    \b
    Examples:
      eval "$(regio completion bash)"
      eval "$(regio completion zsh)"
      regio completion fish > ~/.config/fish/completions/regio.fish
    """
    from typer._completion_shared import get_completion_script

    print_result(get_completion_script(prog_name="regio", complete_var=ASKED, shell=shell.value))


def answer(command: Callable[[], Any]) -> None:
    """Tell a shell that asks what could come next, and end; return if none asks. Loads no torch.

    command: makes the command line, which takes 20 ms.
    """
    if ASKED not in os.environ:
        return
    from typer._completion_classes import completion_init
    from typer.completion import shell_complete

    completion_init()
    raise SystemExit(shell_complete(command(), {}, "regio", ASKED, os.environ[ASKED]))


def codecs(incomplete: str) -> list[str]:
    """Names that --codec takes; where none fits, the shell offers files."""
    from regio.models.catalog import CATALOG

    return [entry.name for entry in CATALOG.values() if entry.name.startswith(incomplete)]


def detectors(incomplete: str) -> list[str]:
    """Words that --roi takes; where none fits, the shell offers files."""
    return [name for name in ("faces", "text", "salient") if name.startswith(incomplete)]


def formats(incomplete: str) -> list[str]:
    """Words that --format takes, those that people want."""
    return [name for name in ("png", "webp", "jpg", "tiff", "avif", "bmp") if name.startswith(incomplete)]
