"""A codec's own weights, recorded: its files are read by what was recorded. And what cannot be recorded is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_codec import picture

from regio.codec import Codec
from regio.codec.decoding import Opened, decoded, verified
from regio.errors import UsageError
from regio.light.engine import LightEngine
from regio.light.graphs import Graphs
from regio.light.plan import Plan
from regio.models.segpic import SegPIC, SegPICConfig
from regio.recording.bundle import make
from regio.recording.coder import Recorder
from regio.weights import store


@pytest.mark.slow
def test_recorded_weights_read_the_files_of_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = SegPIC(SegPICConfig.preset("toy-2"))
    with torch.no_grad():
        for parameter in net.parameters():  # layers that start as zero, too
            parameter += 0.02 * torch.randn_like(parameter)
    path = tmp_path / "toy.safetensors"
    store.save(net, path, name="toy", half=True)
    codec = Codec(store.load(path), "cpu")
    assert [one.name for one in make(store.load(path), path)] == ["toy.light.json", "toy.light.bin"]
    plan = Plan(tmp_path, json.loads((tmp_path / "toy.light.json").read_text(encoding="utf-8")))
    engine = LightEngine.of(Graphs(plan, 1))
    assert plan.fingerprint.hex() == codec.fingerprint
    for size, options in (((64, 96), {}), ((33, 160), {"grid": 3}), ((96, 128), {"roi": (8, 8, 40, 40)})):
        source = picture(*size)
        data = codec.encode(source, quality=60, **options)
        opened = Opened.of(data)
        verified(engine, opened, None)
        found = decoded(engine, opened, None, 0, None).pixels.astype(int)
        assert np.abs(found - codec.decode(data, as_="numpy")).max() <= 1


def test_levels_that_engines_do_not_agree_on_are_not_recorded() -> None:
    mean = torch.zeros(1, 1, 2, 2)
    with pytest.raises(UsageError, match="floating-point"):
        Recorder().gaussian("y", mean, mean, mean, 1e-6)
