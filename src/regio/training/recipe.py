"""A recipe: one TOML file, one reproducible training run."""

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from regio.data.parts import FITS
from regio.errors import UsageError
from regio.losses.adversarial import GAMES
from regio.losses.perceptual_weights import BACKBONES
from regio.training.tables import changed, check, fits, read_table, section

OPTIMIZERS = ("adam", "adamw", "soap", "muon", "muon-conv")
MEASURES = ("mse", "ms-ssim", "masked", "perceptual", "roi", "terms")
TERMS = ("mse", "l1", "ms-ssim", "ssimulacra2", "lpips", "wasserstein")
TRAINED = ("all", "synthesis")
WEIGHED = ("distortion", "rate")
ERRORS = ("mse", "l1")
CHANCES = ("proportion", "softmax")
PRECISIONS = ("bf16", "float32")
MOST_WORKERS = 256
CROP_MULTIPLE = 64  # what every model's sides must divide by
SUM_ERROR = 1e-6  # of shares that sum to one
MS_SSIM_CROP = 192  # five scales under an 11-pixel window leave nothing of less than 161


def setting(doc: str, default: Any = MISSING) -> Any:
    """A field of a recipe with its line of documentation; docs/training.md is tested against it."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """Where pictures come from; paths are relative to the folder the command runs in."""

    folders: tuple[str, ...] = setting("folders of pictures")
    masks: str | None = setting("folder of label maps (PNG, the picture's stem); value or colour = label", None)
    panoptic: str | None = setting("COCO panoptic JSON; its PNG files are in the folder of the same name", None)
    segments: str | None = setting(
        "cache folder for label maps that are made by segmentation (Felzenszwalb) for pictures without one", None
    )
    workers: int | None = setting(
        "processes that read pictures from disk while training; 0: the training process reads; default: all "
        "pictures are decoded once and kept in memory",
        None,
    )
    fit: str = setting(
        "with `workers`: `crop`, anywhere in a picture; `whole`, the picture resized to a crop's sides; `area`, a part "
        "of 20 to 100 % of it, resized",
        "crop",
    )
    vertical_flips: bool = setting("flip half of the crops upside down, too", False)
    graphics: int = setting("generated pictures, besides those of the folders; a tenth of all is a good share", 0)
    held_back: int = setting("pictures never trained on, for validation", 16)
    smallest: int | None = setting(
        "pictures with a shorter side are left out; default: the largest crop; with `workers`: none, and small "
        "pictures are enlarged to a crop's sides",
        None,
    )
    downscale: float = setting("share of crops that are cut larger (up to twice) and reduced", 0.3)
    importance: str | None = setting(
        "folder of importance maps (grey PNG of any size, the picture's stem, white = most important), COCO instances "
        "JSON, or CelebAMask-HQ's folder of masks",
        None,
    )
    labelled: float = setting("share of batches whose regions are label maps; the others have a grid", 0.0)
    limit: int | None = setting("use at most this many pictures, for trials", None)

    def __post_init__(self) -> None:
        check(0 <= self.downscale <= 1 and 0 <= self.labelled <= 1, "downscale and labelled are shares, 0 to 1")
        check(min(self.held_back, self.graphics) >= 0, "held_back and graphics are numbers of pictures")
        check(
            self.limit is None or self.limit > self.held_back,
            "limit is not above held_back, so there is nothing to train on",
        )
        check(self.workers is None or 0 <= self.workers <= MOST_WORKERS, f"workers is 0 to {MOST_WORKERS}")
        check(self.fit in FITS, f"fit is one of {', '.join(FITS)}, not {self.fit!r}")
        check(self.fit == "crop" or self.workers is not None, f"fit = {self.fit!r} goes with workers")
        check(not self.graphics or self.workers is None, "graphics are made in memory: leave out graphics or workers")


@dataclass(frozen=True, kw_only=True)
class RoiTerms:
    """The terms of the measure `roi`; equations of the ROI codec's paper."""

    alpha: tuple[float, float] = setting(
        "smallest and largest α of Eq. 6, drawn on a logarithmic scale; a smaller α gives a region more", (0.5, 4.0)
    )
    plain: float = setting("share of samples in which no region is emphasised; 1: no regions at all", 0.25)
    smoothing: int = setting("side of the box that smooths masks, Eq. 2, an odd number of pixels; 1: not smoothed", 51)
    error: str = setting("d_ROI: `mse` or `l1`, both on 0 to 255", "mse")
    finer: bool = setting(
        "errors in a region count ((RM + α) / α)² times, because quantisation is finer there; Eq. 3 has no such factor",
        True,
    )
    floor: float = setting("least weight of the squared error outside of regions", 0.0)
    colour: float = setting("weight of the squared error of means over 16 x 16 pixels, in the whole picture", 0.0)
    background: float = setting(
        "weight of the background's distortion (1 − SSIM + λ_p LPIPS) relative to a region's squared error", 100.0
    )
    perceptual: float = setting("λ_p, the weight of LPIPS (SqueezeNet 1.1) in the background's distortion", 0.5)
    adversary: float = setting("weight of the adversarial loss in the background's distortion; 0: no GAN", 0.0)
    everywhere: bool = setting("the adversarial loss counts inside regions, too, as printed in the paper", False)
    game: str = setting("`non-saturating` or `least-squares`", "non-saturating")
    judge_width: int = setting("channels of the discriminator's first layer", 64)
    judge_rate: float = setting("learning rate of the discriminator, as a multiple of the model's", 1.0)

    def __post_init__(self) -> None:
        check(0 < self.alpha[0] <= self.alpha[1], "alpha rises and is above 0")
        check(0 <= self.plain <= 1 and 0 <= self.floor <= 1, "plain and floor are shares, 0 to 1")
        check(min(self.colour, self.background, self.perceptual, self.adversary) >= 0, "weights are 0 or more")
        check(self.smoothing >= 1 and self.smoothing % 2 == 1, f"smoothing = {self.smoothing} is not odd and above 0")
        check(self.error in ERRORS, f"error is one of {', '.join(ERRORS)}, not {self.error!r}")
        check(self.game in GAMES, f"game is one of {', '.join(GAMES)}, not {self.game!r}")
        check(self.judge_width >= 1 and self.judge_rate > 0, "judge_width and judge_rate are above 0")


