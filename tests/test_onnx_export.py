"""Networks as ONNX files say the same as torch, at any size."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_codec

from regio import onnx_export
from regio.errors import RegioError, UsageError
from regio.models import MCM, MCMConfig, SegPIC
from regio.models.patch_transforms import PatchTransform
from regio.nn.regional import GridRegions
from regio.onnx_export import TOLERANCE, EvenGrid, export


@pytest.mark.parametrize("grid", [1, 2, 4])
def test_an_even_grid_is_a_grid(grid: int) -> None:
    features = torch.rand(2, 3, 4 * grid, 8 * grid)
    prototypes = torch.rand(2, 3, grid, grid)
    even, known = EvenGrid(grid), GridRegions(grid)
    torch.testing.assert_close(even.pool(features), known.pool(features))
    assert torch.equal(even.spread(prototypes, (4 * grid, 8 * grid)), known.spread(prototypes, (4 * grid, 8 * grid)))


def test_a_model_whose_analysis_is_no_network_is_refused(tmp_path: Path) -> None:
    class Masked:
        name, net = "mcm", MCM(MCMConfig.preset("toy"))

    with pytest.raises(UsageError, match="mcm: models of this family are not exported"):
        export(Masked(), tmp_path)
    with pytest.raises(UsageError, match="paper: attention in windows is not exported"):
        export(toy_codec.paper(), tmp_path)
    with pytest.raises(UsageError, match="grid=17"):
        export(toy_codec.toy(), tmp_path, grid=17)


@pytest.mark.slow
def test_files_run_anywhere_at_any_size_and_give_the_pictures_that_decoding_gives(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    codec = toy_codec.toy()
    first, second = export(codec, tmp_path, grid=2)
    assert (first.inputs, first.outputs) == (("x",), ("y", "codes"))
    assert (second.inputs, second.outputs) == (("y_hat", "rate", "prototypes"), ("x_hat",))
    assert max(first.difference, second.difference) <= TOLERANCE
    facts = {entry.key: entry.value for entry in onnx.load(second.path).metadata_props}
    assert (facts["regio.name"], facts["regio.grid"]) == ('"toy"', "2")

    height, width = 96, 160  # a size that was not among those that were tried
    pixels = toy_codec.picture(height, width)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    run = ort.InferenceSession(first.path).run
    y, codes = run(None, {"x": x.numpy()})
    latents = codec.net.analyse(x, GridRegions(2))
    np.testing.assert_allclose(y, latents.y, atol=TOLERANCE * float(latents.y.abs().max()))
    np.testing.assert_allclose(codes, latents.codes, atol=TOLERANCE * float(latents.codes.abs().max()))

    decoded = decode_latents(codec, codec.encode(pixels, quality=45, grid=2))
    feed = {"y_hat": decoded.y_hat.numpy(), "rate": np.array([0.45], np.float32), "prototypes": decoded.shallow.numpy()}
    (x_hat,) = ort.InferenceSession(second.path).run(None, feed)
    shown = np.floor(np.clip(x_hat[0].transpose(1, 2, 0), 0, 1) * 255 + 0.5).astype(int)
    expected = codec.decode(codec.encode(pixels, quality=45, grid=2), as_="numpy").astype(int)
    assert np.abs(shown - expected).max() <= 1  # a level, where rounding tips over


@pytest.mark.slow
def test_a_model_of_one_rate_takes_its_prototypes_by_name(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    patches = PatchTransform(units=(0, 0, 0, 1))
    config = replace(toy_codec.SMALL_PAPER, transform=patches, shallow=192, shallow_codes=(192, 6, 4))
    codec = toy_codec.codec_of(SegPIC(config).eval())
    _, second = export(codec, tmp_path)
    assert second.inputs == ("y_hat", "prototypes")
    assert [one.name for one in ort.InferenceSession(second.path).get_inputs()] == ["y_hat", "prototypes"]


def decode_latents(codec: Any, data: bytes) -> Any:
    """What the entropy coder of a file yields."""
    from regio.codec.decoding import Decoding, Opened

    return Decoding(codec.runtime, Opened.of(data)).read(0).decoded


@pytest.mark.slow
def test_a_file_that_differs_from_torch_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript")
    monkeypatch.setattr(onnx_export, "TOLERANCE", 0.0)
    with pytest.raises(RegioError, match=r"toy.analysis.onnx: ONNX Runtime differs from torch by \d"):
        export(toy_codec.toy(), tmp_path)
    assert list(tmp_path.iterdir()) == []
