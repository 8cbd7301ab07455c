"""Pictures that code makes."""

import numpy as np
import pytest
import torch

from regio.data.graphics import KINDS, made_picture
from regio.data.pictures import PicturePack


@pytest.mark.parametrize("seed", range(3 * len(KINDS)))
def test_a_seed_is_a_picture_of_its_kind(seed: int) -> None:
    name, pixels = made_picture(seed, 96)
    assert name.startswith(f"made-{seed:05d}-")
    assert (pixels.shape, pixels.dtype) == ((96, 96, 3), np.uint8)
    again, same = made_picture(seed, 96)
    assert again == name
    assert np.array_equal(pixels, same)


def test_they_show_what_photographs_do_not() -> None:
    pictures = [made_picture(seed, 128)[1] for seed in range(24 * len(KINDS))]
    saturated = [
        bool((np.sort(p.reshape(-1, 3), axis=1)[:, [0, 2]] == (0, 255)).all(axis=1).mean() > 0.2) for p in pictures
    ]
    assert sum(saturated) > 10  # areas in pure colours
    flat = [len(np.unique(p.reshape(-1, 3), axis=0)) <= 2 for p in pictures]
    assert sum(flat) > 10
    steps = [np.abs(np.diff(p.astype(int), axis=1)).max(axis=2).mean() for p in pictures]
    assert max(steps) > 100  # patterns as fine as a pixel
    assert len({p.tobytes() for p in pictures}) > 0.9 * len(pictures)


def test_made_pictures_join_a_pack_without_labels() -> None:
    pack = PicturePack(["a.png"], [torch.zeros(3, 64, 64, dtype=torch.uint8)], [torch.zeros(64, 64, dtype=torch.int16)])
    joined = pack.with_made(9, 96)
    assert joined.names[0] == "a.png"
    assert len(set(joined.names)) == 10
    assert [tuple(picture.shape) for picture in joined.pictures[1:]] == 9 * [(3, 96, 96)]
    assert joined.labels[1:] == 9 * [None]
    batch = joined.crops(6, 64, torch.Generator().manual_seed(1), downscale=0.3)
    assert batch.x.shape == (6, 3, 64, 64)
    assert pack.names == ["a.png"]  # as it was


def test_a_mosaic_has_pure_colours_in_many_patterns() -> None:
    seed = next(seed for seed in range(len(KINDS)) if KINDS[seed].__name__ == "mosaic")
    pixels = made_picture(seed, 320)[1]
    assert np.isin(pixels, (0, 255)).all(axis=2).mean() > 0.4
    assert len({pixels[y : y + 8, x : x + 8].tobytes() for y in range(0, 320, 40) for x in range(0, 320, 40)}) > 16
