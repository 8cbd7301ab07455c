"""Values of the command line: those that need no conversion are taken as they are.

Typer converts every value by Pydantic, also those that nobody gave, and the import of Pydantic takes a tenth of a
second. What is not plain goes to Typer, and so does what is wrong, so the messages are Typer's.
"""

import re
from collections.abc import Callable
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from typer.core import TyperCommand, TyperGroup

_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


class _Plain:
    """The part that commands and groups share: the option --help."""

    def get_help_option(self, context: Any) -> Any:
        option = super().get_help_option(context)  # type: ignore[misc]
        if option is not None and "process_value" not in vars(option):
            _take_plain(option, (bool,))
        return option


class Command(_Plain, TyperCommand):
    """A command whose parameters are declared as Annotated[kind, typer.Option or Argument]."""

    def __init__(self, *args: Any, callback: Callable[..., Any], **options: Any) -> None:
        super().__init__(*args, callback=callback, **options)
        hints = get_type_hints(callback, include_extras=True)
        for param in self.params:
            declared, about = get_args(hints[str(param.name)])
            kinds = get_args(declared) if get_origin(declared) is UnionType else (declared,)
            _take_plain(param, kinds, about.min, about.max)


class Group(_Plain, TyperGroup):
    """A group of commands."""


def _take_plain(param: Any, kinds: tuple[Any, ...], low: float | None = None, high: float | None = None) -> None:
    """Let a parameter of some kinds take plain values without conversion; low and high: the limits of a number."""
    convert = param.process_value
    many = param.nargs == -1 or param.multiple

    def process_value(context: Any, value: Any) -> Any:
        if value is None or (many and not value):
            if param.required:
                return convert(context, value)
            plain: Any = () if many else None
        elif many:
            if not (list[str] in kinds and all(type(one) is str for one in value)):
                return convert(context, value)
            plain = list(value)
        elif type(value) in kinds:
            plain = value
        elif (plain := _number(value, kinds, low, high)) is None:
            return convert(context, value)
        return plain if param.callback is None else param.callback(context, param, plain)

    param.process_value = process_value


def _number(value: Any, kinds: tuple[Any, ...], low: float | None, high: float | None) -> float | None:
    """A number as it is usually written, within its limits; None for all else."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value) is None:
        return None
    if int in kinds and value.isdecimal():
        number: float = int(value)
    elif float in kinds:
        number = float(value)
    else:
        return None
    return number if (low is None or number >= low) and (high is None or number <= high) else None
