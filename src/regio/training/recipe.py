"""A recipe: one TOML file, one reproducible training run."""

import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, field, fields
from itertools import zip_longest
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from regio.errors import UsageError

OPTIMIZERS = ("adam", "soap", "muon", "muon-conv")
MEASURES = ("mse", "ms-ssim", "masked", "perceptual", "roi", "terms")
TERMS = ("mse", "l1", "ms-ssim", "ssimulacra2", "lpips", "wasserstein")
TRAINED = ("all", "synthesis")
GAMES = ("non-saturating", "least-squares")
PRECISIONS = ("bf16", "float32")
BACKBONES = ("squeeze", "alex", "vgg")  # of judges
CROP_MULTIPLE = 64  # what every model's sides must divide by
MS_SSIM_CROP = 192  # five scales under an 11-pixel window leave nothing of less than 161


def setting(doc: str, default: Any = MISSING) -> Any:
    """A field of a recipe with its line of documentation; docs/training.md is tested against it."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """Where pictures come from; paths are relative to the folder the command runs in."""

    folders: tuple[str, ...] = setting("folders of pictures")
    masks: str | None = setting("folder of label maps: PNG, the picture's stem, value or colour = label", None)
    panoptic: str | None = setting("COCO panoptic JSON; its PNG files lie in the folder of the same name", None)
    segments: str | None = setting(
        "folder that keeps label maps made by segmentation (Felzenszwalb), once, for pictures that have none", None
    )
    graphics: int = setting("pictures that code makes, besides those of the folders; a tenth of all is a good share", 0)
    held_back: int = setting("pictures never trained on, for validation", 16)
    smallest: int | None = setting("pictures with a shorter side are left out; default: the largest crop", None)
    downscale: float = setting("share of crops that are taken larger, up to twice, and reduced", 0.3)
    importance: str | None = setting(
        "folder of importance maps: grey PNG of any size, the picture's stem, white = most important", None
    )
    labelled: float = setting("share of batches whose regions are label maps; the others have a grid", 0.0)
    limit: int | None = setting("at most so many pictures, for trials", None)

    def __post_init__(self) -> None:
        _check(0 <= self.downscale <= 1 and 0 <= self.labelled <= 1, "downscale and labelled are shares, 0 to 1")
        _check(min(self.held_back, self.graphics) >= 0, "held_back and graphics are numbers of pictures")
        _check(self.limit is None or self.limit > self.held_back, "limit leaves nothing to train on")


@dataclass(frozen=True, kw_only=True)
class RoiTerms:
    """What the measure `roi` is made of; equations of the ROI codec's paper."""

    alpha: tuple[float, float] = setting(
        "least and greatest α of Eq. 6, drawn on a logarithmic scale; the smaller, the more a region gets", (0.5, 4.0)
    )
    plain: float = setting("share of samples in which no region is emphasised", 0.25)
    floor: float = setting("least weight of the squared error outside of regions", 0.0)
    colour: float = setting("weight of the squared error of means over 16 x 16 pixels, everywhere", 0.0)
    background: float = setting(
        "weight of the background's distortion (1 − SSIM + λ_p LPIPS) beside a region's squared error", 100.0
    )
    perceptual: float = setting("λ_p, the weight of LPIPS (SqueezeNet 1.1) in it", 0.5)
    adversary: float = setting("weight of the discriminator's verdict in it; 0: no GAN", 0.0)
    game: str = setting("`non-saturating` or `least-squares`", "non-saturating")
    judge_width: int = setting("channels of the discriminator's first layer", 64)
    judge_rate: float = setting("learning rate of the discriminator, as a multiple of the model's", 1.0)

    def __post_init__(self) -> None:
        _check(0 < self.alpha[0] <= self.alpha[1], "alpha rises and is above 0")
        _check(0 <= self.plain <= 1 and 0 <= self.floor <= 1, "plain and floor are shares, 0 to 1")
        _check(min(self.colour, self.background, self.perceptual, self.adversary) >= 0, "weights are 0 or more")
        _check(self.game in GAMES, f"game is one of {', '.join(GAMES)}, not {self.game!r}")
        _check(self.judge_width >= 1 and self.judge_rate > 0, "judge_width and judge_rate are above 0")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of the run; phases follow each other in one loop, each with fresh optimisers."""

    steps: int = setting("optimiser steps")
    crop: int = setting("side of the crops, a multiple of 64; at least 192 for ms-ssim", 128)
    batch: int = setting("crops per step and process", 8)
    optimizer: str = setting("`adam`, `soap`, `muon`, or `muon-conv` (convolutions only, Adam for the rest)", "soap")
    learning_rate: float = setting("after the warm-up", 3e-3)
    final: float = setting("share of the learning rate that is left at the end of the cosine", 0.02)
    warmup: int = setting("steps over which the learning rate rises from zero", 200)
    measure: str = setting(
        "distortion: `mse` or `ms-ssim`; for MCM `perceptual`, or `masked`, which trains to paint and codes nothing; "
        "for the ROI codec `roi`; for all but MCM `terms`, the sum of `terms` alone",
        "mse",
    )
    terms: dict[str, float] = field(
        default_factory=dict,
        metadata={"doc": "weights of terms of the distortion, by name; `terms`, and added in `perceptual` and `roi`"},
    )
    spread: float = setting("the term `wasserstein`: σ in pixels where importance is 0", 16.0)
    train: str = setting("`all`, or `synthesis`: it alone, on rounded latents, the rest frozen", "all")
    lambdas: tuple[float, float] = setting("weight of the distortion at rate 0 and at rate 1", (0.0002, 0.12))
    balance: float = setting("samples weigh λ to the power of minus this, so that low rates are heard", 0.3)
    clip: float = setting("gradients of a larger norm are scaled down to it", 1.0)
    ema: float = setting("decay of the averaged weights, which are the ones exported", 0.999)
    precondition_every: int = setting("SOAP: steps between updates of its preconditioner", 25)
    side_ramp: int = setting(
        "steps over which the rate of all but y comes in; charged at once, it dies before it is of use", 0
    )
    prototypes: float = setting("share of the prototypes' rate that is charged; the whole of it makes them vanish", 1.0)
    means: float = setting(
        "weight of the squared error of means over 16 x 16 pixels, beside that of pixels; `mse`", 0.0
    )
    mix: tuple[float, float, float] = setting(
        "`perceptual`: weights of L1, of 1 − SSIM and of the difference of features", (10.0, 0.25, 0.1)
    )
    features: str = setting(
        "`perceptual`: `vgg` (two layers, as the paper), `squeeze` or `alex` (two like them), `lpips-squeeze`, …",
        "squeeze",
    )
    look: int = setting(
        "`perceptual`, `roi`, `terms`: side of the part of a crop, anywhere in it, whose features are compared; "
        "0: all of it",
        0,
    )
    masked: float = setting("`masked`: share of the patches that are hidden, at random", 0.75)
    roi: RoiTerms = field(default_factory=RoiTerms, metadata={"doc": "`roi`: a table of its own, below"})
    labelled: float | None = setting("instead of the data section's", None)
    rate_maps: float = setting(
        "share of batches whose rate, and λ with it, varies over the picture; `mse` and `terms`", 0.0
    )
    grids: tuple[int, ...] = setting("sides of the grids of batches without label maps, drawn at random", (4,))

    def __post_init__(self) -> None:
        _check(self.optimizer in OPTIMIZERS, f"optimizer is one of {', '.join(OPTIMIZERS)}, not {self.optimizer!r}")
        _check(self.measure in MEASURES, f"measure is one of {', '.join(MEASURES)}, not {self.measure!r}")
        _check(min(self.steps, self.batch) >= 1, "steps and batch are at least 1")
        _check(self.crop >= 1 and self.crop % CROP_MULTIPLE == 0, f"crop={self.crop} is not a multiple of 64")
        wide = self.measure != "ms-ssim" or self.crop >= MS_SSIM_CROP
        _check(wide, f"crop={self.crop} is too small for ms-ssim: its five scales need {MS_SSIM_CROP}")
        self._check_terms()
        _check(min(self.mix) >= 0 < max(self.mix), "mix holds weights of 0 or more, not all of them 0")
        _check(self.features.removeprefix("lpips-") in BACKBONES, f"features = {self.features!r} is none of the judges")
        _check(self.look == 0 or 64 <= self.look <= self.crop, f"look={self.look} is not 0 or 64 to {self.crop}")
        _check(0 < self.masked < 1, "masked is a share, above 0 and below 1")
        _check(self.learning_rate > 0 and self.clip > 0, "learning_rate and clip are above 0")
        _check(0 < self.lambdas[0] <= self.lambdas[1], "lambdas rise and are above 0")
        _check(0 <= self.final <= 1 and 0 <= self.ema < 1, "final and ema are shares, ema below 1")
        _check(min(self.warmup, self.side_ramp) >= 0, "warmup and side_ramp are numbers of steps")
        _check(min(self.prototypes, self.means) >= 0, "prototypes and means are 0 or more")
        _check(self.precondition_every >= 1, "precondition_every is at least 1")
        _check(self.labelled is None or 0 <= self.labelled <= 1, "labelled is a share, 0 to 1")
        _check(0 <= self.rate_maps <= 1, "rate_maps is a share, 0 to 1")
        mapped = self.rate_maps == 0 or self.measure in ("mse", "terms")
        _check(mapped, f"rate maps go with mse and terms, not with {self.measure}")
        _check(len(self.grids) > 0 and min(self.grids) >= 1 and max(self.grids) <= 16, "grids have sides of 1 to 16")

    @property
    def weighted(self) -> bool:
        """Whether importance maps are needed."""
        return self.measure == "roi" or bool(self.terms.get("wasserstein"))

    def _check_terms(self) -> None:
        unknown = sorted(set(self.terms) - set(TERMS))
        _check(not unknown, f"there is no term {', '.join(unknown)}; there are {', '.join(TERMS)}")
        _check(all(_fits(weight, float) and weight >= 0 for weight in self.terms.values()), "terms have weights from 0")
        some = any(self.terms.values())
        _check(some or self.measure != "terms", "measure = 'terms' needs terms with weights above 0")
        _check(not some or self.measure in ("terms", "perceptual", "roi"), f"{self.measure} takes no terms")
        wide = not self.terms.get("ms-ssim") or self.crop >= MS_SSIM_CROP
        _check(wide, f"crop={self.crop} is too small for the term ms-ssim: its five scales need {MS_SSIM_CROP}")
        _check(self.spread >= 0, "spread is 0 or more pixels")
        _check(self.train in TRAINED, f"train is one of {', '.join(TRAINED)}, not {self.train!r}")
        coded = self.train == "all" or self.measure in ("mse", "ms-ssim", "terms")
        _check(coded, f"train = 'synthesis' goes with mse, ms-ssim and terms, not with {self.measure}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The whole run."""

    name: str = setting("of the run, its folder and its weights")
    model: str = setting("preset, `family:preset` where several families have it")
    overrides: dict[str, Any] = field(
        default_factory=dict, metadata={"doc": "fields of the preset's configuration to replace"}
    )
    seed: int = setting("of fresh weights, crops and noise", 1)
    precision: str = setting(
        "of the transforms, `bf16` or `float32`; what sets probabilities is always float32", "bf16"
    )
    compile: bool = setting("compile the model; pays on GPUs, after minutes", False)
    judges: str | None = setting(
        "folder with the weights of networks that judge; default: fetched once, and kept", None
    )
    start: str | None = setting("weights to start from: a bundled name, a .safetensors file, a hub id", None)
    log_every: int = setting("steps between lines of the log", 50)
    save_every: int = setting("steps between saved states", 500)
    validate_every: int = setting("steps between looks at held-back pictures", 1000)
    data: DataSection = field(metadata={"doc": "where pictures come from"})
    phase: tuple[Phase, ...] = field(metadata={"doc": "stretches of the run, at least one"})

    def __post_init__(self) -> None:
        _check(_is_file_name(self.name), f"name = {self.name!r} cannot name a folder; use letters, digits, - and _")
        _check(0 <= self.seed < 2**32, f"seed = {self.seed} is not between 0 and {2**32 - 1}")
        _check(self.precision in PRECISIONS, f"precision is one of {', '.join(PRECISIONS)}, not {self.precision!r}")
        _check(min(self.log_every, self.save_every, self.validate_every) >= 1, "log, save and validate_every are steps")
        _check(len(self.phase) > 0, "a recipe needs at least one [[phase]]")

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

    def labelled(self, phase: Phase) -> float:
        """Share of batches with label maps."""
        return self.data.labelled if phase.labelled is None else phase.labelled

    def as_dict(self) -> dict[str, Any]:
        """Plain data; `from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Recipe":
        """A recipe from plain data, as TOML or JSON has it; UsageError names the first thing that is wrong with it."""
        sections = {"data": _section(DataSection, values.get("data", {}), "data")}
        phases = values.get("phase", [])
        _check(isinstance(phases, list | tuple), "phases are written [[phase]]")
        stretches = tuple(_phase(phase, f"phase {n}") for n, phase in enumerate(phases, 1))
        recipe: Recipe = _section(cls, {**values, **sections, "phase": stretches}, "recipe")
        return recipe


def read_recipe(path: Path) -> Recipe:
    """Parse a recipe; UsageError names the file and the first thing that is wrong with it.

    base = "other.toml", beside it, says that this file only changes that one: tables field by field, phases by place.
    """
    values = _raw(path, ())
    try:
        return Recipe.from_dict(values)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _raw(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """What the file says, and its base where it says nothing. above: files whose base this is."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    base = values.pop("base", None)
    if base is None:
        return values
    _check(isinstance(base, str) and path not in above, f"{path}: base is the name of another recipe")
    merged: dict[str, Any] = _merged(_raw(path.parent / base, (*above, path)), values)
    return merged


