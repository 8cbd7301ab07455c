"""Pictures that take fewer bytes without loss: the file holds them exactly, whatever was asked for."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from toy_codec import picture, toy

import regio
from regio import light
from regio.codec import lossless
from regio.errors import CorruptFile, TargetMissed, UsageError
from regio.format import Chunk, Kind, RgoFile, pack, parse
from regio.format.container import NO_SYMBOLS
from regio.images import read_picture

Pixels = NDArray[np.uint8]


def chart(height: int = 200, width: int = 300) -> Pixels:
    """Bars on a grid."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[::20] = 200
    for k, at in enumerate(range(10, width - 30, 40)):
        pixels[20 + 13 * k : -10, at : at + 25] = (40 * k % 256, 90, 200)
    return pixels


def file_of(pixels: Pixels, **changes: object) -> bytes:
    """A file as the encoder makes it."""
    data = light.encode(pixels, **changes)  # type: ignore[arg-type]
    assert parse(data).lossless
    return data


@pytest.mark.parametrize("codec", ["roi-xs", "segpic-xs"])
@pytest.mark.parametrize(
    "wanted",
    [{}, {"quality": 20}, {"max_bytes": 2000}, {"target_psnr": 45}, {"roi": (9, 9, 50, 50)}],
)
def test_a_chart_is_exact_whatever_is_asked_for(codec: str, wanted: dict[str, object]) -> None:
    data = light.encode(chart(), codec=codec, **wanted)  # type: ignore[arg-type]
    assert len(data) < 400
    assert np.array_equal(light.decode(data, as_="numpy"), chart())
    light.verify(data)
    about = regio.inspect(data)
    assert (about.lossless, about.quality, about.codec, about.parts["payload"]) == (True, 100, codec, 0)
    assert "without loss" in repr(about)


def test_torch_and_onnx_write_and_read_the_same() -> None:
    data = regio.encode(chart(), device="cpu")
    assert data == file_of(chart())
    for read in (regio.decode, light.decode):
        assert np.array_equal(read(data, as_="numpy"), chart())
    regio.verify(data)


def test_no_codec_of_ours_is_needed_to_read_it() -> None:
    file = parse(file_of(chart()))
    unknown = pack(replace(file, header=replace(file.header, model=77, fingerprint=b"??")), NO_SYMBOLS)
    for read in (regio.decode, light.decode):
        assert np.array_equal(read(unknown, as_="numpy"), chart())
    assert light.knows(unknown)


def test_nothing_that_runs_networks_is_loaded_to_read_it(tmp_path: Path) -> None:
    (tmp_path / "chart.rgo").write_bytes(file_of(chart()))
    code = "import sys; from regio import light; light.verify('chart.rgo'); print(light.decode('chart.rgo').size)"
    code += "; print([name for name in ('torch', 'onnxruntime') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "(300, 200)\n[]\n"


def test_parts_and_thumbnails() -> None:
    data, whole = file_of(chart()), chart()
    part = light.decode(data, as_="numpy", region=(35, 21, 100, 90))
    assert np.array_equal(part, whole[21:111, 35:135])
    small = np.asarray(light.decode(data, as_="numpy", reduced="1/2"))
    assert small.shape == (100, 150, 3)
    assert np.array_equal(small, (whole.reshape(100, 2, 150, 2, 3).astype(int).sum((1, 3)) + 2) // 4)
    assert np.asarray(light.decode(data, reduced="1/4", region=(8, 8, 9, 9))).shape == (3, 3, 3)


def test_grey_opacity_and_metadata_are_kept() -> None:
    grey = chart()[..., 1]
    data = file_of(grey)
    assert regio.inspect(data).grey
    assert np.array_equal(light.decode(data, as_="numpy"), grey)
    opacity = np.zeros(grey.shape, np.uint8)
    opacity[50:150, 60:200] = np.arange(140)
    both = np.dstack([np.where(opacity[..., None] > 0, chart(), 0), opacity]).astype(np.uint8)
    image = Image.fromarray(both)
    image.info["xmp"] = b"<x:xmpmeta/>"
    data = light.encode(image)
    assert parse(data).lossless
    found = light.decode(data)
    seen = opacity > 0
    assert np.array_equal(np.asarray(found)[seen], both[seen])
    assert np.array_equal(np.asarray(found)[..., 3], opacity)
    assert found.info["xmp"] == b"<x:xmpmeta/>"


def test_photographs_and_weights_outside_the_catalog_are_coded() -> None:
    noisy = np.random.default_rng(0).integers(90, 160, (128, 128, 3), dtype=np.uint8)
    assert not parse(light.encode(noisy)).lossless
    assert not parse(toy().encode(chart(), quality=40)).lossless


def test_a_rate_above_what_the_picture_takes_without_loss_is_missed_with_a_note() -> None:
    with pytest.warns(TargetMissed, match=r"0\.4 bpp is more than the picture takes without loss: 0\.0\d+ bpp"):
        data = light.encode(chart(), target_bpp=0.4)
    assert np.array_equal(light.decode(data, as_="numpy"), chart())


@pytest.mark.parametrize("strict", [False, True])
def test_a_psnr_that_no_quality_reaches_is_kept_without_loss(strict: bool) -> None:
    noisy = np.random.default_rng(0).integers(90, 160, (64, 64, 3), dtype=np.uint8)
    for pixels in (chart(), noisy):
        data = light.encode(pixels, target_psnr=70, strict=strict)
        assert np.array_equal(light.decode(data, as_="numpy"), pixels)


def test_a_scale_by_hand_is_kept_to() -> None:
    data = light.encode(chart(), scale="1/2")
    assert (regio.inspect(data).lossless, regio.inspect(data).scale) == (False, 0.5)


def test_the_attempt_keeps_to_the_memory_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossless, "PACKED_BYTES", 1 << 30)
    assert not parse(light.encode(chart(), max_memory="64G")).lossless
    assert parse(light.encode(chart())).lossless


