"""One backward pass trains both sides of the game, each by its own loss alone."""

import pytest
import torch

from regio.losses.adversarial import GAMES, PatchDiscriminator, contest


def made() -> tuple[PatchDiscriminator, torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x, latents = torch.rand(2, 3, 64, 96), torch.randn(2, 8, 4, 6)
    return PatchDiscriminator(8, width=4), x, (x * 0.8).requires_grad_(), latents.requires_grad_()


def test_there_is_a_logit_for_every_latent_position_and_it_knows_the_latents() -> None:
    judge, x, _, latents = made()
    judge.eval()
    assert judge(x, latents).shape == (2, 1, 4, 6)
    assert not torch.equal(judge(x, latents), judge(x, latents.flip(3)))


@pytest.mark.parametrize("game", GAMES)
def test_neither_side_feels_the_others_loss(game: str) -> None:
    judge, x, x_hat, latents = made()
    verdict = contest(judge, x, x_hat, latents, game)
    verdict.model.sum().backward()
    assert x_hat.grad is not None
    assert x_hat.grad.any()
    assert all(p.grad is None for p in judge.parameters())
    assert all(p.requires_grad for p in judge.parameters())
    x_hat.grad = None
    contest(judge, x, x_hat, latents, game).judge.backward()
    assert x_hat.grad is None
    assert latents.grad is None
    assert all(p.grad is not None and p.grad.any() for p in judge.parameters())


@pytest.mark.parametrize("game", GAMES)
def test_the_judge_learns_to_tell_and_the_model_then_pays_more(game: str) -> None:
    judge, x, x_hat, latents = made()
    before = contest(judge, x, x_hat, latents, game)
    optimizer = torch.optim.Adam(judge.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        contest(judge, x, x_hat, latents, game).judge.backward()
        optimizer.step()
    after = contest(judge, x, x_hat, latents, game)
    assert after.judge < before.judge
    assert after.model.mean() > before.model.mean()
