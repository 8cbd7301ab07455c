"""The loop keeps its promises: resumable to the step, stopped in time, one run per folder."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from regio.errors import UsageError
from regio.models.segpic import SegPIC, SegPICConfig
from regio.training.loop import train
from regio.training.records import Record
from regio.training.run import at_points, vary_rates
from regio.weights import store

Toy = Callable[..., Path]
CURVE = ("loss", "cost", "bpp", "psnr", "norm", "lr")


def curve(run: Path) -> list[dict[str, float]]:
    """What must not depend on interruptions, step by step."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{k: line[k] for k in ("step", *CURVE)} for line in lines if "loss" in line]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "soap", "muon", "muon-conv"])
def test_a_run_in_two_parts_is_the_run_in_one(toy: Toy, tmp_path: Path, optimizer: str) -> None:
    phases = ({"optimizer": optimizer, "precondition_every": 2, "side_ramp": 5}, {"steps": 3})
    recipe, whole, parts = toy(*phases), tmp_path / "whole", tmp_path / "parts"
    train(recipe, out=whole, device="cpu")
    train(recipe, out=parts, device="cpu", steps=5)  # inside the first phase
    train(recipe, out=parts, device="cpu", steps=3, resume=True)  # up to its end
    train(recipe, out=parts, device="cpu", resume=True)
    assert len(curve(whole)) == 11
    assert curve(parts) == curve(whole)  # equal, not close: one thread, float32, the same operations in the same order
    ends = [torch.load(run / "ema.pt", weights_only=True)["model"] for run in (whole, parts)]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_a_model_without_factorised_priors_is_trained_like_any_other(toy: Toy, tmp_path: Path) -> None:
    recipe, whole, parts = toy(run={"overrides": {"rat": False}}), tmp_path / "whole", tmp_path / "parts"
    train(recipe, out=whole, device="cpu")
    train(recipe, out=parts, device="cpu", steps=5)
    train(recipe, out=parts, device="cpu", resume=True)
    assert curve(parts) == curve(whole)


def test_a_run_that_lost_its_optimisers_goes_on(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=4)
    (run / "optimizers.pt").unlink()
    train(recipe, out=run, device="cpu", resume=True)
    assert [line["step"] for line in curve(run)] == list(range(1, 9))


def test_a_run_that_kept_its_optimisers_with_its_weights_goes_on(toy: Toy, tmp_path: Path) -> None:
    recipe, run, whole = toy(), tmp_path / "run", tmp_path / "whole"
    train(recipe, out=whole, device="cpu")
    train(recipe, out=run, device="cpu", steps=4)
    state, apart = (torch.load(run / name, weights_only=True) for name in ("last.pt", "optimizers.pt"))
    del state["restored"]
    torch.save(state | {"optimizers": apart["optimizers"]}, run / "last.pt")
    (run / "optimizers.pt").unlink()
    train(recipe, out=run, device="cpu", resume=True)
    assert curve(run) == curve(whole)


