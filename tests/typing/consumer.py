"""A program that uses all of the public interface; checked by mypy, never run. `assert_type` says what callers get."""

from pathlib import Path
from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import regio
from regio import bulk
from regio.models import MCM, MCMConfig, RoiCodec, RoiCodecConfig, SegPIC, SegPICConfig
from regio.regions import Importance, importance


def pictures(image: Image.Image, array: NDArray[np.uint8], tensor: torch.Tensor) -> list[bytes]:
    """Everything that is taken."""
    codec = regio.load("segpic-xs", device="cpu")
    assert_type(codec, regio.Codec)
    data = codec.encode(image, quality=60)
    assert_type(data, bytes)
    more = [codec.encode(source, target_bpp=0.2) for source in ("a.png", Path("a.png"), array, tensor)]
    return [data, regio.encode(image, max_bytes=2000, roi=["faces", (0, 0, 9, 9)]), *more]


def back(data: bytes, codec: regio.Codec) -> regio.Info:
    """Everything that is given."""
    assert_type(regio.decode(data), Image.Image)
    assert_type(codec.decode(data, region=(0, 0, 8, 8)), Image.Image)
    assert_type(codec.decode(data, as_="numpy"), NDArray[np.uint8])
    assert_type(regio.decode("a.rgo", as_="torch", codec=codec), torch.Tensor)
    regio.verify(data)
    info = regio.inspect(Path("a.rgo"))
    assert_type(info.bpp, float)
    assert_type(info.parts, dict[str, int])
    return info


def failures(data: bytes) -> str:
    """The errors."""
    try:
        regio.decode(data)
    except regio.errors.CorruptFile as error:
        return str(error)
    except (regio.errors.MissingWeights, regio.errors.RegioError):
        raise
    return ""


def networks(x: torch.Tensor) -> torch.Tensor:
    """Models, from presets and from elsewhere."""
    net = SegPIC(SegPICConfig.preset("segpic-xs"))
    out = net.forward(x, grid=4)
    assert_type(out.x_hat, torch.Tensor)
    assert_type(out.bits, dict[str, torch.Tensor])
    assert_type(SegPIC.from_pretrained("owner/name", revision="main"), SegPIC)
    assert_type(RoiCodec.from_pretrained(Path("folder")), RoiCodec)
    assert_type(MCM.from_pretrained("owner/name"), MCM)
    assert_type(net.push_to_hub("owner/name", private=True), str)
    RoiCodec(RoiCodecConfig.preset("roi-xs-1"))
    MCM(MCMConfig.preset("mcm-tiny"))
    return out.x_hat


def many(codec: str) -> float:
    """Folders."""
    report = bulk.encode("in", "s3://bucket/out", codec=codec, quality=50, workers=4)
    assert_type(report, bulk.Report)
    bulk.decode("s3://bucket/out", "back", format="webp")
    return sum(row.bpp or 0.0 for row in bulk.read_manifest(report.manifest))


def matters(pixels: NDArray[np.uint8]) -> bool:
    """Regions."""
    found = importance("text", pixels)
    assert_type(found, Importance)
    return found.found
