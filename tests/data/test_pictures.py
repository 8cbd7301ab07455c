"""Pictures in memory, and crops of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regio.data.importance import ImportanceFolder
from regio.data.labels import MaskFolder
from regio.data.pictures import PicturePack, load_pictures
from regio.data.strips import write_strips
from regio.errors import BadImage, UsageError


def dice(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramp(height: int, width: int) -> torch.Tensor:
    """(3,H,W) uint8: red counts rows, green columns, blue is flat."""
    rows, columns = torch.arange(height)[:, None].expand(height, width), torch.arange(width).expand(height, width)
    return torch.stack([rows, columns, torch.full((height, width), 7)]).to(torch.uint8)


def pack(*sizes: tuple[int, int], labelled: bool = False) -> PicturePack:
    pictures = [ramp(*size) for size in sizes]
    labels = [(p[0] // 10).to(torch.int16) if labelled else None for p in pictures]
    return PicturePack([f"{n:02}" for n in range(len(sizes))], pictures, list(labels))


def test_folders_are_read_in_order_and_what_cannot_be_used_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, side in (("b.png", 70), ("a.jpg", 64), ("small.png", 63), ("grey.webp", 80)):
        Image.new("L" if name.startswith("grey") else "RGB", (side, side), 90).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not looked at", encoding="utf-8")
    found = load_pictures([tmp_path], 64)
    assert found.names == ["a.jpg", "b.png", "grey.webp"]
    assert [tuple(p.shape) for p in found.pictures] == [(3, 64, 64), (3, 70, 70), (3, 80, 80)]
    assert "broken.png is skipped" in caplog.text
    assert load_pictures([tmp_path], 64, limit=2).names == ["a.jpg", "b.png"]
    with pytest.raises(BadImage, match="at least 128 pixels"):
        load_pictures([tmp_path], 128)
    with pytest.raises(UsageError, match="no pictures in"):
        load_pictures([tmp_path / "none"], 64)


def test_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (70, 100)).save(tmp_path / "turned.jpg", exif=exif)
    assert tuple(load_pictures([tmp_path], 64).pictures[0].shape) == (3, 70, 100)


def test_held_back_pictures_are_spread_over_the_names_and_never_trained_on() -> None:
    trained, held = pack(*[(64, 64)] * 10).split(3)
    assert held.names == ["00", "03", "06"]
    assert sorted(trained.names + held.names) == [f"{n:02}" for n in range(10)]
    assert pack((64, 64)).split(0)[1].names == []
    with pytest.raises(UsageError, match="leaves nothing"):
        pack((64, 64), (64, 64)).split(2)


def test_a_crop_without_reduction_is_a_piece_of_its_picture_or_its_mirror_image() -> None:
    batch = pack((90, 200), (70, 64)).crops(16, 64, dice(), downscale=0.0)
    assert batch.x.shape == (16, 3, 64, 64)
    levels = (batch.x * 255).round()
    assert torch.all(levels[:, 0].diff(dim=1) == 1)  # rows go on downwards
    assert {float(step) for step in levels[:, 1].diff(dim=2).unique()} == {-1.0, 1.0}  # columns either way


def test_a_reduced_crop_covers_more() -> None:
    batch = pack((200, 200)).crops(32, 64, dice(), downscale=1.0)
    span = (batch.x[:, 0, -1, 0] - batch.x[:, 0, 0, 0]) * 255
    assert float(span.min()) > 60
    assert float(span.max()) > 110


def test_the_same_seed_draws_the_same_crops() -> None:
    first, again, other = (pack((90, 90), (80, 70)).crops(4, 64, dice(seed), 0.5).x for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_large_pictures_are_drawn_more_often() -> None:
    many = pack((64, 64), (192, 192)).crops(400, 64, dice(), 0.0)
    off_corner = (many.x[:, 0, 0, 0] > 0) | (many.x[:, 1, 0].amin(1) > 0)
    assert 320 < int(off_corner.sum()) <= 400  # the small picture has but one crop, and a tenth of the pixels


@pytest.mark.parametrize("downscale", [0.0, 1.0])
def test_labels_are_cut_like_their_pictures_and_counted_anew(downscale: float) -> None:
    whole = pack((150, 160), labelled=True)
    batch = whole.crops(8, 64, dice(), downscale, labelled=True)
    assert batch.regions is not None
    assert batch.regions.dtype == torch.int64
    for x, labels in zip(batch.x, batch.regions, strict=True):
        assert labels.unique().tolist() == list(range(int(labels.max()) + 1))
        band = (x[0] * 255 // 10).long() - int(x[0, 0, 0] * 255 // 10)  # labels are bands of ten rows
        assert (band - labels).abs().float().mean() < 0.15  # equal but for rounding where a band begins


def test_labelled_batches_come_from_labelled_pictures_only() -> None:
    two = PicturePack(["a", "b"], [torch.zeros(3, 64, 64), torch.full((3, 64, 64), 255)], [None, torch.zeros(64, 64)])
    assert two.labelled == 1
    assert torch.all(two.crops(8, 64, dice(), 0.0, labelled=True).x == 1)


def test_masks_go_with_their_pictures(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in "ab":
        Image.new("RGB", (64, 64)).save(tmp_path / f"{name}.jpg")
    Image.fromarray(np.repeat(np.uint8([[3], [9]]), 64, axis=1).repeat(32, axis=0)).save(masks / "b.png")
    a, b = load_pictures([tmp_path], 64, [MaskFolder(masks)]).labels
    assert a is None
    assert b is not None
    assert b[:, 0].tolist() == [0] * 32 + [1] * 32


def test_strips_show_pairs_side_by_side(tmp_path: Path) -> None:
    pairs = [(ramp(20, 30), ramp(20, 30)), (ramp(10, 16), ramp(10, 16))]
    write_strips(tmp_path / "deep" / "strip.png", pairs)
    with Image.open(tmp_path / "deep" / "strip.png") as strip:
        assert strip.size == (64, 34)
        assert strip.getpixel((34, 19)) == (19, 0, 7)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["strip.png"]


def test_importance_follows_its_crop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A map of another size, black to white from left to right, tells for every crop where it was taken."""
    photos, maps = tmp_path / "photos", tmp_path / "maps"
    photos.mkdir()
    maps.mkdir()
    across = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (100, 1))
    for name in ("a", "b", "c"):
        Image.fromarray(np.stack([across] * 3, 2)).save(photos / f"{name}.png")
    Image.fromarray(across[::4, ::4]).save(maps / "a.png")
    Image.fromarray(across[:, :30]).save(maps / "b.png")
    found = load_pictures([photos], 64, importance=ImportanceFolder(maps))
    assert [m is not None for m in found.importance] == [True, False, False]
    assert found.weighted == 1
    assert "importance map" in caplog.text
    batch = found.crops(6, 64, dice(), downscale=0.5, weighted=True)
    assert batch.importance is not None
    assert batch.importance.shape == (6, 1, 64, 64)
    torch.testing.assert_close(batch.importance, batch.x[:, :1], rtol=0, atol=0.02)
    assert torch.equal(found.crops(6, 64, dice(), downscale=0.5).x, found.crops(6, 64, dice(), 0.5).x)
    kept, held = found.split(1)
    assert (kept.weighted, held.weighted) == (0, 1)
    with pytest.raises(UsageError, match="no such folder"):
        ImportanceFolder(tmp_path / "none")


def test_kinds_that_nothing_here_reads_are_counted_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("regio.names.find_spec", lambda name: None)
    for name in ("a.heic", "b.HEIC", "c.jxl", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=r"no pictures in .*; 3 files skipped: .*\.jxl needs pillow-jxl-plugin"):
        load_pictures([tmp_path], 8)
    Image.new("RGB", (9, 9)).save(tmp_path / "d.png")
    assert load_pictures([tmp_path], 8).names == ["d.png"]
    assert "3 files skipped" in caplog.text
