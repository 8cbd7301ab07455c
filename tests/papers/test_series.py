"""Series of one-rate models: trained for a few steps, saved as the authors save theirs, imported, and measured as one
curve.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from regio.cli.app import run as regio
from regio.errors import UsageError
from regio.evaluation.bd_rate import bd_rate, read_curve
from regio.evaluation.contestants import Series, label_of, line_up
from regio.interop import _official_name
from regio.models.paper_transforms import StridedTransform
from regio.models.roi import PRESETS as ROI_PRESETS
from regio.models.roi import RoiCodec
from regio.models.segpic import SegPIC, SegPICConfig
from regio.papers.order import Order
from regio.papers.published import SEGPIC_CLIC, SEGPIC_KODAK
from regio.papers.run import run
from regio.weights import store

LAMBDAS = (0.0018, 0.0067, 0.05)
SMALL = SegPICConfig(
    transform=StridedTransform(tail=3),
    shallow=8,
    latent=16,
    shallow_codes=(8, 7, 5, 4),
    shallow_decode=(4, 5, 7, 8),
    deep_codes=(16, 9, 6, 5),
    deep_decode=(5, 6, 9, 16),
    hyper_down=((11, 1), (10, 1), (9, 2), (8, 1), (6, 2)),
    hyper_up=((7, 1), (5, 2), (9, 1), (6, 2), (16, 1)),
    slices=4,
    support=2,
    context=(9, 8, 7, 6),
)


def picture(seed: int, width: int = 128, height: int = 64) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def trained(slope: float, steps: int = 40) -> SegPIC:
    """A small network after a few steps of R + λ D."""
    torch.manual_seed(0)
    net = SegPIC(SMALL).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    batch = np.stack([picture(seed, 64, 64) for seed in range(4)])
    x = torch.from_numpy(batch.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()
    for _ in range(steps):
        made = net(x)
        rate = sum(bits.sum() for bits in made.bits.values()) / (x.numel() / 3)
        loss = rate + slope * 255**2 * (made.x_hat - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


def as_published(net: SegPIC) -> dict[str, Tensor]:
    """The authors' names; two of our convolutions make one of theirs."""
    theirs: dict[str, Tensor] = {}
    for name, value in net.named_parameters():
        source = _official_name(name)
        if source in theirs:  # `mix` comes first, `steer` second
            theirs[source] = torch.cat([theirs[source], value.detach()], dim=1)
        else:
            theirs[source] = value.detach().clone()
    return {"epoch": 1, "state_dict": {f"module.{name}": value for name, value in theirs.items()}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """q1 ... q3.safetensors, imported; kodak/ with two pictures; curves/vtm.json."""
    place = tmp_path_factory.mktemp("series")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tensors are too small to share
    for number, slope in enumerate(LAMBDAS, start=1):
        published = place / f"q{number}.pth.tar"
        torch.save(as_published(trained(slope)), published)
        assert regio(["import-weights", "segpic", str(published), str(place / f"q{number}.safetensors")]) == 0
    torch.set_num_threads(threads)
    (place / "kodak").mkdir()
    (place / "curves").mkdir()
    for number in range(2):
        Image.fromarray(picture(10 + number)).save(place / f"kodak/{number}.png")
    curve = {"results": {"bpp": [0.01, 0.1, 30], "psnr-rgb": [3, 10, 40]}}
    (place / "curves/vtm.json").write_text(json.dumps(curve))
    return place


def series(place: Path, name: str = "segpic", numbers: str = "123") -> str:
    return f"{name}=" + "+".join(str(place / f"q{number}.safetensors") for number in numbers)


def test_three_checkpoints_make_a_curve_a_bd_rate_and_a_row_of_the_table(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(place / "kodak"), "--table", "segpic-1", "--codecs", series(place, numbers="312")]
    command += ["--references", str(place / "curves"), "-o", str(tmp_path / "out"), "--device", "cpu", "--json"]
    assert regio(command) == 0
    table = json.loads(capsys.readouterr().out)
    header, *rows = table["published"]
    assert header[-2:] == ["Kodak, recomputed", "Kodak, Regio"]
    cells = {row[0]: row[-1] for row in rows}
    float(cells["Ours"])  # a number, not a remark
    assert cells["Ours-S"] == "no weights"
    assert table["notes"][-1].startswith("Curves: ")
    assert (tmp_path / "out/segpic-1_psnr.png").exists()
    lines = list(csv.DictReader((tmp_path / "out/sweep.csv").read_text().splitlines()))
    assert {(line["codec"], line["quality"]) for line in lines} == {("segpic", "1"), ("segpic", "2"), ("segpic", "3")}

    again = ["evaluate", "--table", "segpic-1", *command[4:]]
    assert regio(again) == 0  # from the CSV, without pictures
    assert {row[0]: row[-1] for row in json.loads(capsys.readouterr().out)["published"]} == cells | {
        "model": "Kodak, Regio"
    }


def test_the_report_orders_the_models_by_rate_and_measures_against_any_anchor(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(place / "kodak"), "--codecs", f"{series(place, 'mine', '31')},jpeg", "--anchor", "jpeg"]
    command += ["--settings", "jpeg=5,20,60", "-o", str(tmp_path), "--crops", "1", "--device", "cpu", "--json"]
    assert regio(command) == 0
    mine = next(one for one in json.loads(capsys.readouterr().out)["curves"] if one["name"] == "mine")
    assert mine["results"]["bpp"] == sorted(mine["results"]["bpp"])
    assert sorted(mine["settings"]) == [1, 2]
    assert mine["settings"][0] == 2  # q1, which is named second and has the smaller files


def test_a_file_is_decoded_by_the_model_that_made_it_and_a_budget_takes_the_largest_that_fits(place: Path) -> None:
    (one,) = line_up([series(place)], device="cpu").contestants
    assert isinstance(one, Series)
    pixels = picture(10)
    files = [one.encode(pixels, setting) for setting in one.settings]
    for data, member in zip(files, one.members, strict=True):
        assert (one.decode(data) == member.decode(data)).all()
    sizes = sorted(map(len, files))
    assert sizes[0] < sizes[-1]
    assert one.at_bytes(pixels, sizes[1]).data in files
    assert len(one.at_bytes(pixels, sizes[1]).data) == sizes[1]
    assert not one.at_bytes(pixels, 5).fits
    assert len(one.at_bytes(pixels, 5).data) == sizes[0]
    (part,) = line_up([series(place, numbers="12")], device="cpu").contestants
    with pytest.raises(UsageError, match="made by other weights"):
        part.decode(files[2])
    with pytest.raises(UsageError, match="there is no model 4"):
        one.encode(pixels, 4)


def test_models_of_many_rates_join_with_their_qualities(tmp_path: Path) -> None:
    for number in (1, 2):
        torch.manual_seed(number)
        store.save(RoiCodec(ROI_PRESETS["toy"]).eval(), tmp_path / f"{number}.safetensors")
    name = f"roi={tmp_path / '1.safetensors'}+{tmp_path / '2.safetensors'}+roi"
    (one,) = line_up([name], device="cpu", strength=10).contestants
    assert isinstance(one, Series)
    assert one.name == label_of(name) == "roi+roi"
    assert one.settings_for([5, 50, 100]) == (1.005, 1.05, 1.1, 2.005, 2.05, 2.1)
    assert [one.at(setting)[1] for setting in one.settings_for([5, 12.5, 100])] == 2 * [5, 12.5, 100]
    pixels = picture(3)
    assert one.encode(pixels, 2.05) == one.members[1].encode(pixels, 50)
    (alone,) = line_up([f"mine={tmp_path / '1.safetensors'}"], device="cpu").contestants
    assert isinstance(alone, Series)
    assert (alone.name, alone.settings_for([5, 50])) == ("mine", (5, 50))
    assert alone.encode(pixels, 50) == alone.members[0].encode(pixels, 50)


def test_a_series_that_is_none_says_what_is_wrong(place: Path, tmp_path: Path) -> None:
    store.save(RoiCodec(ROI_PRESETS["toy"]).eval(), tmp_path / "roi.safetensors")
    (tmp_path / "copy.safetensors").write_bytes((place / "q1.safetensors").read_bytes())
    first = place / "q1.safetensors"
    photo = tmp_path / "photo.jpg"
    photo.touch()
    for name, says in (
        (f"={first}", "NAME=A.safetensors"),
        ("segpic=", "NAME=A.safetensors"),
        (f"segpic={first}+", "NAME=A.safetensors"),
        (f"segpic={first}+{first}", "different files"),
        (f"segpic={first}+{tmp_path / 'copy.safetensors'}", "hold the same weights"),
        (f"segpic={first}+{tmp_path / 'roi.safetensors'}", "a SegPIC and .*roi.safetensors a RoiCodec"),
        (f"segpic={first}+{tmp_path / 'none.safetensors'}", "no such weights file"),
        ("segpic=photo.jpg+photo.jpg", "photo.jpg is not a weights file"),
        (f"segpic={first}+photo.jpg+mask.png", "photo.jpg is not a weights file"),
        (f"segpic={photo}", "photo.jpg is not a weights file"),
    ):
        with pytest.raises(Exception, match=says):
            line_up([name], device="cpu")
    with pytest.raises(UsageError, match="two codecs are called jpeg"):
        line_up([series(place, "jpeg"), "jpeg"], device="cpu")


def test_a_path_with_signs_in_its_name_is_a_path(place: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a=b+c.safetensors"
    odd.write_bytes((place / "q1.safetensors").read_bytes())
    (one,) = line_up([str(odd)], device="cpu").contestants
    assert not isinstance(one, Series)
    (two,) = line_up([f"x={odd}+{place / 'q2.safetensors'}"], device="cpu").contestants
    assert len(two.settings) == 2


def test_clic_has_its_own_column_and_the_authors_points(place: Path, tmp_path: Path) -> None:
    recomputed = {}
    for name in ("kodak", "clic"):
        order = Order(
            "segpic-1", place / "kodak", tmp_path, codecs=[series(place)], references=place / "curves", dataset=name,
            device="cpu",
        )  # fmt: skip
        header, *rows = run(order).table.published
        assert header[-1].casefold() == f"{name}, regio"
        recomputed[name] = {row[0]: row[3] for row in rows}["Ours"]
    anchor = read_curve(place / "curves/vtm.json")
    for name, curve in (("kodak", SEGPIC_KODAK), ("clic", SEGPIC_CLIC)):
        assert recomputed[name] == f"{bd_rate(anchor, curve).percent:+.2f}"
    with pytest.raises(UsageError, match="not a data set of segpic-1; choose Kodak, CLIC"):
        run(Order("segpic-1", None, tmp_path, dataset="coco"))
    with pytest.raises(UsageError, match="the table has but one"):
        run(Order("roi-1", None, tmp_path, dataset="coco"))
