"""Recipes: every mistake is one line that names the place."""

import dataclasses
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from regio.errors import UsageError
from regio.training.families import configuration, fresh_net
from regio.training.optimizers import learning_rate
from regio.training.recipe import DataSection, MaskTerms, Phase, Recipe, RoiTerms, read_recipe

ROOT = Path(__file__).parents[2]
GOOD = '{run}\nname = "n"\nmodel = "toy"\n[data]\nfolders = ["a"]\n{data}\n[[phase]]\nsteps = 5\n{phase}\n'


def recipe_of(folder: Path, run: str = "", data: str = "", phase: str = "") -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(GOOD.format(run=run, data=data, phase=phase), encoding="utf-8")
    return read_recipe(path)


@pytest.mark.parametrize(
    ("place", "line", "message"),
    [
        ("run", "colour = 1", "recipe: there is no field colour"),
        ("run", 'seed = "one"', "recipe: seed = 'one' is not a whole number"),
        ("run", "compile = 1", "recipe: compile = 1 is not true or false"),
        ("run", "overrides = 3", "recipe: overrides = 3 is not a table"),
        ("run", 'precision = "half"', "recipe: precision is one of bf16, float32, not 'half'"),
        ("run", "save_every = 0", "recipe: log_every, save_every and validate_every are 1 or more"),
        ("run", "seed = -1", "recipe: seed = -1 is not between 0 and 4294967295"),
        ("run", "seed = 4294967296", "recipe: seed = 4294967296 is not between 0 and 4294967295"),
        ("run", "save_every = 99999999999999999999", "recipe: save_every = 99999999999999999999 is not a whole number"),
        ("run", "overrides = {a = inf}", "recipe: overrides = {'a': inf} is not a table of finite values"),
        ("run", "overrides = {a = {b = [1, nan]}}", "recipe: overrides = {'a': {'b': (1, nan)}} is not a table of"),
        ("data", "downscale = nan", "data: downscale = nan is not a finite number"),
        ("data", "labelled = -inf", "data: labelled = -inf is not a finite number"),
        ("phase", "learning_rate = inf", "phase 1: learning_rate = inf is not a finite number"),
        ("phase", "learning_rate = 1e400", "phase 1: learning_rate = inf is not a finite number"),
        ("phase", "balance = nan", "phase 1: balance = nan is not a finite number"),
        ("phase", "clip = inf", "phase 1: clip = inf is not a finite number"),
        ("phase", "lambdas = [0.1, inf]", "phase 1: lambdas = (0.1, inf) is not a list of finite numbers"),
        ("phase", "mix = [1, nan, 0]", "phase 1: mix = (1, nan, 0) is not a list of 3 finite numbers"),
        ("phase", "labelled = nan", "phase 1: labelled = nan is not a finite number"),
        ("phase", "roi = {background = inf}", "phase 1, roi: background = inf is not a finite number"),
        ("phase", "roi = {alpha = [1, inf]}", "phase 1, roi: alpha = (1, inf) is not a list of 2 finite numbers"),
        ("data", "mask = 'a'", "data: there is no field mask"),
        ("data", "masks = 1", "data: masks = 1 is not a string"),
        ("data", "downscale = 1.5", "data: downscale and labelled are shares, 0 to 1"),
        ("data", "limit = 3", "data: limit is not above held_back"),
        ("phase", "crop = 100", "phase 1: crop=100 is not a multiple of 64"),
        ("phase", "crop = '64'", "phase 1: crop = '64' is not a whole number"),
        ("phase", "crop = true", "phase 1: crop = True is not a whole number"),
        ("phase", "lambdas = [0.1]", "phase 1: lambdas = [0.1]: at least two are needed"),
        ("phase", "lambdas = [0.1, 0.2]\nweighs = 'rate'", "phase 1: lambdas that weigh the rate fall and are above 0"),
        ("phase", "lambdas = [1, 2, 3]\nrate_maps = 0.1", "phase 1: rate maps go with lambdas at rate 0 and 1 only"),
        ("phase", "weighs = 'bits'", "phase 1: weighs is one of distortion, rate, not 'bits'"),
        ("phase", "epochs = 2", "phase 1: a phase has steps or epochs, not both"),
        ("phase", "milestones = [3, 2]", "phase 1: milestones rise and are above 0, drop is above 0 and at most 1"),
        ("phase", "betas = [0.9, 1.0]", "phase 1: betas are 0 or more and below 1"),
        ("phase", "weight_decay = 0.1", "phase 1: weight_decay is 0 or more and goes with adamw"),
        ("phase", "roi = {smoothing = 50}", "phase 1, roi: smoothing = 50 is not odd and above 0"),
        ("phase", "roi = {error = 'l2'}", "phase 1, roi: error is one of mse, l1, not 'l2'"),
        ("phase", "masking = {shares = [1, 1, 0, 0]}", "phase 1, masking: shares are 0 or more and sum to 1"),
        (
            "phase",
            "masking = {normalise = 'max'}",
            "phase 1, masking: normalise is one of proportion, softmax, not 'max'",
        ),
        ("phase", "masking = {certain = 2}", "phase 1, masking: certain and covering are shares, 0 to 1"),
        ("data", "workers = -1", "data: workers is 0 to 256"),
        ("data", "fit = 'pad'", "data: fit is one of crop, whole, area, not 'pad'"),
        ("data", "fit = 'whole'", "data: fit = 'whole' goes with workers"),
        ("data", "workers = 1\ngraphics = 2", "data: graphics are made in memory: leave out graphics or workers"),
        ("phase", "lambdas = [0.1, 0.01]", "phase 1: lambdas rise and are above 0"),
        ("phase", "optimizer = 'sgd'", "phase 1: optimizer is one of adam, adamw, soap, muon, muon-conv, not 'sgd'"),
        (
            "phase",
            "measure = 'lpips'",
            "phase 1: measure is one of mse, ms-ssim, masked, perceptual, roi, terms, not 'lpips'",
        ),
        ("phase", "measure = 'ms-ssim'", "phase 1: crop=128 is too small for ms-ssim: its five scales need 192"),
        ("phase", "learning_rate = 0", "phase 1: learning_rate and clip are above 0"),
        ("phase", "ema = 1", "phase 1: final and ema are shares, ema below 1"),
        ("phase", "rate_maps = 2", "phase 1: rate_maps is a share, 0 to 1"),
        (
            "phase",
            "crop = 192\nmeasure = 'ms-ssim'\nrate_maps = 0.5",
            "phase 1: rate maps go with mse and terms, not with ms-ssim",
        ),
        (
            "phase",
            "terms = {vgg = 1}",
            "phase 1: there is no term vgg; there are mse, l1, ms-ssim, ssimulacra2, lpips, w",
        ),
        ("phase", "terms = {lpips = -1}", "phase 1: weights of terms are 0 or more"),
        ("phase", "terms = {lpips = 'much'}", "phase 1: weights of terms are 0 or more"),
        ("phase", "terms = {lpips = 1}", "phase 1: mse takes no terms"),
        ("phase", "measure = 'terms'\nterms = {l1 = 0}", "phase 1: measure = 'terms' needs terms with weights above 0"),
        ("phase", "measure = 'terms'\nterms = {ms-ssim = 1}", "phase 1: crop=128 is too small for the term ms-ssim"),
        ("phase", "spread = -1", "phase 1: spread is 0 or more pixels"),
        ("phase", "train = 'decoder'", "phase 1: train is one of all, synthesis, not 'decoder'"),
        (
            "phase",
            "train = 'synthesis'\nmeasure = 'roi'",
            "phase 1: train = 'synthesis' goes with mse, ms-ssim and terms, not with roi",
        ),
        ("phase", "grids = [4, 17]", "phase 1: grids have sides of 1 to 16"),
        ("phase", "grids = 4", "phase 1: grids = 4 is not a list of whole numbers"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, place: str, line: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"recipe.toml: {message}")):
        recipe_of(tmp_path, **{place: line})


def test_a_recipe_without_what_it_needs_says_so(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    for text, message in (
        ("", "data: folders is missing"),
        ('[data]\nfolders = ["a"]', "recipe: name, model is missing"),
        ('name = "n"\nmodel = "toy"\n[data]\nfolders = ["a"]', "at least one"),
        ('name = "n"\nmodel = "toy"\n[data]\nfolders = ["a"]\n[phase]\nsteps = 1', "phases are written"),
        ('name = "n', "Unterminated string"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=re.escape(message)) as caught:
            read_recipe(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="No such file"):
        read_recipe(tmp_path / "none.toml")


def test_plain_data_and_back(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, run="overrides = {hyper_down = [[12, 1], [8, 2]]}", phase="grids = [1, 4]")
    assert recipe.overrides == {"hyper_down": ((12, 1), (8, 2))}
    assert Recipe.from_dict(recipe.as_dict()) == recipe


def test_a_recipe_may_change_another(tmp_path: Path) -> None:
    recipe_of(tmp_path, run="overrides = {sal = false, transform = {deep_inner = 64}}", phase="[[phase]]\nsteps = 7")
    changes = """
        base = "recipe.toml"
        name = "changed"
        overrides = {rat = false, transform = {units = [1, 1, 1, 1]}}
        [data]
        held_back = 3
        [[phase]]
        [[phase]]
        crop = 64
        [[phase]]
        steps = 2
    """
    path = tmp_path / "changed.toml"
    path.write_text(changes, encoding="utf-8")
    recipe = read_recipe(path)
    assert (recipe.name, recipe.model, recipe.data.folders, recipe.data.held_back) == ("changed", "toy", ("a",), 3)
    assert recipe.overrides == {"sal": False, "rat": False, "transform": {"deep_inner": 64, "units": (1, 1, 1, 1)}}
    assert [(phase.steps, phase.crop) for phase in recipe.phase] == [(5, 128), (7, 64), (2, 128)]
    path.write_text('base = "changed.toml"', encoding="utf-8")
    with pytest.raises(UsageError, match="base is the name of another recipe"):
        read_recipe(path)
    path.write_text('base = "none.toml"', encoding="utf-8")
    with pytest.raises(UsageError, match="No such file"):
        read_recipe(path)


def test_a_preset_is_found_in_its_family(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    family, config = configuration(dataclasses.replace(recipe, model="segpic:toy", overrides={"rat_inner": 2}))
    assert (family, config.rat_inner) == ("segpic", 2)
    for model, message in (
        ("segpic:none", "SegPICConfig has no preset 'none'"),
        ("mpeg:toy", "there is no family 'mpeg'; there are segpic"),
        ("none", "SegPICConfig has no preset 'none'"),
    ):
        with pytest.raises(UsageError, match=message):
            configuration(dataclasses.replace(recipe, model=model))
    with pytest.raises(UsageError, match="unexpected keyword argument 'slice'"):
        configuration(dataclasses.replace(recipe, overrides={"slice": 2}))


def test_phases_follow_each_other(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, phase="[[phase]]\nsteps = 3")
    assert recipe.steps == 8
    places = [(number, at) for number, _, at in map(recipe.at, (0, 4, 5, 7, 8))]
    assert places == [(0, 0), (0, 4), (1, 0), (1, 2), (1, 3)]


def test_the_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    phase = Phase(steps=110, warmup=10, learning_rate=1.0, final=0.1)
    assert [learning_rate(phase, step) for step in (0, 4, 9)] == [0.1, 0.5, 1.0]
    assert learning_rate(phase, 60) == pytest.approx(0.55)  # halfway
    assert learning_rate(phase, 110) == pytest.approx(0.1)


def test_the_learning_rate_drops_at_milestones() -> None:
    phase = Phase(steps=100, warmup=10, learning_rate=1.0, milestones=(20, 50.5), drop=0.5)
    assert [learning_rate(phase, step) for step in (4, 10, 19, 20, 50, 51, 99)] == [0.5, 1, 1, 0.5, 0.5, 0.25, 0.25]


def test_epochs_become_steps_when_the_pictures_are_counted(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, phase="[[phase]]\nepochs = 270\nbatch = 32\nmilestones = [170, 200]")
    counted = recipe.counted(118_287, 1)  # COCO 2017
    first, second = counted.phase
    assert first == recipe.phase[0]
    assert (second.steps, second.epochs) == (998_047, 0)  # "about 1M iterations" [Liu2024]
    assert second.milestones == pytest.approx((628_399.7, 739_293.75))
    assert counted.steps == 5 + 998_047
    assert recipe.counted(118_287, 4).phase[1].steps == round(998_047 / 4)
    assert [counted.seen(step) for step in (0, 3, 5, 6)] == [0, 24, 40, 72]
    with pytest.raises(UsageError, match="a phase has steps or epochs, above 0"):
        Phase()


def test_the_command_line_changes_fields(tmp_path: Path) -> None:
    recipe_of(tmp_path, phase="[[phase]]\nsteps = 7\nroi = {plain = 0.5}")
    settings = ["model=segpic:toy", "seed = 4", "data.folders=['b', 'c']", "phase.batch=3", "phase.2.roi.adversary=0.1"]
    recipe = read_recipe(tmp_path / "recipe.toml", settings)
    assert (recipe.model, recipe.seed, recipe.data.folders) == ("segpic:toy", 4, ("b", "c"))
    assert [(p.batch, p.steps, p.roi.plain, p.roi.adversary) for p in recipe.phase] == [
        (3, 5, 0.25, 0),
        (3, 7, 0.5, 0.1),
    ]
    masked = tmp_path / "masked.toml"
    masked.write_text('base = "recipe.toml"\n[data]\npanoptic = "a.json"', encoding="utf-8")
    assert read_recipe(masked).data.panoptic == "a.json"
    assert read_recipe(masked, ["data.panoptic="]).data.panoptic is None
    for setting, message in (
        ("seed=", "recipe: seed = None is not a whole number"),
        ("data.masks=''", "data: masks is empty"),
        ("seed", "--set seed: give KEY=VALUE"),
        ("=3", "give KEY=VALUE"),
        ("phase.3.batch=1", "--set phase.3.batch=1: the recipe has 2 phases"),
        ("phase=1", "--set phase=1: name a field of the phase"),
        ("phase.2=1", "--set phase.2=1: name a field of the phase"),
        ("colour=red", "recipe: there is no field colour"),
        ("phase.batch=many", "phase 1: batch = 'many' is not a whole number"),
    ):
        with pytest.raises(UsageError, match=re.escape(message)) as caught:
            read_recipe(tmp_path / "recipe.toml", [setting])
        assert "\n" not in str(caught.value)


RECIPES = sorted(path for path in (ROOT / "recipes").rglob("*.toml") if path.parent.name != "papers")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_can_be_followed(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    fresh_net(recipe)


def test_every_proxy_has_its_question_in_the_guide() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert [path.stem for path in RECIPES if path.parent.name == "proxy" and f"`{path.stem}`" not in text] == []


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for kind in (Recipe, DataSection, Phase, RoiTerms, MaskTerms):
        for setting in fields(kind):
            default = "" if setting.default is MISSING else f"`{toml(setting.default)}`"
            row = f"| `{setting.name}` | {default} | {setting.metadata['doc']} |"
            assert row in text, f"docs/training.md lacks this row of {kind.__name__}:\n{row}"


def toml(value: object) -> str:
    """A default as a recipe would write it; what is absent is a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "a/b", "a\\b", "", ".", "..", ".x", "-x", " x", "x\n", "a:b", "x" * 101, "\0", "a*"]
)
def test_a_name_cannot_leave_the_folder_of_runs(tmp_path: Path, name: str) -> None:
    values = recipe_of(tmp_path).as_dict()
    with pytest.raises(UsageError, match="cannot name a folder"):
        Recipe.from_dict(values | {"name": name})


@pytest.mark.parametrize("name", ["x", "segpic-xs", "a.b", "lauf 2", "größe"])
def test_ordinary_names_are_fine(tmp_path: Path, name: str) -> None:
    assert Recipe.from_dict(recipe_of(tmp_path).as_dict() | {"name": name}).name == name


def test_a_file_that_is_no_text_is_named_as_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UsageError, match=r"photo\.jpg: not a TOML file: it is not text in UTF-8$"):
        read_recipe(path)


def test_a_setting_of_two_lines_is_refused_rather_than_half_taken(tmp_path: Path) -> None:
    recipe_of(tmp_path)
    with pytest.raises(UsageError, match="give one KEY=VALUE; repeat --set for more"):
        read_recipe(tmp_path / "recipe.toml", settings=("seed=1\nsteps=3",))
