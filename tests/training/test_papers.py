"""The papers' recipes run: each starts, steps, goes on, is exported, and what it has trained codes a picture."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import regio
from regio.losses.perceptual import LAYERS
from regio.losses.perceptual_weights import BACKBONES
from regio.models.catalog import FAMILIES, model_class
from regio.training.export import export
from regio.training.families import configuration
from regio.training.loop import train
from regio.training.recipe import read_recipe

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "recipes" / "papers"
GUIDE = ROOT / "docs" / "training.md"
ROW = re.compile(r"^\| .+ \| `(?P<recipe>[a-z-]+)\.toml` \| (?P<settings>.*)\|$", re.MULTILINE)


def rows_of_the_guide() -> list[tuple[str, tuple[str, ...]]]:
    """(recipe, settings) of each row of the table of the papers' runs."""
    text = GUIDE.read_text(encoding="utf-8")
    return [(row["recipe"], tuple(re.findall(r"`([^`]+)`", row["settings"]))) for row in ROW.finditer(text)]


RUNS = rows_of_the_guide()
FIRST = [(name, ()) for name in ("segpic", "roi", "mcm-mae", "mcm")]
SHRUNK = {
    "segpic": (
        *("shallow=8", "latent=16", "shallow_codes=[8, 6, 4]", "shallow_decode=false", "deep_codes=[16, 8, 4]"),
        *("deep_decode=false", "hyper_down=[[16, 1], [12, 1], [10, 2], [9, 1], [8, 2]]"),
        *("hyper_up=[[8, 1], [9, 2], [10, 1], [12, 2], [16, 1]]", "context=[8, 6]"),
    ),
    "roi": (
        *("transform={channels = 8, attention_units = 1}", "latent=12", "protected=2", "hyper_down=[[12, 1], [8, 2]]"),
        *("hyper_up=[[8, 2], [12, 1]]", "level_widths=[8, 8]", "means=8", "mixture_widths=[8, 8]"),
    ),
    "mcm": (
        "vision={width = 16, depth = 1, heads = 2, decoder_width = 16, decoder_depth = 1, decoder_heads = 2, grid = 4}",
        *("analysis=[12]", "synthesis=[16]", "hyper_down=[[12, 1], [8, 2]]", "hyper_up=[[8, 2], [12, 1]]"),
        *("slices=3", "support=2", "context=[8]"),
    ),
}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures in folders within a folder, one of them small, with every kind of map; and judges at random."""
    place, dice = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    for name in ("panoptic", "saliency", "judges"):
        (place / name).mkdir()
    images, annotations, instances = [], [], []
    for number in range(6):
        height, width = (80 + number, 96) if number else (50, 60)
        picture = place / "pictures" / f"n{number % 2}" / f"{number}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(dice.integers(0, 255, (7, 8, 3), dtype=np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(picture)
        ids = np.zeros((height, width, 3), np.uint8)
        ids[:, 30:], ids[40:, :30] = (1, 2, 0), (5, 0, 0)
        Image.fromarray(ids).save(place / "panoptic" / f"{number}.png")
        Image.fromarray(ids[..., 1] * 127).save(place / "saliency" / f"{number}.png")
        images.append({"id": number, "file_name": picture.name})
        segments = [{"id": 513}, {"id": 5}]
        annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": segments})
        corners = [[10, 10, 40, 10, 40, 45.5, 10, 40]]
        instances.append({"id": 1, "image_id": number, "iscrowd": 0, "segmentation": corners})
    for name, entries in (("panoptic", annotations), ("instances", instances)):
        (place / f"{name}.json").write_text(json.dumps({"images": images, "annotations": entries}), encoding="utf-8")
    torch.manual_seed(0)
    torch.save(LAYERS["squeeze"]().state_dict(), place / "judges" / "lpips_squeeze_backbone.pth")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(BACKBONES["squeeze"].channels)}
    torch.save(heads, place / "judges" / "squeeze.pth")
    return place


def on_stand_in(name: str, settings: tuple[str, ...], data: Path, workers: int) -> list[str]:
    """The settings of a run, and those that make it small."""
    crop = 192 if "phase.measure=ms-ssim" in settings else 64
    small = ["phase.batch=2", f"phase.crop={crop}", f"data.workers={workers}", "data.held_back=1", "log_every=1"]
    small += [f"data.folders=['{data / 'pictures'}']", f"judges={data / 'judges'}"]
    family = name.partition("-")[0]
    small += [f"overrides.{change}" for change in SHRUNK[family]]
    if family == "segpic":
        small += [f"data.panoptic={data / 'panoptic.json'}"]
        small += [] if {"model=segpic-s", "model=baseline-s"} & set(settings) else ["overrides.slices=4"]
    elif family == "roi":
        small += [f"data.importance={data / 'saliency'}", "phase.steps=1", "phase.roi.judge_width=4"]
    elif name != "mcm-mae":
        small += [f"data.importance={data / 'instances.json'}", "phase.features=squeeze"]
    return [*settings, *small]


@pytest.fixture(scope="module")
def painter(stand_in: Path) -> Path:
    """What stage 1 of MCM leaves."""
    out = stand_in / "mcm-mae.safetensors"
    settings = on_stand_in("mcm-mae", (), stand_in, workers=0)
    export(train(FOLDER / "mcm-mae.toml", out=stand_in / "stage-1", device="cpu", steps=1, settings=settings), out)
    return out


def runs(name: str, settings: tuple[str, ...], data: Path, folder: Path, workers: int, start: Path) -> None:
    small = on_stand_in(name, settings, data, workers)
    if name in ("mcm", "mcm-faces"):
        small.append(f"start={start}")
    for _ in range(2):
        out = train(FOLDER / f"{name}.toml", out=folder / "run", device="cpu", steps=1, resume=True, settings=small)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2]
    assert all(line["loss"] is not None and line["norm"] > 0 and not line["skipped"] for line in steps)
    export(out, folder / "weights.safetensors")
    codec = regio.load(folder / "weights.safetensors", device="cpu")
    assert regio.decode(codec.encode(data / "pictures" / "n0" / "0.jpg"), codec=codec).size == (60, 50)


@pytest.mark.parametrize(("name", "settings"), FIRST, ids=[name for name, _ in FIRST])
def test_a_recipe_of_a_paper_runs(
    name: str, settings: tuple[str, ...], stand_in: Path, painter: Path, tmp_path: Path
) -> None:
    runs(name, settings, stand_in, tmp_path, 1, painter)


OTHERS = [run for run in RUNS if run not in FIRST]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), OTHERS, ids=["-".join((n, *s)) for n, s in OTHERS])
def test_every_run_of_the_papers_does(
    name: str, settings: tuple[str, ...], stand_in: Path, painter: Path, tmp_path: Path
) -> None:
    runs(name, settings, stand_in, tmp_path, 0, painter)


@pytest.mark.parametrize(("name", "settings"), RUNS, ids=["-".join((n, *s)) for n, s in RUNS])
def test_the_model_of_every_run_can_be_built_at_full_size(name: str, settings: tuple[str, ...]) -> None:
    recipe = read_recipe(FOLDER / f"{name}.toml", settings)
    assert recipe.name == name
    family, config = configuration(recipe)
    with torch.device("meta"):  # shapes only
        net = model_class(FAMILIES[family])(config)
    assert sum(p.numel() for p in net.parameters()) > 20e6  # BL-S, the smallest
    points = {len(phase.lambdas) for phase in recipe.phase} - {2}
    assert points <= {getattr(config, "rate_points", 0)}


def test_the_guide_lists_every_recipe_of_the_papers() -> None:
    assert {name for name, _ in RUNS} == {path.stem for path in FOLDER.glob("*.toml")}
    assert len(RUNS) == len(set(RUNS)) > 20


def test_the_numbers_are_those_that_the_papers_print() -> None:
    segpic = read_recipe(FOLDER / "segpic.toml").counted(118_287, 1)
    (phase,) = segpic.phase
    assert (phase.batch, phase.crop, phase.learning_rate, phase.steps) == (32, 256, 1e-4, 998_047)
    roi = read_recipe(FOLDER / "roi.toml")
    assert [(p.steps, p.batch, p.lambdas, p.weighs) for p in roi.phase] == 2 * [
        (1_000_000, 8, (720, 520, 420, 320, 220, 120), "rate")
    ]
    assert [p.roi.adversary > 0 for p in roi.phase] == [False, True]
    stage_1, coco, faces = (read_recipe(FOLDER / f"{name}.toml").phase[0] for name in ("mcm-mae", "mcm", "mcm-faces"))
    assert (stage_1.masked, coco.mix, coco.steps, faces.steps) == (0.75, (10, 0.25, 0.1), 250_000, 90_000)
    assert (stage_1.optimizer, stage_1.counted(1_281_167, 8).steps) == ("adamw", 250_228)
