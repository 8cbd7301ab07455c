"""Work in processes of its own: what it says arrives, and it ends when nobody wants it any more."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest
from slow_desk import SlowDesk

from regio.app.workers import Failed, Step, Workers


@pytest.fixture
def workers() -> Workers:
    desk: Any = SlowDesk()
    return Workers(desk)


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within ten seconds."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_results_and_progress_arrive_in_order_from_another_process(workers: Workers) -> None:
    said = list(workers.run("ann", "compress", "a.png"))
    made = [one for one in said if not isinstance(one, Step)]
    steps = [one for one in said if isinstance(one, Step)]
    assert [path for path, _ in made] == ["a.png", "a.png"]
    (process,) = {process for _, process in made}
    assert process != os.getpid()
    assert [step.share for step in steps] == sorted(step.share for step in steps)
    assert list(dict.fromkeys(step.what for step in steps if step.share)) == ["Encoding", "Measuring"]
    assert steps[-1].seconds >= 0.5  # a step is told again while nothing else happens
    assert workers.running == {}
    assert not lives(process)


def test_work_that_never_ends_is_ended_and_the_visitor_beside_goes_on(workers: Workers) -> None:
    ann, bob = workers.run("ann", "compress", "endless"), workers.run("bob", "compress", "b.png")
    process = next(one for one in ann if not isinstance(one, Step))[1]
    next(bob)
    assert not workers.cancel("ann", "look")
    assert lives(process)
    assert workers.cancel("ann", "compress", "look")
    assert [one for one in ann if not isinstance(one, Step)] == []  # it ends without a word
    assert soon(lambda: not lives(process))
    assert len([one for one in bob if not isinstance(one, Step)]) == 2
    assert not workers.cancel("ann", "compress")


def test_a_result_that_nobody_waits_for_is_not_made(workers: Workers) -> None:
    work = workers.run("ann", "compress", "endless")
    process = next(one for one in work if not isinstance(one, Step))[1]
    work.close()  # type: ignore[attr-defined]
    assert soon(lambda: not lives(process))
    assert workers.running == {}


@pytest.mark.parametrize(
    ("kind", "told"),
    [("wrong", "^a line for people$"), ("broken", "not your fault"), ("killed", "system ended the work")],
)
def test_what_goes_wrong_there_is_a_line_here(workers: Workers, kind: str, told: str) -> None:
    with pytest.raises(Failed, match=told) as failed:
        list(workers.run("ann", "look", kind))
    assert "secret" not in str(failed.value)
    assert list(workers.run("ann", "look", "well"))[-1] == "well"
