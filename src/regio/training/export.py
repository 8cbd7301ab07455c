"""Export a run to a weights file with its card; split a weights file into small parts and join them again."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import torch

from regio.errors import RegioError, UsageError
from regio.models.base import Config
from regio.models.catalog import FAMILIES, model_class
from regio.training.checkpoint import AVERAGE, RunFolder
from regio.training.families import configuration
from regio.training.recipe import Recipe
from regio.weights import looks, store

PART = re.compile(r"(?P<whole>.+)\.(?P<number>\d+)of(?P<count>\d+)")


def export(run: Path, output: Path, *, half: bool = False, name: str | None = None) -> bytes:
    """Write the averaged weights of a run with their tables. Return their fingerprint.

    half: in half precision. name: what the weights call themselves, default the recipe's name. RegioError when the
    folder holds no run.
    """
    folder = RunFolder(run)
    recipe, state = folder.recipe(), folder.load(AVERAGE)
    family, config = _config(recipe, state)
    net = model_class(FAMILIES[family])(config)
    try:
        net.load_state_dict(state["model"])
    except RuntimeError as error:
        raise RegioError(f"{run}: the weights do not belong to the model {recipe.model} of this release") from error
    return store.save(net.eval(), output, name=name or recipe.name, half=half)


def export_look(run: Path, output: Path, look: str, *, half: bool = False) -> None:
    """Write the averaged synthesis of a run as a look of the weights that the run started from.

    UsageError when the recipe does not say which these are, or when the run changed more than their synthesis.
    """
    folder = RunFolder(run)
    recipe, state = folder.recipe(), folder.load(AVERAGE)
    if recipe.start is None:
        raise UsageError(f"{run}: a look belongs to the weights that a run started from; its recipe has no start")
    base = store.load(recipe.start)
    family, config = _config(recipe, state)
    known, found = base.net.state_dict(), state["model"]
    same = base.net.config == config and store.family_of(base.net) == family and known.keys() == found.keys()
    synthesis = looks.synthesis_of(base.net)
    if not same or any(name not in synthesis and not torch.equal(found[name], known[name]) for name in known):
        raise UsageError(f"{run}: the run changed more of {recipe.start} than its synthesis; see train = 'synthesis'")
    base.net.load_state_dict(found)
    looks.save(base.net, output, look, base.fingerprint, half=half)


def _config(recipe: Recipe, state: dict[str, Any]) -> tuple[str, Config]:
    """Return family and configuration of the weights. Older runs do not store it; their recipe gives it."""
    family, config = configuration(recipe)
    try:
        return family, type(config).from_dict(state["config"]) if "config" in state else config
    except (KeyError, TypeError, ValueError) as error:
        raise RegioError(f"the run's configuration is not one of this release: {error}") from error


def card(run: Path, weights: Path) -> str:
    """Describe exported weights in Markdown: data, recipe, training time, figures."""
    folder = RunFolder(run)
    recipe, records, where = folder.recipe(), folder.records(), folder.environment()
    known = store.read(weights, number=0)
    steps = [line for line in records if "loss" in line]
    looks = [line for line in records if line.get("held_back")]
    numbers = sum(p.numel() for p in known.net.parameters())
    source = folder.path / "recipe.toml"
    facts = {
        "model": f"{recipe.model}, {numbers / 1e6:.2f} million numbers, {weights.stat().st_size / 1e6:.2f} MB",
        "fingerprint": known.fingerprint.hex(),
        "trained": f"{steps[-1]['step'] if steps else 0} of {recipe.steps} steps, {_hours(steps):.2f} h",
        "device": ", ".join(str(where[key]) for key in ("cuda", "cpu", "device") if where.get(key)),
        "made with": ", ".join(f"{key} {where[key]}" for key in ("regio", "torch", "python") if where.get(key)),
        "pictures": ", ".join(Path(folder).name for folder in recipe.data.folders),
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    lines = [f"# {known.name}", "", *(f"- {key}: {value}" for key, value in facts.items())]
    if looks:
        lines += ["", f"Held-back pictures at step {looks[-1]['step']}, estimated rate:", "", *_table(looks[-1])]
    recipe_text = source.read_text(encoding="utf-8") if source.exists() else json.dumps(recipe.as_dict(), indent=1)
    return "\n".join([*lines, "", "Recipe:", "", "```", recipe_text.rstrip(), "```", ""])


def _hours(steps: list[dict[str, Any]]) -> float:
    """Return the hours spent on steps, computed from the speed in the log."""
    seconds, before = 0.0, 0
    for line in steps:
        seconds += (line["step"] - before) / line["steps_per_s"] if line["steps_per_s"] else 0.0
        before = line["step"]
    return seconds / 3600


def _table(look: dict[str, Any]) -> list[str]:
    rows = [f"| {100 * p['rate']:.0f} | {p['bpp']:.3f} | {p['psnr']:.2f} |" for p in look["held_back"]]
    return ["| quality | bpp | PSNR in dB |", "|---|---|---|", *rows]


def split(whole: Path, size: int) -> list[Path]:
    """Cut a file into parts of at most `size` bytes beside it. Return their paths; the file itself stays."""
    data = whole.read_bytes()
    count = max(1, -(-len(data) // size))
    parts = part_names(whole, count)
    for number, part in enumerate(parts):
        part.write_bytes(data[number * size : (number + 1) * size])
    return parts


def part_names(whole: Path, count: int) -> list[Path]:
    """Return the names of the parts: weights.safetensors.1of3 and so on."""
    return [whole.with_name(f"{whole.name}.{number}of{count}") for number in range(1, count + 1)]


def join(part: Path, output: Path) -> store.Weights:
    """Join the parts that `split` made; any of them may be given. Return the weights, read and checked.

    UsageError when it is none or one is missing; UnsupportedFile when what results is no weights file.
    """
    found = PART.fullmatch(part.name)
    if found is None:
        raise UsageError(f"{part}: give the folder of a run, or a part such as weights.safetensors.1of3")
    parts = part_names(part.with_name(found["whole"]), int(found["count"]))
    missing = [p.name for p in parts if not p.is_file()]
    if missing or part not in parts:
        raise UsageError(
            f"{part}: these parts are missing beside it: {', '.join(missing) or 'the parts it belongs to'}"
        )
    output.write_bytes(b"".join(p.read_bytes() for p in parts))
    return store.read(output, number=0)
