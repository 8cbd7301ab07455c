"""Turn plain tables, as TOML and JSON have them, into frozen dataclasses.

Every mistake is one line that names the place.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields
from itertools import zip_longest
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from regio.errors import UsageError
from regio.models.base import tuples


def check(holds: bool, message: str) -> None:
    """UsageError with the message unless it holds."""
    if not holds:
        raise UsageError(message)


def section(kind: type, values: Any, where: str) -> Any:
    """A table -> an instance of the dataclass `kind`. UsageError begins with `where` the table stands."""
    check(isinstance(values, dict), f"{where}: must be a table")
    hints, known = get_type_hints(kind), {f.name: f for f in fields(kind)}
    unknown = sorted(set(values) - set(known))
    check(not unknown, f"{where}: there is no field {', '.join(unknown)}")
    missing = [n for n, f in known.items() if f.default is f.default_factory is MISSING and n not in values]
    check(not missing, f"{where}: {', '.join(missing)} is missing")
    tidy = {name: tuples(value) for name, value in values.items()}
    for name, value in tidy.items():
        check(fits(value, hints[name]), f"{where}: {name} = {value!r} is not {_spoken(hints[name])}")
        check(value != "" or hints[name] is str, f"{where}: {name} is empty")  # as a path it would be this folder
    try:
        return kind(**tidy)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def read_table(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a TOML file on top of those of its base. above: files whose base this is. UsageError."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a TOML file: it is not text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    base = values.pop("base", None)
    if base is None:
        return values
    check(isinstance(base, str) and path not in above, f"{path}: base is the name of another recipe")
    merged: dict[str, Any] = _merged(read_table(path.parent / base, (*above, path)), values)
    return merged


def changed(values: dict[str, Any], setting: str) -> dict[str, Any]:
    """The values with one "KEY=VALUE" changed; of tables, "phase.KEY" is that of every phase, "phase.2.KEY" of one.

    VALUE is written as in TOML, or is a string without quotation marks. Without a VALUE the field is None. UsageError
    for anything else.
    """
    key, equals, text = setting.partition("=")
    names = key.strip().split(".")
    check(bool(equals) and all(names), f"--set {setting}: give KEY=VALUE, such as phase.batch=16")
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        read = {"value": text.strip() or None}
    check(len(read) == 1, f"--set {setting!r}: give one KEY=VALUE; repeat --set for more")
    value = read["value"]
    phases = values.get("phase")
    if names[0] != "phase" or not isinstance(phases, list):
        merged: dict[str, Any] = _merged(values, _nested(names, value))
        return merged
    every = range(1, len(phases) + 1)
    wanted = set(every)
    if len(names) > 1 and names[1].isdecimal():
        wanted = {int(names[1])}
        check(wanted <= set(every), f"--set {setting}: the recipe has {len(phases)} phases")
        names = names[1:]
    check(len(names) > 1, f"--set {setting}: name a field of the phase, such as phase.batch=16")
    change = _nested(names[1:], value)
    return values | {"phase": [_merged(p, change) if n in wanted else p for n, p in enumerate(phases, 1)]}


def _nested(names: list[str], value: Any) -> Any:
    return {names[0]: _nested(names[1:], value)} if names else value


def _merged(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: _merged(base.get(key), value) for key, value in change.items()}
    if isinstance(base, list) and isinstance(change, list) and all(isinstance(item, dict) for item in base + change):
        pairs: Iterator[tuple[Any, Any]] = zip_longest(base, change, fillvalue={})
        return [_merged(one, other) for one, other in pairs]
    return change


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; whole numbers are fine where fractions are."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, option) for option in inner)
    if kind is tuple:
        if not isinstance(value, tuple):
            return False
        hints = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(hints) == len(value) and all(map(fits, value, hints))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _sane(value)
    if kind is dict:
        return isinstance(value, dict) and _finite(value)
    return isinstance(value, kind) and not (kind is int and (isinstance(value, bool) or not _sane(value)))


def _finite(value: Any) -> bool:
    """True when all numbers in a table are finite and of a sane size."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, int | float) or _sane(value)


def _sane(value: float) -> bool:
    """True when torch can hold the number: not infinite, not NaN, not a whole number of more than 64 bits."""
    return -(2**63) < value < 2**63


def _spoken(hint: Any) -> str:
    names = {
        int: "a whole number",
        float: "a finite number",
        str: "a string",
        bool: "true or false",
        dict: "a table of finite values",
    }
    kind = get_origin(hint) or hint
    if kind in (Union, UnionType):
        return " or ".join(_spoken(option) for option in get_args(hint) if option is not NoneType)
    if kind is tuple:
        inner = get_args(hint)
        return f"a list of {'' if inner[-1] is Ellipsis else f'{len(inner)} '}{_spoken(inner[0]).split(' ', 1)[1]}s"
    return names.get(kind, "a table")
