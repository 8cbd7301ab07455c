"""What tests do with the harness and with the page."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from web.conftest import CONFORMANCE, packed_names

FACTS: dict[str, dict[str, Any]] = json.loads((CONFORMANCE / "files.json").read_text(encoding="utf-8"))
FILES = [name for name, facts in FACTS.items() if facts["codec"] in packed_names()]
Visit = Callable[..., Any]


def expected(name: str) -> NDArray[np.int64]:
    """The picture of a conformance file, RGBA."""
    with Image.open(CONFORMANCE / f"{name}.png") as image:
        return np.asarray(image.convert("RGBA")).astype(int)


def decode(page: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("name => window.decode(`files/${name}`)", f"{name}.rgo")
    return found


def pixels(found: dict[str, Any]) -> NDArray[np.int64]:
    """(H,W,4)."""
    data = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    return data.reshape(found["height"], found["width"], 4).astype(int)


def harness(visit: Visit, where: str = "") -> Any:
    page = visit(f"{where}harness.html")
    page.wait_for_function("document.title === 'ready'")
    return page


def chosen(page: Any, *paths: Path) -> str:
    """Choose files on the page -> what it says of the first in the end."""
    page.evaluate("document.getElementById('stage').dataset.state = ''")
    page.set_input_files("#file", [str(path) for path in paths])
    return ended(page)


def ended(page: Any) -> str:
    """What the page says once its file is shown, or cannot be."""
    page.wait_for_selector("#stage[data-state=done], #stage[data-state=fault]")
    said: str = page.text_content("#status")
    return said
