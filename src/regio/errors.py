"""Every error Regio raises on purpose.

The message of each is one line for the person who caused it: what is wrong, where, and what to do. The command line
maps each class to an exit code; everything that is not a RegioError is a bug in Regio.
"""

import errno
import os

TORCH = "PyTorch: pip install 'regio[torch]'"  # what a message says is needed


class RegioError(Exception):
    """Base of all errors a caller can cause or must expect."""


class UsageError(RegioError):
    """Arguments that contradict each other or lie outside their range."""


class NoSuchFile(UsageError, FileNotFoundError):
    """A path names no file; also a FileNotFoundError, as Python programs expect it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))

    def __str__(self) -> str:
        return one_line(self)


class IsAFolder(UsageError, IsADirectoryError):
    """A path names a folder where a file is wanted; also an IsADirectoryError, as Python programs expect it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))

    def __str__(self) -> str:
        return one_line(self)


class CorruptFile(RegioError):
    """A .rgo file that is damaged, truncated, or not a .rgo file at all; says at which offset where it can."""


class UnsupportedFile(RegioError):
    """An intact .rgo file that uses a version or a feature this release does not know."""


class MissingWeights(RegioError):
    """The weights a file or a name asks for are not here; says which, and how to get them."""


class BadImage(RegioError):
    """A picture that cannot be read, or whose pixels cannot be coded."""


class LimitExceeded(RegioError):
    """An intact input larger than a limit allows; says which limit, and how to raise it."""


class TargetMissed(UserWarning):
    """A warning: a target_bpp or target_psnr is out of reach, and the nearest file was written."""


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
