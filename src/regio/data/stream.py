"""Pictures read from disk during training: worker processes, bounded memory, one pass after the other.

    files, shuffled once an epoch ── workers: decode, cut, count what is odd ── a few batches ahead ──► device

Which pictures a batch has, and which part of each, depends on the seed and on the number of pictures before it alone:
a run that continues goes on with the pictures that it would have had, whatever the number of workers.
"""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from regio.data.parts import Cutter, Part, Unusable, Want
from regio.data.pictures import Batch, PicturePack, every_nth
from regio.errors import BadImage, RegioError, UsageError
from regio.images import read_picture
from regio.names import PICTURES, readable, skipped

log = logging.getLogger(__name__)
AHEAD = 2  # batches that each worker has ready
NAMED = 100  # files of a kind; more are only counted
GIVE_UP = 200  # pictures in a row that cannot be used


class Ask(NamedTuple):
    """The requirements of a step."""

    step: int
    seed: int
    first: int  # how many pictures all processes took before this batch
    batch: int
    want: Want


class Odd(NamedTuple):
    """Something to count: what is unusual about a file, or why it is not used."""

    file: int  # its number
    kind: str
    detail: str | None  # None: unusual only


class Cut(NamedTuple):
    """A batch as workers pass it on, in bytes."""

    x: NDArray[np.uint8]  # (B,S,S,3)
    labels: NDArray[np.int16] | None  # (B,S,S)
    importance: NDArray[np.uint8] | None  # (B,S,S)
    odd: list[Odd]


@dataclass(frozen=True)
class Files:
    """The picture files of some folders and all folders in them. One array of bytes, not a million objects."""

    paths: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Path:
        return Path(os.fsdecode(bytes(self.paths[index])))


def list_pictures(folders: Sequence[Path], limit: int | None = None) -> Files:
    """All pictures in the folders, to any depth, in the order of their names. UsageError where there are none."""
    kinds, found, others = readable(), [], []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"no such folder of pictures: {folder}")
        for place, _, names in os.walk(folder):
            for name in names:
                ending = f".{name.rpartition('.')[2].lower()}"
                if ending in kinds:
                    found.append(os.fsencode(f"{place}{os.sep}{name}"))
                elif ending in PICTURES:
                    others.append(name)
    where, left = ", ".join(map(str, folders)), skipped(others)
    if not found:
        raise UsageError(f"no pictures in {where}{'; ' * bool(left)}{left}")
    if left:
        log.warning("%s: %s", where, left)
    return Files(np.array(sorted(found)[:limit]))


@dataclass(frozen=True)
class Reader(Dataset[Cut | str]):
    """The work of a worker: an Ask becomes a batch."""

    files: Files
    cutter: Cutter
    seed: int
    _order: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def __getitem__(self, ask: Ask) -> Cut | str:
        """The batch, or why there is none: what workers raise would come with a traceback."""
        odd: list[Odd] = []
        try:
            parts = [self._part(ask, ask.first + k, odd) for k in range(ask.batch)]
        except BadImage as error:
            return str(error)
        labels = [p.labels for p in parts if p.labels is not None]
        importance = [p.importance for p in parts if p.importance is not None]
        return Cut(
            np.stack([p.pixels for p in parts]),
            np.stack(labels) if labels else None,
            np.stack(importance) if importance else None,
            odd,
        )

    def _part(self, ask: Ask, number: int, odd: list[Odd]) -> Part:
        """The picture with this number since the run began; another one, drawn at random, where it cannot be used."""
        epoch, place = divmod(number, len(self.files))
        chance = np.random.default_rng((ask.seed, number))
        index, reason = int(self._shuffled(epoch)[place]), ""
        for _ in range(GIVE_UP):
            try:
                part = self.cutter.cut(self.files[index], ask.want, chance)
            except Unusable as error:
                reason = f"{self.files[index]} ({error.kind})"
                odd.append(Odd(index, error.kind, str(error)))
                index = int(chance.integers(len(self.files)))
                continue
            odd += [Odd(index, trait, None) for trait in part.traits]
            return part
        raise BadImage(f"{GIVE_UP} pictures in a row cannot be used, the last is {reason}")

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        """The order of the files in an epoch."""
        if epoch not in self._order:
            self._order.clear()
            self._order[epoch] = np.random.default_rng((self.seed, epoch)).permutation(len(self.files))
        return self._order[epoch]


