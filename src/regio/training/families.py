"""Find the model that a recipe names, and the training step of its family."""

from dataclasses import replace
from typing import Any

import torch

from regio.errors import UsageError
from regio.models.base import Config, Network
from regio.models.catalog import FAMILIES, model_class
from regio.training.recipe import Recipe
from regio.training.step import TrainingStep

STEPS = {  # families that need more than TrainingStep -> module:class of the step that trains them
    "mcm": "regio.training.steps_mcm:MCMStep",
    "roi": "regio.training.steps_roi:RoiStep",
}


def configuration(recipe: Recipe) -> tuple[str, Config]:
    """Return the family and the configuration that a recipe names. UsageError says what does not exist.

    A preset that several families have is the first one's, in the order of the catalogue, unless the recipe says
    `family:preset`.
    """
    family, _, preset = recipe.model.rpartition(":")
    if family and family not in FAMILIES:
        raise UsageError(f"model {recipe.model}: there is no family {family!r}; there are {', '.join(FAMILIES)}")
    found, answers = None, []
    for key in [family] if family else FAMILIES:
        try:
            found = key, model_class(FAMILIES[key]).config_class.preset(preset)
            break
        except ValueError as error:
            answers.append(str(error))
    if found is None:
        raise UsageError(f"model {recipe.model}: {'; '.join(answers)}")
    try:
        return found[0], _changed(found[1], recipe.overrides)
    except (TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"model {recipe.model}: {error}") from error


def _changed(config: Any, overrides: dict[str, Any]) -> Any:
    """Replace some fields of a configuration. A table changes an inner configuration; false removes it."""
    fields = {}
    for name, value in overrides.items():
        present = getattr(config, name, None)
        if isinstance(value, dict):
            fields[name] = _changed(present, value)
        else:
            fields[name] = None if value is False and not isinstance(present, bool) else value
    return replace(config, **fields)


def fresh_net(recipe: Recipe) -> Network:
    """Return the untrained model of a recipe. UsageError when there is none, or the recipe does not suit it."""
    family, config = configuration(recipe)
    torch.manual_seed(recipe.seed)
    try:
        net: Network = model_class(FAMILIES[family])(config)
        with torch.no_grad():  # widths that do not fit together show in a forward pass
            net(torch.zeros(1, 3, net.multiple, net.multiple))
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"model {recipe.model}: {error}") from error
    for number, phase in enumerate(recipe.phase, 1):
        if not net.rated and len(set(phase.lambdas)) > 1:
            raise UsageError(f"phase {number}: {recipe.model} has one rate only; give lambdas = [λ, λ]")
        if len(phase.lambdas) not in (2, points := getattr(config, "rate_points", 0)):
            raise UsageError(
                f"phase {number}: {len(phase.lambdas)} lambdas, and {recipe.model} has {points} gain points; give as "
                "many, or two"
            )
        if not net.rated and phase.rate_maps:
            raise UsageError(f"phase {number}: {recipe.model} has one rate only; leave out rate_maps")
    return net


def make_step(net: Network, recipe: Recipe) -> TrainingStep:
    """Return the training step of the recipe's family. UsageError for phases that it does not support."""
    family, _ = configuration(recipe)
    kind: type[TrainingStep] = model_class(STEPS[family]) if family in STEPS else TrainingStep
    return kind(net, recipe)
