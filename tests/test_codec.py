"""Pictures through real bytes and back, with untrained toy models."""

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from toy_codec import codec_of, paper, paper_net, picture, toy, toy_net

import regio
from regio.codec import Codec, api, options
from regio.errors import BadImage, CorruptFile, LimitExceeded, MissingWeights, UnsupportedFile, UsageError
from regio.format import Kind, Limits, parse
from regio.images import colour, read_picture
from regio.models import catalog
from regio.weights import store

CODECS: dict[str, Callable[[], Codec]] = {"toy": toy, "paper": paper}
SIZES = [(1, 1), (300, 1), (1, 300), (63, 65), (64, 64), (133, 200)]  # height, width


def psnr(a: Image.Image, b: NDArray[np.uint8]) -> float:
    error = np.square(np.asarray(a.convert("RGB")).astype(float) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-10)))


@pytest.fixture(scope="module")
def plain() -> NDArray[np.uint8]:
    return picture(96, 128)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", SIZES)
def test_pictures_of_any_size_come_back_at_their_size(name: str, size: tuple[int, int]) -> None:
    codec, pixels = CODECS[name](), picture(*size)
    data = codec.encode(pixels)
    image = codec.decode(data)
    assert (image.mode, image.size) == ("RGB", size[::-1])
    codec.verify(data)
    assert regio.inspect(data).width == size[1]
    if name == "toy":  # a transform coder before any training
        assert psnr(image, pixels) > 20


@pytest.mark.parametrize("name", CODECS)
def test_coding_gives_the_same_bytes_and_pixels_every_time(name: str, plain: NDArray[np.uint8]) -> None:
    codec = CODECS[name]()
    data = codec.encode(plain)
    assert codec.encode(plain) == data
    assert codec.decode(data).tobytes() == codec.decode(data).tobytes()


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("grid", [1, 2, 5, 16])
def test_any_grid_decodes_by_what_the_file_says(name: str, grid: int, plain: NDArray[np.uint8]) -> None:
    codec = CODECS[name]()
    data = codec.encode(plain, grid=grid)
    assert parse(data).header.grid == grid
    assert codec.decode(data).size == (128, 96)


def test_small_pictures_have_fewer_regions() -> None:
    grids = [parse(toy().encode(picture(*size))).header.grid for size in [(1, 1), (127, 500), (128, 128), (300, 260)]]
    assert grids == [1, 1, 2, 4]


def test_bytes_stay_close_to_their_estimate(plain: NDArray[np.uint8]) -> None:
    for quality in (0, 30, 100):
        data = toy().encode(plain, quality=quality)
        payload = len(parse(data).payload)
        assert payload <= 1.005 * toy().estimate_bits(plain, quality) / 8 + 4
    header = len(data) - payload
    assert header <= 14 + 1 + 2 + 4 + 1 + 16 + 3 + 1  # header, and the chunk of custom weights of this name


