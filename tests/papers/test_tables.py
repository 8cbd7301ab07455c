"""The papers' tables: what is printed in them, what is recomputed, and what is said of ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shared import SHARED, needs_shared
from typer.testing import CliRunner

import regio
from regio.cli.app import build
from regio.errors import UsageError
from regio.evaluation.bd_rate import bd_rate, find_curves, read_curve
from regio.evaluation.bit_share import bit_map, share_inside
from regio.evaluation.contestants import OwnCodec
from regio.evaluation.judging import Judges
from regio.evaluation.marks import Marks
from regio.models.mcm import MCM
from regio.models.mcm import PRESETS as MCM_PRESETS
from regio.models.mcm_mask import STRATEGIES
from regio.models.segpic import PRESETS, SegPIC
from regio.nn.regional import RegionAdaptiveTransform
from regio.papers.mask_study import grids_of, kernel_figure, kernels_of, with_labels
from regio.papers.order import Order
from regio.papers.patch_study import strategies
from regio.papers.published import SEGPIC_KODAK, TABLES
from regio.papers.run import run
from regio.papers.tables import Measured, beside, parameters
from regio.weights import store

ANCHORS = SHARED / "anchors" / "kodak"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    store.save(SegPIC(PRESETS["toy"]).eval(), path, name="toy")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of 128 x 96, and in labels/ a map of three regions for one of them."""
    (tmp_path / "in").mkdir()
    (tmp_path / "labels").mkdir()
    for number in range(2):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC).save(tmp_path / f"in/{number}.png")
    labels = np.zeros((96, 128), np.uint8)
    labels[:, 60:] = 1
    labels[50:] = 2
    Image.fromarray(labels).save(tmp_path / "labels/0.png")
    return tmp_path / "in"


def test_the_printed_figures_are_those_of_the_papers() -> None:
    assert {name: len(table.rows) for name, table in TABLES.items()} == {
        "segpic-1": 14, "segpic-2": 7, "segpic-3": 5, "roi-1": 3, "mcm-1": 6, "mcm-2": 8
    }  # fmt: skip
    assert all(len(row) == len(table.header) for table in TABLES.values() for row in table.rows)
    kodak = {row[0]: row[1] for row in TABLES["segpic-1"].rows}
    base = {row[0]: float(row[2]) for row in TABLES["segpic-2"].rows}
    # the two tables have different anchors; their order is the same, and a rate of rates links them
    for name in ("ChARM", "BL-S", "Ours-S", "Ours"):
        linked = 100 * ((1 + float(kodak[name]) / 100) / (1 + float(kodak["Zou2022 (BL)"]) / 100) - 1)
        assert linked == pytest.approx(base[name], abs=0.35)
    assert TABLES["roi-1"].rows[1] == ("0.195", "31.76", "0.971", "0.032", "31.19")
    assert TABLES["mcm-1"].rows[-1] == ("MCM (Ours)", "-30.81%", "-41.97%")
    assert SEGPIC_KODAK.rates[-1] == 0.861


@pytest.mark.slow
def test_our_networks_have_the_sizes_of_the_paper() -> None:
    for row in TABLES["segpic-2"].rows:
        printed = float(row[1].removesuffix(" M"))
        assert parameters(TABLES["segpic-2"].models[row[0]]) / 1e6 == pytest.approx(printed, abs=0.11), row[0]


@needs_shared
def test_the_authors_points_come_out_at_minus_9_7_percent_in_the_table() -> None:
    references = {"psnr": {curve.name: curve for curve in find_curves(ANCHORS / "published")}}
    assert references["psnr"]["segpic"].qualities == SEGPIC_KODAK.qualities
    table = beside("segpic-1", Measured([], [], references, "nowhere"))  # type: ignore[arg-type]
    recomputed = {row[0]: row[3] for row in table.published}
    assert (recomputed["Ours"], recomputed["BPG"], recomputed["ELIC"]) == ("-9.73", "+21.99", "-7.02")
    assert {row[0]: row[4] for row in table.published}["Ours-S"] == "no weights"
    assert "Of ours nothing is measured" in table.text()


