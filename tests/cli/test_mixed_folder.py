"""A photographer's folder: 30 pictures of many kinds and what lies beside them, in one command, with nothing silent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageCms

import regio.names as regio_names
from regio.cli.app import run

Regio = Callable[..., Any]
FOLDER = "Übersicht 2026"
PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture
def holiday(tmp_path: Path, photo: Callable[..., Image.Image], monkeypatch: pytest.MonkeyPatch) -> Path:
    """30 pictures, of which two cannot be read, and four other files; no plugin for HEIC is installed."""
    real = regio_names.find_spec
    monkeypatch.setattr(regio_names, "find_spec", lambda name: None if name == "pillow_heif" else real(name))
    folder = tmp_path / FOLDER
    (folder / "raw").mkdir(parents=True)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = Image.Exif()
    turned[0x0112] = 6
    for k in range(11):
        photo(40, 24).save(folder / f"IMG_{k:04}.JPG", icc_profile=srgb, **({"exif": turned} if k == 3 else {}))
    for k in range(6):
        photo(40, 24).save(folder / f"edit {k}.png", icc_profile=srgb)
    photo(40, 24, "L").save(folder / "scan.tif")
    photo(40, 24).save(folder / "scan in colour.tiff", compression="tiff_lzw")
    photo(40, 24, "CMYK").save(folder / "for print.jpg")
    photo(40, 24, "RGBA").save(folder / "logo.png")
    photo(40, 24).save(folder / "from the web.webp")
    photo(40, 24).save(folder / "from a phone.avif")
    photo(1, 1).save(folder / "dot.png")
    Image.fromarray(np.arange(40 * 24, dtype=np.uint16).reshape(24, 40) * 60).save(folder / "deep.png")
    for name in ("moving.gif", "moving too.webp"):
        photo(40, 24).save(folder / name, save_all=True, append_images=[photo(40, 24).rotate(180)])
    photo(40, 24).save(folder / "two.jpg", format="MPO", save_all=True, append_images=[photo(20, 12)])
    (folder / "broken.jpg").write_bytes((folder / "IMG_0000.JPG").read_bytes()[:-60])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "raw" / "DSC_1.NEF").write_bytes(b"II*\0" + bytes(5000))
    (folder / "IMG_9.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (folder / "IMG_0001.xmp").write_text("<x/>")
    (folder / "notes.txt").write_text("Sunny.")
    return folder


def test_a_mixed_folder_ends_with_a_summary_and_nothing_is_silent(regio: Regio, holiday: Path) -> None:
    before = {path: path.read_bytes() for path in holiday.rglob("*") if path.is_file()}
    done = regio("encode", FOLDER, "-o", "out")
    assert done.code == 3
    lines = done.out.splitlines()
    assert len(lines) == 28 + 1
    assert lines[-1].startswith("28 pictures, ")
    said = done.err.splitlines()
    assert said[0] == "regio: 4 files skipped: .xmp 1, .HEIC 1, .txt 1, .NEF 1 (.heic needs pillow-heif)"
    assert said[-1] == f"regio: 2 of 30 failed: {FOLDER}/broken.jpg, {FOLDER}/empty.jpg"
    parts = (line[len("regio: ") :].split(": ", 1) for line in said[1:-1])
    of = {Path(name).name: text for name, text in parts if "larger than the original" not in text}  # by the stand-in
    assert of.pop("broken.jpg").startswith("the picture cannot be decoded: image file is truncated")
    assert of == {
        "empty.jpg": "not a picture: it is empty",
        "deep.png": "16-bit grey reduced to 8 bits",
        "for print.jpg": "CMYK colours converted to sRGB",
        "moving.gif": "only the first of 2 frames is used",
        "moving too.webp": "only the first of 2 frames is used",
        "two.jpg": "1 further picture of the file left out (previews, gain map or depth)",
    }
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(Path("out").iterdir())) == 28
    assert regio("decode", "out", "-o", "back").code == 0
    with Image.open("back/IMG_0003.png") as image:
        assert image.size == (24, 40)  # upright


@pytest.mark.weights
def test_faces_of_a_folder_are_found_and_the_rest_is_coded_evenly_with_a_word(
    tmp_path: Path, photo: Callable[..., Image.Image], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    with Image.open(PORTRAIT) as image:
        image.resize((256, 300)).save("in/portrait.jpg")
    photo(96, 64).save("in/view.png")
    assert run(["encode", "in", "-o", "out", "--roi", "faces", "-q", "40"]) == 0
    found = capsys.readouterr()
    assert "portrait.jpg -> out/portrait.rgo" in found.out
    assert "faces: 1 found" in found.out.splitlines()[0]
    assert "faces" not in found.out.splitlines()[1]
    assert "view.png: faces: none found; coded evenly" in found.err
    assert run(["info", "out/portrait.rgo"]) == 0
    assert "region" in capsys.readouterr().out