@dataclass
class PictureStream:
    """Batches of parts of the pictures in some folders, made by worker processes.

    `follow` says what the steps want; `take` gives one step's batch, and prepares those after it meanwhile.
    """

    folders: Sequence[Path]
    files: Files
    cutter: Cutter
    workers: int
    seed: int

    def __post_init__(self) -> None:
        self.census = Census(self)
        self._asks: Callable[[int], Ask | None] = lambda step: None
        self._running: Iterator[Any] = iter(())
        self._next: Ask | None = None

    @property
    def names(self) -> list[str]:
        """The files by their places in the folders."""
        return [self.name(i) for i in range(len(self.files))]

    def name(self, index: int) -> str:
        """A file by its place in its folder: n01440764/n01440764_18.JPEG."""
        path = self.files[index]
        home = next((folder for folder in self.folders if path.is_relative_to(folder)), path.parent)
        return path.relative_to(home).as_posix()

    @property
    def labelled(self) -> bool:
        """True where label maps are looked for."""
        return bool(self.cutter.sources)

    @property
    def weighted(self) -> bool:
        """True where importance maps are looked for."""
        return self.cutter.importance is not None

    def subset(self, indices: Sequence[int]) -> "PictureStream":
        """Some of the pictures."""
        return replace(self, files=Files(self.files.paths[np.asarray(indices, np.int64)]))

    def loaded(self, indices: Sequence[int]) -> tuple[list[int], PicturePack]:
        """Some of the pictures, whole and in memory, and which: those that cannot be read are left out."""
        kept, pixels = [], []
        for index in indices:
            try:
                pixels.append(torch.from_numpy(read_picture(self.files[index]).pixels.transpose(2, 0, 1).copy()))
                kept.append(index)
            except (OSError, RegioError) as error:
                log.warning("%s is skipped: %s", self.files[index], error)
        return kept, PicturePack([self.name(i) for i in kept], pixels, [None] * len(kept))

    def split(self, held_back: int) -> tuple["PictureStream", PicturePack]:
        """(to train on, held back): see PicturePack."""
        held = every_nth(len(self.files), held_back)
        trained = np.delete(np.arange(len(self.files)), held)
        return self.subset(trained.tolist()), self.loaded(held)[1]

    def to(self, device: torch.device) -> "PictureStream":
        """The same, for batches on a device."""
        return self

    def follow(self, asks: Callable[[int], Ask | None]) -> None:
        """Prepare batches as `asks` says: step -> what it wants, None after the last one."""
        self._asks, self._next = asks, None

    def take(self, step: int, device: torch.device) -> Batch:
        """The batch of a step. Steps in order are prepared ahead; any other step begins anew.

        RegioError when a worker was ended, BadImage when no picture can be used.
        """
        ask = self._asks(step)
        assert ask is not None
        if ask != self._next:
            self._running = self._begin(step, device.type == "cuda")
        try:
            cut: Cut | str = next(self._running)
        except (RuntimeError, EOFError, OSError) as error:  # the latter where it was ended while it passed a batch on
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            advice = "is there enough memory for `workers`? --resume continues from the last saved state"
            raise RegioError(f"a process that reads pictures was ended; {advice}") from error
        if isinstance(cut, str):
            raise BadImage(cut)
        self._next = self._asks(step + 1)
        self.census.note(cut.odd, ask.first + ask.batch)
        return _on(device, cut)

    def _begin(self, step: int, pinned: bool) -> Iterator[Cut | str]:
        """The batches from a step on."""
        with _quiet_beginnings():
            loader = DataLoader(
                Reader(self.files, self.cutter, self.seed),
                batch_size=None,
                sampler=_Ahead(self._asks, step),
                num_workers=self.workers,
                prefetch_factor=AHEAD if self.workers else None,
                worker_init_fn=_begin_worker,
                collate_fn=_tensors,
                pin_memory=pinned,
                generator=torch.Generator(),  # of seeds for workers, or torch would take them from the step's noise
            )
            return iter(loader)


@contextmanager
def _quiet_beginnings() -> Iterator[None]:
    """Begin workers without torch's remark on their number, and without its handler for their end.

    That handler raises wherever the program happens to be; without it, `next` raises within five seconds.
    """
    ends = getattr(signal, "SIGCHLD", None) if threading.current_thread() is threading.main_thread() else None
    before = None if ends is None else signal.getsignal(ends)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")  # more than cores: a slow disk may want it
        yield
    if ends is not None:
        signal.signal(ends, before or signal.SIG_DFL)


@dataclass(frozen=True)
class _Ahead:
    """The requirements of the steps from this one on, in order."""

    asks: Callable[[int], Ask | None]
    step: int

    def __iter__(self) -> Iterator[Ask]:
        step = self.step
        while (ask := self.asks(step)) is not None:
            yield ask
            step += 1


def _begin_worker(number: int) -> None:
    """Ctrl-C is the training process's to handle, and so is what there is to say of files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("regio").setLevel(logging.CRITICAL)


def _tensors(cut: Any) -> Any:
    """As tensors, which pass between processes without a copy."""
    if isinstance(cut, str):
        return cut
    x, labels, importance = (None if values is None else torch.from_numpy(values) for values in cut[:3])
    return cut._replace(x=x, labels=labels, importance=importance)


def _on(device: torch.device, cut: Any) -> Batch:
    x: Tensor = cut.x.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
    labels = None if cut.labels is None else cut.labels.to(device, non_blocking=True).long()
    if cut.importance is None:
        return Batch(x, labels)
    return Batch(x, labels, cut.importance.to(device, non_blocking=True)[:, None].float() / 255)


class Census:
    """Reports on odd files so far: unused files are named once each, and all are counted."""

    def __init__(self, stream: PictureStream) -> None:
        self.stream = stream
        self.found: dict[str, dict[int, None]] = {}
        self.told = 0  # epochs

    def note(self, odd: Sequence[Odd], taken: int) -> None:
        """Count what a batch brought, and sum up after each epoch. taken: pictures since the run began."""
        for file, kind, detail in odd:
            seen = self.found.setdefault(kind, {})
            if file not in seen and detail is not None and len(seen) < NAMED:
                log.warning("%s is not used (%s)%s", self.stream.files[file], kind, f": {detail}" if detail else "")
            seen[file] = None
        epochs = taken // len(self.stream.files)
        if epochs > self.told:
            self.told = epochs
            if self.found:
                log.warning("after %d epochs of %d pictures: %s", epochs, len(self.stream.files), self.summary())

    def summary(self) -> str:
        """One line: "3 unreadable (the first: a/b.jpg), 12 grey (...)"."""
        firsts = {kind: self.stream.name(next(iter(files))) for kind, files in self.found.items()}
        return ", ".join(f"{len(files)} {kind} (the first: {firsts[kind]})" for kind, files in self.found.items())
