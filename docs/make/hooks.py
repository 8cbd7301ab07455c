"""What MkDocs asks of us while it builds: lists that would go stale if a person kept them.

- `decisions/*.md` are listed in the navigation and in place of `<!-- list of decisions -->`, by their first lines.
- The bundled codecs stand in place of `<!-- table of codecs -->`, each with the card of its weights as a page.
- CHANGELOG.md and CONTRIBUTING.md are pages, too.
- `<!-- not run: REASON -->`, which tells the tests not to run the block that follows, is said below it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from regio.models.catalog import CATALOG, DEFAULT

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "src" / "regio" / "weights"
NOT_RUN = re.compile(r"^( *)<!-- not run: ([^>]+?) -->\n+(\1```.*?\n\1```)$", re.MULTILINE | re.DOTALL)
CODECS = "<!-- table of codecs -->"
DECISIONS = "<!-- list of decisions -->"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the decisions and the cards into the navigation."""
    sections = {name: pages for part in config.nav or [] if isinstance(part, dict) for name, pages in part.items()}
    use, project = sections["Use"], sections["Project"]
    use.insert(use.index("choose.md") + 1, {"Bundled codecs": [f"codecs/{name}.md" for name in bundled()]})
    next(part for part in project if "Decisions" in part)["Decisions"] += [f"decisions/{p.name}" for p in decisions()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The cards of the bundled weights, and what stands in the root of the repository, as pages."""
    outside = {f"codecs/{name}.md": WEIGHTS / f"{name}.md" for name in bundled()}
    outside |= {name: ROOT / name.replace(".md", "").upper() for name in ("changelog.md", "contributing.md")}
    for name, path in outside.items():
        text = path.with_suffix(".md").read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=with_links(text, up="../" * name.count("/"))))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fill in lists, and say of each block that the tests leave out why they do."""
    markdown = markdown.replace(CODECS, codecs_table()).replace(DECISIONS, decisions_list())
    return NOT_RUN.sub(r'\3\n\n\1<p class="not-run">Not run by the tests: \2.</p>', markdown)


def bundled() -> list[str]:
    """Names of the codecs that come with the package."""
    return [entry.name for entry in CATALOG.values()]


def codecs_table() -> str:
    """The bundled codecs as a Markdown table."""
    rows = ["| codec | family | what for | weights |", "|---|---|---|---|"]
    for entry in CATALOG.values():
        size = (WEIGHTS / f"{entry.name}.safetensors").stat().st_size / 1e6
        default = ", the default" if entry.name == DEFAULT else ""
        rows.append(
            f"| [`{entry.name}`](codecs/{entry.name}.md){default} | {entry.family} | {entry.summary} | {size:.1f} MB |"
        )
    return "\n".join(rows)


def decisions() -> list[Path]:
    """The records of decisions, in order."""
    return sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def decisions_list() -> str:
    """A link for each decision, under its own heading."""
    titles = [(path.name, path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")) for path in decisions()]
    return "\n".join(f"- [{re.sub(r'^[0-9]+[.] ', '', title)}]({name}) ({name[:4]})" for name, title in titles)


def with_links(text: str, up: str) -> str:
    """What is written outside of docs/ names its pages as files; on the site they are links."""
    return re.sub(r"`?\bdocs/(\w+)\.md\b`?", rf"[\1]({up}\1.md)", text)