@needs_shared
def test_every_recorded_bd_rate_of_every_metric_and_fit_is_reproduced() -> None:
    recorded = json.loads((ANCHORS / "bd_rates.json").read_text())
    files = {path.stem: path for path in ANCHORS.rglob("*.json")}
    vtm = read_curve(files["vtm"])
    for name, row in recorded["psnr_vs_vtm_published"].items():
        for fit in ("akima", "cubic"):
            assert bd_rate(vtm, read_curve(files[name]), fit=fit).percent == pytest.approx(row[fit], abs=0.1), name
    checked = 0
    for name, row in recorded["vs_avif_444_s6"].items():
        for key, metric in (("psnr-rgb", "psnr"), ("ms-ssim-rgb", "ms_ssim"), ("lpips-squeeze", "lpips_squeeze")):
            anchor = read_curve(files["avif_444_s6"], metric)  # type: ignore[arg-type]
            found = bd_rate(anchor, read_curve(files[name], metric))  # type: ignore[arg-type]
            assert found.percent == pytest.approx(row[key], abs=0.1), (name, key)
            checked += 1
    assert checked >= 40


def test_ours_stand_beside_with_what_they_are_worth(folder: Path, toy: Path, tmp_path: Path) -> None:
    (tmp_path / "vtm.json").write_text(json.dumps({"results": {"bpp": [0.01, 0.1, 10], "psnr-rgb": [5, 10, 20]}}))
    order = Order(
        "segpic-1", folder, tmp_path / "out", references=tmp_path, codecs=[str(toy)], qualities=[20, 60, 100],
        device="cpu",
    )  # fmt: skip
    table = run(order).table
    assert [row[0] for row in table.ours] == ["model", "toy"]
    assert "weights that are not bundled" in table.text()
    assert "trained on a small budget" not in table.text()
    assert "2 pictures of in, real files" in table.text()
    assert (tmp_path / "out" / "segpic-1_psnr.svg").exists()
    again = run(Order("segpic-2", None, tmp_path / "out", codecs=["toy"])).table  # from the CSV
    assert again.ours[1][0] == "toy"
    assert again.ours[1][1].endswith(" ms")


@pytest.mark.slow
def test_the_mask_study_compares_grids_and_label_maps(folder: Path, toy: Path, tmp_path: Path) -> None:
    order = Order(
        "segpic-3", folder, tmp_path / "out", labels=tmp_path / "labels", codecs=[str(toy)], qualities=[30, 60],
        device="cpu",
    )  # fmt: skip
    table = run(order).table
    assert [row[0] for row in table.ours[1:]] == ["toy 1x1", "toy 2x2", "toy 4x4", "toy 8x8", "toy label maps"]
    assert table.ours[3][1] == "+0.00 %"
    assert "estimated bits, no files" in table.text()
    assert "real files" not in table.text()
    made = run(replace(order, labels=Path("auto"), output=tmp_path / "made")).table
    assert made.ours[-1][0] == "toy label maps"
    assert len(list((tmp_path / "made/labels").glob("*.png"))) == 2
    files = run(replace(order, labels=None)).table
    assert "real files" in files.text()
    assert "estimated" not in files.text()
    again = run(Order("segpic-3", None, tmp_path / "out", codecs=["toy"])).table  # from the CSV
    assert [row[0] for row in again.ours[1:]] == ["toy 1x1", "toy 2x2", "toy 4x4", "toy 8x8"]


