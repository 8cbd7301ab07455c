"""What a host program has set in torch and NumPy changes neither files nor pixels, and stays as it was."""

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from toy_codec import paper, paper_net, picture, toy, toy_net

from regio.codec import Codec, load
from regio.weights import store

SIZE = 150, 200
TYPES = torch.float16, torch.bfloat16, torch.float32, torch.float64


@contextmanager
def default_type(kind: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
        assert torch.get_default_dtype() == kind  # what the host has set is still there
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
        assert torch.get_default_device().type == name
    finally:
        torch.set_default_device(None)


@contextmanager
def matrix_precision(name: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
        assert torch.get_float32_matmul_precision() == name
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def autocast() -> Iterator[None]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield
        assert torch.is_autocast_enabled("cpu")


HOSTS: dict[str, Any] = {
    **{f"default type {kind}": lambda kind=kind: default_type(kind) for kind in TYPES},
    "default device meta": lambda: default_device("meta"),
    "a device as context": lambda: torch.device("meta"),
    "autocast": autocast,
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "gradients": torch.enable_grad,
    "matrix products in bfloat16": lambda: matrix_precision("medium"),
    "NumPy raises": lambda: np.errstate(all="raise"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Weights of a codec with levels in whole numbers and of one with levels in floating point."""
    folder = tmp_path_factory.mktemp("weights")
    store.save(toy_net(), folder / "toy.safetensors", name="toy")
    store.save(paper_net(), folder / "paper.safetensors", name="paper")
    return {"toy": folder / "toy.safetensors", "paper": folder / "paper.safetensors"}


@pytest.mark.parametrize("name", ["toy", "paper"])
@pytest.mark.parametrize("host", HOSTS)
def test_files_and_pixels_are_the_same_whatever_the_host_has_set(host: str, name: str, files: dict[str, Any]) -> None:
    pixels = picture(*SIZE)
    plain: Codec = {"toy": toy, "paper": paper}[name]()
    data, expected = plain.encode(pixels), plain.decode(plain.encode(pixels), as_="numpy")
    with HOSTS[host]():
        inside = load(files[name], "cpu")
        for codec in (plain, inside):
            assert codec.encode(pixels) == data
            np.testing.assert_array_equal(codec.decode(data, as_="numpy"), expected)
            assert codec.decode(data, as_="torch").shape == (3, *SIZE)
            codec.verify(data)
    # a codec that was loaded there is as good outside
    assert inside.encode(pixels) == data
    np.testing.assert_array_equal(inside.decode(data, as_="numpy"), expected)


def test_an_error_leaves_the_host_as_it_was() -> None:
    with default_type(torch.float64), pytest.raises(Exception, match=r"must be a number"):
        toy().encode(picture(64, 64), quality="60")  # type: ignore[arg-type]


def test_threads_that_overlap_restore_what_the_host_had_set() -> None:
    pixels = picture(*SIZE)
    data = toy().encode(pixels)
    found: list[bytes] = []
    with default_type(torch.float64):
        threads = [threading.Thread(target=lambda: found.append(toy().encode(pixels))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [data] * 4


def _decode(codec: Codec, data: bytes, answer: Any) -> None:
    answer.put((torch.get_num_threads(), codec.decode(data, as_="numpy")))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_a_forked_child_decodes_after_the_parent_has_used_two_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        data = toy().encode(picture(400, 400))
        expected = toy().decode(data, as_="numpy")
        large = torch.randn(2000, 2000)
        assert torch.isfinite(large @ large).all()  # both threads are there now
        context = multiprocessing.get_context("fork")
        answer = context.Queue()
        child = context.Process(target=_decode, args=(toy(), data, answer))
        child.start()
        try:
            threads, pixels = answer.get(timeout=60)
        finally:
            child.kill()
            child.join()
    finally:
        torch.set_num_threads(before)
    assert threads == 1
    assert np.abs(pixels.astype(int) - expected).max() <= 1  # another number of threads may round another way
