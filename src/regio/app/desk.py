"""The functions behind the pages, shared by all visitors: from uploaded files to files that a browser can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from regio.app.choices import Choices, Mask, region_of, usual_size
from regio.app.coding import Compressed, Progress, Version, compress, within
from regio.app.limits import Limits, read_rgo, read_upload
from regio.app.maps import bits_map, region_map
from regio.app.markup import info_table, scores_table
from regio.app.rivals import rivals
from regio.app.sample import sample
from regio.app.scores import Judging
from regio.app.several import Batch, Several
from regio.app.shelf import Shelf, save_png
from regio.app.study import Entrant, Study
from regio.errors import MissingWeights
from regio.evaluation.side_by_side import Window, busiest_window
from regio.images import Picture, Pixels, read_picture, to_file
from regio.info import Info, inspect

if TYPE_CHECKING:
    from regio.codec import Codec
    from regio.losses.perceptual import Lpips

ORIGINAL = "Original"
ENDINGS = {"JPEG": ".jpg", "WebP": ".webp", "AVIF": ".avif"}
SHOWN = 2048  # pixels of the longer side of what is shown; downloads are whole
PAINTED = 1024  # the same for what is painted on: paint need not be finer
SEARCHED = 1_000_000  # pixels that are searched for the part with most to see


class Arrived(NamedTuple):
    """A picture that passed the limits."""

    path: str
    preview: str
    """A smaller version to paint on."""
    width: int
    height: int
    """Of the picture, in pixels."""
    size: int
    """Bytes that are sensible for it."""
    line: str
    """For people: size, and what reading it changed."""


class Outcome(NamedTuple):
    """A compressed picture in files: nothing of it stays in memory while somebody looks at it."""

    title: str
    rgo: str
    png: str
    whole: dict[str, str]
    """Name of the version (Original, Regio, JPEG ...) -> the picture."""
    detail: dict[str, str]
    """The part where there is most to see, cut out."""
    whole_size: tuple[int, int]
    detail_size: tuple[int, int]
    sizes: dict[str, int]
    """Bytes."""
    files: dict[str, str]
    """Of the other codecs, JPEG ...: their files."""
    table: str
    bits: str | None
    bits_line: str
    region: str | None
    region_line: str
    done: bool
    """False while others are still being made."""


class Opened(NamedTuple):
    """A decoded .rgo file."""

    image: str
    png: str
    table: str
    bits: str | None
    bits_line: str


@dataclass
class Desk:
    """Limits, the study, weights and the folder of the server."""

    shelf: Shelf
    study: Study
    limits: Limits = field(default_factory=Limits)
    lpips: Lpips | None = None
    lpips_line: str = ""
    codecs: tuple[str, ...] = ()
    """Names of bundled codecs, and paths of others."""
    device: str = "auto"
    loaded: dict[str, Codec] = field(default_factory=dict)

    def codec(self, name: str) -> Codec:
        """One of `codecs`, loaded once."""
        if name not in self.codecs:
            raise MissingWeights(f"There is no codec {name!r} here.")
        if name not in self.loaded:
            from regio.codec import load

            self.loaded[name] = load(name, self.device)
        return self.loaded[name]

    def receive(self, path: str) -> Arrived:
        """A picture that somebody sent. Raises as `read_upload`."""
        picture = read_upload(Path(path), self.limits)
        preview = save_png(picture.pixels, self.shelf.folder() / "preview.png", icc=picture.icc, longest=PAINTED)
        parts = (f"{picture.width} × {picture.height} pixels", *picture.notes)
        return Arrived(path, preview, picture.width, picture.height, usual_size(picture), "; ".join(parts))

    def sample(self) -> str:
        """The picture to start with, as if somebody had sent it."""
        return save_png(sample(), self.shelf.folder() / "sample.png")

    def look(self, path: str, choices: Choices, progress: Progress) -> tuple[str, str]:
        """What the region covers, before bytes are spent on it -> a picture, and a line. Raises as `region_of`."""
        progress(0.1, "Reading the picture")
        picture = read_upload(Path(path), self.limits)
        progress(0.3, "Looking for what matters")
        region = region_of(choices, picture)
        shown = region_map(region, picture)
        folder = self.shelf.folder()
        if region is None or shown is None:
            return save_png(picture.pixels, folder / "picture.png", longest=PAINTED), "The bytes are spread evenly."
        share = float((region.values / 255).mean())
        line = f"{region.what}, {share:.0%} of the picture" if region.found else f"{region.what}: choose another region"
        return save_png(shown, folder / "region.png"), line

    def compress(self, path: str, choices: Choices, progress: Progress) -> Iterator[Outcome]:
        """Encode; yields ours as soon as it is there, then what is added to it. Raises as `coding.compress`."""
        progress(0.0, "Reading the picture")
        picture = read_upload(Path(path), self.limits)
        progress(0.01, f"Loading {choices.codec}")
        codec = self.codec(choices.codec)
        made = compress(picture, choices, codec, within(progress, 0.02, 0.25))
        progress(0.25, "Writing the files")
        versions = [made.version]
        writer = _Writer(self.shelf.folder(), made, Path(path).stem)
        yield writer.outcome(codec, versions, "", done=False)
        progress(0.28, "Measuring")
        judging = Judging(picture.pixels, made.mask, self.lpips)
        rows = [(versions[0], judging.scores(versions[0].pixels))]
        yield writer.outcome(codec, versions, scores_table(rows, made.notes), done=False)
        for rival in rivals(made, within(progress, 0.4, 0.95)):
            versions.append(rival)
            rows.append((rival, judging.scores(rival.pixels)))
            yield writer.outcome(codec, versions, scores_table(rows, made.notes), done=False)
        progress(0.95, "Looking where the bits went")
        notes = [*made.notes, self.lpips_line] if self.lpips is None else list(made.notes)
        yield writer.outcome(codec, versions, scores_table(rows, [note for note in notes if note]), done=True)

    def several(
        self, paths: Sequence[str], choices: Choices, rate: float, against: Sequence[str], progress: Progress
    ) -> Iterator[Several]:
        """Encode pictures one after the other, as `Batch` does."""
        folder = self.shelf.folder() / "downloads"
        folder.mkdir()
        batch = Batch(self.codec(choices.codec), choices, rate, against, self.limits, self.study, folder)
        return batch.run(paths, progress)

    def open(self, path: str, progress: Progress) -> Opened:
        """Decode a .rgo file. Raises CorruptFile, MissingWeights, UnsupportedFile, LimitExceeded."""
        data, info = read_rgo(Path(path), self.limits)
        progress(0.0, "Loading the codec")
        codec = self._codec_of(info).watched(
            lambda tile, count: progress(0.1 + 0.5 * tile / count, f"Decoding, part {tile + 1} of {count}")
        )
        image = codec.decode(data, max_pixels=self.limits.pixels, max_memory=self.limits.memory)
        folder = self.shelf.folder()
        (folder / "downloads").mkdir()
        png = folder / "downloads" / f"{Path(path).stem}.png"
        png.write_bytes(to_file(image, ".png"))
        icc = image.info.get("icc_profile")
        shown = save_png(_plain(image), folder / "shown.png", icc=icc, longest=SHOWN)
        progress(0.7, "Looking where the bits went")
        bits, line = _bits(codec, data, read_picture(image), folder)
        return Opened(shown, str(png), info_table(info), bits, line)

    def add_to_study(self, outcome: Outcome) -> int:
        """Ask about what somebody compressed -> how many pictures the study has now. UsageError."""
        pixels = {name: _rgb(path) for name, path in outcome.whole.items()}
        entrants = [Entrant(name, outcome.sizes[name], pixels[name]) for name in outcome.sizes]
        self.study.add(outcome.title, pixels[ORIGINAL], entrants)
        return self.study.pictures()

    def _codec_of(self, info: Info) -> Codec:
        """The codec that a file names: bundled, or one of ours with the same numbers."""
        if not info.codec.startswith("custom"):
            from regio.codec import shared

            return self.codec(info.codec) if info.codec in self.codecs else shared(info.codec, self.device)
        for name in self.codecs:
            if self.codec(name).fingerprint == info.fingerprint:
                return self.codec(name)
        raise MissingWeights(
            f"The file was made with weights that are not here, {info.codec}: start with --codec FILE.safetensors."
        )


class _Writer:
    """Files of one compressed picture; each is written once."""

    def __init__(self, folder: Path, made: Compressed, stem: str) -> None:
        self.folder, self.made, self.title = folder, made, stem
        self.downloads = self.folder / "downloads"  # under the picture's own name, which may be any
        self.downloads.mkdir()
        (self.downloads / f"{stem}.rgo").write_bytes(made.data)
        (self.downloads / f"{stem}.png").write_bytes(to_file(made.decoded, ".png"))
        region = region_map(made.region, made.picture)
        self.region = None if region is None else save_png(region, self.folder / "region.png")
        self.region_line = "" if made.region is None else made.region.what
        self.whole = {ORIGINAL: self._save("original", made.picture.pixels)}
        self.window = most_to_see(made.picture.pixels, made.version.pixels, made.mask)
        self.detail = {ORIGINAL: self._cut("original", made.picture.pixels)}
        self.files: dict[str, str] = {}

    def outcome(self, codec: Codec, versions: list[Version], table: str, *, done: bool) -> Outcome:
        for version in versions:
            if version.name not in self.whole:
                self.whole[version.name] = self._save(version.name.lower(), version.pixels)
                self.detail[version.name] = self._cut(version.name.lower(), version.pixels)
                if version.data:
                    path = self.downloads / f"{self.title}{ENDINGS[version.name]}"
                    path.write_bytes(version.data)
                    self.files[version.name] = str(path)
        bits, bits_line = _bits(codec, self.made.data, self.made.picture, self.folder) if done else (None, "")
        picture = self.made.picture
        return Outcome(
            title=self.title,
            rgo=str(self.downloads / f"{self.title}.rgo"),
            png=str(self.downloads / f"{self.title}.png"),
            whole=dict(self.whole),
            detail=dict(self.detail),
            whole_size=(picture.width, picture.height),
            detail_size=(self.window.width, self.window.height),
            sizes={version.name: version.size for version in versions},
            files=dict(self.files),
            table=table,
            bits=bits,
            bits_line=bits_line,
            region=self.region,
            region_line=self.region_line,
            done=done,
        )

    def _save(self, name: str, pixels: Pixels) -> str:
        return save_png(pixels, self.folder / f"{name}-whole.png", icc=self.made.picture.icc, longest=SHOWN)

    def _cut(self, name: str, pixels: Pixels) -> str:
        return save_png(self.window.cut(pixels), self.folder / f"{name}-part.png", icc=self.made.picture.icc)


def most_to_see(reference: Pixels, decoded: Pixels, mask: Mask | None) -> Window:
    """The part of a picture (H,W,3) in which a version differs most, inside of the region (H,W) if there is one."""
    if mask is not None:
        decoded = np.where(mask[..., None], decoded, reference)
    height, width = reference.shape[:2]
    factor = max(1, round((height * width / SEARCHED) ** 0.5))
    small = [np.asarray(Image.fromarray(one).reduce(factor)) for one in (reference, decoded)]
    found = busiest_window(small[0], small[1:])
    side = min(found.width * factor, height, width)
    return Window(min(found.left * factor, width - side), min(found.top * factor, height - side), side, side)


def _bits(codec: Codec, data: bytes, picture: Picture, folder: Path) -> tuple[str | None, str]:
    """The map of bits as a file, and a line about it."""
    found = bits_map(codec, data, picture)
    if found is None:
        lossless = inspect(data).lossless
        coded = f"{codec.name} does not code the picture place by place"
        why = "The file holds the picture without loss" if lossless else coded
        return None, f"{why}, so there is no map."
    line = f"Dark: next to nothing. Bright: up to {found.most:.0f} bits for {found.side} × {found.side} pixels."
    return save_png(found.image, folder / "bits.png"), line


def _rgb(path: str) -> Pixels:
    """(H,W,3) of a PNG that this server wrote."""
    with Image.open(path, formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB"))


def _plain(image: Image.Image) -> Image.Image:
    """As a browser shows it, for looking at."""
    return image if image.mode in ("L", "RGB", "LA", "RGBA") else image.convert("RGB")
