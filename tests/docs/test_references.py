"""Papers are cited by name and year, and every key is listed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEY = re.compile(r"\[([A-Z][A-Za-z]+(?:19|20)\d\d[A-Z]*)\]")


def test_every_paper_that_is_cited_is_listed_once() -> None:
    listed = re.findall(r"^\| \[(\w+)\] \|", (ROOT / "docs" / "papers.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) == len(set(listed)) > 10
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    cited = {key for file in files for key in KEY.findall(file.read_text(encoding="utf-8"))}
    assert cited <= set(listed), cited - set(listed)
