"""The training loop: it runs the phases of a recipe on one device or many, and resumes at the exact step."""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from regio.data.importance import importance_source
from regio.data.labels import LabelSource, MaskFolder, Panoptic, Segmented
from regio.data.parts import Cutter
from regio.data.pictures import PicturePack, load_pictures
from regio.data.stream import PictureStream, list_pictures
from regio.errors import UsageError
from regio.training import heldback
from regio.training.checkpoint import RunFolder
from regio.training.devices import agreed, make_fabric
from regio.training.heldback import Pictures
from regio.training.interrupt import Stop, stop_on_signal
from regio.training.recipe import DataSection, Recipe, read_recipe
from regio.training.records import HeldBackRecord, Listener, StepRecord
from regio.training.run import GIVE_UP, Run
from regio.training.validate import validate, write_samples
from regio.training.window import Window

MADE_SIDE = 320  # pixels of a made picture, at least
TOLD_EVERY = 1.0  # seconds between figures for someone who watches


def train(
    recipe_path: Path,
    *,
    out: Path | None = None,
    resume: bool = False,
    max_minutes: float | None = None,
    device: str = "auto",
    steps: int | None = None,
    data: list[Path] | None = None,
    settings: Sequence[str] = (),
    report: Listener | None = None,
) -> Path:
    """Train a model by a recipe. Return the run folder.

    out: the run folder; default runs/<name>.
    resume: continue the run in that folder.
    max_minutes: stop after this time, with everything saved.
    steps: stop after so many steps of this call.
    data: folders of pictures instead of the recipe's.
    settings: changes of the recipe, see `read_recipe`.
    report: called with every log line, and about once a second with the figures so far.

    Under torchrun, all processes join one run and the first one saves. Ctrl-C stops after the current step, saves, and
    raises KeyboardInterrupt.

    Raises UsageError for a recipe that cannot be followed; RegioError when the run in the folder cannot go on, when its
    state cannot be saved, or when gradients stay non-finite; OSError.
    """
    began = time.monotonic()
    if max_minutes is not None and not max_minutes >= 0:
        raise UsageError(f"max_minutes = {max_minutes} is not a number of minutes")
    recipe = read_recipe(recipe_path, settings)
    fabric, folder = make_fabric(device), RunFolder(out or Path("runs") / recipe.name)
    fabric.launch()
    if fabric.is_global_zero:
        folder.settle()
    fabric.barrier()
    folder.check(resume=resume)
    run = Run(recipe, folder, fabric)
    trained, held = heldback.split(load_pack(recipe, data, fabric), folder, recipe.data.held_back)
    recipe = run.recipe = recipe.counted(len(trained.names), fabric.world_size)
    _check_labels(recipe, trained)
    if isinstance(trained, PictureStream):
        run.follow(trained)
    if folder.started:
        run.resume()
    if fabric.is_global_zero:
        source = recipe_path.read_text(encoding="utf-8") + "".join(f"# --set {setting}\n" for setting in settings)
        folder.open(recipe, source, {"device": str(fabric.device), "processes": fabric.world_size}, run.step)
        heldback.note(folder, trained, held)
    fabric.barrier()
    last = recipe.steps if steps is None else min(recipe.steps, run.step + steps)
    deadline = math.inf if max_minutes is None else began + 60 * max_minutes
    # crops are all of a size, so kernels are worth choosing; what sets probabilities never runs in TF32
    with stop_on_signal() as stop, torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        told = report if fabric.is_global_zero else None
        Drive(run, trained.to(fabric.device), held, last, deadline, stop, told).go()
    if stop.wanted:
        raise KeyboardInterrupt
    return folder.path