def test_estimated_rows_agree_with_files_where_the_label_map_is_a_grid(folder: Path, toy: Path) -> None:
    codec = regio.load(toy, device="cpu")
    halves = torch.zeros(96, 128, dtype=torch.int64)
    halves[:48, 64:], halves[48:, :64], halves[48:, 64:] = 1, 2, 3
    pictures = {"0.png": folder / "0.png"}
    own = OwnCodec(codec)
    *on_grids, estimated = with_labels(own, pictures, lambda file, pixels: halves, [50])
    assert [row.codec for row in on_grids] == ["toy 1x1", "toy 2x2", "toy 4x4", "toy 8x8"]
    assert on_grids[1].bytes == pytest.approx(estimated.bytes, rel=1e-3)  # halves are the grid of 2 x 2
    grids = grids_of(own)
    assert [one.name for one in grids] == ["toy 1x1", "toy 2x2", "toy 4x4", "toy 8x8"]
    pixels = np.asarray(Image.open(folder / "0.png"))
    data = grids[1].encode(pixels, 50)
    assert estimated.bytes == pytest.approx(len(data), rel=0.02, abs=50)  # a custom model is named in its file
    assert estimated.figures["psnr"] == pytest.approx(
        float(-10 * np.log10(np.mean((grids[1].decode(data) / 255.0 - pixels / 255.0) ** 2))), abs=0.05
    )
    with pytest.raises(UsageError, match="no picture has a label map"):
        with_labels(own, pictures, lambda file, pixels: None, [50])


