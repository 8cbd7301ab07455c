"""All errors that Regio raises on purpose.

Each message is one line for the user: what is wrong, where, and what to do. The command line maps each class to an exit
code. Any other exception is a bug in Regio.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

TORCH = "PyTorch: pip install 'regio[torch]'"  # what a message says is needed


class RegioError(Exception):
    """Base class of all errors that a caller can cause or must expect."""


class NeedsTorch(RegioError, ImportError):
    """PyTorch is not installed, and what was asked for needs it. Also an ImportError."""


class UsageError(RegioError):
    """Arguments contradict each other or are out of range."""


class NoSuchFile(UsageError, FileNotFoundError):
    """A path names no file. Also a FileNotFoundError, as Python programs expect."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))

    def __str__(self) -> str:
        return one_line(self)


class IsAFolder(UsageError, IsADirectoryError):
    """A path names a folder instead of a file. Also an IsADirectoryError, as Python programs expect."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))

    def __str__(self) -> str:
        return one_line(self)


class CorruptFile(RegioError):
    """A file is damaged, truncated, or not a .rgo file. The message gives the offset if it is known."""


class UnsupportedFile(RegioError):
    """An intact .rgo file uses a version or a feature that this release does not know."""


class MissingWeights(RegioError):
    """The weights for a file or a name are not available. The message says which, and how to get them."""


class BadImage(RegioError):
    """A picture cannot be read, or its pixels cannot be coded."""


class LimitExceeded(RegioError):
    """An intact input exceeds a limit. The message says which limit, and how to raise it."""


class TargetMissed(UserWarning):
    """Warning: target_bpp or target_psnr is out of reach, and the nearest file was written."""


def shown(name: str | os.PathLike[str]) -> str:
    """A file name on one line, whatever is in it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in os.fspath(name))


def one_line(error: BaseException) -> str:
    """What went wrong, without a traceback and without a line break."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {shown(str(error.filename))}" if error.filename is not None else "")
    if isinstance(error, MemoryError):
        return "not enough memory"
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def needing_torch(thing: str) -> Iterator[None]:
    """Turn a failed import of torch into advice; thing: what needs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise NeedsTorch(f"{thing} needs {TORCH}") from error
