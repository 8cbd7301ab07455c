"""`python -m regio.recording NAME...`: make the graphs of bundled codecs again. `make graphs` calls it."""

import sys

from regio.recording.bundle import make
from regio.weights import store


def main(names: list[str]) -> None:
    """Write the files of each codec beside its weights."""
    for name in names:
        for path in make(store.load(name), store.bundled(name)):
            sys.stdout.write(f"{path}: {path.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1:])
