"""The bundled weights, on a real photograph: the public-domain portrait that Matplotlib ships."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regio
from regio.codec import Codec
from regio.errors import RegioError
from regio.models.catalog import CATALOG, Entry
from regio.weights import store

pytestmark = pytest.mark.weights
RANGES = {  # least PSNR at quality 0 and at 100, bits per pixel to ask for
    "segpic-xs": ((20, 40), (0.15, 0.3, 0.6)),
    "roi-xs": ((18, 38), (0.15, 0.3, 0.6)),
    "mcm-tiny": ((11, 26), (0.03, 0.08, 0.2)),
}
EVERY = pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    matplotlib = pytest.importorskip("matplotlib")
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    with Image.open(path) as opened:
        return opened.convert("RGB").crop((120, 20, 376, 276))


@pytest.fixture(scope="module", params=[entry.name for entry in CATALOG.values()])
def codec(request: pytest.FixtureRequest) -> Codec:
    return regio.load(request.param, device="cpu")


def psnr(image: Image.Image, decoded: Image.Image) -> float:
    error = np.asarray(image, np.float64) - np.asarray(decoded, np.float64)
    return float(10 * np.log10(255**2 / np.square(error).mean()))


@EVERY
def test_weights_are_those_the_catalog_names_and_small(entry: Entry) -> None:
    assert store.load(entry.name).fingerprint.hex() == entry.fingerprint
    assert store.bundled(entry.name).stat().st_size < 16e6
    assert store.bundled(entry.name).with_suffix(".md").is_file(), "weights come with a card"


def test_a_photograph_comes_back_at_every_quality_and_more_bytes_make_it_better(
    codec: Codec, portrait: Image.Image
) -> None:
    sizes, qualities = [], []
    for quality in (0, 20, 40, 60, 80, 100):
        data = codec.encode(portrait, quality=quality, strip=True)  # the photograph's resolution takes 68 bytes
        sizes.append(len(data))
        qualities.append(psnr(portrait, codec.decode(data)))
        # 0.5 % for the coder's and the tables' rounding, 16 bytes of header and ending; MCM's kept set ends by itself,
        # and at the lowest rate, where nearly all symbols are zero, four passes of rounded tables take eight bytes more
        spare = {"roi-xs": 24, "segpic-xs": 24}.get(codec.name, 18)
        assert len(data) <= 1.005 * codec.estimate_bits(portrait, quality) / 8 + spare
    assert sizes == sorted(set(sizes))
    assert qualities == sorted(set(qualities))
    assert all(
        quality > least for quality, least in zip(qualities[:: len(qualities) - 1], RANGES[codec.name][0], strict=True)
    )


def test_a_budget_is_met_and_nearly_used(codec: Codec, portrait: Image.Image) -> None:
    for bpp in RANGES[codec.name][1]:
        budget = int(bpp * portrait.width * portrait.height / 8)
        assert 0.97 * budget <= len(codec.encode(portrait, max_bytes=budget)) <= budget


def test_a_target_rate_is_met_within_two_percent(codec: Codec, portrait: Image.Image) -> None:
    for bpp in RANGES[codec.name][1]:
        assert regio.inspect(codec.encode(portrait, target_bpp=bpp)).bpp == pytest.approx(bpp, rel=0.02)


def test_the_golden_file_of_the_bundled_weights_verifies() -> None:
    files = sorted((Path(__file__).parent / "golden").glob("*.rgo"))
    assert len(files) >= len(CATALOG)  # one for each bundled codec, or this test would say nothing
    for golden in files:
        regio.verify(golden)  # symbols are integers: the same on every machine
        with Image.open(golden.with_suffix(".png")) as expected:
            # one grey level: the synthesis is floating-point, and machines differ in its last bits
            decoded = np.asarray(regio.decode(golden), np.int16)
            assert np.abs(decoded - np.asarray(expected, np.int16)).max() <= 1


def test_flipped_bytes_give_an_error_or_the_same_picture(codec: Codec, portrait: Image.Image) -> None:
    data = codec.encode(portrait.crop((0, 0, 64, 64)), quality=50)
    expected = np.asarray(codec.decode(data))
    draw = random.Random(1)
    for _ in range(60):
        at = draw.randrange(len(data))
        flipped = data[:at] + bytes([data[at] ^ draw.randrange(1, 256)]) + data[at + 1 :]
        try:
            decoded = np.asarray(codec.decode(flipped))
        except RegioError:
            continue
        assert np.array_equal(decoded, expected)
