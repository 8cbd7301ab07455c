"""Faces, text and the salient object are found where they are, and little else is."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from shared import SHARED, needs_shared

from regio.errors import MissingWeights, RegioError, UsageError
from regio.regions import importance, opencv
from regio.regions.salient import LAYERS, SIDE, Salient, convolve

HERE = Path(__file__).parent
PORTRAIT = HERE.parents[1] / "docs" / "images" / "portrait.jpg"
KODAK = SHARED / "data" / "kodak"
Pixels = NDArray[np.uint8]


def pixels_of(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def covered(values: Pixels, box: tuple[int, int, int, int]) -> float:
    x, y, width, height = box
    return float(values[y : y + height, x : x + width].mean()) / 255


def noise(height: int, width: int) -> Pixels:
    """Smooth blobs: nothing to read, nothing to look at."""
    generator = np.random.default_rng(0)
    small = Image.fromarray(generator.integers(80, 180, (height // 16, width // 16, 3)).astype(np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


# Faces


def test_the_face_of_a_portrait_is_found() -> None:
    pytest.importorskip("cv2")
    from regio.regions.faces import faces

    portrait = pixels_of(PORTRAIT)[100:400, :300]  # the first of the pictures side by side there
    (face,) = faces(portrait)
    x, y, width, height = face
    assert abs(x + width / 2 - 158) < 15
    assert abs(y + height / 2 - 85) < 20
    assert 80 < width < 120
    found = importance("faces", portrait)
    assert found.what == "faces: 1 found"
    assert covered(found.values, face) == pytest.approx(np.pi / 4, abs=0.02)  # an ellipse


@needs_shared
@pytest.mark.parametrize(("name", "face"), [("kodim04", (150, 220, 220, 320)), ("kodim15", (400, 80, 240, 300))])
def test_faces_of_photographs_are_found(name: str, face: tuple[int, int, int, int]) -> None:
    pytest.importorskip("cv2")
    found = importance("faces", pixels_of(KODAK / f"{name}.png"))
    assert covered(found.values, face) > 0.9
    assert found.values.mean() < 0.35 * 255


def test_the_face_of_matplotlibs_portrait_is_found() -> None:
    pytest.importorskip("cv2")
    found = importance("faces", hopper())
    assert found.what == "faces: 1 found"
    assert covered(found.values, (220, 180, 80, 100)) > 0.9


def hopper() -> Pixels:
    matplotlib = pytest.importorskip("matplotlib")
    return pixels_of(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")


@pytest.mark.parametrize("degrees", [-45, -20, 20, 45])
def test_faces_are_found_tilted(degrees: int) -> None:
    pytest.importorskip("cv2")
    tilted = Image.fromarray(hopper()).rotate(degrees, expand=True, fillcolor=(90, 90, 90))
    assert importance("faces", np.asarray(tilted)).what == "faces: 1 found"


@pytest.mark.parametrize("height", [24, 60, 700])
def test_faces_of_every_size_are_found_where_they_are(height: int) -> None:
    pytest.importorskip("cv2")
    from regio.regions.faces import faces

    whole, face = Image.fromarray(hopper()), np.array((190, 125, 160, 205))
    scale = height / face[3]
    if height == 700:
        whole, face = whole.crop((150, 80, 390, 370)), face - (150, 80, 0, 0)  # it fills the picture
    picture = whole.resize((round(whole.width * scale), round(whole.height * scale)), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (max(800, picture.width), max(600, picture.height)), (120, 130, 120))
    canvas.paste(picture, (0, 0))
    ((x, y, width, high),) = faces(np.asarray(canvas))
    middle = (face[:2] + face[2:] / 2) * scale
    assert abs(x + width / 2 - middle[0]) < 0.25 * height
    assert abs(y + high / 2 - middle[1]) < 0.25 * height
    assert 0.7 < high / height < 1.4


def test_faces_at_the_border_stay_inside_of_the_picture() -> None:
    pytest.importorskip("cv2")
    from regio.regions.faces import faces

    cut = hopper()[180:360, 180:280]  # forehead and one cheek are outside
    for x, y, width, height in faces(cut):
        assert min(x, y) >= 0
        assert width > 0
        assert height > 0
        assert x + width <= cut.shape[1]
        assert y + height <= cut.shape[0]


def test_animals_and_things_are_no_faces() -> None:
    pytest.importorskip("cv2")
    image = Image.new("RGB", (320, 240), (200, 190, 170))
    draw = ImageDraw.Draw(image)
    for x in range(20, 300, 60):  # windows with two dark panes and a sill
        draw.rectangle((x, 60, x + 40, 120), fill=(90, 80, 70))
        draw.rectangle((x + 6, 70, x + 17, 90), fill=(20, 20, 30))
        draw.rectangle((x + 23, 70, x + 34, 90), fill=(20, 20, 30))
        draw.rectangle((x + 10, 106, x + 30, 110), fill=(40, 30, 30))
    assert not importance("faces", np.asarray(image)).found


def test_a_missing_or_damaged_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    from regio.regions import faces

    broken = tmp_path / "broken.onnx"
    broken.write_bytes(faces.MODEL.read_bytes()[:1000])
    for path in (broken, tmp_path / "none.onnx"):
        monkeypatch.setattr(faces, "MODEL", path)
        with pytest.raises(MissingWeights, match="the face detector is missing or damaged") as caught:
            importance("faces", noise(64, 64))
        assert "\n" not in str(caught.value)


def test_the_network_is_the_one_of_its_card() -> None:
    from regio.regions import faces

    card = faces.MODEL.with_suffix(".md").read_text(encoding="utf-8")
    assert hashlib.sha256(faces.MODEL.read_bytes()).hexdigest() in card
    assert "Permission is hereby granted" in card


def test_an_opencv_without_the_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2")
    from regio.regions import faces

    faces._network.cache_clear()
    monkeypatch.delattr(cv2, "FaceDetectorYN")
    with pytest.raises(RegioError, match=r"has no FaceDetectorYN; install: pip install 'regio\[regions\]'"):
        importance("faces", noise(64, 64))


def test_where_there_are_none_none_are_found() -> None:
    pytest.importorskip("cv2")
    for roi in ("faces", "text"):
        found = importance(roi, noise(240, 320))
        assert not found.found
        assert found.what == f"{roi}: none found"
        assert not importance(roi, np.full((3, 2, 3), 9, np.uint8)).found


def test_without_opencv_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    for roi in ("faces", "text"):
        with pytest.raises(RegioError, match=r"needs OpenCV: pip install 'regio\[regions\]'"):
            importance(roi, noise(64, 64))
    with pytest.raises(RegioError):
        opencv.cv2_of("anything")


# Text


@pytest.mark.parametrize("ink", [(20, 20, 30), (250, 250, 245)])
@pytest.mark.parametrize("size", [18, 40])
def test_lines_of_text_are_found_dark_or_bright(ink: tuple[int, int, int], size: int) -> None:
    pytest.importorskip("cv2")
    image = Image.fromarray(noise(256, 384))
    ImageDraw.Draw(image).text((60, 100), "Harbour 1913", fill=ink, font=ImageFont.load_default(size=size))
    found = importance("text", np.asarray(image))
    font = ImageFont.load_default(size=size)
    left, top, right, bottom = ImageDraw.Draw(image).textbbox((60, 100), "Harbour 1913", font=font)
    box = tuple(int(v) for v in (left, top, right - left, bottom - top))
    assert covered(found.values, box) > 0.7
    assert found.values.sum() / 255 < 2.5 * box[2] * box[3]


@needs_shared
def test_the_number_on_a_sail_is_found() -> None:
    pytest.importorskip("cv2")
    found = importance("text", pixels_of(KODAK / "kodim09.png"))
    assert covered(found.values, (390, 408, 50, 32)) > 0.9
    assert found.values.mean() < 0.02 * 255


# The salient object


def test_a_thing_in_front_of_nothing_is_salient() -> None:
    pixels = np.full((300, 400, 3), (120, 150, 120), np.uint8)
    pixels[90:210, 140:260] = (210, 60, 40)
    found = importance("salient", pixels)
    assert covered(found.values, (150, 100, 100, 100)) > 0.6
    assert covered(found.values, (0, 0, 100, 300)) < 0.25


def test_convolutions_are_those_of_the_textbook() -> None:
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    for kernel, stride in ((1, 1), (3, 1), (3, 2)):
        x = generator.normal(size=(1, 4, 12, 10)).astype(np.float32)
        weight = generator.normal(size=(5, 4, kernel, kernel)).astype(np.float32)
        expected = torch.nn.functional.conv2d(
            torch.from_numpy(x), torch.from_numpy(weight), stride=stride, padding=kernel // 2
        )
        assert np.abs(convolve(x, weight, stride) - expected.numpy()).max() < 1e-4


def test_the_network_is_small_and_its_map_a_map() -> None:
    network = Salient()
    assert sum(tensor.size for tensor in network.tensors.values()) < 150_000
    assert set(network.tensors) == {f"{name}.{part}" for name in LAYERS for part in ("weight", "bias")}
    found = network.map(noise(64, 200))
    assert found.shape == (SIDE // 2, SIDE // 2)
    assert found.min() >= 0
    assert found.max() <= 1


def test_weights_that_are_none_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    with pytest.raises(MissingWeights, match="missing or damaged"):
        Salient(path)
    path.write_bytes(b"garbage")
    with pytest.raises(MissingWeights, match="missing or damaged"):
        Salient(path)
    from safetensors.numpy import save_file

    save_file({"stem.weight": np.zeros((1, 1), np.float32)}, path)
    with pytest.raises(MissingWeights, match="layer stem"):
        Salient(path)


# Those of other people


def test_any_function_is_a_detector() -> None:
    def left(pixels: Pixels) -> NDArray[np.float64]:
        return np.array([[1.0, 0.0]])

    found = importance(left, noise(64, 128))
    assert found.values[0, 0] == 255
    assert found.values[0, -1] == 0
    assert not importance(lambda pixels: np.full((4, 4), 0.3), noise(64, 64)).found
    for wrong in (np.zeros((2, 2, 3)), np.full((2, 2), np.nan), np.zeros((0, 2))):
        with pytest.raises(UsageError, match="no map of finite numbers"):
            importance(lambda pixels, wrong=wrong: wrong, noise(64, 64))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'cats' is neither a file nor one of faces, text, salient"):
        importance("cats", noise(64, 64))