def _merged(base: Any, change: Any) -> Any:
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: _merged(base.get(key), value) for key, value in change.items()}
    if isinstance(base, list) and isinstance(change, list) and all(isinstance(item, dict) for item in base + change):
        pairs: Iterator[tuple[Any, Any]] = zip_longest(base, change, fillvalue={})
        return [_merged(one, other) for one, other in pairs]
    return change


def _is_file_name(name: str) -> bool:
    """True when a name stays in the folder it is used in, on every system."""
    plain = name.isprintable() and not set(name) & set('/\\:*?"<>|') and len(name.encode()) <= 100
    return plain and name == name.strip() and name.strip(".") != "" and not name.startswith((".", "-"))


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


def _phase(values: Any, where: str) -> Any:
    """A phase and the table within it."""
    if isinstance(values, dict) and "roi" in values:
        values = values | {"roi": _section(RoiTerms, values["roi"], f"{where}, roi")}
    return _section(Phase, values, where)


def _section(kind: type, values: Any, where: str) -> Any:
    _check(isinstance(values, dict), f"{where}: a table is wanted")
    hints, known = get_type_hints(kind), {f.name: f for f in fields(kind)}
    unknown = sorted(set(values) - set(known))
    _check(not unknown, f"{where}: there is no field {', '.join(unknown)}")
    missing = [n for n, f in known.items() if f.default is f.default_factory is MISSING and n not in values]
    _check(not missing, f"{where}: {', '.join(missing)} is missing")
    tidy = {name: _tuples(value) for name, value in values.items()}
    for name, value in tidy.items():
        _check(_fits(value, hints[name]), f"{where}: {name} = {value!r} is not {_spoken(hints[name])}")
    try:
        return kind(**tidy)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _tuples(value: Any) -> Any:
    """TOML and JSON know lists only; recipes and configurations hold tuples."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; whole numbers are fine where fractions are."""
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(_fits(value, option) for option in inner)
    if kind is tuple:
        if not isinstance(value, tuple):
            return False
        hints = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return len(hints) == len(value) and all(map(_fits, value, hints))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _sane(value)
    if kind is dict:
        return isinstance(value, dict) and _finite(value)
    return isinstance(value, kind) and not (kind is int and (isinstance(value, bool) or not _sane(value)))


def _finite(value: Any) -> bool:
    """True when all numbers in a table are finite and of a sane size."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    return not isinstance(value, int | float) or _sane(value)


def _sane(value: float) -> bool:
    """True when torch can hold the number: not infinite, not NaN, not a whole number of more than 64 bits."""
    return -(2**63) < value < 2**63


def _spoken(hint: Any) -> str:
    names = {
        int: "a whole number",
        float: "a finite number",
        str: "a string",
        bool: "true or false",
        dict: "a table of finite values",
    }
    kind = get_origin(hint) or hint
    if kind in (Union, UnionType):
        return " or ".join(_spoken(option) for option in get_args(hint) if option is not NoneType)
    if kind is tuple:
        inner = get_args(hint)
        return f"a list of {'' if inner[-1] is Ellipsis else f'{len(inner)} '}{_spoken(inner[0]).split(' ', 1)[1]}s"
    return names.get(kind, "a table")
