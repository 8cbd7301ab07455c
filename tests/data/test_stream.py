"""Pictures from disk while training goes on: every picture once an epoch, and the same whatever reads them."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regio.data.importance import importance_source
from regio.data.labels import LabelSource, MaskFolder, Panoptic
from regio.data.parts import Cutter, Want
from regio.data.stream import Ask, PictureStream, list_pictures
from regio.errors import BadImage, UsageError

CPU = torch.device("cpu")
PLAIN = Want(64, labelled=False, weighted=False)


def picture(path: Path, height: int = 80, width: int = 96, shade: int = 90) -> Path:
    """Red counts columns, green rows, blue is the shade."""
    down, right = np.mgrid[0:height, 0:width]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([right, down, np.full_like(down, shade)], 2).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """Seven pictures in class folders, each of its own shade."""
    for number in range(7):
        picture(tmp_path / "train" / f"n{number % 3}" / f"{number}.png", shade=10 * number)
    return tmp_path / "train"


def stream_of(
    folder: Path,
    *,
    batch: int = 2,
    workers: int = 0,
    want: Want = PLAIN,
    last: int = 1000,
    sources: tuple[LabelSource, ...] = (),
    fit: str = "crop",
    smallest: int = 1,
    importance: Path | None = None,
    downscale: float = 0.0,
) -> PictureStream:
    maps = None if importance is None else importance_source(importance)
    cutter = Cutter(sources, maps, fit, downscale, True, smallest)
    stream = PictureStream([folder], list_pictures([folder]), cutter, workers, seed=1)
    stream.follow(lambda step: Ask(step, 100 + step, step * batch, batch, want) if step < last else None)
    return stream


def shades(stream: PictureStream, steps: range) -> list[int]:
    batches = [stream.take(step, CPU).x for step in steps]
    return [round(float(x[2].mean() * 25.5)) for batch in batches for x in batch]


def test_every_picture_comes_once_an_epoch_in_another_order(nested: Path) -> None:
    stream = stream_of(nested)
    assert stream.names == ["n0/0.png", "n0/3.png", "n0/6.png", "n1/1.png", "n1/4.png", "n2/2.png", "n2/5.png"]
    seen = shades(stream, range(7))  # 14 pictures, two epochs
    assert Counter(seen[:7]) == Counter(seen[7:]) == Counter(range(7))
    assert seen[:7] != seen[7:]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_batches_are_the_same_whatever_reads_them(nested: Path, workers: int) -> None:
    alone, helped = stream_of(nested, downscale=0.5), stream_of(nested, workers=workers, downscale=0.5)
    for step in (0, 1, 2, 9, 10, 3):  # in order, ahead, back
        assert torch.equal(alone.take(step, CPU).x, helped.take(step, CPU).x)


def test_crops_lie_anywhere_and_are_turned(nested: Path) -> None:
    stream = stream_of(nested)
    corners, turns = set(), set()
    for step in range(40):
        for x in stream.take(step, CPU).x.mul(255).round():
            corners.add((int(x[0].min()), int(x[1].min())))
            turns.add((bool(x[0, 0, 0] > x[0, 0, -1]), bool(x[1, 0, 0] > x[1, -1, 0])))
            assert x[0].max() - x[0].min() == x[1].max() - x[1].min() == 63  # nothing is scaled
    assert len(corners) > 30
    assert turns == {(False, False), (True, False), (False, True), (True, True)}


def test_the_whole_picture_or_a_part_of_its_area(nested: Path) -> None:
    for x in stream_of(nested, fit="whole").take(0, CPU).x.mul(255).round():
        assert x[0].min() <= 1 < 94 <= x[0].max()
        assert x[1].min() <= 1 < 78 <= x[1].max()
    shares = []
    for step in range(60):
        x = stream_of(nested, fit="area").take(step, CPU).x.mul(255)[0]
        shares.append(float((x[0].max() - x[0].min() + 1) * (x[1].max() - x[1].min() + 1)) / (80 * 96))
    assert 0.15 < min(shares) < 0.4 < 0.8 < max(shares) <= 1.02


def test_pictures_below_the_crop_size_are_enlarged_to_it(tmp_path: Path) -> None:
    picture(tmp_path / "low.png", height=40, width=100)
    x = stream_of(tmp_path, batch=1).take(0, CPU).x.mul(255)[0]
    assert x.shape == (3, 64, 64)
    assert x[1].max() - x[1].min() > 37  # all rows
    assert x[0].max() - x[0].min() == 63  # as many columns as ever


def test_what_is_odd_is_counted_named_once_and_never_fatal(nested: Path, caplog: pytest.LogCaptureFixture) -> None:
    (nested / "n0" / "broken.jpg").write_bytes(b"no picture")
    (nested / "n1" / "half.jpg").write_bytes(picture(nested / "x.jpg").read_bytes()[:400])
    (nested / "x.jpg").unlink()
    Image.new("L", (70, 70), 200).save(nested / "n2" / "grey.png")
    Image.new("CMYK", (70, 70), (20, 90, 10, 30)).save(nested / "n2" / "press.jpg")
    Image.new("RGB", (1, 1), (9, 9, 9)).save(nested / "n2" / "tiny.png")
    stream = stream_of(nested)
    for step in range(24):  # four epochs of twelve files
        assert stream.take(step, CPU).x.shape == (2, 3, 64, 64)
    messages = [record.getMessage() for record in caplog.records]
    assert sum("broken.jpg is not used (unreadable)" in message for message in messages) == 1
    assert sum("half.jpg is not used (unreadable)" in message for message in messages) == 1
    counts = stream.census.summary()
    for part in ("2 unreadable (", "1 grey (the first: n2/grey.png)", "1 CMYK (the first: n2/press.jpg)"):
        assert part in counts
    assert "1 smaller than a crop (the first: n2/tiny.png)" in counts
    assert f"after 4 epochs of 12 pictures: {counts}" in messages


def test_where_nothing_can_be_used_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    for workers in (0, 1):
        with pytest.raises(
            BadImage, match=r"200 pictures in a row cannot be used, the last is .*a\.png \(unreadable\)$"
        ):
            stream_of(tmp_path, workers=workers).take(0, CPU)
    picture(tmp_path / "b.png", height=70)
    with pytest.raises(BadImage, match=r"below 75 pixels a side\)"):
        stream_of(tmp_path, smallest=75).take(0, CPU)
    with pytest.raises(UsageError, match="no such folder of pictures"):
        list_pictures([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no pictures in"):
        list_pictures([tmp_path / "empty"])


@pytest.fixture
def coco(tmp_path: Path) -> Callable[..., Path]:
    """A function: COCO panoptic annotations for some pictures, left half one segment, right half another."""

    def write(names: list[str], size: tuple[int, int] = (80, 96)) -> Path:
        images, annotations = [], []
        for number, name in enumerate(names):
            colours = np.zeros((*size, 3), np.uint8)
            colours[:, : size[1] // 2], colours[:, size[1] // 2 :] = (7, 1, 0), (9, 2, 0)
            colours[:9] = 0  # nobody has labelled the top
            (tmp_path / "panoptic").mkdir(exist_ok=True)
            Image.fromarray(colours).save(tmp_path / "panoptic" / f"{Path(name).stem}.png")
            images.append({"id": number, "file_name": name})
            segments = [{"id": 7 + 256}, {"id": 9 + 512}]
            annotations.append({"image_id": number, "file_name": f"{Path(name).stem}.png", "segments_info": segments})
        path = tmp_path / "panoptic.json"
        path.write_text(json.dumps({"images": images, "annotations": annotations}), encoding="utf-8")
        return path

    return write


def test_label_maps_are_cut_and_turned_as_their_pictures(nested: Path, coco: Callable[..., Path]) -> None:
    stream = stream_of(
        nested, sources=(Panoptic(coco([f"{n}.png" for n in range(7)])),), want=PLAIN._replace(labelled=True)
    )
    kinds = set()
    for step in range(20):
        batch = stream.take(step, CPU)
        assert batch.regions is not None
        for x, regions in zip(batch.x.mul(255).round(), batch.regions, strict=True):
            truth = torch.where(x[1] < 9, -1, (x[0] >= 48).long())
            assert torch.equal(regions, torch.unique(truth, return_inverse=True)[1])
            kinds.add(int(regions.max()) + 1)
    assert kinds == {2, 3}  # with the top and without


def test_pictures_without_labels_make_way_for_others(
    nested: Path, coco: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    panoptic = Panoptic(coco(["0.png", "1.png", "2.png"]))
    Image.fromarray(np.full((80, 96, 3), 5, np.uint8)).save(tmp_path / "panoptic" / "1.png")  # another's ids
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "panoptic" / "2.png")
    stream = stream_of(nested, sources=(panoptic,), want=PLAIN._replace(labelled=True))
    assert set(shades(stream, range(7))) == {0}
    counts = stream.census.summary()
    for part in (
        "4 without a label map",
        "1 with a label map that has no listed id",
        "1 with a label map of another size",
    ):
        assert part in counts
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.fromarray(np.zeros((80, 96), np.uint8)).save(masks / "4.png")
    stream = stream_of(nested, sources=(panoptic, MaskFolder(masks)), want=PLAIN._replace(labelled=True))
    assert set(shades(stream, range(14))) == {0, 4}


def test_importance_is_cut_as_its_picture(nested: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    for number in range(7):
        values = np.zeros((20, 24), np.uint8)
        values[:, 12:] = 255  # a quarter of the picture's size
        Image.fromarray(values).save(maps / f"{number}.png")
    stream = stream_of(nested, importance=maps, want=PLAIN._replace(weighted=True))
    for step in range(10):
        batch = stream.take(step, CPU)
        assert batch.importance is not None
        column = batch.x[:, :1].mul(255).round()
        assert torch.all(batch.importance[column > 52] > 0.9)
        assert torch.all(batch.importance[column < 43] < 0.1)
