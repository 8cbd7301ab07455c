"""Exit codes of the `regio` command: the only table of them."""

from regio import errors

OK = 0
FAILURE = 1
USAGE = 2
INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C

EXIT_CODES: dict[type[BaseException], int] = {
    errors.UsageError: USAGE,
    errors.CorruptFile: 3,
    errors.BadImage: 3,
    errors.UnsupportedFile: 4,
    errors.MissingWeights: 4,
    errors.LimitExceeded: 5,
    MemoryError: 5,
    KeyboardInterrupt: INTERRUPTED,
}


def code_of(error: BaseException) -> int:
    """The exit code for an error: that of its nearest class in the table, else 1."""
    return next((EXIT_CODES[kind] for kind in type(error).__mro__ if kind in EXIT_CODES), FAILURE)