def test_what_is_too_few_bytes_for_both_is_refused() -> None:
    with pytest.raises(UsageError, match="are too few"):
        light.encode(picture(64, 64), max_bytes=20)


def test_a_guess_says_early_that_a_photograph_is_not_worth_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossless, "_stream", lambda _: pytest.fail("packed"))
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    header = replace(parse(file_of_size(300, 400)).header, grey=False)
    assert lossless.smaller_file(read_picture(noise), header, (), 20_000) is None


def file_of_size(width: int, height: int) -> bytes:
    """A file of this size, packed without `_stream`."""
    stream = b"\x2f" + (width - 1 | (height - 1) << 14).to_bytes(4, "little") + b"anything"
    from regio.format import Header

    header = Header(model=8, fingerprint=b"ab", width=width, height=height, rate=0)
    return pack(RgoFile(header, (Chunk(Kind.LOSSLESS, stream),)), NO_SYMBOLS)


def forged(data: bytes, **header: object) -> bytes:
    """The same file with other fields and a true check, past the checks of RgoFile."""
    file = parse(data)
    changed = object.__new__(RgoFile)
    for name, value in (("header", replace(file.header, **header)), ("chunks", file.chunks), ("payload", file.payload)):
        object.__setattr__(changed, name, value)
    return pack(changed, NO_SYMBOLS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate": 40}, "no tiles, no payload and no rates"),
        ({"grid": 2}, "no tiles, no payload and no rates"),
        ({"more": True, "log2_scale": 1}, "no tiles, no payload and no rates"),
        ({"width": 301}, "not a lossless WebP bit stream of 301x200"),
        ({"height": 20000}, "not a lossless WebP bit stream of 300x20000"),
        ({"grey": True}, "has colours, and the header says that it is grey"),
    ],
)
def test_a_header_that_contradicts_the_picture_is_damage(change: dict[str, object], message: str) -> None:
    with pytest.raises(CorruptFile, match=message):
        light.decode(forged(file_of(chart()), **change))


def test_a_payload_beside_the_picture_is_damage() -> None:
    data = file_of(chart())
    with pytest.raises(CorruptFile, match="no payload"):
        light.decode(data + b"\1")


def test_every_cut_and_every_flipped_byte_is_damage() -> None:
    data = file_of(chart(40, 60))
    for end in range(len(data)):
        with pytest.raises(CorruptFile):
            light.decode(data[:end])
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 0x10
        with pytest.raises(regio.RegioError):
            light.decode(bytes(bad))


def test_streams_with_true_checks_that_webp_cannot_decode_are_damage() -> None:
    file = parse(file_of(chart(40, 60)))
    body = file.body(Kind.LOSSLESS)
    assert body is not None
    chance, damaged = np.random.default_rng(1), 0
    for _ in range(60):
        bad = bytearray(body)
        for at in chance.integers(5, len(bad), 4):
            bad[at] = chance.integers(256)
        data = pack(replace(file, chunks=(Chunk(Kind.LOSSLESS, bytes(bad[: chance.integers(5, len(bad) + 1)])),)), 0)
        try:
            assert light.decode(data).size == (60, 40)
        except CorruptFile:
            damaged += 1
    assert damaged > 10


def test_the_command_says_that_it_kept_a_picture_without_loss(tmp_path: Path) -> None:
    Image.fromarray(chart()).save(tmp_path / "chart.png")

    def regio_(*words: str) -> str:
        command = [sys.executable, "-m", "regio", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert ", without loss, " in regio_("encode", "chart.png")
    assert "none: the picture is there without loss (roi-xs was asked for)" in regio_("info", "chart.rgo")
    line = json.loads(regio_("encode", "chart.png", "--force", "--json"))
    assert (line["lossless"], line["quality"]) == (True, 100)
    regio_("decode", "chart.rgo", "-o", "again.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "again.png")), chart())
