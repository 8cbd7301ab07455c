"""What is to be done, decided without doing any of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regio.bulk.journal import Row
from regio.bulk.plan import PIECE_BYTES, PIECE_FILES, Task, left_out, pieces, plan, tasks_of
from regio.errors import UsageError
from regio.names import PICTURES, RGO


def row(task: Task, **changes: object) -> Row:
    values = {"source": task.source, "target": task.target, "bytes_in": task.size, "bytes_out": 7}
    return Row.of(values | changes)


def test_pictures_get_targets_and_other_files_none() -> None:
    files = {"b/x.JPG": 3, "a.png": 2, "notes.txt": 9, "a.rgo": 1}
    assert tasks_of(files, PICTURES, ".rgo") == [Task("a.png", 2, "a.rgo"), Task("b/x.JPG", 3, "b/x.rgo")]
    assert [task.target for task in tasks_of(files, PICTURES, ".rgo", keep_suffix=True)] == ["a.png.rgo", "b/x.JPG.rgo"]


def test_two_files_with_one_target_are_refused_unless_their_endings_are_kept() -> None:
    files = {"a.png": 1, "a.jpg": 1}
    with pytest.raises(UsageError, match=r"a.jpg and a.png would both be written to a.rgo; --keep-suffix"):
        tasks_of(files, PICTURES, ".rgo")
    assert len(tasks_of(files, PICTURES, ".rgo", keep_suffix=True)) == 2


def test_collisions_are_named_up_to_three_and_the_others_counted() -> None:
    files = {f"{name}.{suffix}": 1 for name in "abcde" for suffix in ("jpg", "png")} | {"a.tif": 1, "f.tif": 1}
    with pytest.raises(UsageError) as caught:
        tasks_of(files, PICTURES, ".rgo")
    assert str(caught.value) == (
        "a.jpg, a.png and a.tif would all be written to a.rgo; b.jpg and b.png would both be written to b.rgo; "
        "c.jpg and c.png would both be written to c.rgo; 2 more names are wanted by several files; "
        "--keep-suffix keeps them apart"
    )


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(UsageError, match="nothing to do"):
        tasks_of({"notes.txt": 1}, PICTURES, ".rgo")


def test_only_what_rows_and_files_agree_on_is_done() -> None:
    names = ("done", "changed", "gone", "short", "failed", "new", "promised", "foreign")
    tasks = [Task(f"{name}.png", 10, f"{name}.rgo") for name in names]
    done, changed, gone, short, failed, new, promised, foreign = tasks
    rows = {
        done.source: row(done),
        changed.source: row(changed, bytes_in=11),
        gone.source: row(gone),
        short.source: row(short),
        failed.source: row(failed, bytes_out=None, error="broken"),
    }
    there = {task.target: 7 for task in (done, changed, promised, foreign)} | {short.target: 6}
    found = plan(tasks, rows, there, {promised.target, new.target})
    assert found.done == [rows[done.source]]
    assert found.todo == [changed, gone, short, failed, new, promised]
    assert found.foreign == [foreign]


@given(
    sizes=st.lists(st.integers(0, 2 * PIECE_BYTES), min_size=1, max_size=300),
    workers=st.integers(1, 16),
)
def test_pieces_hold_every_task_once_and_none_is_too_large(sizes: list[int], workers: int) -> None:
    tasks = [Task(str(k), size, "") for k, size in enumerate(sizes)]
    cut = pieces(tasks, workers)
    assert sorted((task for piece in cut for task in piece), key=lambda t: int(t.source)) == tasks
    for piece in cut:
        assert 1 <= len(piece) <= PIECE_FILES
        assert len(piece) == 1 or sum(task.size for task in piece) <= PIECE_BYTES
    largest = [max(task.size for task in piece) for piece in cut]
    assert largest == sorted(largest, reverse=True)


def test_small_pictures_share_a_piece_and_large_ones_come_first_alone() -> None:
    tasks = [Task(f"small{k}", 10_000, "") for k in range(1000)] + [Task("large", 30_000_000, "")]
    cut = pieces(tasks, workers=2)
    assert cut[0] == [tasks[-1]]
    assert {len(piece) for piece in cut[1:-1]} == {PIECE_FILES}
    assert len(pieces(tasks[:20], workers=4)) == 20  # few pictures: every worker gets some


def test_what_is_left_out_is_counted_by_ending() -> None:
    files = ["a.png", "b.dng", "sub/c.dng", "d.CR2", "a.rgo"]
    assert left_out(files, PICTURES) == "4 files skipped: .dng 2, .CR2 1, .rgo 1 (.rgo files are coded already)"
    assert left_out(files, RGO) == ""
    assert left_out(["a.png"], PICTURES) == ""
    with pytest.raises(UsageError, match=r"nothing to do: .*; 1 file skipped: .dng 1$"):
        tasks_of({"b.dng": 1}, PICTURES, ".rgo")
