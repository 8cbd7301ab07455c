"""The models a file can name. Ids appear in files: append only, never reuse. Loads no torch."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from regio.errors import MissingWeights, UnsupportedFile


@dataclass(frozen=True)
class Entry:
    """One set of bundled weights: its frozen id, its name, and the class that runs them.

    fingerprint: the first 16 bytes, in hex, of the hash over config, weights and tables (`regio.weights.store`); a file
    carries two of them, so files made with other numbers are refused. Better weights get a new id. Before 1.0 they may
    take over the name, and the old ones go to RETIRED.
    """

    id: int
    name: str
    family: str  # a key of FAMILIES
    fingerprint: str
    summary: str


FAMILIES = {  # what a weights file may name: module:class
    "segpic": "regio.models.segpic:SegPIC",
    "mcm": "regio.models.mcm:MCM",
    "roi": "regio.models.roi:RoiCodec",
}
CATALOG: dict[int, Entry] = {
    8: Entry(8, "roi-xs", "segpic", "2ad4e5fc8dd90e8218e09caf22269144", "photographs, for people who look at them"),
    7: Entry(7, "segpic-xs", "segpic", "086034e344f03a30fa0d5c3f28575c54", "photographs, least squared error"),
    4: Entry(4, "mcm-tiny", "mcm", "0b95f436133f10c238ea36cece2b5a28", "masked compression, for research"),
}
RETIRED: dict[int, str] = {  # ids whose weights are no longer bundled -> what has them
    1: "release 0.1.0",
    2: "the repository between 0.1.0 and 0.2.0",
    3: "the repository before 2026-11-28",
    5: "the repository before 2026-11-28",
    6: "the repository of 2026-11-28",
}
DEFAULT = "roi-xs"


def by_id(number: int) -> Entry:
    """The entry of an id from a file; MissingWeights when they are retired, UnsupportedFile for an unknown id."""
    if number in RETIRED:
        raise MissingWeights(f"the file needs model {number}, which is no longer bundled; {RETIRED[number]} has it")
    if number not in CATALOG:
        raise UnsupportedFile(f"the file needs model {number}, which this release does not know; try a newer one")
    return CATALOG[number]


def by_name(name: str) -> Entry:
    """The entry of a name; MissingWeights when there is none."""
    for entry in CATALOG.values():
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in CATALOG.values())
    raise MissingWeights(f"no bundled weights are called {name!r}; there are {names}")


def model_class(family: str) -> Any:
    """module:class -> the class. Loads torch."""
    module, _, name = family.partition(":")
    return getattr(import_module(module), name)
