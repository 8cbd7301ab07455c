"""Decoding with a synthesis in bfloat16: pixels move by a hair, bytes not at all."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_codec import picture, toy

import regio
from regio.cli.engines import Decoder
from regio.codec import Codec
from regio.codec.devices import synthesises_in_half
from regio.errors import UsageError

has_it = pytest.mark.skipif(
    not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()), reason="no bfloat16 here"
)


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Smooth shapes under noise, as photographs are."""
    coarse = Image.fromarray(np.random.default_rng(2).integers(0, 256, (8, 12, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((192, 128), Image.Resampling.BICUBIC), np.int16)
    return Image.fromarray((smooth + picture(128, 192, 3) // 16).clip(0, 255).astype(np.uint8))


@has_it
@pytest.mark.weights
@pytest.mark.parametrize("name", ["roi-xs", "segpic-xs", "mcm-tiny"])
def test_pixels_stay_within_one_in_255_and_files_are_the_same(name: str, photo: Image.Image) -> None:
    whole, half = regio.load(name, device="cpu"), regio.load(name, device="cpu", precision="bfloat16")
    data = whole.encode(photo, target_psnr=28)  # the search looks at decoded pixels
    assert half.encode(photo, target_psnr=28) == data
    first, second = whole.decode(data, as_="numpy"), half.decode(data, as_="numpy")
    away = np.abs(first.astype(int) - second)
    assert (away > 0).mean() > 0  # it is another arithmetic
    assert (away <= 1).mean() >= 0.999
    assert away.max() <= 4
    assert np.array_equal(half.decode(data, as_="numpy", region=(48, 30, 70, 60)), second[30:90, 48:118])
    half.verify(data)


@has_it
def test_copies_keep_the_precision(photo: Image.Image) -> None:
    whole = toy()
    half = Codec(whole.weights, "cpu", "bfloat16")
    data = whole.encode(photo)
    first, second = whole.decode(data, as_="numpy"), half.decode(data, as_="numpy")
    assert not np.array_equal(first, second)
    for same in (pickle.loads(pickle.dumps(half)), half.watched(lambda tile, count: None), half.looking("faithful")):
        assert np.array_equal(same.decode(data, as_="numpy"), second)
    assert np.array_equal(whole.decode(data, as_="numpy"), first)


@has_it
@pytest.mark.weights
def test_the_command_line_and_regio_decode_take_it(photo: Image.Image, tmp_path: Path) -> None:
    data = regio.encode(photo, device="cpu")
    expected = regio.load(device="cpu", precision="bfloat16").decode(data, as_="numpy")
    assert np.array_equal(regio.decode(data, device="cpu", precision="bfloat16", as_="numpy"), expected)
    by_name = Decoder("auto", None, "cpu", precision="bfloat16")
    named = Decoder("auto", "roi-xs", "cpu", precision="bfloat16")
    for decoder in (by_name, named):
        assert np.array_equal(np.asarray(decoder.decode(data, None, None, None, None)), expected)
    with pytest.raises(UsageError, match="in float32"):
        Decoder("onnx", None, "cpu", precision="bfloat16")
    with pytest.raises(UsageError, match="loaded already"):
        regio.decode(data, codec=regio.load(device="cpu"), precision="bfloat16")


def test_a_precision_that_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no precision 'half'; choose float32 or bfloat16"):
        Codec(toy().weights, "cpu", "half")
    with pytest.raises(UsageError, match="for CPUs, not for device cuda"):
        synthesises_in_half("bfloat16", torch.device("cuda"))
    for asked in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, asked, lambda: False)
    with pytest.raises(UsageError, match="this processor does not compute in bfloat16"):
        Codec(toy().weights, "cpu", "bfloat16")
