"""Through Ray itself, on this machine. One Ray for all of the file: it takes seconds to start."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import regio
from regio.bulk import journal, pipeline
from regio.bulk.places import Place
from regio.bulk.run import encoding
from regio.bulk.work import Worker
from regio.errors import MissingWeights, RegioError

ray = pytest.importorskip("ray")
Photos = Callable[[int], Path]
pytestmark = [  # Ray's own, and not about how it is called
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def one_ray() -> Iterator[None]:
    """Started once; what is running already is used."""
    with pipeline.cluster(1, 1, None, "cpu"):
        yield


@dataclass(frozen=True)
class Poisoned(Place):
    """A folder with a file that kills whoever reads it, as pictures that take all memory do."""

    def read(self, below: str) -> bytes:
        if below.endswith("3.png"):
            os._exit(9)
        return super().read(below)


@pytest.mark.usefixtures("one_ray")
def test_pictures_go_through_ray_and_a_bad_one_does_not_stop_the_rest(
    photos: Photos, toy_weights: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, seen = photos(8), []
    (source / "bad.png").write_bytes(b"nothing")
    job = encoding(f"file://{source}", tmp_path / "small", codec=toy_weights, quality=30)
    report = job.run(1, watch=lambda done, of, rows: seen.append((done, of, len(rows))))
    assert (report.done, report.failed, report.workers) == (8, 1, 1)
    assert seen[-1][:2] == (9, 9)
    assert sum(count for *_, count in seen) == 9
    data = (tmp_path / "small" / "sub" / "1.rgo").read_bytes()
    assert data == regio.load(toy_weights).encode(source / "sub" / "1.png", quality=30)
    assert capfd.readouterr() == ("", "")  # Ray keeps to itself


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_a_file_that_kills_its_worker_costs_itself_only(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file
    job = encoding(photos(5), tmp_path / "small", codec=toy_weights)
    object.__setattr__(job.work, "source", Poisoned(job.work.source.url))
    report = job.run(1)
    assert [(row.source, row.error_kind) for row in report.failures] == [("sub/3.png", "WorkerDied")]
    assert report.done == 4


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_a_codec_that_workers_cannot_load_ends_the_run(photos: Photos, toy_weights: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(toy_weights.read_bytes()[:-5])
    with pytest.raises(RegioError, match="not a safetensors file"):
        encoding(photos(2), tmp_path / "a", codec=damaged).run(1)
    with pytest.raises(MissingWeights, match="no bundled weights are called 'none'"):
        encoding(tmp_path / "photos", tmp_path / "b", codec="none").run(1)
    assert not list(tmp_path.rglob("*.rgo"))


def test_without_ray_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RegioError, match=r"ray is not installed; bulk needs: pip install 'regio\[bulk\]'"):
        pipeline.cluster(1, 1, None, "cpu").__enter__()


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_does_again_only_what_it_had_not_noted(
    photos: Photos, toy_weights: Path, tmp_path: Path
) -> None:
    source, target = photos(60), tmp_path / "small"
    command = [sys.executable, "-m", "regio", "bulk", "encode", source, target, "--codec", toy_weights, "--json"]
    command += ["--max-bytes", "400", "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(target.rglob("[!.]*.rgo"))) < 12 or not list(target.glob(".regio-bulk/rows-*")):
        assert process.poll() is None, "done before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_until_still(target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("[!.]*.rgo")}
    assert 12 <= len(before) < 60
    earlier = journal.Journal(Place.of(target))
    earlier.load()
    noted = {row.target for row in earlier.rows.values()}
    assert noted
    assert len(earlier.promised) == 60
    done = subprocess.run(command, capture_output=True, check=True)
    report = json.loads(done.stdout)
    assert (report["total"], report["failed"], report["before"]) == (60, 0, len(noted))
    assert {name: (target / name).stat().st_mtime_ns for name in noted} == {n: before[target / n] for n in noted}
    assert len(list(target.rglob("*.rgo"))) == 60
    assert not [path for path in target.rglob("*.part") if path.stat().st_size == 0]
    rows = regio.bulk.read_manifest(report["manifest"])
    assert len(rows) == 60
    worker = Worker(encoding(source, target, codec=toy_weights, max_bytes=400).work)
    for row in rows[::20]:
        expected = worker.codec.encode(source / row.source, max_bytes=400)
        assert (target / row.target).read_bytes() == expected
    assert not list((target / journal.FOLDER).glob("rows-*"))


def _wait_until_still(target: Path) -> None:
    """Workers notice within moments that nobody is left to work for."""
    count = -1
    while count != (count := len(list(target.rglob("*")))):
        time.sleep(2)


class _Chatty:
    """A job during which somebody prints on standard output."""

    def run(self, *args: object) -> regio.bulk.Report:
        sys.stdout.write("a worker died\n")
        os.write(1, b"so says C++ as well\n")
        return regio.bulk.Report(
            total=1,
            done=1,
            before=0,
            failed=0,
            bytes_in=1,
            bytes_out=1,
            pixels=1,
            seconds=1.0,
            workers=1,
            manifest="m.csv",
        )


def test_only_the_result_is_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    from regio.cli import bulk as command

    command._run(_Chatty(), 1, 1, None, dry_run=False, as_json=True)  # type: ignore[arg-type]
    out, err = capfd.readouterr()
    assert json.loads(out)["done"] == 1
    assert err.splitlines() == ["a worker died", "so says C++ as well"]
    sys.stdout.write("and then it is there again\n")
    assert capfd.readouterr().out == "and then it is there again\n"
