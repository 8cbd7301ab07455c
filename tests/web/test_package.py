"""The npm package: what is in it, its types, and the examples of its README and of docs/web.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from web.conftest import CONFORMANCE, ROOT, WEB
from web.opened import FACTS, FILES, Visit

from regio.version import __version__

pytestmark = [pytest.mark.browser, pytest.mark.weights]

README = (WEB / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
PLAIN = next(name for name in FILES if name.endswith("-plain"))
BLOCKS = next(name for name in FILES if name.endswith("-blocks"))
GIVEN = f"""
const bytes = await (await fetch("photo.rgo")).arrayBuffer();
const {{ signal }} = new AbortController();
const canvas = document.querySelector("canvas");
[canvas.width, canvas.height] = {[FACTS[PLAIN]["header"][side] for side in ("width", "height")]};
const context = canvas.getContext("2d");
"""  # what the example of docs/web.md takes for granted
IMPORTS = '<script type="importmap">{"imports": {"regio-decode": "/regio/regio-decode.js"}}</script>'


def examples(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def package(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder from which the package is packed, built as `npm run build` and `make web` do."""
    folder = tmp_path_factory.mktemp("app") / "node_modules" / "regio-decode"
    folder.mkdir(parents=True)
    for name in ("package.json", "README.md"):
        shutil.copy(WEB / name, folder)
    subprocess.run(["node", "build.mjs", str(folder / "dist")], cwd=WEB, check=True, timeout=300)
    types = ["npx", "--no-install", "tsc", "-p", "tsconfig.types.json", "--outDir", str(folder / "dist" / "types")]
    subprocess.run(types, cwd=WEB, check=True, timeout=300)
    for path in [*site.glob("*.rgow"), site / "models.json"]:
        shutil.copy(path, folder / "dist")
    return folder


def test_the_package_has_what_users_need_and_nothing_else(package: Path) -> None:
    command = ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=True, timeout=300)
    (packed,) = json.loads(done.stdout)
    paths = {entry["path"] for entry in packed["files"]}
    served = {path.name for path in (package / "dist").iterdir() if path.is_file()}
    assert {"LICENSE", "NOTICE", "index.html", "regio-decode.js", "regio-worker.js", "models.json"} < served
    types = {path for path in paths if path.startswith("dist/types/")}
    assert paths - types == {"package.json", "README.md"} | {f"dist/{name}" for name in served}
    assert {path.removeprefix("dist/types/").removesuffix(".d.ts") for path in types} <= {
        path.stem for path in (WEB / "src").glob("*.ts")
    }
    assert (packed["name"], packed["version"]) == ("regio-decode", __version__)


def test_the_types_fit_the_examples(package: Path) -> None:
    app = package.parents[1]
    settings: dict[str, Any] = {
        "compilerOptions": {
            "target": "ES2022", "module": "ESNext", "moduleResolution": "bundler", "lib": ["ES2022", "DOM"],
            "types": [], "noEmit": True, "allowJs": True, "checkJs": True, "strictNullChecks": False,
        },
        "include": ["*.js", "*.ts"],
    }  # fmt: skip
    (app / "tsconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    for k, example in enumerate(examples(README, "js")):
        (app / f"example{k}.js").write_text(example, encoding="utf-8")
    compiler = [str(WEB / "node_modules" / ".bin" / "tsc"), "-p", str(app)]
    done = subprocess.run(compiler, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
    (app / "wrong.ts").write_text('import { Decoder } from "regio-decode";\nnew Decoder("/").decode(3);\n')
    done = subprocess.run(compiler, capture_output=True, text=True, check=False, timeout=300)
    assert "wrong.ts(2," in done.stdout


@pytest.mark.parametrize("name", ["script", "parts", "docs"])
def test_the_scripts_of_the_pages_run(visit: Visit, site: Path, name: str) -> None:
    script, parts = examples(README, "js")
    code = {"script": script, "parts": parts, "docs": GIVEN + examples(PAGE, "js")[0]}[name]
    shutil.copy(CONFORMANCE / f"{PLAIN}.rgo", site / "photo.rgo")
    shutil.copy(CONFORMANCE / f"{BLOCKS}.rgo", site / "large.rgo")
    page = f"<!doctype html>{IMPORTS}<canvas></canvas><script type=module>{code}\ndocument.title = 'ran';</script>"
    (site / "example.html").write_text(page, encoding="utf-8")
    opened = visit("example.html")
    opened.wait_for_function("document.title === 'ran'")
    header = FACTS[BLOCKS if name == "parts" else PLAIN]["header"]
    drawn = opened.evaluate(
        "(({ width, height }, context) => [width, height, context.getImageData(width - 1, height - 1, 1, 1).data[3]])"
        "(document.querySelector('canvas'), document.querySelector('canvas').getContext('2d'))"
    )
    assert drawn == [header["width"], header["height"], 255]


@pytest.mark.parametrize("text", [README, PAGE], ids=["README", "docs"])
def test_the_line_for_images_works(visit: Visit, site: Path, text: str) -> None:
    (line,) = examples(text, "html")
    shutil.copy(CONFORMANCE / f"{PLAIN}.rgo", site / "photo.rgo")
    (site / "example.html").write_text(f"<!doctype html>{line}", encoding="utf-8")
    opened = visit("example.html")
    opened.wait_for_function("document.querySelector('img').naturalWidth === 100")
    assert opened.locator("img").bounding_box()["width"] == 768


def test_the_sizes_that_the_readme_names_are_true(package: Path) -> None:
    engine, weights = (int(size) for size in re.findall(r"(\d+) MB of (?:engine|weights)", README))
    (wasm,) = (package / "dist").glob("*.wasm")
    assert round(wasm.stat().st_size / 1e6) == engine
    assert {round(path.stat().st_size / 1e6) for path in (package / "dist").glob("*.rgow")} == {weights}
