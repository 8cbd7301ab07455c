"""The state of a training run: model, average, optimisers, step. It can step, save and resume."""

import logging
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from regio.data.parts import Want
from regio.data.pictures import Batch
from regio.data.stream import Ask, PictureStream
from regio.errors import RegioError, UsageError
from regio.models.base import Network
from regio.training.average import MovingAverage
from regio.training.checkpoint import AVERAGE, LAST, OPTIMIZERS, RunFolder
from regio.training.families import fresh_net, make_step
from regio.training.heldback import Pictures
from regio.training.optimizers import JUDGE_BETAS, QUANTILE_RATE, adam, learning_rate, make_optimizer
from regio.training.recipe import Phase, Recipe
from regio.training.step import PLAIN_ALPHA, Drawn
from regio.weights import store

log = logging.getLogger(__name__)
GIVE_UP = 50  # steps in a row without a finite gradient, after which the last good state is restored
RAMP_START = 0.05  # of a ramp; a stream that costs nothing at first would grow without bound
_SEEDS_A_STEP = 64  # processes; each draws its own batches


class Run:
    """One run of a recipe, in one process."""

    def __init__(self, recipe: Recipe, folder: RunFolder, fabric: Fabric) -> None:
        self.recipe, self.folder, self.fabric = recipe, folder, fabric
        self.step = self.skipped = self.skipped_in_a_row = self.restored = 0
        self.net = fresh_net(recipe)
        if recipe.start and not folder.started:
            start_from(self.net, recipe.start, as_it_is=all(phase.train == "synthesis" for phase in recipe.phase))
        self.net.to(fabric.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(self.net)
        self.inner = make_step(self.net, recipe).to(fabric.device)
        self._enter(0, recipe.phase[0])

    def _enter(self, number: int, phase: Phase) -> None:
        """Begin a phase with fresh optimisers. Weights and average continue."""
        self.phase_number = number
        self.inner.begin(phase)
        module: nn.Module = torch.compile(self.inner) if self.recipe.compile else self.inner  # type: ignore[assignment]
        self.model = self.fabric.setup_module(module)  # again: other parameters may take part now
        named = [(n, p) for n, p in self.net.named_parameters() if p.requires_grad]
        weights = [(n, p) for n, p in named if not n.endswith("quantiles")]
        self.quantiles = [p for n, p in named if n.endswith("quantiles")]
        self.weights = [p for _, p in weights]
        judge = self.inner.judge
        self.judging = [] if judge is None else [p for p in judge.parameters() if p.requires_grad]
        made = [make_optimizer(weights, phase)]
        if self.judging:
            made.append(adam(self.judging, phase.learning_rate, JUDGE_BETAS))
        self.scheduled = len(made)  # the first so many follow the phase's learning rate
        if self.quantiles:  # of factorised priors, where a model has some
            made.append(adam(self.quantiles, QUANTILE_RATE))
        self.optimizers: list[Any] = [self.fabric.setup_optimizers(o) for o in made]

    def one_step(self, pictures: Pictures) -> dict[str, Tensor]:
        """Draw a batch, take a step, update the average. Return scalars (see TrainingStep) and the gradient norm.

        The draw depends on seed, step and process alone, and on how often a state was restored: what led to a failure
        is not repeated. A step whose gradient is not finite changes nothing.
        """
        number, phase, at = self.recipe.at(self.step)
        if number != self.phase_number:
            self._enter(number, phase)
        values: dict[str, Tensor] = self.model(self._draw(pictures, phase, at))
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(values["loss"])
        values["norm"] = nn.utils.clip_grad_norm_(self.weights, phase.clip)
        beside = nn.utils.get_total_norm([p.grad for p in self.quantiles if p.grad is not None])
        if self.judging:
            beside = beside + nn.utils.clip_grad_norm_(self.judging, phase.clip)
        self.step += 1
        if bool(torch.isfinite(values["norm"] + beside)):
            for optimizer, factor in zip(self.optimizers, (1.0, phase.roi.judge_rate)[: self.scheduled], strict=False):
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(phase, at) * factor
            for optimizer in self.optimizers:
                optimizer.step()
            self.average.update(phase.ema, self.step)
            self.skipped_in_a_row = 0
        else:
            self.skipped += 1
            self.skipped_in_a_row += 1
        return {name: value.detach() for name, value in values.items()}

    def _seed(self, step: int) -> int:
        start = (self.recipe.seed + 1_000 * self.restored) * 1_000_003 + step
        return (start * _SEEDS_A_STEP + self.fabric.global_rank) % 2**63

    def _wants(self, phase: Phase, generator: torch.Generator, weighted: bool) -> Want:
        """What the pictures of a step must have; the first thing that is drawn. weighted: there are importance maps."""
        labelled = bool(torch.rand(1, generator=generator) < self.recipe.labelled(phase))
        needed = phase.weighted or (phase.measure == "perceptual" and weighted)
        return Want(phase.crop, labelled, needed)

    def follow(self, stream: PictureStream) -> None:
        """Let a stream prepare the pictures of the steps to come."""

        def ask(step: int) -> Ask | None:
            if step >= self.recipe.steps:
                return None
            phase, seed, fabric = self.recipe.at(step)[1], self._seed(step), self.fabric
            want = self._wants(phase, torch.Generator().manual_seed(seed), stream.weighted)
            first = self.recipe.seen(step) * fabric.world_size + fabric.global_rank * phase.batch
            return Ask(step, seed, first, phase.batch, want)

        stream.follow(ask)

    def _batch(self, pictures: Pictures, phase: Phase, generator: torch.Generator) -> Batch:
        want, data = self._wants(phase, generator, bool(pictures.weighted)), self.recipe.data
        if isinstance(pictures, PictureStream):
            return pictures.take(self.step, self.fabric.device)
        return pictures.crops(
            phase.batch, want.size, generator, data.downscale, want.labelled, want.weighted, data.vertical_flips
        )

    def _draw(self, pictures: Pictures, phase: Phase, at: int) -> Drawn:
        """Draw the input of the next training step."""
        seed = self._seed(self.step)
        torch.manual_seed(seed)  # of the noise, which is drawn on the device
        generator = torch.Generator().manual_seed(seed)
        batch = self._batch(pictures, phase, generator)
        rate = spread_rates(phase.batch, generator)
        if len(phase.lambdas) > 2:
            rate = at_points(rate, len(phase.lambdas))
        grid = phase.grids[int(torch.randint(len(phase.grids), (1,), generator=generator))]
        if phase.rate_maps and bool(torch.rand(1, generator=generator) < phase.rate_maps):
            rate = vary_rates(rate, phase.crop // self.net.multiple, generator)
        share = min(1.0, RAMP_START + at / phase.side_ramp) if phase.side_ramp else 1.0
        device = self.fabric.device
        x = batch.x.to(device, memory_format=torch.channels_last)
        regions = None if batch.regions is None else batch.regions.to(device)
        drawn = Drawn(x, regions, grid, rate.to(device), torch.tensor(share, device=device))
        if batch.importance is None:
            return drawn
        alpha, plain = draw_alphas(phase, generator)
        importance = torch.where(plain.to(device).view(-1, 1, 1, 1), 1.0, batch.importance.to(device))
        return drawn._replace(importance=importance, alpha=alpha.to(device))

    def save(self) -> None:
        """Save everything needed to resume, in three files. A state with weights that are not finite is not saved."""
        sound = all(bool(torch.isfinite(p).all()) for p in (*self.weights, *self.judging))
        if self.fabric.is_global_zero and sound:
            step, made = {"step": self.step}, [o.state_dict() for o in self.optimizers]
            guards = {"phase": self.phase_number, "skipped": self.skipped, "restored": self.restored}
            states: dict[str, dict[str, Any]] = {
                OPTIMIZERS: step | {"kind": self.inner.phase.optimizer, "optimizers": made},
                AVERAGE: step | {"config": self.net.config.as_dict(), "model": self.average.net.state_dict()},
                LAST: step | guards | {"model": self.net.state_dict()},
            }
            if self.inner.judge is not None:
                states[LAST]["judge"] = self.inner.judge.state_dict()
            self.folder.save(states)
        elif not sound:
            log.warning("step %d is not saved: some weights are not finite", self.step)
        self.fabric.barrier()

    def resume(self) -> None:
        """Continue where `save` stopped.

        optimizers.pt may be missing, for example because a run was copied without it: then optimisers start fresh.
        UsageError when the folder holds a run of another model; RegioError when its states are damaged or were not
        saved together.
        """
        state = self.folder.load(LAST, self.fabric.device)
        average = self.folder.load(AVERAGE, self.fabric.device)
        try:
            self.net.load_state_dict(state["model"])
            self.average.net.load_state_dict(average["model"])
            if self.inner.judge is not None:
                self.inner.judge.load_state_dict(state["judge"])
            self.step, self.skipped, before = state["step"], state["skipped"], state["phase"]
        except (RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{self.folder.path} holds a run of another model than the recipe's") from error
        if average.get("step", self.step) != self.step:
            raise RegioError(
                f"{self.folder.path}: {AVERAGE} was saved at step {average['step']} and {LAST} at step {self.step}; "
                "put back files that belong together"
            )
        self.restored, self.skipped_in_a_row = state.get("restored", 0), 0
        number, phase, _ = self.recipe.at(self.step)
        self._enter(number, phase)
        optimizers = self._saved_optimizers(state) if number == before else None
        if optimizers is not None:
            try:
                for optimizer, saved in zip(self.optimizers, optimizers, strict=True):
                    optimizer.load_state_dict(saved)
            except (ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
                raise self._unfit("does not belong to this run") from error

    def _saved_optimizers(self, state: dict[str, Any]) -> list[dict[str, Any]] | None:
        """Return the saved state of each optimiser, or None when there is none. UsageError when it cannot be used."""
        if not self.folder.has(OPTIMIZERS):
            return state.get("optimizers")  # older runs keep them in last.pt
        saved = self.folder.load(OPTIMIZERS, self.fabric.device)
        if saved.get("step") != self.step:
            raise self._unfit(f"was saved at step {saved.get('step')}, {LAST} at step {self.step}")
        if saved.get("kind") != self.inner.phase.optimizer:
            raise self._unfit(f"is the state of {saved.get('kind')}")
        found: list[dict[str, Any]] | None = saved.get("optimizers")
        return found

    def _unfit(self, why: str) -> UsageError:
        where = self.folder.path / OPTIMIZERS
        return UsageError(f"{where} {why}; remove that file to continue with fresh optimisers")

    def recover(self) -> None:
        """Go back to the last saved state after too many non-finite gradients. RegioError the second time."""
        if self.restored or not self.folder.started:
            raise RegioError(
                f"no finite gradient in {GIVE_UP} steps up to step {self.step}, and going back to a saved state "
                "did not help; a smaller learning rate or precision = 'float32' may help"
            )
        log.warning("no finite gradient in %d steps: going back to the last saved state", GIVE_UP)
        skipped = self.skipped
        self.resume()
        self.restored, self.skipped = self.restored + 1, skipped


def start_from(net: Network, weights: str, *, as_it_is: bool = False) -> None:
    """Copy the tensors of other weights whose name and shape agree. The rest stays fresh, with a warning.

    as_it_is: UsageError unless the weights are of the same configuration, so that all of them are used.
    """
    loaded = store.load(weights).net
    if as_it_is and loaded.config != net.config:
        raise UsageError(f"{weights} has another configuration than the recipe's model, so its latents differ")
    known, fresh = net.adopted(loaded.state_dict()), net.state_dict()
    taken = {k: v for k, v in known.items() if k in fresh and v.shape == fresh[k].shape}
    if not taken:
        raise UsageError(f"{weights} has no tensor in common with the recipe's model")
    net.load_state_dict(taken, strict=False)
    if len(taken) < len(fresh):
        log.warning("%s: %d of %d tensors are used, the others start fresh", weights, len(taken), len(fresh))


def spread_rates(count: int, generator: torch.Generator) -> Tensor:
    """Draw rates (B,) in [0,1], one in each of B equal spans, so that every batch covers the range."""
    return (torch.arange(count) + torch.rand(count, generator=generator)) / count


def at_points(rate: Tensor, points: int) -> Tensor:
    """Rates in [0,1) -> the same, each at one of so many points from 0 to 1, equally often."""
    return (rate * points).floor() / (points - 1)


def vary_rates(rate: Tensor, cells: int, generator: torch.Generator) -> Tensor:
    """Turn rates (B,) into maps (B,1,cells,cells): a random rectangle gets another rate, uniform in [0,1].

    A cell that the rectangle covers in part has a rate in between, as the soft edges of a region of interest do.
    """
    corners = torch.rand(2, len(rate), 2, generator=generator).sort(dim=2).values * cells
    start = torch.arange(cells)
    # (2,B,cells): how much of each row, and of each column, is covered
    ends = torch.minimum(start + 1, corners[..., 1:]) - torch.maximum(start, corners[..., :1])
    down, across = ends.clamp(0, 1)
    inside = down[:, None, :, None] * across[:, None, None, :]
    other = torch.rand(len(rate), generator=generator)
    return torch.lerp(rate[:, None, None, None], other[:, None, None, None], inside)


def draw_alphas(phase: Phase, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw alphas (B,), uniform on a log scale, and which samples (B,) are plain, without emphasis."""
    low, high = phase.roi.alpha
    alpha = low * (high / low) ** torch.rand(phase.batch, generator=generator)
    plain = torch.rand(phase.batch, generator=generator) < phase.roi.plain
    return torch.where(plain, PLAIN_ALPHA, alpha), plain
