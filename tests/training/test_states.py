"""State files: plain torch files, in which no bit changes without being noticed."""

import io
import random
from typing import Any

import pytest
import torch

from regio.training import states

STATE: dict[str, Any] = {"step": 7, "model": {"a": torch.arange(40.0), "b": torch.ones(3, 2)}, "kind": "adam"}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["step"] == other["step"] and all(torch.equal(one["model"][k], other["model"][k]) for k in "ab")


def test_what_is_packed_is_unpacked_and_torch_reads_it_too() -> None:
    data = states.pack(STATE)
    assert same(states.unpack(data), STATE)
    assert same(torch.load(io.BytesIO(data), weights_only=True), STATE)


def test_every_flipped_bit_is_noticed() -> None:
    data = states.pack(STATE)
    draw = random.Random(1)
    everywhere = {(at, draw.randrange(8)) for at in range(len(data))}
    for at, bit in everywhere:
        damaged = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
        with pytest.raises(ValueError, match=r"checksum|ends too early|parts"):
            states.unpack(damaged)


def test_every_truncation_is_noticed() -> None:
    data = states.pack(STATE)
    for cut in range(0, len(data), 3):
        with pytest.raises(ValueError, match=r"checksum|ends too early|parts"):
            states.unpack(data[:cut])


def test_a_file_of_an_older_release_is_read_and_flipped_bits_in_its_tensors_are_noticed() -> None:
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    data = buffer.getvalue()
    assert same(states.unpack(data), STATE)
    numbers = STATE["model"]["a"].numpy().tobytes()
    start = data.index(numbers)
    for at in range(start, start + len(numbers)):
        damaged = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        with pytest.raises(ValueError, match="is damaged"):
            states.unpack(damaged)
    draw = random.Random(2)
    for _ in range(300):  # anywhere else: an error, or a field that says nothing about the state
        at = draw.randrange(len(data))
        try:
            assert same(states.unpack(data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]), STATE)
        except ValueError:
            continue


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x05\x06" + bytes(18), [1, 2], torch.ones(2), print])
def test_what_is_no_state_is_refused_in_our_words(content: Any) -> None:
    data = content
    if not isinstance(content, bytes):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        data = buffer.getvalue()
    with pytest.raises(ValueError, match=r"state file|parts") as caught:
        states.unpack(data)
    assert "weights_only" not in str(caught.value)
