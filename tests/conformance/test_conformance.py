"""The conformance files say what our decoder finds; README.md beside this file explains them."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import make, streams
from PIL import Image

import regio
from regio.codec import Codec
from regio.errors import CorruptFile
from regio.models.catalog import CATALOG

HERE = Path(__file__).parent
FACTS: dict[str, dict[str, Any]] = json.loads((HERE / "files.json").read_text(encoding="utf-8"))
MOST = 500_000  # bytes: the files live in the repository

pytestmark = pytest.mark.weights


@lru_cache(maxsize=1)  # files come sorted by codec
def codec(name: str) -> Codec:
    return regio.load(name, device="cpu")


@pytest.mark.parametrize("name", FACTS)
def test_a_file_is_what_files_json_says_and_decodes_to_its_picture(name: str) -> None:
    facts, data = FACTS[name], (HERE / f"{name}.rgo").read_bytes()
    shown, tiles = make.recorded(codec(facts["codec"]), data)
    found = json.loads(json.dumps(make.described(data, tiles)))
    assert found == {key: value for key, value in facts.items() if key not in ("codec", "feature")}
    with Image.open(HERE / f"{name}.png") as image:
        assert (shown.mode, shown.size) == (image.mode, image.size)
        expected = np.asarray(image).astype(int)
    difference = np.abs(np.asarray(shown) - expected)
    assert difference.max() <= 1  # floating-point networks round otherwise elsewhere
    if shown.mode[-1] == "A":
        assert not difference[..., -1].any()


def test_every_codec_and_every_feature_has_a_file() -> None:
    made = {
        f"{entry.name}-{feature}" for entry in CATALOG.values() for feature, _, _ in make.features(codec(entry.name))
    }
    assert (
        set(FACTS) == made == {path.stem for path in HERE.glob("*.rgo")} == {path.stem for path in HERE.glob("*.png")}
    )
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    table = readme.split("| feature |")[1].split("The files")[0]
    assert {facts["feature"] for facts in FACTS.values()} == set(re.findall(r"`([a-z-]+)`", table))


def test_the_strings_are_those_that_the_writer_makes() -> None:
    assert (HERE / "streams.json").read_text(encoding="utf-8") == streams.made()


def test_a_file_cut_anywhere_is_refused() -> None:
    data = (HERE / f"{next(iter(FACTS))}.rgo").read_bytes()
    for end in range(0, len(data), 9):
        with pytest.raises(CorruptFile):
            codec(FACTS[next(iter(FACTS))]["codec"]).decode(data[:end])


def test_the_files_stay_small() -> None:
    assert sum(path.stat().st_size for path in HERE.iterdir() if path.is_file()) <= MOST