def load_pack(recipe: Recipe, folders: list[Path] | None, fabric: Fabric) -> Pictures:
    """Decode the pictures of a recipe and find their label maps, or prepare to while training goes on.

    `folders` replaces the recipe's folders.
    """
    data = recipe.data
    places = folders or [Path(folder) for folder in data.folders]
    importance = importance_source(Path(data.importance)) if data.importance else None
    if data.workers is not None:
        cutter = Cutter(
            _label_sources(data), importance, data.fit, data.downscale, data.vertical_flips, data.smallest or 1
        )
        return PictureStream(places, list_pictures(places, data.limit), cutter, data.workers, recipe.seed)
    # one process makes the segmentations, the others read them
    first = fabric.rank_zero_first() if data.segments else contextlib.nullcontext()
    with first:
        smallest = data.smallest or recipe.largest_crop
        pack = load_pictures(places, smallest, _label_sources(data), data.limit, importance)
    return pack.with_made(data.graphics, max(MADE_SIDE, smallest))


def _label_sources(data: DataSection) -> list[LabelSource]:
    kinds: list[tuple[str | None, Callable[[Path], LabelSource]]] = [
        (data.masks, MaskFolder),
        (data.panoptic, Panoptic),
        (data.segments, Segmented),
    ]
    return [kind(Path(place)) for place, kind in kinds if place is not None]


def _check_labels(recipe: Recipe, trained: Pictures) -> None:
    crop = recipe.largest_crop
    if isinstance(trained, PicturePack) and any(min(p.shape[1:]) < crop for p in trained.pictures):
        raise UsageError(f"data.smallest = {recipe.data.smallest} is smaller than the largest crop, {crop}")
    if any(recipe.labelled(phase) > 0 for phase in recipe.phase) and not trained.labelled:
        raise UsageError(
            "the recipe asks for labelled batches, but no picture has a label map; see masks, panoptic, segments"
        )
    if recipe.weighted and not trained.weighted:
        what = "measure = 'roi' and the term wasserstein need"
        raise UsageError(f"{what} importance maps, but no picture has one; see importance")


@dataclass
class Drive:
    """Step until the last step, the deadline or a request to stop. Log, validate and save on the way."""

    run: Run
    trained: Pictures
    held: PicturePack
    last: int
    deadline: float
    stop: Stop
    report: Listener | None  # in the first process

    def go(self) -> None:
        """Run to the end. Everything is saved then."""
        run, recipe, window = self.run, self.run.recipe, Window(self.run)
        saved = run.step
        while run.step < self.last and not self._stopped():
            window.add(run.one_step(self.trained))
            if run.skipped_in_a_row >= GIVE_UP:
                window = self._recover()
                continue
            if run.step % recipe.log_every == 0 or run.step == self.last:
                self._tell(window.close())
            elif self.report and window.quiet_for() > TOLD_EVERY:
                self.report(window.summary())
            if run.step % recipe.validate_every == 0 or run.step == self.last:
                window.leave_out(self._validate())
            if run.step % recipe.save_every == 0 and not run.skipped_in_a_row:
                run.save()
                saved = run.step
        if run.step != saved:
            run.save()

    def _recover(self) -> Window:
        """Go back to the last saved state and remove the log lines since."""
        self.run.recover()
        if self.run.fabric.is_global_zero:
            self.run.folder.cut_log(self.run.step)
        return Window(self.run)

    def _stopped(self) -> bool:
        return agreed(self.run.fabric, self.stop.wanted or time.monotonic() >= self.deadline)

    def _validate(self) -> float:
        """Measure the held-back pictures in the first process. Return the seconds it took."""
        run, began = self.run, time.monotonic()
        if run.fabric.is_global_zero and self.held.names:
            name = f"samples/{run.step:07d}.png"
            write_samples(run.average.net, self.held, run.folder.path / name)
            points = validate(run.average.net, self.held)
            self._tell(HeldBackRecord(step=run.step, held_back=points, samples=name))
        run.fabric.barrier()
        return time.monotonic() - began

    def _tell(self, line: StepRecord | HeldBackRecord) -> None:
        if self.run.fabric.is_global_zero:
            self.run.folder.log(line)
        if self.report:
            self.report(line)
