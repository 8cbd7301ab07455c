"""docs/papers.md names code that exists, docs/decisions/ numbers every decision once."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "regio"
CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py")))
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")


def named() -> list[str]:
    """What stands as code in the second column of the page's tables of equations, and in its headings."""
    here = [row.split("|")[2] for row in re.findall(r"^\|.*\|.*\|.*\|$", PAGE, re.MULTILINE)]
    headings = re.findall(r"^## .*$", PAGE, re.MULTILINE)
    return sorted({name for text in here + headings for name in re.findall(r"`([^`]+)`", text)})


@pytest.mark.parametrize("name", named())
def test_what_the_page_names_is_there(name: str) -> None:
    if "/" in name:
        assert (SOURCE / name).exists() or (ROOT / name).exists()
        return
    field, _, value = name.partition(" = ")
    last = re.escape(field.rsplit(".", 1)[-1])
    # a class, a function, an attribute, a field of a configuration, or a preset
    defined = rf'\b(?:class|def) {last}\b|\bself\.{last}\b|^ +{last}: |^{last}\b|^    "{last}":'
    assert re.search(defined, CODE, re.MULTILINE) or (SOURCE / field.replace(".", "/")).is_dir()
    assert not value or value in CODE


def test_there_is_something_to_check() -> None:
    assert len(named()) > 40


def test_references_of_the_page_are_explained_once() -> None:
    explained = re.findall(r"(?:^|[;.] )\[(\d)\] [A-Z*]", PAGE, re.MULTILINE)
    assert sorted(explained) == sorted(set(explained))
    assert set(re.findall(r"\[(\d)\]", PAGE)) == set(explained)


def test_decisions_have_a_number_each() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    numbers = [page.name[:4] for page in pages]
    assert len(numbers) == len(set(numbers)), f"two decisions have one number: {numbers}"
    for page in pages:
        assert page.read_text(encoding="utf-8").startswith(f"# {int(page.name[:4])}. "), page.name
