"""docs/cli.md is what docs/make/cli.py makes of the commands as they are now."""

from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """docs/make/cli.py as a module."""
    return script("docs/make/cli.py")


def test_the_page_is_current(generator: ModuleType) -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == generator.page(), "run: python docs/make/cli.py"


@pytest.mark.parametrize(
    ("help_says", "page_says"),
    [
        ("files at once  [default: 1; x>=1]", "files at once (default 1; at least 1)"),
        ("of the file; default: all  [0.001<=x<=24]", "of the file; default: all (0.001 to 24)"),
        ("numbers [x, y]", "numbers [x, y]"),
        ("what to read  [required]", "what to read (required)"),
    ],
)
def test_ranges_are_put_in_words(generator: ModuleType, help_says: str, page_says: str) -> None:
    assert generator.limits(help_says) == page_says


def test_options_in_prose_become_code_once(generator: ModuleType) -> None:
    assert generator.code("use --roi, not `--region x`") == "use `--roi`, not `--region x`"