def test_the_file_is_the_same_whatever_its_pictures_form(plain: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(plain).save(path)
    expected = toy().encode(plain)
    with path.open("rb") as stream:
        forms: list[Any] = [Image.fromarray(plain), path, str(path), path.read_bytes(), stream, read_picture(plain)]
        assert all(toy().encode(form) == expected for form in forms)


def test_grey_comes_back_grey(plain: NDArray[np.uint8]) -> None:
    grey = Image.fromarray(plain).convert("L")
    image = toy().decode(toy().encode(grey))
    assert image.mode == "L"
    assert psnr(image, np.repeat(np.asarray(grey)[..., None], 3, axis=2)) > 20
    assert regio.inspect(toy().encode(grey)).grey


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opacity_comes_back_exactly(mode: str, plain: NDArray[np.uint8]) -> None:
    image = Image.fromarray(plain).convert(mode[:-1])
    alpha = Image.fromarray((np.arange(96 * 128) % 251).astype(np.uint8).reshape(96, 128))
    image.putalpha(alpha)
    decoded = toy().decode(toy().encode(image))
    assert decoded.mode == mode
    assert decoded.getchannel("A").tobytes() == alpha.tobytes()


@pytest.mark.parametrize("opacity", [0, 128, 255])
def test_constant_opacity_takes_one_byte(opacity: int, plain: NDArray[np.uint8]) -> None:
    image = Image.fromarray(plain)
    image.putalpha(opacity)
    data = toy().encode(image)
    assert parse(data).body(Kind.ALPHA) == bytes([opacity])
    assert toy().decode(data).getchannel("A").getextrema() == (opacity, opacity)


def test_sixteen_bits_of_grey_become_eight_with_a_note(plain: NDArray[np.uint8]) -> None:
    values = plain[..., 0].astype(np.uint16) * 257
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    taken = read_picture(stream.getvalue())
    assert taken.notes == ("16-bit grey reduced to 8 bits",)
    assert toy().encode(stream.getvalue()) == toy().encode(plain[..., 0])


def test_palettes_become_colours(plain: NDArray[np.uint8]) -> None:
    palette = Image.fromarray(plain).quantize(64)
    decoded = toy().decode(toy().encode(palette))
    assert decoded.mode == "RGB"
    assert psnr(decoded, np.asarray(palette.convert("RGB"))) > 15


def rotated(plain: NDArray[np.uint8]) -> bytes:
    """A JPEG that is to be shown turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    stream = io.BytesIO()
    Image.fromarray(plain).save(stream, "JPEG", quality=95, exif=exif)
    return stream.getvalue()


def test_a_turned_photograph_is_stored_upright(plain: NDArray[np.uint8]) -> None:
    data = toy().encode(rotated(plain))
    decoded = toy().decode(data)
    assert decoded.size == (96, 128)
    assert psnr(decoded, np.rot90(plain, -1)) > 20
    assert decoded.getexif()[0x010E] == "a description"
    assert decoded.getexif().get(0x0112, 1) == 1


def test_metadata_is_kept_unless_stripped(plain: NDArray[np.uint8]) -> None:
    profile = colour.profile(colour.ADOBE_RGB, (2.0,))
    image = Image.open(io.BytesIO(rotated(plain)))
    image.info["icc_profile"] = profile
    kept, bare = (toy().encode(image, strip=strip) for strip in (False, True))
    assert toy().decode(kept).info["icc_profile"] == profile
    assert "exif" in toy().decode(kept).info
    assert set(toy().decode(bare).info) == set()
    assert [chunk.kind for chunk in parse(bare).chunks] == [Kind.WEIGHTS]
    assert toy().decode(bare).tobytes() == toy().decode(kept).tobytes()


def test_a_profile_of_srgb_takes_no_bytes(plain: NDArray[np.uint8]) -> None:
    image = Image.fromarray(plain)
    image.info["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert toy().encode(image) == toy().encode(plain)


@pytest.mark.parametrize("options", [{"quality": 50}, {"target_psnr": 20.0}, {"max_bytes": 3000}])
def test_what_opacity_hides_costs_nothing_and_does_not_count(plain: NDArray[np.uint8], options: dict[str, Any]) -> None:
    alpha = np.full(plain.shape[:2], 255, np.uint8)
    alpha[:, 40:] = 0
    noise = np.random.default_rng(0).integers(0, 256, plain.shape).astype(np.uint8)
    files = {
        toy().encode(np.dstack([np.where(alpha[..., None] > 0, plain, hidden), alpha]), **options)
        for hidden in (noise, plain, np.zeros_like(plain))
    }
    assert len(files) == 1
    if "target_psnr" in options:
        decoded = toy().decode(files.pop()).crop((0, 0, 40, plain.shape[0]))
        assert psnr(decoded, plain[:, :40]) > options["target_psnr"] - 0.01


def test_higher_quality_takes_more_bytes_and_loses_less(plain: NDArray[np.uint8]) -> None:
    files = [toy().encode(plain, quality=quality) for quality in (0, 12.5, 25, 50, 75, 100)]
    sizes = [len(data) for data in files]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 1.5 * sizes[0]
    losses = [psnr(toy().decode(data), plain) for data in files]
    assert losses[0] < losses[2] < losses[3]  # untrained: at the end there is nothing more to win


def test_quality_is_continuous_to_a_fortieth(plain: NDArray[np.uint8]) -> None:
    assert parse(toy().encode(plain, quality=33.325)).header.quality == pytest.approx(33.325, abs=1 / 80)
    assert toy().encode(plain) == toy().encode(plain, quality=60)


def test_bits_per_pixel_are_met(plain: NDArray[np.uint8]) -> None:
    low, high = (8 * len(toy().encode(plain, quality=q)) / plain[..., 0].size for q in (0, 100))
    for wanted in np.linspace(low, high, 5):
        got = 8 * len(toy().encode(plain, target_bpp=wanted)) / plain[..., 0].size
        assert got == pytest.approx(wanted, abs=24 / plain[..., 0].size + 0.003 * wanted)  # a few bytes


def test_a_limit_of_bytes_is_used_but_never_exceeded(plain: NDArray[np.uint8]) -> None:
    low, high = (len(toy().encode(plain, quality=q)) for q in (0, 100))
    for limit in (low, (low + high) // 2, high - 1, high, high + 1000):
        got = len(toy().encode(plain, max_bytes=limit))
        assert min(limit, high) - 8 <= got <= limit


def test_a_wanted_psnr_is_reached_by_the_smallest_file(plain: NDArray[np.uint8]) -> None:
    low, high = (psnr(toy().decode(toy().encode(plain, quality=q)), plain) for q in (0, 50))
    wanted = (low + high) / 2
    data = toy().encode(plain, target_psnr=wanted)
    step = parse(data).header.rate
    assert psnr(toy().decode(data), plain) >= wanted
    assert psnr(toy().decode(toy().encode(plain, quality=(step - 40) / 40)), plain) < wanted
    assert toy().encode(plain, target_psnr=1) == toy().encode(plain, quality=0)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"quality": 50, "target_bpp": 0.5}, "quality and target_bpp contradict"),
    ({"max_bytes": 500, "target_psnr": 30}, "max_bytes and target_psnr contradict"),
    ({"quality": -0.1}, "0 to 100"),
    ({"quality": 100.1}, "0 to 100"),
    ({"quality": float("nan")}, "0 to 100"),
    ({"target_bpp": 1e-3, "strict": True}, "out of reach"),
    ({"target_bpp": 0}, "target_bpp=0: must be a finite number above 0"),
    ({"target_bpp": float("nan")}, "target_bpp=nan: must be a finite number"),
    ({"max_bytes": 10}, "too few"),
    ({"max_bytes": -1}, "max_bytes=-1: must be a number of bytes above 0"),
    ({"target_psnr": 90, "strict": True}, "out of reach"),
    ({"target_psnr": float("nan")}, "target_psnr=nan: must be a finite number"),
    ({"target_psnr": float("inf")}, "target_psnr=inf: must be a finite number"),
    ({"quality": "60"}, "quality='60': must be a number"),
    ({"quality": True}, "quality=True: must be a number"),
    ({"quality": [60]}, r"quality=\[60\]: must be a number"),
    ({"max_bytes": "forty"}, "max_bytes='forty' is not a number of bytes; try 4000, 40k"),
    ({"max_bytes": 0.5}, "max_bytes=0.5: must be a whole number"),
    ({"grid": 2.5}, "grid=2.5: must be a whole number"),
    ({"grid": "2"}, "grid='2': must be a whole number"),
    ({"target_psnr": "30"}, "target_psnr='30': must be a number"),
    ({"max_memory": "much"}, "max_memory='much' is not a number of bytes"),
    ({"max_pixels": 1e400}, "max_pixels=inf: must be a whole number"),
    ({"grid": 0}, "1 to 16"),
    ({"grid": 17}, "1 to 16"),
    ({"roi": "mask.png"}, "neither a file nor one of"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_contradicts_itself_or_is_out_of_reach_is_refused(
    options: dict[str, Any], message: str, plain: NDArray[np.uint8]
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        toy().encode(plain, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", ["quality", "target_bpp", "max_bytes", "target_psnr"])
def test_a_model_of_one_rate_says_so(option: str, plain: NDArray[np.uint8]) -> None:
    with pytest.raises(UsageError, match="paper has one rate only"):
        paper().encode(plain, **{option: 10})


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(BadImage):
        toy().encode(b"no picture")
    with pytest.raises(BadImage):
        toy().encode(np.full((4, 4, 3), 255.0))


def test_too_many_pixels_for_one_piece_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy().encode(picture(64, 64))
    monkeypatch.setattr(options, "DEFAULT_LIMITS", Limits(piece=64 * 64 - 1))
    for refused in (lambda: toy().decode(data), lambda: toy().verify(data)):
        with pytest.raises(LimitExceeded, match="64 x 64 pixels"):
            refused()


def test_more_pixels_than_a_file_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "DEFAULT_LIMITS", Limits(pixels=64 * 64 - 1))
    with pytest.raises(LimitExceeded, match="64x64 = 4096 pixels, the limit is 4095; allow more"):
        toy().encode(picture(64, 64))


def test_max_pixels_moves_the_limit_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy().encode(picture(64, 64), max_pixels=64 * 64)
    assert regio.decode(data, codec=toy(), max_pixels=64 * 64).size == (64, 64)
    for refused in (toy().encode, toy().decode, toy().verify):
        with pytest.raises(LimitExceeded, match="64x64 = 4096 pixels, the limit is 4095"):
            refused(picture(64, 64) if refused == toy().encode else data, max_pixels=4095)
        with pytest.raises(UsageError, match="max_pixels=0"):
            refused(picture(64, 64) if refused == toy().encode else data, max_pixels=0)
    monkeypatch.setattr(options, "DEFAULT_LIMITS", Limits(pixels=1))
    assert toy().decode(data, max_pixels=4096).size == (64, 64)


def test_what_is_too_large_is_refused_before_weights_are_loaded() -> None:
    huge = bytes.fromhex("d752 10 02 9ec1 808040 808040 9603 00000000")
    for work in (regio.decode, regio.verify):
        with pytest.raises(LimitExceeded, match="1048576x1048576"):
            work(huge, codec="no such weights")


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")],
)
def test_memory_that_runs_out_is_a_limit(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy().encode(picture(8, 8))

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(toy().net, "code", fail)
    with pytest.raises(LimitExceeded, match="not enough memory"):
        toy().decode(data)


def test_files_of_other_weights_are_refused_by_name(plain: NDArray[np.uint8]) -> None:
    other = codec_of(toy_net(seed=1), "other")
    data = other.encode(plain)
    with pytest.raises(MissingWeights, match=r"other weights of toy"):
        toy().decode(data)
    with pytest.raises(MissingWeights, match="custom weights, 'other'"):
        regio.decode(data)
    assert regio.decode(data, codec=other).tobytes() == other.decode(data).tobytes()


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Codec:
    """The toy, as if it were the default weights of the catalog."""
    path = tmp_path / "toy.safetensors"
    fingerprint = store.save(toy_net(), path, name=catalog.DEFAULT)
    entry = catalog.by_name(catalog.DEFAULT)
    changed = catalog.Entry(entry.id, entry.name, entry.family, fingerprint.hex(), entry.summary)
    monkeypatch.setitem(catalog.CATALOG, entry.id, changed)
    monkeypatch.setattr(store, "bundled", lambda name: path)
    api.shared.cache_clear()
    return regio.load(catalog.DEFAULT, device="cpu")


def test_a_file_of_bundled_weights_names_its_codec(bundled: Codec, plain: NDArray[np.uint8], tmp_path: Path) -> None:
    data = bundled.encode(plain)
    assert regio.inspect(data).codec == catalog.DEFAULT
    assert len(data) - len(parse(data).payload) <= 16
    path = tmp_path / "a.rgo"
    path.write_bytes(data)
    for given in (data, path, str(path)):
        assert regio.decode(given, device="cpu").tobytes() == bundled.decode(data).tobytes()
        regio.verify(given, device="cpu")
    assert regio.encode(plain, device="cpu") == data
    api.shared.cache_clear()


def test_a_file_of_a_model_unknown_here_is_unsupported(bundled: Codec, plain: NDArray[np.uint8]) -> None:
    data = bytearray(bundled.encode(plain))
    assert data[3] == catalog.by_name(catalog.DEFAULT).id
    data[3] = 99
    for refused in (lambda: regio.decode(bytes(data)), lambda: bundled.decode(bytes(data))):
        with pytest.raises(UnsupportedFile, match="model 99"):
            refused()


def test_a_file_of_older_bundled_weights_is_refused_before_decoding(bundled: Codec, plain: NDArray[np.uint8]) -> None:
    data = bytearray(bundled.encode(plain))
    data[4] ^= 1
    with pytest.raises(MissingWeights, match="another release has them"):
        regio.decode(bytes(data), device="cpu")


def test_weights_are_read_by_path(plain: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    store.save(toy_net(), path)
    codec = regio.load(path, device="cpu")
    data = codec.encode(plain)
    assert regio.inspect(data).codec == "custom (mine)"
    assert regio.decode(data, codec=str(path), device="cpu").tobytes() == codec.decode(data).tobytes()


def test_a_device_that_is_not_there_is_refused() -> None:
    for name in ("cuda:99", "abacus"):
        with pytest.raises(UsageError, match="is not available"):
            Codec(toy().weights, name)


def test_a_second_attempt_in_double_precision_saves_files_of_a_machine_that_drifts(
    plain: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong scales on a device, right ones on the CPU: the file decodes, however the first attempt fails."""
    codec = codec_of(paper_net(), "paper")
    settled = codec.net.h_scale[-1].weight.dtype
    data = codec.encode(plain)
    expected = codec.decode(data).tobytes()
    attempts = []
    walk = type(codec.net)._scale

    def drifting(net: Any, z_hat: torch.Tensor, *arguments: Any) -> torch.Tensor:
        attempts.append(net.h_a[0].weight.dtype)
        features = walk(net, z_hat, *arguments)
        return features if net is not codec.net else features + 3

    monkeypatch.setattr(type(codec.net), "_scale", drifting)
    codec.runtime.device = torch.device("cuda")  # in name only: nothing is moved there
    assert codec.decode(data).tobytes() == expected
    assert settled == torch.float64
    assert attempts == [torch.float32, torch.float64]  # of all that decides nothing


def test_a_machine_that_drifts_for_good_gives_an_error_not_a_picture(
    plain: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = paper()
    data = codec.encode(plain)
    walk = type(codec.net)._scale
    monkeypatch.setattr(type(codec.net), "_scale", lambda *arguments: walk(*arguments) + 3)
    for refused in (lambda: codec.decode(data), lambda: codec.verify(data)):
        with pytest.raises(CorruptFile, match=r"regio \S+, torch \S+, .* thread.*, device cpu; if a fresh copy"):
            refused()


def test_an_error_of_a_model_without_drift_blames_nothing_but_the_file(plain: NDArray[np.uint8]) -> None:
    data = bytearray(toy().encode(plain))
    data[-1] ^= 1
    with pytest.raises(CorruptFile, match="damaged") as found:
        toy().decode(bytes(data))
    assert "torch" not in str(found.value)


def test_one_codec_serves_several_threads(plain: NDArray[np.uint8]) -> None:
    pictures = [plain, picture(70, 90, 1), picture(64, 200, 2)]
    expected = [toy().encode(pixels) for pixels in pictures]
    found: dict[int, bytes] = {}

    def work(k: int) -> None:
        found[k] = toy().encode(pictures[k])

    workers = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [found[k] for k in range(3)] == expected


def test_a_codec_says_what_it_is() -> None:
    assert repr(toy()) == f"<regio codec toy, weights {toy().fingerprint[:8]}, on cpu>"
