"""Files with tiles in a browser: the first parts are shown while the rest is decoded, and decoding can be ended."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_codec import picture
from web.conftest import CONFORMANCE, PATIENCE, packed_names
from web.opened import FACTS, FILES, Visit, chosen, decode, ended, harness

import regio
from regio.codec.layout import Tiling
from regio.format import pack, parse

pytestmark = [pytest.mark.browser, pytest.mark.weights]

WIDTH, HEIGHT, PARTS = 2560, 64, 5  # 20 tiles of 128, in 5 blocks of 512
STARTED = "#stage[data-parts]:not([data-parts='0'])"  # at least one part is drawn

# On the page: a note of each part that is drawn, of the state at that time and of what is opaque in the row of blocks.
WATCHING = """
const stage = document.getElementById('stage'), canvas = document.getElementById('canvas');
window.seen = [];
new MutationObserver(() => {
  const { parts, state } = stage.dataset;
  if (!Number(parts) || parts === window.seen.at(-1)?.parts) return;
  const drawn = [0, 1, 2, 3, 4].map((k) => canvas.getContext('2d').getImageData(512 * k + 250, 30, 1, 1).data[3]);
  window.seen.push({ parts, state, drawn, said: document.getElementById('status').textContent });
}).observe(stage, { attributes: true, attributeFilter: ['data-parts'] });
"""

# In the harness: the wide file is ended at its first part, the next one is decoded; and what the worker said.
STOPPED = """
async (next) => {
  const { Decoder } = await import("./regio-decode.js");
  const heard = [];
  const Plain = window.Worker;
  window.Worker = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => heard.push(data));
    }
  };
  const decoder = new Decoder(new URL(".", location.href));
  const bytes = async (name) => (await fetch(`files/${name}.rgo`)).arrayBuffer();
  const wide = await bytes("wide");
  const stop = new AbortController();
  const early = await decoder.decode(wide, { signal: AbortSignal.abort("too early") }).catch((reason) => reason);
  const first = decoder.decode(wide, { onPart: () => stop.abort("enough"), signal: stop.signal });
  const second = decoder.decode(await bytes(next));
  const reason = await first.catch((reason) => reason);
  const { width } = await second;
  decoder.close();
  const kinds = heard.map(({ kind }) => kind);
  const ends = kinds.filter((kind) => kind === "done" || kind === "error");
  return { reason, early, width, ends, parts: kinds.filter((kind) => kind === "part").length };
}
"""

# A PNG of 12 megapixels: how long it takes, and the longest time in which nothing else could run; in ms.
SAVED = """
async () => {
  const { toPng } = await import("./regio-decode.js");
  const [width, height] = [4000, 3000];
  const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, k) => (k * k) >> 7);
  const picture = { width, height, data, grey: false, alpha: false, metadata: {} };
  let longest = 0;
  const start = performance.now();
  let last = start;
  const clock = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  const png = await toPng(picture);
  clearInterval(clock);
  const taken = performance.now() - start;
  const image = await createImageBitmap(png);
  return { taken, longest: Math.max(longest, start + taken - last), size: [image.width, image.height] };
}
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 20 tiles in a row."""
    codec = regio.load(packed_names()[0], device="cpu")
    codec.runtime.tiling = Tiling(whole_pixels=0, log2_sides=(7,))
    path = tmp_path_factory.mktemp("wide") / "wide.rgo"
    path.write_bytes(codec.encode(Image.fromarray(picture(HEIGHT, WIDTH)), quality=30))
    return path


def last_tile_forged(data: bytes) -> bytes:
    """The file with other bytes as its last tile; only the check of that tile's symbols can notice."""
    file = parse(data)
    assert file.tiles is not None
    start = file.spans[-1].start
    payload = file.payload[:start] + bytes(byte ^ 0x5A for byte in file.payload[start:])
    return pack(replace(file, payload=payload), file.tiles.symbol_crc)


