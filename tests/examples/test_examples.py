"""The programs of examples/, from their command lines to their files. demo.py: tests/evaluation/test_scripts.py."""

import csv
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import toy_codec
from PIL import Image

import regio
from regio.weights import store

EXAMPLES = Path(__file__).parents[2] / "examples"
PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
Example = Callable[..., list[str]]


@pytest.fixture
def example(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """A function: the name of an example and its arguments -> the lines that it printed; in the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, *arguments: object) -> list[str]:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder of small photographs, one of them below another folder and with metadata."""
    folder = tmp_path / "album"
    (folder / "more").mkdir(parents=True)
    portrait = Image.open(PORTRAIT).resize((128, 150))
    portrait.save(folder / "whole.jpg", exif=b"Exif\0\0" + bytes(3000))
    portrait.crop((20, 20, 116, 92)).save(folder / "more" / "face.png")
    portrait.crop((0, 0, 64, 96)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "flag.png")
    portrait.convert("L").crop((0, 60, 128, 150)).save(folder / "uniform.png")
    return folder


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Weights of a codec that codes in milliseconds."""
    path = tmp_path / "toy.safetensors"
    store.save(toy_codec.toy_net(), path)
    return path


@pytest.mark.weights
def test_thumbnails_fit_and_decode(example: Example, album: Path) -> None:
    lines = example("thumbnails.py", album, "--bytes", 700, "--side", 96, "-o", "small")
    files = {path.name: path for path in Path("small").glob("*.rgo")}
    assert sorted(files) == ["flag.rgo", "more-face.rgo", "uniform.rgo", "whole.rgo"]
    for path in files.values():
        assert path.stat().st_size <= 700
        assert not regio.inspect(path).metadata
    assert regio.decode(files["whole.rgo"]).size == (82, 96)
    assert len(lines) == 5
    with Image.open("small/sheet.png") as sheet:
        assert sheet.height > 4 * 72


@pytest.mark.weights
def test_thumbnails_that_cannot_fit_are_an_error_of_one_line(example: Example, album: Path) -> None:
    with pytest.raises(SystemExit, match="try a smaller --side or more --bytes"):
        example("thumbnails.py", album, "--bytes", 20)


def test_an_archive_takes_the_highest_quality_that_fits(example: Example, album: Path, toy: Path) -> None:
    codec = regio.load(toy)
    pictures = sorted(path for path in album.rglob("*.*"))
    sizes = {q: sum(len(codec.encode(path, quality=q)) for path in pictures) for q in (40, 41)}
    assert sizes[40] < sizes[41]
    lines = example("archive.py", album, "kept", "--budget", sizes[40], "--codec", toy)
    assert lines[-1].startswith(f"4 pictures at quality 40: {sizes[40]:,} bytes")
    files = sorted(path for path in Path("kept").rglob("*.rgo"))
    assert [str(path) for path in files] == [
        "kept/flag.png.rgo",
        "kept/more/face.png.rgo",
        "kept/uniform.png.rgo",
        "kept/whole.jpg.rgo",
    ]
    assert sum(path.stat().st_size for path in files) == sizes[40]


def test_a_sample_that_was_too_hopeful_is_made_good(example: Example, album: Path, toy: Path) -> None:
    codec = regio.load(toy)
    budget = sum(len(codec.encode(path, quality=40)) for path in album.rglob("*.*"))
    example("archive.py", album, "kept", "--budget", budget, "--codec", toy, "--sample", 1)
    assert sum(path.stat().st_size for path in Path("kept").rglob("*.rgo")) <= budget


def test_a_budget_that_is_too_small_leaves_nothing_behind(example: Example, album: Path, toy: Path) -> None:
    before = sorted(Path().iterdir())
    with pytest.raises(SystemExit, match="not even quality 0"):
        example("archive.py", album, "kept", "--budget", "1k", "--codec", toy)
    assert sorted(Path().iterdir()) == before


@pytest.mark.weights
def test_the_detector_moves_bytes_to_the_eyes(example: Example) -> None:
    pytest.importorskip("cv2")
    Image.open(PORTRAIT).resize((256, 300)).save("photo.png")
    lines = example("detector.py", "photo.png", "--bpp", 0.3)
    even, moved = (dict(part.rsplit(" ", 1) for part in line.split("dB: ")[1].split(", ")) for line in lines[:2])
    assert float(moved["eyes"]) > float(even["eyes"]) + 1
    assert float(moved["all"]) < float(even["all"])
    sizes = [int(line.split(": ")[1].split(" ")[0]) for line in lines[:2]]
    assert sizes[1] <= sizes[0]
    assert Path("detector.png").exists()


def test_training_on_a_folder_ends_with_weights_and_a_figure(example: Example, tmp_path: Path, toy: Path) -> None:
    pytest.importorskip("lightning_fabric")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(6):
        Image.fromarray(toy_codec.picture(80, 96, seed=seed)).save(folder / f"{seed}.png")
    options = ["--start", toy, "--model", "toy", "--steps", 3, "--crop", 64, "--batch", 2, "--device", "cpu"]
    lines = example("own_weights.py", folder, *options, "--name", "tried")
    weights = Path("runs/tried/tried.safetensors")
    assert weights.exists()
    assert lines[-2].startswith("bytes for the same PSNR on 2 unseen pictures: ")
    assert lines[-2].endswith(" %")
    used = {path.resolve().name for path in Path("runs/tried/pictures").iterdir()}
    assert used == {"1.png", "2.png", "3.png", "5.png"}  # every fourth is held back
    pixels = np.asarray(Image.open(folder / "0.png"))
    assert regio.decode(regio.load(weights).encode(pixels), codec=regio.load(weights)).size == (96, 80)
    with pytest.raises(SystemExit, match="runs/tried exists"):
        example("own_weights.py", folder, *options, "--name", "tried")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_distributed_archive_is_complete_and_goes_on(example: Example, album: Path, toy: Path) -> None:
    pytest.importorskip("ray")
    arguments = [album, "archive", "--workers", 2, "--codec", toy, "--check", 2]
    first = example("distributed_archive.py", *arguments)
    assert first[0] == "4 done, 0 before, 0 failed of 4"
    assert sum(line.startswith("verified: ") for line in first) == 2
    with Path("archive/manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["target"] for row in rows)[1] == "more/face.png.rgo"
    assert example("distributed_archive.py", *arguments)[0] == "0 done, 4 before, 0 failed of 4"