def test_the_patch_study_draws_as_many_patches_by_every_strategy(
    folder: Path, toy: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("mcm") / "toy-mcm.safetensors"
    store.save(MCM(MCM_PRESETS["toy"]).eval(), path, name="toy-mcm")
    marks = Marks({"0": ((0, 0, 40, 40),)}, {})
    order = Order("mcm-2", folder, folder, codecs=[str(path)], qualities=[0], judges=Judges(marks=marks), device="cpu")
    table = run(order).table
    assert [row[0] for row in table.ours[1:]] == [f"toy-mcm {name}" for name in STRATEGIES]
    assert "estimated bits, no files" in table.text()
    assert "real files" not in table.text()
    own, pictures = OwnCodec(regio.load(path, device="cpu")), {"0.png": folder / "0.png"}
    rows = strategies(own, pictures, [0], Judges(marks=marks))
    again = strategies(own, pictures, [0], Judges(marks=marks))
    assert [row.figures["psnr"] for row in rows] == [row.figures["psnr"] for row in again]  # the same draw
    assert len({row.figures["psnr"] for row in rows}) == len(STRATEGIES)
    with pytest.raises(UsageError, match="does not choose patches"):
        strategies(OwnCodec(regio.load(toy, device="cpu")), pictures, [0], Judges())
    variants = [f"{name}={path}" for name in ("texture", "da-mask")]  # as if they were trained with one strategy each
    trained = run(replace(order, codecs=variants)).table
    assert [row[0] for row in trained.ours[1:]] == ["texture", "da-mask"]


def test_kernels_differ_where_label_maps_do(folder: Path, toy: Path, tmp_path: Path) -> None:
    codec = regio.load(toy, device="cpu")
    pixels = np.asarray(Image.open(folder / "0.png"))
    labels = torch.from_numpy(np.asarray(Image.open(folder.parent / "labels/0.png")).astype(np.int64))
    for module in codec.net.modules():
        if isinstance(module, RegionAdaptiveTransform):  # fresh ones are the identity, whatever their kernels
            torch.nn.init.normal_(module.project.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    with_maps, error = kernels_of(codec, pixels, labels)
    with_grid, _ = kernels_of(codec, pixels, None)
    assert error.shape == (96, 128)
    assert [part.layer for part in with_maps] == [part.layer for part in with_grid]
    assert any(not torch.equal(a.values, b.values) for a, b in zip(with_maps, with_grid, strict=True))
    assert any(float(part.gradients.max()) > 0 for part in with_maps)
    kernel_figure(codec, pixels, labels, tmp_path / "k.png")
    with Image.open(tmp_path / "k.png") as drawn:
        assert drawn.width > 1000


def test_bits_are_found_where_they_were_spent(folder: Path, toy: Path) -> None:
    codec = regio.load(toy, device="cpu")
    pixels = np.asarray(Image.open(folder / "0.png"))
    data = codec.encode(pixels, quality=70, strip=True)
    bits = bit_map(codec, data)
    assert bits is not None
    assert bits.shape == (-(-96 // codec.net.multiple) * codec.net.multiple // codec.net.stride,
                          -(-128 // codec.net.multiple) * codec.net.multiple // codec.net.stride)  # fmt: skip
    left = np.zeros((96, 128), bool)
    left[:, :64] = True
    first, second = share_inside(codec, data, left), share_inside(codec, data, ~left)
    inside = bits[:6, :8].sum() / bits.sum()  # the rest is padding
    assert first + second == pytest.approx(inside)
    assert first == pytest.approx(bits[:6, :4].sum() / bits.sum())
    assert bits.sum() < 8 * len(data)


@pytest.mark.weights
def test_a_region_of_interest_gets_a_larger_share_of_the_bits(folder: Path) -> None:
    codec = regio.load("segpic-xs", device="cpu")
    small = np.asarray(Image.open(folder / "0.png").resize((256, 192)))
    mask = np.zeros((192, 256), bool)
    mask[64:128, 64:192] = True
    plain, aimed = OwnCodec(codec), OwnCodec(codec, strength=30).aimed_at(mask)
    shares = [share_inside(codec, one.encode(small, 50), mask) for one in (plain, aimed)]
    assert shares[1] > 1.2 * shares[0]
    data = plain.encode(small, 50)
    bits = bit_map(codec, data)  # its four passes code a quarter of the symbols each
    assert bits is not None
    assert bits.shape == (12, 16)
    assert 0.8 * 8 * len(data) < bits.sum() < 8 * len(data)
    assert OwnCodec(codec, strength=30).name == "segpic-xs+roi"


def test_tables_that_do_not_exist_and_folders_that_are_missing_are_usage_errors(folder: Path, tmp_path: Path) -> None:
    for order, says in (
        (Order("segpic-9", None, tmp_path), "no table 'segpic-9': choose segpic-1"),
        (Order("curves", None, tmp_path), "needs --references"),
        (Order("curves", None, tmp_path, references=tmp_path), "no curve called vtm"),
        (Order("segpic-kernels", folder, tmp_path), "needs a folder of pictures, and --labels"),
        (Order("mcm-masks", None, tmp_path), "needs a folder of pictures"),
        (Order("mcm-texture", None, tmp_path), "needs a folder of pictures"),
        (Order("mcm-texture", folder, tmp_path), "--lpips squeeze"),
        (Order("mcm-2", folder, tmp_path, fid=True), "--fid compares decoded files, and mcm-2 makes none"),
        (Order("segpic-3", folder, tmp_path, fid=True, labels=tmp_path), "--fid compares decoded files"),
    ):
        with pytest.raises(UsageError, match=says):
            run(order)


def test_the_command_prints_every_table(tmp_path: Path) -> None:
    (tmp_path / "vtm.json").write_text(json.dumps({"results": {"bpp": [0.1, 0.2], "psnr-rgb": [30, 33]}}))
    (tmp_path / "half.json").write_text(json.dumps({"results": {"bpp": [0.05, 0.1], "psnr-rgb": [30, 33]}}))
    for name in (*TABLES, "curves"):
        command = ["evaluate", "--table", name, "--references", str(tmp_path), "-o", str(tmp_path / "none")]
        result = CliRunner().invoke(build(), command)
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith(("[Liu2024] ", "[ROI2022] ", "[Li2023] ", "BD-rates against vtm"))
    made = json.loads(CliRunner().invoke(build(), [*command[:2], "curves", *command[3:], "--json"]).stdout)
    assert made["published"][1][:3] == ["half", "psnr", "-50.00 %"]


@pytest.mark.parametrize(("name", "codec"), [("segpic-1", "segpic-xs"), ("roi-1", "roi-xs"), ("mcm-1", "mcm-tiny")])
def test_without_codecs_a_table_has_bundled_ones(name: str, codec: str, tmp_path: Path) -> None:
    header = "codec,picture,quality,bytes,bpp,psnr,ms_ssim,encode_seconds,decode_seconds,weights,commit\n"
    (tmp_path / "sweep.csv").write_text(f"{header}{codec},a.png,50,1000,0.2,30,0.95,1,1,abc,def\n", encoding="utf-8")
    assert f"{codec}: weights abc, source def." in run(Order(name, None, tmp_path)).table.notes