def test_a_log_is_cut_where_a_crashed_run_goes_on(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=4)
    with (run / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"step": 5, "loss": 1.0}\n{"step": 6, "lo')  # steps that were never saved, and half a line
    train(recipe, out=run, device="cpu", resume=True)
    assert [line["step"] for line in curve(run)] == list(range(1, 9))


def test_an_existing_run_is_not_overwritten(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=1)
    with pytest.raises(UsageError, match="--resume"):
        train(recipe, out=run, device="cpu")
    other = toy(run={"overrides": {"rat_inner": 4}})
    with pytest.raises(UsageError, match="another model"):
        train(other, out=run, device="cpu", resume=True)
    soap = toy({"optimizer": "soap"})
    with pytest.raises(UsageError, match="state of adam"):
        train(soap, out=run, device="cpu", resume=True)


def test_time_is_kept_and_everything_saved(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy({"steps": 100_000}, run={"log_every": 1}), tmp_path / "run"
    train(recipe, out=run, device="cpu", max_minutes=0.02)
    first = torch.load(run / "last.pt", weights_only=True)["step"]
    train(recipe, out=run, device="cpu", max_minutes=0.02, resume=True)
    assert 0 < first < torch.load(run / "last.pt", weights_only=True)["step"]


def test_ctrl_c_stops_after_the_step_and_saves(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"
    handler = signal.getsignal(signal.SIGINT)

    def interrupt(line: Record) -> None:
        if line["step"] == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=run, device="cpu", report=interrupt)
    assert torch.load(run / "last.pt", weights_only=True)["step"] == 3
    assert signal.getsignal(signal.SIGINT) == handler
    train(recipe, out=run, device="cpu", resume=True)
    assert [line["step"] for line in curve(run)] == list(range(1, 9))


def test_held_back_pictures_are_measured_and_shown(toy: Toy, tmp_path: Path) -> None:
    run = tmp_path / "run"
    lines: list[Any] = []
    train(toy(run={"validate_every": 4}), out=run, device="cpu", report=lines.append)
    looks = [line for line in lines if "held_back" in line]
    assert [look["step"] for look in looks] == [4, 8]
    points = looks[-1]["held_back"]
    assert [point["rate"] for point in points] == [0.05, 0.25, 0.5, 0.75, 0.95]
    assert all(abs(point["bpp"] - sum(point["streams"].values())) < 5e-4 for point in points)  # four rounded figures
    multiple = SegPIC(SegPICConfig.preset("toy")).multiple
    width, height = (side // multiple * multiple for side in (96, 80))  # of the first picture, as far as it is used
    with Image.open(run / looks[-1]["samples"]) as strip:
        assert strip.size == (2 * width + 4, height)


def test_a_finished_run_is_left_alone(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu")
    before = (run / "log.jsonl").read_bytes(), (run / "last.pt").stat().st_mtime_ns
    train(recipe, out=run, device="cpu", resume=True)
    assert ((run / "log.jsonl").read_bytes(), (run / "last.pt").stat().st_mtime_ns) == before


def test_a_run_starts_from_weights(toy: Toy, tmp_path: Path) -> None:
    torch.manual_seed(5)
    net = SegPIC(SegPICConfig.preset("toy"))
    weights = tmp_path / "known.safetensors"
    store.save(net, weights)
    recipe = toy({"steps": 1, "warmup": 1, "learning_rate": 1e-12}, run={"start": str(weights)})
    train(recipe, out=tmp_path / "run", device="cpu")
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["model"]
    for key, value in net.state_dict().items():
        if not key.endswith("quantiles"):  # these have a learning rate of their own
            torch.testing.assert_close(state[key], value, rtol=0, atol=1e-9)


def test_weights_of_another_width_are_taken_where_they_fit(
    toy: Toy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = tmp_path / "known.safetensors"
    store.save(SegPIC(SegPICConfig.preset("toy")), weights)
    changed = {"rat_inner": 16}
    recipe = toy({"steps": 1}, run={"start": str(weights), "overrides": changed})
    train(recipe, out=tmp_path / "run", device="cpu")
    assert "the others start fresh" in caplog.text


def test_batches_may_have_label_maps(toy: Toy, tmp_path: Path, pictures: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for file in pictures.iterdir():
        with Image.open(file) as picture:
            picture.convert("L").point(lambda value: value // 64).save(masks / file.name)
    recipe = toy({"grids": [1, 2]}, data={"masks": str(masks), "labelled": 0.5})
    train(recipe, out=tmp_path / "run", device="cpu")
    assert len(curve(tmp_path / "run")) == 8
    with pytest.raises(UsageError, match="no picture has a label map"):
        train(toy(data={"labelled": 0.5}), out=tmp_path / "other", device="cpu")


def test_ms_ssim_is_a_phase_like_any_other(toy: Toy, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.mkdir()
    for seed in range(2):
        noise = torch.randint(0, 255, (24, 25, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
        Image.fromarray(noise.numpy()).resize((200, 192), Image.Resampling.BICUBIC).save(big / f"{seed}.png")
    phase = {"steps": 2, "crop": 192, "batch": 1, "measure": "ms-ssim", "lambdas": [2.4, 60.5]}
    train(toy(phase, data={"folders": [str(big)]}), out=tmp_path / "run", device="cpu")
    assert all(line["loss"] > 0 and line["norm"] > 0 for line in curve(tmp_path / "run"))


def test_rates_may_vary_over_the_picture(toy: Toy, tmp_path: Path) -> None:
    train(
        toy({"steps": 4, "crop": 128, "rate_maps": 1.0}, data={"folders": [str(wide(tmp_path))]}), out=tmp_path / "run"
    )
    assert all(line["norm"] > 0 for line in curve(tmp_path / "run"))
    fixed = toy({"lambdas": [0.01, 0.01], "rate_maps": 0.5}, run={"model": "baseline-s"})
    with pytest.raises(UsageError, match="has one rate only; leave out rate_maps"):
        train(fixed, out=tmp_path / "other", device="cpu")


def test_a_rectangle_of_a_rate_map_has_another_rate() -> None:
    generator = torch.Generator().manual_seed(3)
    rate = torch.tensor([0.1, 0.6])
    maps = torch.stack([vary_rates(rate, 4, generator) for _ in range(200)])  # (200,2,1,4,4)
    assert maps.min() >= 0
    assert maps.max() <= 1
    own = (maps == rate.view(2, 1, 1, 1)).float()
    assert own.mean(dim=(0, 2, 3, 4)) == pytest.approx([0.6, 0.6], abs=0.12)  # a rectangle covers a ninth, and edges
    assert 0 < own[:, :, :, 0, 0].mean() < 1 == own.amax()
    assert (own.mean(dim=(2, 3, 4)) < 1).float().mean() > 0.9


def wide(folder: Path) -> Path:
    """A folder of two pictures of 130 x 140."""
    big = folder / "wide"
    big.mkdir()
    for seed in range(2):
        noise = torch.randint(0, 255, (24, 25, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
        Image.fromarray(noise.numpy()).resize((140, 130), Image.Resampling.BICUBIC).save(big / f"{seed}.png")
    return big


def test_a_fixed_rate_model_wants_one_lambda(toy: Toy, tmp_path: Path) -> None:
    changed = {"rate_points": 0, "exact_scales": False}
    with pytest.raises(UsageError, match="λ, λ"):
        train(toy(run={"model": "baseline-s"}), out=tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match="model toy"):
        train(toy(run={"overrides": changed | {"slices": 5}}), out=tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match="model none"):
        train(toy(run={"model": "none"}), out=tmp_path / "run", device="cpu")


def test_devices_are_named_as_everywhere(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no device 'gpu'"):
        train(toy(), out=tmp_path / "run", device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="device 'cuda:3' is not available here"):
            train(toy(), out=tmp_path / "run", device="cuda:3")


def test_a_run_that_streams_goes_on_with_the_pictures_it_would_have_had(toy: Toy, tmp_path: Path) -> None:
    data = {"workers": 1, "vertical_flips": True}
    phases = ({"steps": 5}, {"epochs": 2.0, "steps": 0, "batch": 3, "milestones": [1.0]})  # two of five pictures
    recipe, whole, parts = toy(*phases, data=data), tmp_path / "whole", tmp_path / "parts"
    train(recipe, out=whole, device="cpu")
    train(recipe, out=parts, device="cpu", steps=3)
    train(recipe, out=parts, device="cpu", resume=True, settings=["data.workers=0"])
    assert [line["step"] for line in curve(whole)] == list(range(1, 9))
    assert curve(parts) == curve(whole)
    assert curve(whole)[-1]["lr"] == curve(whole)[6]["lr"] / 2  # past the warm-up
    held = [json.loads((run / "pictures.json").read_text(encoding="utf-8")) for run in (whole, parts)]
    assert held[0] == held[1]
    assert (held[0]["trained"], held[0]["held_back"][0].split()[0]) == (5, "0.png")
    assert (parts / "recipe.toml").read_text(encoding="utf-8").endswith("# --set data.workers=0\n")


def test_a_step_that_needs_maps_is_refused_where_a_stream_has_none(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no picture has a label map"):
        train(toy(data={"workers": 0, "labelled": 0.5}), out=tmp_path / "run", device="cpu")


def test_lambdas_at_gain_points_are_drawn_there_alone(toy: Toy, tmp_path: Path) -> None:
    points = [0.001 * 2**n for n in range(9)]
    train(toy({"steps": 1, "lambdas": points}), out=tmp_path / "run", device="cpu")
    with pytest.raises(UsageError, match="phase 1: 3 lambdas, and toy has 9 gain points; give as many, or two"):
        train(toy({"lambdas": points[:3]}), out=tmp_path / "other", device="cpu")
    spread = (torch.arange(18) + 0.5) / 18
    assert sorted(at_points(spread, 9).mul(8).tolist()) == sorted(2 * list(range(9)))
    assert at_points(torch.tensor([0.0, 0.999]), 9).tolist() == [0, 1]