def centres(parts: list[list[int]]) -> list[int]:
    """Which of the blocks, from left to right, these parts are."""
    return [(left + width // 2) // 512 for left, _, width, _ in parts]


def test_the_parts_cover_a_picture_once(visit: Visit) -> None:
    page = harness(visit)
    name = next(name for name in FILES if name.endswith("-blocks"))
    found = decode(page, name)
    assert len(found["parts"]) == 4
    covered = np.zeros((found["height"], found["width"]), int)
    for left, top, width, height in found["parts"]:
        covered[top : top + height, left : left + width] += 1
    assert (covered == 1).all()


def test_the_first_parts_come_before_the_last_tile_is_decoded(visit: Visit, site: Path, wide: Path) -> None:
    page = harness(visit)
    shutil.copy(wide, site / "files" / "wide.rgo")
    (site / "files" / "forged.rgo").write_bytes(last_tile_forged(wide.read_bytes()))
    assert centres(decode(page, "wide")["parts"]) == [0, 1, 2, 3, 4]
    found = decode(page, "forged")
    assert (found["kind"], found["message"]) == ("CorruptFile", "the file is damaged: tile 19 fails its check")
    assert centres(found["parts"]) == [0, 1, 2, 3]  # the last block alone needs the last tile


def test_the_page_draws_each_part_while_it_says_how_much_is_decoded(visit: Visit, wide: Path) -> None:
    page = visit("index.html")
    page.evaluate(WATCHING)
    assert chosen(page, wide).startswith(f"wide.rgo: {WIDTH} × {HEIGHT}, ")
    seen = page.evaluate("window.seen")
    assert [one["drawn"] for one in seen] == [[255] * k + [0] * (PARTS - k) for k in range(1, PARTS + 1)]
    assert [one["state"] for one in seen] == ["decoding"] * PARTS
    said = [int(one["said"].removeprefix("Decoding wide.rgo … ").removesuffix(" %")) for one in seen[:-1]]
    assert said == sorted(set(said))
    assert said[0] == pytest.approx(100 / PARTS, abs=2)


def test_decoding_ends_when_nobody_wants_the_picture(visit: Visit, site: Path, wide: Path) -> None:
    page = harness(visit)
    shutil.copy(wide, site / "files" / "wide.rgo")
    decode(page, FILES[0])  # engine and weights are there
    found = page.evaluate(STOPPED, FILES[0])
    assert found["reason"] == "enough"
    assert found["early"] == "too early"
    assert found["width"] == FACTS[FILES[0]]["header"]["width"]
    assert 1 <= found["parts"] < PARTS
    assert found["ends"] == ["done"]  # of the second picture


def test_a_later_file_on_the_page_takes_over_at_once(visit: Visit, wide: Path) -> None:
    page = visit("index.html")
    page.set_input_files("#file", str(wide))
    page.wait_for_selector(STARTED)
    assert chosen(page, CONFORMANCE / f"{FILES[0]}.rgo").startswith(f"{FILES[0]}.rgo: ")
    page.wait_for_timeout(500)
    assert page.text_content("#status").startswith(f"{FILES[0]}.rgo: ")  # nothing of the first file comes after


def test_a_page_stays_free_while_a_large_picture_is_saved(visit: Visit) -> None:
    found = harness(visit).evaluate(SAVED)
    assert found["size"] == [4000, 3000]
    assert found["longest"] < found["taken"] / 3, found


@pytest.mark.slow
def test_twelve_megapixels_are_shown_from_the_top_and_saved(visit: Visit, tmp_path: Path) -> None:
    width, height = 4000, 3000
    small = Image.fromarray(picture(height // 10, width // 10))
    codec = regio.load(packed_names()[0], device="cpu")
    path = tmp_path / "twelve.rgo"
    path.write_bytes(codec.encode(small.resize((width, height)), quality=30))
    page = visit("index.html")
    page.set_default_timeout(20 * PATIENCE)
    page.set_input_files("#file", str(path))
    page.wait_for_selector(f"{STARTED}[data-state=decoding]")
    opaque = "([x, y]) => document.getElementById('canvas').getContext('2d').getImageData(x, y, 1, 1).data[3]"
    assert page.evaluate(opaque, [500, 500]) == 255
    assert page.evaluate(opaque, [3900, 2900]) == 0
    assert ended(page).startswith("twelve.rgo: 4000 × 3000, ")
    assert page.evaluate(opaque, [3900, 2900]) == 255
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as saved:
        assert np.abs(np.asarray(saved).astype(int) - np.asarray(codec.decode(path)).astype(int)).max() <= 1
