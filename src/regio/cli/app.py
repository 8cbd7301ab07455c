"""The `regio` command and its subcommands. Every end of a command becomes an exit code here, and only here."""

import gc
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from regio.cli import completion
from regio.cli.exit_codes import FAILURE, OK, USAGE, code_of
from regio.cli.progress import one_line, say
from regio.cli.values import Command, Group
from regio.errors import RegioError, UsageError, needing_torch
from regio.version import __version__

GROUPS = {"bulk": "Folders of many pictures, on all cores or on a cluster."}
COMMANDS = {  # module:function, imported when it is called
    "encode": "encode:encode",
    "decode": "decode:decode",
    "info": "info:info",
    "models": "models:models",
    "regions": "regions:regions",
    "verify": "verify:verify",
    "compare": "compare:compare",
    "evaluate": "evaluate:evaluate",
    "bench": "bench:bench",
    "study": "study:study",
    "import-weights": "import_weights:import_weights",
    "train": "train:train",
    "export": "export:export",
    "export-onnx": "export_onnx:export_onnx",
    "bulk encode": "bulk:encode",
    "bulk decode": "bulk:decode",
    "app": "app_command:app",
    "completion": "completion:completion",
}

# Typer raises what its BadParameter descends from for every wrong command line.
_WrongCommandLine: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"regio {__version__}")
        raise typer.Exit


def _regio(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Regio, a region-aware learned image codec: pictures to small .rgo files and back.

    \b
    Exit codes: 0 ok, 1 failure, 2 usage, 3 damaged input, 4 unsupported version
    or missing weights, 5 limit exceeded. For several files: that of the first failure.
    """


def build(first: str = "") -> typer.Typer:
    """The command line as Typer sees it. Where `first` begins a command, only those: half the time."""
    app = typer.Typer(
        name="regio",
        cls=Group,
        callback=_regio,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    groups: dict[str, typer.Typer] = {}
    for name in [name for name in COMMANDS if name.split()[0] == first] or COMMANDS:
        group, _, leaf = name.rpartition(" ")
        if group and group not in groups:
            groups[group] = typer.Typer(
                name=group, cls=Group, help=GROUPS[group], no_args_is_help=True, rich_markup_mode=None
            )
            app.add_typer(groups[group])
        module, _, function = COMMANDS[name].partition(":")
        groups.get(group, app).command(leaf, cls=Command)(getattr(import_module(f"regio.cli.{module}"), function))
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code. What is not the user's error passes through, with its traceback."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures before it refuses huge ones; for a codec, large is nothing to warn of.
            warnings.filterwarnings("ignore", message="Image size .* exceeds limit")
            # and of damage that it reads past; what matters of that becomes a note or an error of ours.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            _dispatch(arguments)
            sys.stdout.flush()  # here, so that a closed pipe is met here and not after the last line of Python
    except typer.Exit as end:
        return end.exit_code
    except _WrongCommandLine as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # nothing was said: the whole help, on its own lines
            typer.echo(str(error), err=True)
            return USAGE
        return _fail(UsageError(_advice(error)))
    except BrokenPipeError:
        # Nobody reads on: nothing to say. What is still buffered must not be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return code_of(KeyboardInterrupt())
    except (RegioError, OSError, MemoryError) as error:
        return _fail(error)
    return OK


def _dispatch(arguments: Sequence[str]) -> None:
    command = typer.main.get_command(build(*arguments[:1]))
    with command.make_context("regio", list(arguments)) as context, needing_torch(_name(arguments)):
        command.invoke(context)


def _name(arguments: Sequence[str]) -> str:
    """The command that a command line begins with."""
    line = " ".join(arguments) + " "
    return next((f"regio {name}" for name in COMMANDS if line.startswith(f"{name} ")), "regio")


def _fail(error: Exception) -> int:
    say(one_line(error))
    return code_of(error)


def _advice(error: BaseException) -> str:
    """A wrong command line in one line: what is wrong, and where to read on."""
    context = getattr(error, "ctx", None)
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return f"{message.rstrip('.')}; see {context.command_path if context else 'regio'} --help"


def main() -> None:
    """The entry point of the `regio` command."""
    # torch's threads spin while they wait for each other: with another program on one of two cores, half a second of
    # work took 6 to 13. It reads this when it is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    gc.set_threshold(50_000)  # by default Python searches for garbage 200 times while it imports: 0.03 s
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no reason to fail
    completion.answer(lambda: typer.main.get_command(build()))
    code = run(sys.argv[1:])
    gc.freeze()  # Python would search all objects for garbage before it ends: a tenth of a second
    sys.exit(code)
