"""The package is typed: programs that use it pass mypy's strict mode, and wrong ones do not."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_the_package_says_that_it_is_typed() -> None:
    assert files("regio").joinpath("py.typed").is_file()


@pytest.mark.slow
def test_a_program_that_uses_the_public_interface_passes_and_misuse_does_not() -> None:
    programs = [HERE / "consumer.py", HERE / "misuse.py"]  # an ignored error that does not come is an error, too
    command = [sys.executable, "-m", "mypy", "--no-error-summary", *programs]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
