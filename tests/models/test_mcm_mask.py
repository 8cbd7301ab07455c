"""DA-Mask against definitions written out pixel by pixel, and its draws against their chances."""

import numpy as np
import pytest
import torch

from regio.models.mcm_mask import STRATEGIES, covering, gumbel, log_chances, ranks, structure, texture, top, typicality


def test_texture_is_the_mean_absolute_laplacian_of_each_patch_alone() -> None:
    torch.manual_seed(0)
    picture = torch.randint(0, 256, (3, 32, 48)).float()
    found = texture(picture[None] / 255)[0]
    grey = np.round((picture * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0).numpy())
    for row in range(2):
        for column in range(3):
            patch = grey[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
            wide = np.pad(patch, 1, mode="reflect")
            corners = wide[:-2, :-2] + wide[:-2, 2:] + wide[2:, :-2] + wide[2:, 2:]
            want = np.minimum(np.abs(2 * corners - 8 * patch), 255).mean()
            assert float(found[row, column]) == pytest.approx(want, rel=1e-5)


def test_structure_is_the_share_of_objects_on_eight_bits_and_a_tenth() -> None:
    objects = torch.zeros(1, 32, 16)
    objects[0, :8] = 1
    assert structure(objects)[0].flatten().tolist() == pytest.approx([127.6, 0.1])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_chances_of_a_picture_sum_to_one(strategy: str) -> None:
    torch.manual_seed(0)
    textures, objects = torch.rand(2, 4, 5) * 30, torch.rand(2, 4, 5) * 255
    chances = log_chances(strategy, textures, objects)
    assert chances.exp().sum(dim=(1, 2)).tolist() == pytest.approx([1, 1], abs=1e-4)


def test_strategies_look_at_what_their_names_say() -> None:
    textures, objects = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[6.0, 2.0, 1.0]]])
    shares = {s: log_chances(s, textures, objects).exp()[0, 0].tolist() for s in STRATEGIES}
    assert shares["texture"] == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert shares["structure"] == pytest.approx([6 / 9, 2 / 9, 1 / 9])
    assert shares["da-mask"] == pytest.approx([6 / 13, 4 / 13, 3 / 13])
    assert shares["random"] == pytest.approx([1 / 3] * 3)


def test_first_draws_come_as_often_as_their_chances_say() -> None:
    chances = torch.log(torch.tensor([[[0.5, 0.3, 0.15, 0.05]]])).expand(4000, 1, 4)
    first = gumbel(chances, torch.Generator().manual_seed(3)).flatten(1).argmax(1)
    shares = torch.bincount(first, minlength=4) / 4000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)  # 4 deviations of a share of a half


def test_a_seed_says_which_patches_and_temperature_zero_needs_none() -> None:
    chances = log_chances("da-mask", torch.rand(1, 8, 8), None)
    a, b = (top(gumbel(chances, torch.Generator().manual_seed(1)), 9) for _ in range(2))
    c = top(gumbel(chances, torch.Generator().manual_seed(2)), 9)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    best = chances.flatten().argsort(descending=True)[:9].sort().values
    assert torch.equal(top(gumbel(chances, temperature=0), 9)[0], best)


def test_kept_patches_come_in_raster_order_and_ranks_nest_them() -> None:
    scores = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(0))
    place = ranks(scores[0])
    assert sorted(place.flatten().tolist()) == list(range(36))
    for count in (1, 7, 36):
        assert torch.equal(top(scores, count)[0], (place.flatten() < count).nonzero()[:, 0])


def test_covering_puts_one_patch_of_every_block_first_and_keeps_the_order_else() -> None:
    generator = torch.Generator().manual_seed(4)
    scores, typical = torch.rand(2, 6, 9, generator=generator), -torch.rand(2, 6, 9, generator=generator)
    covered = covering(scores, typical)
    for one, near, raised in zip(scores, typical, covered, strict=True):
        first = (ranks(raised) < 6).nonzero()
        blocks = {(r // 4, c // 4) for r, c in first.tolist()}
        assert len(blocks) == 6  # 2 x 3 blocks, the last of each cut
        for r, c in first.tolist():
            block = near[r // 4 * 4 : r // 4 * 4 + 4, c // 4 * 4 : c // 4 * 4 + 4]
            assert near[r, c] == block.max()
        rest = ranks(raised) >= 6
        assert torch.equal(one[rest].argsort(), raised[rest].argsort())


def test_the_most_typical_patch_has_the_colour_of_its_block() -> None:
    x = torch.zeros(1, 3, 64, 96)
    x[..., 16:32, 32:48] = 0.5  # one of sixteen, so that the mean is 0.03
    x[..., 64:] = 0.7
    found = typicality(x)[0]
    mean = 0.5 / 16
    assert float(found[0, 0]) == pytest.approx(-3 * mean**2, rel=1e-4)
    assert float(found[1, 2]) == pytest.approx(-3 * (0.5 - mean) ** 2, rel=1e-4)
    assert found[:, 4:].abs().max() < 1e-6


def test_chances_may_be_the_softmax_that_the_paper_prints() -> None:
    textures, objects = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[1.0, 1.0, 0.5]]])
    found = log_chances("da-mask", textures, objects, "softmax")
    torch.testing.assert_close(found, torch.log_softmax(torch.tensor([[[1.0, 2.0, 1.5]]]), 2))
