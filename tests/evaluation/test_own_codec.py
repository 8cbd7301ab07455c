"""A Regio codec as a contestant, with a codec of a few lines that writes real .rgo containers."""

from __future__ import annotations

import io
import zlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regio.errors import UsageError
from regio.evaluation.contestants import OPPONENTS_BY_DEFAULT, OwnCodec, names_in
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.format import Header, RgoFile, pack, parse, rate_step

PIXELS = np.random.default_rng(5).integers(0, 256, (12, 18, 3), dtype=np.uint8)


class Rounding:
    """Keeps more bits of each pixel at higher qualities; its smallest file is some 40 bytes."""

    name = "rounding"
    fingerprint = "0123abcd"
    net = SimpleNamespace(rated=True)

    def encode(
        self, image: Any, *, quality: float | None = None, max_bytes: int | None = None, strip: bool = False
    ) -> bytes:
        assert strip, "no metadata: every contestant gets bare pixels"
        assert (quality is None) != (max_bytes is None)
        if max_bytes is not None:
            fitting = [data for q in range(0, 101, 5) if len(data := self.file(image, q)) <= max_bytes]
            if not fitting:
                raise UsageError("too few bytes")
            return fitting[-1]
        return self.file(image, quality or 0)

    @staticmethod
    def file(image: Any, quality: float) -> bytes:
        step = round(2 ** (8 * (1 - quality / 100)))
        buffer = io.BytesIO()
        Image.fromarray((image.astype(int) // step * step).astype(np.uint8)).save(buffer, "PNG")
        height, width = image.shape[:2]
        header = Header(model=1, fingerprint=b"ab", width=width, height=height, rate=rate_step(quality))
        return pack(RgoFile(header, (), buffer.getvalue()), zlib.crc32(b""))

    @staticmethod
    def decode(data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(parse(data).payload)).convert("RGBA")


@pytest.fixture
def contestant() -> OwnCodec:
    return OwnCodec(Rounding())  # type: ignore[arg-type]  # it has what a contestant needs


def test_it_codes_bare_pixels_at_a_quality(contestant: OwnCodec) -> None:
    data = contestant.encode(PIXELS, 100)
    assert (contestant.decode(data) == PIXELS).all()
    assert len(contestant.encode(PIXELS, 20)) < len(data)
    assert (contestant.name, contestant.weights) == ("rounding", "0123abcd")


def test_for_a_budget_the_file_says_at_which_quality_it_was_made(contestant: OwnCodec) -> None:
    made = contestant.at_bytes(PIXELS, 500)
    assert made.fits
    assert len(made.data) <= 500
    assert made.data == contestant.encode(PIXELS, made.setting)
    assert 0 < made.setting < 100


def test_an_impossible_budget_gives_the_smallest_file_and_says_so(contestant: OwnCodec) -> None:
    made = contestant.at_bytes(PIXELS, 10)
    assert not made.fits
    assert made.data == contestant.encode(PIXELS, 0)


def test_a_model_of_one_rate_has_one_setting_and_no_choice() -> None:
    class OneRate(Rounding):
        net = SimpleNamespace(rated=False)

        def encode(self, image: Any, *, quality: float | None = None, strip: bool = False, **rate: Any) -> bytes:
            assert quality is None
            assert not rate
            return self.file(image, 50)

    fixed = OwnCodec(OneRate())  # type: ignore[arg-type]
    assert fixed.settings == (0,)
    data = fixed.encode(PIXELS, 0)
    assert fixed.at_bytes(PIXELS, len(data)) == (data, 0, True)
    assert not fixed.at_bytes(PIXELS, len(data) - 1).fits


def test_names_come_with_commas_and_by_default_from_the_catalog() -> None:
    from regio.models.catalog import DEFAULT

    assert names_in("a, b,,c ") == ["a", "b", "c"]
    assert names_in(None) == [DEFAULT, *OPPONENTS_BY_DEFAULT]
    assert set(OPPONENTS_BY_DEFAULT) <= set(OPPONENTS)