@dataclass(frozen=True, kw_only=True)
class MaskTerms:
    """How MCM's patches are chosen in training; equations of its paper."""

    shares: tuple[float, float, float, float] = setting(
        "shares of batches masked by DA-Mask, by texture, by structure, at random", (0.6, 0.2, 0.0, 0.2)
    )
    normalise: str = setting(
        "from capacities to chances, Eq. 9: `softmax` as printed, `proportion` as published", "proportion"
    )
    certain: float = setting("share of batches without randomness, which keep the patches of highest capacity", 0.5)
    covering: float = setting("share of batches that always keep one patch of every 4 x 4", 0.7)

    def __post_init__(self) -> None:
        check(min(self.shares) >= 0 and abs(sum(self.shares) - 1) < SUM_ERROR, "shares are 0 or more and sum to 1")
        check(self.normalise in CHANCES, f"normalise is one of {', '.join(CHANCES)}, not {self.normalise!r}")
        check(0 <= self.certain <= 1 and 0 <= self.covering <= 1, "certain and covering are shares, 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of the run; phases follow each other in one loop, each with fresh optimisers."""

    steps: int = setting("optimiser steps", 0)
    epochs: float = setting("instead of steps: passes over all pictures", 0.0)
    crop: int = setting("side of the crops, a multiple of 64; at least 192 for ms-ssim", 128)
    batch: int = setting("crops per step and process", 8)
    optimizer: str = setting(
        "`adam`, `adamw`, `soap`, `muon`, or `muon-conv` (convolutions only, Adam for the rest)", "soap"
    )
    betas: tuple[float, float] = setting("`adam`, `adamw`: decays of the two averages of gradients", (0.9, 0.99))
    weight_decay: float = setting("`adamw`: decay of matrices and kernels; vectors do not decay", 0.0)
    learning_rate: float = setting("after the warm-up", 3e-3)
    final: float = setting("learning rate at the end of the cosine, as a share of `learning_rate`", 0.02)
    milestones: tuple[float, ...] = setting(
        "steps, or epochs if the phase has epochs, at which `drop` multiplies the learning rate; no cosine", ()
    )
    drop: float = setting("see `milestones`", 0.5)
    warmup: int = setting("steps over which the learning rate rises from zero", 200)
    measure: str = setting(
        "distortion: `mse` or `ms-ssim`; for MCM `perceptual`, or `masked`, which trains to predict hidden patches "
        "and codes nothing; for the ROI codec `roi`; for all but MCM `terms`, the sum of `terms` alone",
        "mse",
    )
    terms: dict[str, float] = field(
        default_factory=dict,
        metadata={"doc": "weights of distortion terms, by name; for `terms`, and added in `perceptual` and `roi`"},
    )
    spread: float = setting("for the term `wasserstein`: σ in pixels where importance is 0", 16.0)
    train: str = setting("`all`, or `synthesis`: only the synthesis, on rounded latents; the rest is frozen", "all")
    lambdas: tuple[float, ...] = setting(
        "weight of the distortion at rate 0 and at rate 1; more than two: one for each gain point of the model",
        (0.0002, 0.12),
    )
    weighs: str = setting(
        "what lambdas multiply: `distortion`, or `rate`: then they fall, and the loss is λ bpp + D", "distortion"
    )
    balance: float = setting("samples are weighted by λ to the power of minus this, so that low rates count", 0.3)
    clip: float = setting("gradients of a larger norm are scaled down to this norm", 1.0)
    ema: float = setting("decay of the averaged weights; these are exported", 0.999)
    precondition_every: int = setting("SOAP: steps between updates of its preconditioner", 25)
    side_ramp: int = setting(
        "steps over which the rate of all but y is phased in; without it, side information vanishes", 0
    )
    prototypes: float = setting("factor on the prototypes' rate in the loss; with 1 they vanish", 1.0)
    means: float = setting(
        "`mse`: weight of the squared error of means over 16 x 16 pixels, added to that of pixels", 0.0
    )
    mix: tuple[float, float, float] = setting(
        "`perceptual`: weights of L1, of 1 − SSIM and of the difference of features", (10.0, 0.25, 0.1)
    )
    features: str = setting(
        "`perceptual`: `vgg` (two layers, as in the paper), `squeeze`, `alex` (two such), `lpips-squeeze`, …", "squeeze"
    )
    look: int = setting(
        "`perceptual`, `roi`, `terms`: side of the random square of a crop whose features are compared; 0: all", 0
    )
    masked: float = setting("`masked`: share of the patches that are hidden, chosen at random", 0.75)
    masking: MaskTerms = field(
        default_factory=MaskTerms, metadata={"doc": "for MCM when it codes: a table of its own, below"}
    )
    roi: RoiTerms = field(default_factory=RoiTerms, metadata={"doc": "for `roi`: a table of its own, below"})
    labelled: float | None = setting("`labelled` of this phase, instead of the one in `[data]`", None)
    rate_maps: float = setting(
        "`mse` and `terms`: share of batches whose rate, and λ with it, varies over the picture", 0.0
    )
    grids: tuple[int, ...] = setting("sides of the region grids of batches without label maps, drawn at random", (4,))

    def __post_init__(self) -> None:
        check(self.optimizer in OPTIMIZERS, f"optimizer is one of {', '.join(OPTIMIZERS)}, not {self.optimizer!r}")
        check(self.measure in MEASURES, f"measure is one of {', '.join(MEASURES)}, not {self.measure!r}")
        check(self.batch >= 1, "batch is at least 1")
        check(min(self.steps, self.epochs) >= 0 < max(self.steps, self.epochs), "a phase has steps or epochs, above 0")
        check(not (self.steps and self.epochs), "a phase has steps or epochs, not both")
        rising = all(a < b for a, b in pairwise((0.0, *self.milestones)))
        check(rising and 0 < self.drop <= 1, "milestones rise and are above 0, drop is above 0 and at most 1")
        check(all(0 <= beta < 1 for beta in self.betas), "betas are 0 or more and below 1")
        decays = self.weight_decay == 0 or self.optimizer == "adamw"
        check(self.weight_decay >= 0 and decays, "weight_decay is 0 or more and goes with adamw")
        check(self.crop >= 1 and self.crop % CROP_MULTIPLE == 0, f"crop={self.crop} is not a multiple of 64")
        wide = self.measure != "ms-ssim" or self.crop >= MS_SSIM_CROP
        check(wide, f"crop={self.crop} is too small for ms-ssim: its five scales need {MS_SSIM_CROP}")
        self._check_terms()
        check(min(self.mix) >= 0 < max(self.mix), "mix holds weights of 0 or more, not all of them 0")
        check(
            self.features.removeprefix("lpips-") in BACKBONES,
            f"features = {self.features!r} is not vgg, squeeze or alex, nor one of these after lpips-",
        )
        check(self.look == 0 or 64 <= self.look <= self.crop, f"look={self.look} is not 0 or 64 to {self.crop}")
        check(0 < self.masked < 1, "masked is a share, above 0 and below 1")
        check(self.learning_rate > 0 and self.clip > 0, "learning_rate and clip are above 0")
        self._check_lambdas()
        check(0 <= self.final <= 1 and 0 <= self.ema < 1, "final and ema are shares, ema below 1")
        check(min(self.warmup, self.side_ramp) >= 0, "warmup and side_ramp are numbers of steps")
        check(min(self.prototypes, self.means) >= 0, "prototypes and means are 0 or more")
        check(self.precondition_every >= 1, "precondition_every is at least 1")
        check(self.labelled is None or 0 <= self.labelled <= 1, "labelled is a share, 0 to 1")
        check(0 <= self.rate_maps <= 1, "rate_maps is a share, 0 to 1")
        mapped = self.rate_maps == 0 or self.measure in ("mse", "terms")
        check(mapped, f"rate maps go with mse and terms, not with {self.measure}")
        check(self.rate_maps == 0 or len(self.lambdas) == 2, "rate maps go with lambdas at rate 0 and 1 only")
        check(len(self.grids) > 0 and min(self.grids) >= 1 and max(self.grids) <= 16, "grids have sides of 1 to 16")

    @property
    def weighted(self) -> bool:
        """Whether importance maps are needed."""
        return self.measure == "roi" or bool(self.terms.get("wasserstein"))

    def _check_terms(self) -> None:
        unknown = sorted(set(self.terms) - set(TERMS))
        check(not unknown, f"there is no term {', '.join(unknown)}; there are {', '.join(TERMS)}")
        check(
            all(fits(weight, float) and weight >= 0 for weight in self.terms.values()), "weights of terms are 0 or more"
        )
        some = any(self.terms.values())
        check(some or self.measure != "terms", "measure = 'terms' needs terms with weights above 0")
        check(not some or self.measure in ("terms", "perceptual", "roi"), f"{self.measure} takes no terms")
        wide = not self.terms.get("ms-ssim") or self.crop >= MS_SSIM_CROP
        check(wide, f"crop={self.crop} is too small for the term ms-ssim: its five scales need {MS_SSIM_CROP}")
        check(self.spread >= 0, "spread is 0 or more pixels")
        check(self.train in TRAINED, f"train is one of {', '.join(TRAINED)}, not {self.train!r}")
        coded = self.train == "all" or self.measure in ("mse", "ms-ssim", "terms")
        check(coded, f"train = 'synthesis' goes with mse, ms-ssim and terms, not with {self.measure}")

    def _check_lambdas(self) -> None:
        check(self.weighs in WEIGHED, f"weighs is one of {', '.join(WEIGHED)}, not {self.weighs!r}")
        check(len(self.lambdas) >= 2, f"lambdas = {list(self.lambdas)}: at least two are needed")
        rising = self.lambdas if self.weighs == "distortion" else self.lambdas[::-1]
        word = "rise" if self.weighs == "distortion" else "that weigh the rate fall"
        check(rising[0] > 0 and all(a <= b for a, b in pairwise(rising)), f"lambdas {word} and are above 0")

    def counted(self, pictures: int, processes: int) -> "Phase":
        """The same in steps, where it has epochs of so many pictures."""
        if not self.epochs:
            return self
        epoch = pictures / (self.batch * processes)
        steps, milestones = max(1, round(self.epochs * epoch)), tuple(m * epoch for m in self.milestones)
        return replace(self, steps=steps, epochs=0.0, milestones=milestones)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The whole run."""

    name: str = setting("name of the run, its folder and its weights")
    model: str = setting("preset; `family:preset` if several families have one of this name")
    overrides: dict[str, Any] = field(
        default_factory=dict, metadata={"doc": "fields of the preset's configuration to replace"}
    )
    seed: int = setting("seed of fresh weights, crops and noise", 1)
    precision: str = setting(
        "number type of the transforms, `bf16` or `float32`; the entropy model is always float32", "bf16"
    )
    compile: bool = setting("compile the model; worth it on GPUs, after some minutes", False)
    judges: str | None = setting(
        "folder with the weights of networks in the loss, such as LPIPS; default: downloaded once into the cache", None
    )
    start: str | None = setting("weights to start from: a bundled name, a .safetensors file, a hub id", None)
    log_every: int = setting("steps between lines of the log", 50)
    save_every: int = setting("steps between saved states", 500)
    validate_every: int = setting("steps between measurements on held-back pictures", 1000)
    data: DataSection = field(metadata={"doc": "a table of its own, below: where pictures come from"})
    phase: tuple[Phase, ...] = field(metadata={"doc": "at least one table, below: what is trained, for how long"})

    def __post_init__(self) -> None:
        check(_is_file_name(self.name), f"name = {self.name!r} cannot name a folder; use letters, digits, - and _")
        check(0 <= self.seed < 2**32, f"seed = {self.seed} is not between 0 and {2**32 - 1}")
        check(self.precision in PRECISIONS, f"precision is one of {', '.join(PRECISIONS)}, not {self.precision!r}")
        check(
            min(self.log_every, self.save_every, self.validate_every) >= 1,
            "log_every, save_every and validate_every are 1 or more",
        )
        check(len(self.phase) > 0, "a recipe needs at least one [[phase]]")

    @property
    def steps(self) -> int:
        """Of all phases together."""
        return sum(phase.steps for phase in self.phase)

    @property
    def weighted(self) -> bool:
        """Whether some phase needs importance maps."""
        return any(phase.weighted for phase in self.phase)

    @property
    def largest_crop(self) -> int:
        """Of any phase: what a picture must hold to be trained on."""
        return max(phase.crop for phase in self.phase)

    def at(self, step: int) -> tuple[int, Phase, int]:
        """Global step -> (number of the phase, phase, step within it)."""
        for number, phase in enumerate(self.phase):
            if step < phase.steps:
                return number, phase, step
            step -= phase.steps
        return len(self.phase) - 1, self.phase[-1], self.phase[-1].steps

    def seen(self, step: int) -> int:
        """How many pictures a process has been given before a step."""
        total = 0
        for phase in self.phase:
            total += phase.batch * min(step, phase.steps)
            step -= min(step, phase.steps)
        return total

    def counted(self, pictures: int, processes: int) -> "Recipe":
        """The same with steps in place of epochs of so many pictures."""
        return replace(self, phase=tuple(phase.counted(pictures, processes) for phase in self.phase))

    def labelled(self, phase: Phase) -> float:
        """Share of batches with label maps."""
        return self.data.labelled if phase.labelled is None else phase.labelled

    def as_dict(self) -> dict[str, Any]:
        """Plain data; `from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """A recipe from plain data, as TOML or JSON has it; UsageError names the first thing that is wrong with it."""
        sections = {"data": section(DataSection, values.get("data", {}), "data")}
        phases = values.get("phase", [])
        check(isinstance(phases, list | tuple), "phases are written [[phase]]")
        stretches = tuple(_phase(phase, f"phase {n}") for n, phase in enumerate(phases, 1))
        recipe: Recipe = section(cls, {**values, **sections, "phase": stretches}, "recipe")
        return recipe


def read_recipe(path: Path, settings: Sequence[str] = ()) -> Recipe:
    """Parse a recipe; UsageError names the file and the first thing that is wrong with it.

    base = "other.toml", beside it, says that this file only changes that one: tables field by field, phases by place.
    settings: "KEY=VALUE", changes on top: "model=segpic-s", "data.labelled=0", "phase.batch=16" (every phase),
    "phase.2.roi.adversary=0" (the second).
    """
    values = read_table(path)
    for setting in settings:
        values = changed(values, setting)
    try:
        return Recipe.from_dict(values)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _is_file_name(name: str) -> bool:
    """True when a name stays in the folder it is used in, on every system."""
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|') and len(name.encode()) <= 100
    return plain and name == name.strip() and name.strip(".") != "" and not name.startswith((".", "-"))


def _phase(values: Any, where: str) -> Any:
    """A phase and the tables within it."""
    for name, kind in (("roi", RoiTerms), ("masking", MaskTerms)):
        if isinstance(values, dict) and name in values:
            values = values | {name: section(kind, values[name], f"{where}, {name}")}
    return section(Phase, values, where)
