"""What a worker does with a file, without Ray."""

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

import regio
from regio.bulk import pipeline
from regio.bulk.journal import Journal, Row
from regio.bulk.pipeline import Crew, _Actor, _crew
from regio.bulk.places import Place
from regio.bulk.plan import Task, pieces
from regio.bulk.run import Job, decoding, encoding
from regio.bulk.work import Weights, Work, Worker
from regio.errors import MissingWeights, UsageError

Photos = Callable[[int], Path]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are worked on here and now, one after the other: what stands around Ray is on trial."""
    monkeypatch.setattr(pipeline, "cluster", lambda *_: _Entered(Crew(1)))

    def run(work: Work, cut: Any, crew: Crew) -> Iterator[list[Row]]:
        worker = Worker(work)
        yield from (worker.piece(piece) for piece in cut)

    monkeypatch.setattr(pipeline, "run", run)


class _Entered:
    def __init__(self, crew: Crew) -> None:
        self.crew = crew

    def __enter__(self) -> Crew:
        return self.crew

    def __exit__(self, *error: object) -> None: ...


def run(job: Job) -> regio.bulk.Report:
    return job.run()


@pytest.mark.usefixtures("in_process")
def test_files_are_those_that_the_codec_makes_and_decode_to_its_pictures(
    photos: Photos, toy_weights: Path, tmp_path: Path
) -> None:
    source = photos(3)
    report = run(encoding(source, tmp_path / "small", codec=toy_weights, quality=35))
    assert (report.total, report.done, report.before, report.failed) == (3, 3, 0, 0)
    codec = regio.load(toy_weights)
    for name in ("0", "sub/1", "2"):
        data = (tmp_path / "small" / f"{name}.rgo").read_bytes()
        assert data == codec.encode(source / f"{name}.png", quality=35)
    back = run(decoding(tmp_path / "small", tmp_path / "back", codec=toy_weights, format="webp"))
    assert (back.done, back.failed) == (3, 0)
    with Image.open(tmp_path / "back" / "sub" / "1.webp") as image:
        np.testing.assert_array_equal(
            np.asarray(image), np.asarray(codec.decode(data_of(tmp_path / "small/sub/1.rgo")))
        )


@pytest.mark.usefixtures("in_process")
def test_pictures_come_out_as_from_the_plain_command(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    source = photos(1)
    os.utime(source / "0.png", ns=(10**18, 10**18))
    assert run(encoding(source, tmp_path / "small", codec=toy_weights, keep_suffix=True)).failed == 0
    coded = tmp_path / "small" / "0.png.rgo"
    assert coded.stat().st_mtime_ns == 10**18
    sizes = {}
    for quality in (30, 95):
        job = decoding(
            tmp_path / "small", tmp_path / f"{quality}", codec=toy_weights, format="jpg", quality=quality, reduced="1/2"
        )
        assert run(job).failed == 0
        found = tmp_path / f"{quality}" / "0.png.jpg"
        assert found.stat().st_mtime_ns == 10**18
        with Image.open(found) as image:
            assert image.size == (20, 12)
        sizes[quality] = found.stat().st_size
    assert sizes[30] < sizes[95]


@pytest.mark.usefixtures("in_process")
def test_a_region_that_was_not_found_is_in_the_notes(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    report = run(encoding(photos(1), tmp_path / "out", codec=toy_weights, roi=["faces"]))
    (row,) = regio.bulk.read_manifest(report.manifest)
    assert row.notes == "faces: none found; coded evenly"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": 80}, "PNG files have no quality"),
        ({"format": "xyz"}, "cannot write pictures of type .xyz"),
        ({"reduced": "1/3"}, "must be 1, 1/2 or 1/4"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_starts(options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        decoding(tmp_path, tmp_path / "out", **options)


def data_of(path: Path) -> bytes:
    return path.read_bytes()


@pytest.mark.usefixtures("in_process")
def test_a_bad_file_is_a_row_and_is_tried_again(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    source = photos(2)
    (source / "bad.png").write_bytes(b"nothing")
    (source / "half.png").write_bytes((source / "0.png").read_bytes()[:90])
    first = run(encoding(source, tmp_path / "small", codec=toy_weights))
    assert [(row.source, row.error_kind) for row in first.failures] == [
        ("bad.png", "BadImage"),
        ("half.png", "BadImage"),
    ]
    assert (first.done, first.total) == (2, 4)
    (source / "bad.png").write_bytes((source / "0.png").read_bytes())
    second = run(encoding(source, tmp_path / "small", codec=toy_weights))
    assert (second.done, second.before, second.failed) == (1, 2, 1)


@pytest.mark.usefixtures("in_process")
def test_object_storage_is_a_place_like_any_other(photos: Photos, toy_weights: Path) -> None:
    store = fsspec.filesystem("memory")
    store.store.clear()
    source = photos(2)
    for path in source.rglob("*.png"):
        store.pipe_file(f"/bucket/in/{path.relative_to(source)}", path.read_bytes())
    report = run(encoding("memory://bucket/in", "memory://bucket/out", codec=toy_weights, manifest="all.csv"))
    assert report.manifest == "memory://bucket/out/all.csv"
    assert set(Place("memory://bucket/out").files()) == {"0.rgo", "sub/1.rgo", "all.csv"}
    assert run(encoding("memory://bucket/in", "memory://bucket/out", codec=toy_weights, manifest="all.csv")).before == 2
    assert regio.inspect(store.cat_file("/bucket/out/sub/1.rgo")).width == 40


@pytest.mark.usefixtures("in_process")
def test_other_options_or_other_hands_are_not_written_over(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    source, target = photos(2), tmp_path / "small"
    target.mkdir()
    (target / "0.rgo").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"0.rgo in .*small exists already; --force"):
        run(encoding(source, target, codec=toy_weights))
    assert [path.name for path in target.iterdir()] == ["0.rgo"]
    assert run(encoding(source, target, codec=toy_weights, force=True)).done == 2
    with pytest.raises(UsageError, match=r"files of another run \(other options\)"):
        run(encoding(source, target, codec=toy_weights, quality=20))
    with pytest.raises(UsageError, match=r"files of another run \(other weights\)"):
        run(encoding(source, target))
    assert run(encoding(source, target, codec=toy_weights, max_memory=2**40)).before == 2  # nothing that moves a byte
    assert run(encoding(source, target, codec=toy_weights, quality=20, force=True)).done == 2
    assert regio.inspect(target / "0.rgo").quality == 20


class _Killed(BaseException):
    """What ends a run here and now, as SIGKILL would."""


def killed_after(count: int, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a job until so many files are written, no row of which reaches the disk."""
    done = 0

    def one(self: Worker, task: Task) -> Row:
        nonlocal done
        if done == count:
            raise _Killed
        done += 1
        return original(self, task)

    original = Worker.one
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "one", one)
        patch.setattr(Journal, "flush", lambda self: None)
        with pytest.raises(_Killed):
            job.run()


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("what", ["", "junk", "half", "other picture", "other quality"])
def test_a_target_that_no_row_vouches_for_is_never_taken_for_done(
    photos: Photos, toy_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    source, target = photos(3), tmp_path / "small"
    codec = regio.load(toy_weights)
    right = codec.encode(source / "0.png", quality=30)
    killed_after(2, encoding(source, target, codec=toy_weights, quality=30), monkeypatch)
    wrong = {
        "": b"",
        "junk": b"precious",
        "half": right[:40],
        "other picture": codec.encode(source / "2.png", quality=30),
        "other quality": codec.encode(source / "0.png", quality=90),
    }
    (target / "0.rgo").write_bytes(wrong[what])
    report = run(encoding(source, target, codec=toy_weights, quality=30))
    assert (report.before, report.done, report.failed) == (0, 3, 0)
    assert (target / "0.rgo").read_bytes() == right
    back = tmp_path / "back"
    killed_after(2, decoding(target, back, codec=toy_weights), monkeypatch)
    (back / "0.png").write_bytes(wrong[what])
    assert run(decoding(target, back, codec=toy_weights)).done == 3
    assert np.array_equal(np.asarray(Image.open(back / "0.png")), np.asarray(codec.decode(right)))


@pytest.mark.usefixtures("in_process")
def test_a_run_by_force_that_is_killed_leaves_no_file_of_the_run_before(
    photos: Photos, toy_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = photos(3), tmp_path / "small"
    run(encoding(source, target, codec=toy_weights, quality=30))
    killed_after(1, encoding(source, target, codec=toy_weights, quality=80, force=True), monkeypatch)
    assert run(encoding(source, target, codec=toy_weights, quality=80)).done == 3
    assert {regio.inspect(path).quality for path in target.rglob("*.rgo")} == {80}


@pytest.mark.usefixtures("in_process")
def test_a_file_that_somebody_put_into_the_folder_of_a_run_is_not_written_over(
    photos: Photos, toy_weights: Path, tmp_path: Path
) -> None:
    source, target = photos(2), tmp_path / "small"
    run(encoding(source, target, codec=toy_weights))
    for name in ("new", "newer"):
        (source / f"{name}.png").write_bytes((source / "0.png").read_bytes())
        (target / f"{name}.rgo").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"new.rgo and 1 more in .*small exist already; --force"):
        run(encoding(source, target, codec=toy_weights))
    assert (target / "new.rgo").read_bytes() == b"precious"
    for name in ("new", "newer"):
        (target / f"{name}.rgo").unlink()
    assert run(encoding(source, target, codec=toy_weights)).done == 2


@pytest.mark.usefixtures("in_process")
def test_folders_with_brackets_in_their_names_work_on_both_sides(
    photos: Photos, toy_weights: Path, tmp_path: Path
) -> None:
    source = photos(2).rename(tmp_path / "in [2024]")
    target = tmp_path / "out [2024]"
    assert run(encoding(source, target, codec=toy_weights)).done == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in [2024]", "out [2024]"]
    assert (target / "sub" / "1.rgo").is_file()
    assert run(encoding(source, target, codec=toy_weights)).before == 2


@pytest.mark.usefixtures("in_process")
def test_linked_pictures_are_coded_and_broken_links_are_rows(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    source = photos(1)
    (tmp_path / "real.png").write_bytes((source / "0.png").read_bytes())
    (source / "link.png").symlink_to(tmp_path / "real.png")
    (source / "broken.png").symlink_to(tmp_path / "nothing.png")
    report = run(encoding(source, tmp_path / "small", codec=toy_weights))
    assert (report.done, [row.source for row in report.failures]) == (2, ["broken.png"])
    assert (tmp_path / "small/link.rgo").read_bytes() == (tmp_path / "small/0.rgo").read_bytes()


def test_a_plan_changes_nothing(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    found = encoding(photos(3), tmp_path / "small", codec=toy_weights).plan()
    assert (len(found.todo), found.done) == (3, [])
    assert not (tmp_path / "small").exists()


def test_contradictions_and_missing_weights_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="quality and max_bytes contradict"):
        encoding(tmp_path, tmp_path, quality=1, max_bytes=10)
    with pytest.raises(MissingWeights, match=r"none.safetensors: no such weights file"):
        encoding(tmp_path, tmp_path, codec="none.safetensors")
    with pytest.raises(UsageError, match="cannot write pictures of type"):
        decoding(tmp_path, tmp_path, format="xyz")


def test_even_a_bug_costs_one_file_only(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    source = photos(2)
    worker = Worker(Work("encode", Place.of(source), Place.of(tmp_path / "out"), Weights.of(toy_weights)))
    good = worker.codec

    class Buggy:
        def encode_noted(self, picture: Any, **options: Any) -> Any:
            if picture.height == 24:
                raise ZeroDivisionError("by zero")
            return good.encode_noted(picture, **options)

    worker.codec = Buggy()
    rows = worker.piece([Task("0.png", 1, "0.rgo"), Task("sub/1.png", 1, "1.rgo")])
    assert [row.error for row in rows] == ["ZeroDivisionError: by zero", None]


def test_a_codec_that_does_not_load_is_told_and_not_tried_again(tmp_path: Path) -> None:
    work = Work("encode", Place.of(tmp_path), Place.of(tmp_path), Weights("no-such-codec"))
    actor = _Actor(work, 1)
    (line,) = actor({"piece": ["[]"]})["rows"]
    assert json.loads(line)["kind"] == "MissingWeights"


def test_workers_take_what_is_there() -> None:
    assert _crew({"CPU": 8.0, "memory": 5 * 2**30}, None, 1, "auto").workers == 5
    assert _crew({"CPU": 8.0}, None, 2, "auto") == Crew(4, threads=2)
    assert _crew({"CPU": 64.0, "GPU": 2.0}, None, 1, "auto") == Crew(2, gpus=1.0)
    assert _crew({"CPU": 64.0, "GPU": 1.0}, 4, 1, "cuda") == Crew(4, gpus=0.25)
    assert _crew({"CPU": 64.0, "GPU": 1.0}, 4, 1, "cpu") == Crew(4)
    with pytest.raises(UsageError, match="no GPU"):
        _crew({"CPU": 4.0}, None, 1, "cuda")


def test_a_region_of_interest_reaches_the_codec_and_its_detector_is_loaded_once(
    photos: Photos, toy_weights: Path, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.pad(np.full((10, 10), 255, np.uint8), ((0, 14), (0, 30)))).save(mask)
    options = {"roi": [str(mask), [2, 2, 9, 9]], "quality": 30}
    work = Work("encode", Place.of(photos(1)), Place.of(tmp_path / "out"), Weights.of(toy_weights), options)
    assert work.identity()["options"] == {"roi": [str(mask), [2, 2, 9, 9]], "quality": 30}
    worker = Worker(work)
    row = worker.one(Task("0.png", 1, "0.rgo"))
    assert row.error is None
    expected = worker.codec.encode(tmp_path / "photos" / "0.png", roi=[str(mask), (2, 2, 9, 9)], quality=30)
    assert (tmp_path / "out" / "0.rgo").read_bytes() == expected


@pytest.mark.parametrize("count", [2, 5, 40])
def test_neighbours_of_a_file_that_kills_its_worker_are_done_all_the_same(
    photos: Photos, toy_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def run(work: Work, cut: Any, crew: Crew) -> Iterator[list[Row]]:
        if len(cut) > 1 or len(cut[0]) > 1:  # all that waits for the worker that dies goes with it
            cut = [piece for piece in cut if all(task.source > "sub" for task in piece)][2:]
        for piece in cut:
            if not any(task.source == "0.png" for task in piece):
                yield [Row(source=task.source, target=task.target, bytes_in=1, bytes_out=1) for task in piece]

    monkeypatch.setattr(pipeline, "cluster", lambda *_: _Entered(Crew(1)))
    monkeypatch.setattr(pipeline, "run", run)
    report = encoding(photos(count), tmp_path / "small", codec=toy_weights).run()
    assert [(row.source, row.error_kind) for row in report.failures] == [("0.png", "WorkerDied")]
    assert report.done == count - 1


def test_a_report_reads_well() -> None:
    values = {"total": 3, "done": 2, "before": 0, "failed": 1, "bytes_in": 10, "bytes_out": 5, "pixels": 9}
    report = regio.bulk.Report(**values, seconds=4.0, workers=1, manifest="m.csv")
    assert repr(report) == "<Report 2 done, 0 before, 1 failed of 3; 10 bytes to 5>"
    assert report.as_dict()["rate"] == 0.5
    assert "<td>m.csv</td>" in report._repr_html_()


def test_pieces_of_real_files_come_out_as_rows(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    source = photos(2)
    actor = _Actor(Work("encode", Place.of(source), Place.of(tmp_path / "o"), Weights.of(toy_weights)), 1)
    cut = pieces([Task("0.png", 5, "0.rgo"), Task("sub/1.png", 6, "1.rgo")], 1)
    lines = [json.dumps([vars(task) for task in piece]) for piece in cut]
    rows = [Row.of(values) for line in actor({"piece": lines})["rows"] for values in json.loads(line)]
    assert {row.source for row in rows} == {"0.png", "sub/1.png"}
    assert Image.open(io.BytesIO((source / "0.png").read_bytes())).size == (rows[-1].width, rows[-1].height)
