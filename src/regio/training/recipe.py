"""A recipe: one TOML file, one reproducible training run."""

import tomllib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from regio.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """Where pictures come from."""

    folders: tuple[str, ...]  # relative to the folder the command runs in
    masks: str | None = None  # label maps with the pictures' stems
    held_back: int = 16  # pictures never trained on, for validation
    downscale: float = 0.3  # share of crops that are reduced from up to twice the size
    labelled: float = 0.0  # share of batches whose regions are label maps, not a grid
    limit: int | None = None  # at most so many pictures; for trials


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of the run; phases follow each other in one loop."""

    steps: int
    crop: int = 128
    batch: int = 8
    optimizer: str = "soap"  # soap, adam, muon
    learning_rate: float = 3e-3
    final: float = 0.02  # share of the learning rate that is left at the end of the cosine
    warmup: int = 200
    measure: str = "mse"  # mse, ms-ssim
    lambdas: tuple[float, float] = (0.0002, 0.12)  # at rate 0 and rate 1
    balance: float = 0.3  # samples weigh lambda**-balance, so that low rates are heard
    clip: float = 1.0
    ema: float = 0.999
    precondition_every: int = 25  # SOAP
    prototype_ramp: int = 0  # steps over which the rate of prototypes comes in; at once, it kills them before they are used

    def __post_init__(self) -> None:
        if self.optimizer not in ("soap", "adam", "muon") or self.measure not in ("mse", "ms-ssim"):
            raise UsageError(f"recipe: optimizer={self.optimizer!r} or measure={self.measure!r} is unknown")
        if self.steps < 1 or self.batch < 1 or self.crop % 64:
            raise UsageError("recipe: a phase needs steps and batch of at least 1 and a crop that 64 divides")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The whole run."""

    name: str
    model: str  # a preset of the SegPIC family
    overrides: dict[str, Any] = field(default_factory=dict)  # fields of the model's config
    seed: int = 1
    precision: str = "bf16"  # or "float32"; of the transforms; what sets probabilities is always float32
    compile: bool = False
    start: str | None = None  # weights to start from
    log_every: int = 50
    save_every: int = 500
    validate_every: int = 1000
    data: DataSection
    phase: tuple[Phase, ...]

    @property
    def steps(self) -> int:
        """Of all phases together."""
        return sum(phase.steps for phase in self.phase)

    def at(self, step: int) -> tuple[int, Phase, int]:
        """Global step -> (number of the phase, phase, step within it)."""
        for number, phase in enumerate(self.phase):
            if step < phase.steps:
                return number, phase, step
            step -= phase.steps
        return len(self.phase) - 1, self.phase[-1], self.phase[-1].steps

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def read_recipe(path: Path) -> Recipe:
    """Parse a recipe; UsageError names the first thing that is wrong with it."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    data = _section(DataSection, raw.pop("data", {}), path)
    phases = tuple(_section(Phase, phase, path) for phase in raw.pop("phase", []))
    if not phases:
        raise UsageError(f"{path}: a recipe needs at least one [[phase]]")
    return _section(Recipe, {**raw, "data": data, "phase": phases}, path)


def _section(kind: type, values: dict[str, Any], path: Path) -> Any:
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise UsageError(f"{path}: {kind.__name__} has no field {', '.join(sorted(unknown))}")
    tidy = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return kind(**tidy)
    except TypeError as error:
        raise UsageError(f"{path}: {error}") from error
