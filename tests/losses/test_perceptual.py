"""LPIPS and feature distances: the published figures where weights are at hand, the arithmetic everywhere."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shared import SHARED, needs_shared

from regio.errors import MissingWeights, UsageError
from regio.losses import perceptual_weights
from regio.losses.perceptual import LAYERS, Dists, FeatureDistance, Lpips, SmoothPool, Taps, unit
from regio.losses.perceptual_weights import BACKBONES, WeightsFile, fetch, find

WEIGHTS = SHARED / "data" / "weights"


def test_feature_layers_have_the_published_numbers_of_parameters() -> None:
    count = {name: sum(p.numel() for p in make().parameters()) for name, make in LAYERS.items()}
    # the whole classifiers without their classifier: 1235496 - 513000, 61100840 - 58631144, 138357544 - 123642856
    assert count == {"squeeze": 722496, "alex": 2469696, "vgg": 14714688}


@pytest.mark.parametrize("name", BACKBONES)
def test_taps_have_the_channels_of_the_heads_and_the_smallest_picture_is_the_smallest(name: str) -> None:
    about, body = BACKBONES[name], LAYERS[name]()
    x, found = torch.zeros(1, 3, about.smallest, about.smallest), {}
    for number, layer in enumerate(body):
        x = layer(x)
        found[number] = x.shape[1]
    assert tuple(found[about.taps[tap]] for tap in about.lpips) == about.channels
    with pytest.raises(RuntimeError):
        body(torch.zeros(1, 3, about.smallest - 1, about.smallest - 1))


@needs_shared
def test_uniform_noise_gives_the_figure_that_others_document() -> None:
    torch.manual_seed(123)
    x, y = torch.rand(10, 3, 100, 100), torch.rand(10, 3, 100, 100)
    lpips = Lpips("squeeze", weights=WEIGHTS)
    assert lpips(x, y).mean().item() == pytest.approx(0.1008, abs=1e-4)
    assert lpips.description == "LPIPS (SqueezeNet 1.1), v0.1, backbone 435cedb3, heads 4a5350f2"


@needs_shared
@pytest.mark.parametrize("setting", [5, 26])
def test_jpeg_on_kodak_agrees_with_the_recorded_figures(setting: int) -> None:
    lpips = Lpips("squeeze", weights=WEIGHTS)
    with (SHARED / "anchors/kodak/jpeg_420.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if float(row["setting"]) == setting and row["image"] < "03"]
    assert len(rows) == 2
    for row in rows:
        (path,) = (SHARED / "data/kodak").glob(f"*{row['image']}.png")
        with Image.open(path) as image:
            reference = image.convert("RGB")
        buffer = io.BytesIO()
        reference.save(buffer, "JPEG", quality=setting, subsampling=2, optimize=True)
        decoded = Image.open(buffer)
        x, y = (torch.from_numpy(np.array(p)).permute(2, 0, 1)[None] / 255 for p in (reference, decoded))
        with torch.inference_mode():
            assert lpips(x, y).item() == pytest.approx(float(row["lpips-squeeze"]), abs=1e-3)


def test_lpips_is_the_weighted_distance_of_unit_features_averaged_over_places(toy_weights: Path) -> None:
    lpips = Lpips("squeeze", weights=toy_weights)
    x, y = torch.rand(2, 2, 3, 40, 50)
    expected = torch.zeros(2)
    for f, g, head in zip(lpips.taps(x), lpips.taps(y), lpips.heads, strict=True):
        for b in range(2):
            for i in range(f.shape[2]):
                for j in range(f.shape[3]):
                    u, v = (t[b, :, i, j] / t[b, :, i, j].norm().clamp_min(1e-10) for t in (f, g))
                    expected[b] += ((u - v) ** 2 * head.flatten()).sum() / (f.shape[2] * f.shape[3])
    torch.testing.assert_close(lpips(x, y), expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(lpips(x, x), torch.zeros(2))


def test_as_a_loss_it_has_finite_gradients_for_pictures_and_none_for_weights(toy_weights: Path) -> None:
    lpips = Lpips("squeeze", weights=toy_weights).train()
    assert not lpips.taps.training
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)  # flat: many features are zero at once
    lpips(x, torch.rand(1, 3, 32, 32)).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in lpips.parameters())
    zero = torch.zeros(1, 4, 1, 1, requires_grad=True)
    unit(zero).sum().backward()
    assert torch.isfinite(zero.grad).all()  # type: ignore[arg-type]


def test_the_feature_distance_is_the_sum_of_mean_squares(toy_weights: Path) -> None:
    loss = FeatureDistance("squeeze", weights=toy_weights)
    taps = Taps("squeeze", ("relu1", "fire2"), weights=toy_weights)
    assert len(taps.body) == 5  # nothing runs behind the last layer wanted
    x, y = torch.rand(2, 3, 3, 33, 47)
    pairs = [((f - g) ** 2).flatten(1).mean(1) for f, g in zip(taps(x), taps(y), strict=True)]
    assert [f.shape[2:] for f in taps(x)] == [(16, 23), (8, 11)]
    torch.testing.assert_close(loss(x, y), pairs[0] + pairs[1])
    assert FeatureDistance.MCM_LAYERS["vgg"] == ("relu2_2", "relu3_3")


def test_whole_classifiers_are_read_too(toy_weights: Path) -> None:
    whole = {
        f"features.{k}": v for k, v in torch.load(toy_weights / "lpips_squeeze_backbone.pth", weights_only=True).items()
    }
    torch.save(whole | {"classifier.1.weight": torch.zeros(3)}, toy_weights / "whole.pth")
    a, b = (Taps("squeeze", weights=toy_weights / name) for name in ("whole.pth", "lpips_squeeze_backbone.pth"))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_what_is_missing_or_wrong_is_said_in_one_line(toy_weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no backbone 'resnet': choose squeeze, alex, vgg"):
        Lpips("resnet")
    with pytest.raises(UsageError, match="no layer 'relu9'"):
        Taps("squeeze", ("relu9",), weights=toy_weights)
    with pytest.raises(MissingWeights, match=r"holds none of vgg16-397923af.pth, .* \(published at https"):
        Lpips("vgg", weights=toy_weights)
    (tmp_path / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"not the file")
    with pytest.raises(MissingWeights, match="not the published file"):
        Lpips("squeeze", weights=tmp_path)
    (tmp_path / "squeezenet1_1-b8a52dc0.pth").unlink()
    (tmp_path / "lpips_squeeze_backbone.pth").write_bytes(b"rubbish")
    with pytest.raises(MissingWeights, match="not a file of weights"):
        Lpips("squeeze", weights=tmp_path)
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "lpips_squeeze_backbone.pth")
    with pytest.raises(MissingWeights, match="not the expected weights"):
        Lpips("squeeze", weights=tmp_path)


def test_a_picture_smaller_than_the_network_is_refused(toy_weights: Path) -> None:
    lpips = Lpips("squeeze", weights=toy_weights)
    lpips(torch.zeros(1, 3, 17, 17), torch.zeros(1, 3, 17, 17))
    with pytest.raises(ValueError, match="at least 17 pixels a side"):
        lpips(torch.zeros(1, 3, 16, 40), torch.zeros(1, 3, 16, 40))


def test_fetching_checks_keeps_and_explains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual_weights, "cache_folder", lambda: tmp_path / "cache")
    source = tmp_path / "source.pth"
    source.write_bytes(b"numbers")
    right = WeightsFile(("a.pth",), source.as_uri(), hashlib.sha256(b"numbers").hexdigest())
    path = find(right, None)
    assert path == tmp_path / "cache/a.pth"
    source.unlink()
    assert fetch(right) == path  # from the cache, the source is gone
    with pytest.raises(MissingWeights, match=r"cannot be fetched .* put it into a folder") as caught:
        fetch(WeightsFile(("b.pth",), source.as_uri(), ""))
    assert "\n" not in str(caught.value)
    source.write_bytes(b"other numbers")
    with pytest.raises(MissingWeights, match="not the file expected"):
        fetch(WeightsFile(("b.pth",), source.as_uri(), right.sha256))
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["a.pth"]  # nothing half-written


@pytest.fixture(scope="module")
def dists(tmp_path_factory: pytest.TempPathFactory) -> Dists:
    """With an untrained VGG-16."""
    folder = tmp_path_factory.mktemp("dists")
    torch.manual_seed(1)
    torch.save(LAYERS["vgg"]().state_dict(), folder / "lpips_vgg_backbone.pth")
    torch.save({"alpha": torch.rand(1, 1475, 1, 1), "beta": torch.rand(1, 1475, 1, 1)}, folder / "weights.pt")
    return Dists(weights=folder)


def test_smooth_pooling_is_the_root_of_the_blurred_square() -> None:
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 3
    y = SmoothPool()(x)[0, 0]
    assert y.shape == (3, 3)
    assert y[1, 1].item() == pytest.approx(1.5)  # sqrt(9 / 4): the middle of the kernel
    assert SmoothPool()(torch.full((1, 2, 8, 8), 2.0))[0, :, 1:, 1:].unique().tolist() == pytest.approx([2.0])


def test_dists_compares_means_and_correlations_of_pixels_and_five_layers(dists: Dists) -> None:
    x, y = torch.rand(2, 2, 3, 32, 40)
    assert dists.channels == (3, 64, 128, 256, 512, 512)
    assert [f.shape[1] for f in dists.features(x)] == list(dists.channels)
    assert not any(isinstance(layer, torch.nn.MaxPool2d) for layer in dists.taps.body)
    expected = torch.zeros(2)
    at, whole = 0, float(dists.alpha.sum() + dists.beta.sum())
    for f, g in zip(dists.features(x), dists.features(y), strict=True):
        for channel in range(f.shape[1]):
            for b in range(2):
                u, v = f[b, channel].double().flatten(), g[b, channel].double().flatten()
                texture = (2 * u.mean() * v.mean() + 1e-6) / (u.mean() ** 2 + v.mean() ** 2 + 1e-6)
                both = u.var(correction=0) + v.var(correction=0)
                structure = (2 * ((u - u.mean()) * (v - v.mean())).mean() + 1e-6) / (both + 1e-6)
                mixed = dists.alpha[0, at, 0, 0] * texture + dists.beta[0, at, 0, 0] * structure
                expected[b] += float(mixed) / whole
            at += 1
    torch.testing.assert_close(dists(x, y), 1 - expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(dists(x, x), torch.zeros(2), rtol=0, atol=1e-5)
    z = y.clone().requires_grad_(True)
    dists(x, z).sum().backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    assert dists.description.startswith("DISTS (VGG-16), backbone ")
