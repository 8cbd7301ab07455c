"""Pictures in forms that few programs write: each is read, and what cannot be kept is named."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from regio.errors import BadImage
from regio.images import fill_hidden, is_srgb, open_picture, read_picture, to_file, to_pil
from regio.images.blocks import orientation_of, resolution_of
from regio.images.colour import ADOBE_RGB, PRIMARIES, SRGB, SRGB_CURVE, profile
from regio.images.png import SIGNATURE

EXIF_6 = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
RGB16 = np.random.default_rng(3).integers(0, 65536, (13, 17, 3)).astype(">u2")
XMP = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>{}</rdf:RDF></x:xmpmeta>"


def chunk(name: bytes, body: bytes, spoilt: bool = False) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ spoilt)


def png(photo: Image.Image, *chunks: bytes, late: bool = False) -> bytes:
    stream = io.BytesIO()
    photo.save(stream, "PNG")
    data = stream.getvalue()
    at = len(data) - 12 if late else 33
    return data[:at] + b"".join(chunks) + data[at:]


def raw_png(size: tuple[int, int], depth: int, colour: int, rows: list[bytes], *chunks: bytes, adam7: int = 0) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, adam7))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return SIGNATURE + head + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def jpeg(photo: Image.Image, *segments: tuple[int, bytes], **options: object) -> bytes:
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=95, subsampling=0, **options)
    data = stream.getvalue()
    inserted = b"".join(bytes([255, m]) + struct.pack(">H", len(body) + 2) + body for m, body in segments)
    return data[:2] + inserted + data[2:]


def paeth_row(row: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """A row of bytes, filtered by PNG's fourth filter."""
    a, c = (np.concatenate([np.zeros(step, int), line[:-step].astype(int)]) for line in (row, above))
    b = above.astype(int)
    pa, pb, pc = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    guess = np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))
    return b"\4" + ((row - guess) % 256).astype(np.uint8).tobytes()


# Only the formats that are named -------------------------------------------------------------------------------------


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("name", ["a.eps", "a.png", "a.jpg", "a", "a.tif", "a.rgo"])
def test_an_eps_file_of_any_name_never_reaches_ghostscript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from PIL import EpsImagePlugin

    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    (tmp_path / name).write_bytes(EPS)
    for source in (tmp_path / name, EPS, io.BytesIO(EPS), Image.open(io.BytesIO(EPS))):
        with pytest.raises(BadImage):
            read_picture(source)
    with pytest.raises(OSError, match="cannot identify"):
        open_picture(tmp_path / name)


@pytest.mark.parametrize("brand", [b"\0\0\0\x18ftypheic", b"\xff\x0a" + bytes(20), b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_a_kind_whose_plugin_is_missing_names_the_package(brand: bytes) -> None:
    with pytest.raises(BadImage, match=r"needs the package pillow-|cannot be decoded"):
        read_picture(brand + bytes(30))


# B: colour that nobody sees ------------------------------------------------------------------------------------------


def masks() -> dict[str, np.ndarray]:
    down, right = np.mgrid[:40, :56]
    return {
        "corner": (down < 9) & (right < 9),
        "frame": (down < 3) | (right < 3) | (down > 36) | (right > 52),
        "stripes": right % 7 < 4,
        "all but one": (down != 20) | (right != 30),
        "circle": (down - 20) ** 2 + (right - 28) ** 2 > 150,
        "half": down >= 20,
        "all": down >= 0,
    }


@pytest.mark.parametrize("name", list(masks()))
@pytest.mark.parametrize("grey", [False, True])
def test_what_is_hidden_follows_from_what_is_visible(photo, name: str, grey: bool) -> None:
    hidden = masks()[name]
    pixels = np.asarray(photo(56, 40, "L" if grey else "RGB"))
    noise = np.random.default_rng(1).integers(0, 256, pixels.shape).astype(np.uint8)
    covered = hidden if grey else hidden[..., None]
    filled = []
    for secret in (noise, np.zeros_like(pixels)):
        colours = np.where(covered, secret, pixels)
        whole = np.dstack([colours, np.where(hidden, 0, 200).astype(np.uint8)])
        picture = fill_hidden(read_picture(whole))
        assert np.array_equal(
            picture.pixels[~hidden], (np.repeat(pixels[..., None], 3, 2) if grey else pixels)[~hidden]
        )
        filled.append(picture.pixels)
    assert np.array_equal(filled[0], filled[1])
    across = np.abs(np.diff(filled[0].astype(int), axis=1))[hidden[:, 1:] & hidden[:, :-1]]
    assert not across.size or across.max() <= 100  # noise has steps of 250
    if name in ("all", "all but one"):
        assert len(np.unique(filled[0][hidden])) <= 3


def test_a_picture_in_several_strips_is_filled_alike(photo, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.dstack([np.asarray(photo(56, 40)), np.where(masks()["half"], 0, 255).astype(np.uint8)])
    monkeypatch.setattr("regio.images.hidden.STRIP", 56 * 7)
    found = fill_hidden(read_picture(pixels)).pixels
    assert np.abs(found[21:].astype(int) - found[30]).max() <= 80
    assert np.array_equal(found[:20], pixels[:20, :, :3])


def test_a_picture_without_hidden_pixels_is_left_as_it_is(photo) -> None:
    for source in (photo(), photo(mode="L"), np.dstack([np.asarray(photo()), np.full((16, 24), 1, np.uint8)])):
        picture = read_picture(source)
        assert fill_hidden(picture) is picture


# C: damaged metadata -------------------------------------------------------------------------------------------------

DAMAGED = {
    "text with a wrong checksum": chunk(b"tEXt", b"Title\0a", spoilt=True),
    "zTXt that does not inflate": chunk(b"zTXt", b"Title\0\0rubbish"),
    "zTXt of an unknown compression": chunk(b"zTXt", b"Title\0\7" + zlib.compress(b"a")),
    "zTXt cut short": chunk(b"zTXt", b"Title\0\0" + zlib.compress(b"a" * 500)[:-6]),
    "iTXt without its fields": chunk(b"iTXt", b"Title\0\0"),
    "iTXt that does not inflate": chunk(b"iTXt", b"Title\0\1\0\0\0rubbish"),
    "text without a keyword": chunk(b"tEXt", b"no zero"),
    "EXIF with a wrong checksum": chunk(b"eXIf", EXIF_6, spoilt=True),
    "EXIF of zeros": chunk(b"eXIf", bytes(40)),
    "EXIF cut in its directory": chunk(b"eXIf", EXIF_6[:15]),
    "EXIF whose directory lies outside": chunk(b"eXIf", b"MM\0*" + b"\xff" * 8),
    "empty EXIF of a raw profile": chunk(b"tEXt", b"Raw profile type exif\0"),
    "raw profile of a wrong length": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 99\n" + EXIF_6.hex().encode()),
    "raw profile of no numbers": chunk(b"tEXt", b"Raw profile type iptc\0\niptc\n xx\n00"),
    "ICC that does not inflate": chunk(b"iCCP", b"icc\0\0rubbish"),
    "gAMA of two bytes": chunk(b"gAMA", b"ab"),
    "gAMA of zero": chunk(b"gAMA", bytes(4)),
    "cHRM of zeros": chunk(b"cHRM", bytes(32)),
    "cICP of three bytes": chunk(b"cICP", b"\1\1\0"),
}


@pytest.mark.parametrize("late", [False, True], ids=["before the pixels", "after them"])
@pytest.mark.parametrize("name", list(DAMAGED))
def test_damaged_metadata_is_left_out_with_a_note(photo, name: str, late: bool) -> None:
    picture = read_picture(png(photo(), DAMAGED[name], late=late))
    assert np.array_equal(picture.pixels, np.asarray(photo()))
    assert len(picture.notes) == 1
    assert "left out" in picture.notes[0]
    assert (picture.exif, picture.xmp, picture.icc) == (None, None, None)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # what Pillow says to a program that looks at warnings
@pytest.mark.parametrize("body", [b"", b"rubbish", b"II*\0\xff\xff\xff\xff", EXIF_6[:12], bytes(30)])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_damaged_exif_of_other_kinds_is_left_out_too(photo, kind: str, body: bytes) -> None:
    if kind == "JPEG":
        data = jpeg(photo(), (0xE1, b"Exif\0\0" + body))
    else:
        stream = io.BytesIO()
        photo().save(stream, "WEBP", lossless=True, exif=body)
        data = stream.getvalue()
    picture = read_picture(data)
    assert (picture.width, picture.exif) == (24, None)


def test_damaged_pixels_are_still_refused(photo) -> None:
    data = png(photo())
    at = data.index(b"IDAT") + 12
    with pytest.raises(BadImage):
        read_picture(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])


def test_sound_texts_are_named_and_sound_exif_is_kept(photo) -> None:
    body = b"Raw profile type exif\0\nexif\n      " + str(len(EXIF_6)).encode() + b"\n" + EXIF_6.hex().encode() + b"\n"
    picture = read_picture(png(photo(), chunk(b"tEXt", b"Title\0Lake"), chunk(b"tEXt", body)))
    assert (picture.width, picture.height) == (16, 24)
    assert picture.notes == ("text left out: Title",)


# D: transparency of one colour ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("key", [0, 1])
def test_transparent_grey_of_every_depth(depth: int, key: int) -> None:
    values = np.random.default_rng(depth).integers(0, 2, (5, 16))
    bits = ((values[..., None] >> np.arange(depth)[::-1]) & 1).reshape(5, -1).astype(np.uint8)
    rows = [b"\0" + np.packbits(row).tobytes() for row in bits]
    picture = read_picture(raw_png((16, 5), depth, 0, rows, chunk(b"tRNS", struct.pack(">H", key))))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, values == key)


@pytest.mark.parametrize("key", [(0, 0), (4, 9), (12, 16)])
@pytest.mark.parametrize("filtered", [False, True])
def test_transparent_16_bit_colours_match_in_all_their_bits(key: tuple[int, int], filtered: bool) -> None:
    values = RGB16.copy()
    values[5, 5] = values[key] ^ np.array([0, 1, 0], ">u2")  # another colour with the same upper bytes
    values[2, 3] = values[key]
    lines = np.frombuffer(values.tobytes(), np.uint8).reshape(13, -1)
    above = np.concatenate([np.zeros_like(lines[:1]), lines[:-1]])
    rows = [
        paeth_row(a, b, 6) if filtered else b"\0" + a.astype(np.uint8).tobytes()
        for a, b in zip(lines.astype(int), above, strict=True)
    ]
    picture = read_picture(raw_png((17, 13), 16, 2, rows, chunk(b"tRNS", values[key].tobytes())))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, (values == values[key]).all(axis=2))
    assert np.array_equal(picture.pixels, (values >> 8).astype(np.uint8))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 5), (8, 8), (17, 13)])
def test_transparent_16_bit_colours_of_interlaced_pictures(size: tuple[int, int]) -> None:
    values = RGB16[: size[1], : size[0]].copy()
    values[-1, -1] = values[0, 0]
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = [values[y::dy, x::dx] for x, y, dx, dy in passes]
    rows = [b"\0" + row.tobytes() for part in parts if part.size for row in part]
    picture = read_picture(raw_png(size, 16, 2, rows, chunk(b"tRNS", values[0, 0].tobytes()), adam7=1))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, (values == values[0, 0]).all(axis=2))


# E: colour without a profile -----------------------------------------------------------------------------------------


def to_srgb(icc: bytes, colours: np.ndarray, mode: str = "RGB") -> np.ndarray:
    given = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    image = ImageCms.profileToProfile(Image.fromarray(colours), given, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert image is not None
    return np.asarray(image)


def cicp(*numbers: int) -> bytes:
    return chunk(b"cICP", bytes(numbers))


def chrm(*numbers: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(n * 1e5) for n in numbers)))


def gama(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 1e5)))


def to_xyz(chromaticities: tuple[float, ...]) -> np.ndarray:
    """Linear RGB -> XYZ, (3,3), by the definition of chromaticities."""
    (wx, wy), *rgb = np.array(chromaticities).reshape(4, 2)
    columns = np.array([[x, y, 1 - x - y] for x, y in rgb]).T
    return columns * np.linalg.solve(columns, np.array([wx, wy, 1 - wx - wy]) / wy)


@pytest.mark.parametrize(
    ("chunks", "primaries", "gamma"),
    [
        ([cicp(12, 4, 0, 1)], PRIMARIES[12], 2.2),
        ([cicp(9, 4, 0, 1)], PRIMARIES[9], 2.2),
        ([cicp(1, 8, 0, 1)], SRGB, 1.0),
        ([cicp(5, 5, 0, 1)], PRIMARIES[5], 2.8),
        ([gama(1.0)], SRGB, 1.0),
        ([gama(1 / 1.8)], SRGB, 1.8),
        ([gama(1 / 2.2), chrm(*ADOBE_RGB)], ADOBE_RGB, 2.2),
        ([gama(1 / 1.8), chrm(*PRIMARIES[12])], PRIMARIES[12], 1.8),
    ],
)
def test_colours_stated_by_chunks_become_a_profile(
    photo, chunks: list[bytes], primaries: tuple[float, ...], gamma: float
) -> None:
    picture = read_picture(png(photo(), *chunks))
    assert picture.icc is not None
    assert len(picture.notes) == 1
    assert "kept as an ICC profile" in picture.notes[0]
    for stated in ((100, 150, 110), (128, 128, 128), (200, 170, 160)):
        shown = to_srgb(picture.icc, np.full((1, 1, 3), stated, np.uint8))[0, 0]
        linear = np.linalg.solve(to_xyz(SRGB), to_xyz(primaries) @ ((np.array(stated) / 255) ** gamma))
        seen = 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear.clip(0, 1) ** (1 / 2.4) - 0.055)
        assert np.abs(shown - seen).max() <= 2


@pytest.mark.parametrize(
    "chunks",
    [
        [cicp(1, 13, 0, 1)],
        [gama(0.45455)],
        [gama(0.45455), chrm(*SRGB)],
        [chunk(b"sRGB", b"\0"), gama(1.0)],
        [chrm(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)],
    ],
)
def test_srgb_stated_in_any_way_needs_no_profile(photo, chunks: list[bytes]) -> None:
    picture = read_picture(png(photo(), *chunks))
    assert (picture.icc, picture.notes) == (None, ())


@pytest.mark.parametrize("numbers", [(9, 16, 0, 1), (9, 18, 0, 1), (12, 16, 0, 1), (1, 18, 0, 1), (9, 16, 9, 0)])
def test_an_hdr_transfer_is_named(photo, numbers: tuple[int, ...]) -> None:
    picture = read_picture(png(photo(), cicp(*numbers)))
    assert picture.icc is None
    assert "HDR picture" in picture.notes[0]


@pytest.mark.parametrize("numbers", [(3, 13, 0, 1), (1, 99, 0, 1), (1, 13, 1, 1), (1, 13, 0, 0), (255, 255, 0, 1)])
def test_an_unknown_code_point_is_named(photo, numbers: tuple[int, ...]) -> None:
    assert "is not supported" in read_picture(png(photo(), cicp(*numbers))).notes[0]


def test_a_profile_is_believed_before_gamma_and_after_cicp(photo) -> None:
    icc = profile(ADOBE_RGB, (2.2,))
    body = chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))
    assert read_picture(png(photo(), body, gama(1.0))).icc == icc
    assert read_picture(png(photo(), body, cicp(1, 13, 0, 1))).icc is None


def test_grey_gets_a_grey_profile(photo) -> None:
    picture = read_picture(png(photo(mode="L"), gama(1.0)))
    assert picture.icc is not None
    assert picture.icc[16:20] == b"GRAY"
    assert abs(int(to_srgb(picture.icc, np.full((1, 1), 55, np.uint8))[0, 0, 0]) - 128) <= 3


def test_a_made_profile_of_srgb_changes_no_colour() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    assert np.abs(to_srgb(profile(SRGB, SRGB_CURVE), colours).astype(int) - colours).max() <= 2


# F: metadata ---------------------------------------------------------------------------------------------------------


ORIENTATIONS = {
    "single quotes": "<rdf:Description xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'/>",
    "spaces": '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation = "6"/>',
    "an element": '<d xmlns:tiff="http://ns.adobe.com/tiff/1.0/"><tiff:Orientation>6</tiff:Orientation></d>',
    "an element with a type": '<d><tiff:Orientation rdf:datatype="int">\n 6 </tiff:Orientation></d>',
    "another prefix": '<d xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"/>',
    "plain": '<d tiff:Orientation="6"/>',
}


@pytest.mark.parametrize("with_exif", [False, True])
@pytest.mark.parametrize("name", list(ORIENTATIONS))
def test_orientation_in_xmp_is_applied_once_in_every_notation(photo, name: str, with_exif: bool) -> None:
    packet = XMP.format(ORIENTATIONS[name]).encode()
    segments = [(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)]
    if with_exif:
        segments.insert(0, (0xE1, b"Exif\0\0" + EXIF_6))
    picture = read_picture(jpeg(photo(), *segments))
    assert (picture.width, picture.height) == (16, 24)
    assert orientation_of(None, picture.xmp) == 1
    again = read_picture(to_file(to_pil(picture), ".png"))
    assert (again.width, again.height) == (16, 24)


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_xmp_in_utf_16_becomes_utf_8(photo, coding: str) -> None:
    packet = XMP.format(ORIENTATIONS["plain"])
    picture = read_picture(jpeg(photo(), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.encode(coding))))
    assert picture.width == 16
    assert picture.xmp == packet.replace('"6"', '"1"').encode()


PROMISES = {
    "attributes": '<d xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" hdrgm:GainMapMax="2"/>',
    "another prefix": "<d xmlns:g='http://ns.adobe.com/hdr-gain-map/1.0/' g:Version='1.0'/>",
    "elements": '<d xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"><hdrgm:GainMapMax><i>2</i></hdrgm:GainMapMax></d>',
    "Apple's": '<d xmlns:HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/" HDRGainMap:HDRGainMapVersion="65536"/>',
    "a directory": '<d xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"><Container:Directory><l Item:Semantic="GainMap"/>'
    "</Container:Directory></d>",
    "motion": '<d xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"/>',
    "an extended packet": '<d xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="AB"/>',
}


@pytest.mark.parametrize("name", list(PROMISES))
def test_xmp_promises_nothing_that_is_not_kept(photo, name: str) -> None:
    packet = XMP.format(PROMISES[name] + '<e dc:title="kept"/>').encode()
    picture = read_picture(jpeg(photo(), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)))
    assert len(picture.notes) == 1
    assert "gain map" in picture.notes[0] or "outside the picture" in picture.notes[0]
    assert picture.xmp is not None
    assert b'dc:title="kept"' in picture.xmp
    for word in (b"Version=", b"GainMapMax", b"Semantic", b"MotionPhoto=", b"HasExtended"):
        assert word not in picture.xmp


def test_iptc_comments_and_further_pictures_are_named(photo) -> None:
    iptc = b"\x1c\x02\x78\x00\x05hello"
    photoshop = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc
    assert read_picture(jpeg(photo(), (0xED, photoshop))).notes == ("IPTC caption and keywords left out",)
    assert read_picture(jpeg(photo(), (0xFE, b"a comment"))).notes == ("comment left out",)
    raw = b"Raw profile type iptc\0\niptc\n 10\n" + iptc.hex().encode()
    assert read_picture(png(photo(), chunk(b"tEXt", raw))).notes == ("IPTC caption and keywords left out",)
    stream = io.BytesIO()
    photo().save(stream, "MPO", save_all=True, append_images=[photo(), photo()])
    assert "2 further pictures of the file left out" in read_picture(stream.getvalue()).notes[0]
    stream = io.BytesIO()
    photo().save(stream, "TIFF", tiffinfo={33723: iptc})
    assert "IPTC caption and keywords left out" in read_picture(stream.getvalue()).notes


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("dpi", [(300, 300), (96, 96), (600, 300), (299.72, 299.72)])
def test_the_resolution_is_kept(photo, kind: str, dpi: tuple[float, float]) -> None:
    stream = io.BytesIO()
    photo().save(stream, kind, dpi=dpi)
    image = to_pil(read_picture(stream.getvalue()))
    assert np.abs(np.array(image.info["dpi"]) - dpi).max() < 0.5  # JPEG has whole numbers only
    for extension in (".png", ".jpg", ".tif"):
        with Image.open(io.BytesIO(to_file(image, extension))) as again:
            assert np.abs(np.array(again.info["dpi"], float) - dpi).max() < 1


def test_a_resolution_that_readers_assume_takes_no_bytes(photo) -> None:
    stream = io.BytesIO()
    photo().save(stream, "JPEG", dpi=(72, 72))
    assert read_picture(stream.getvalue()).exif is None
    assert resolution_of(None) is None


@pytest.mark.parametrize("size", [65_000, 65_600, 100_000, 1_000_000])
def test_long_xmp_does_not_block_jpeg(photo, size: int, caplog: pytest.LogCaptureFixture) -> None:
    image = photo()
    image.info["xmp"] = b"x" * size
    with Image.open(io.BytesIO(to_file(image, ".jpg"))) as again:
        assert ("xmp" in again.info) == (size < 65_502)
    assert ("XMP left out" in caplog.text) == (size >= 65_502)


@pytest.mark.parametrize("opacity", [0, 1, 0x8000, 0xFF00, 0xFFFF])
def test_16_bit_grey_with_alpha_stays_grey(opacity: int) -> None:
    values = np.arange(5 * 7, dtype=np.uint16).reshape(5, 7) * 1800
    both = np.stack([values, np.full_like(values, opacity)], -1).astype(">u2")
    picture = read_picture(raw_png((7, 5), 16, 4, [b"\0" + row.tobytes() for row in both]))
    assert picture.grey
    assert picture.alpha is not None
    assert (picture.alpha == opacity >> 8).all()
    assert np.array_equal(picture.pixels[..., 1], values >> 8)


@pytest.mark.parametrize("kind", [np.int32, np.uint32])
@pytest.mark.parametrize("highest", [1, 255, 60_000, 70_000, 2**31 - 1])
def test_a_tiff_of_32_bit_integers_is_refused(kind: type, highest: int) -> None:
    values = np.linspace(0, highest, 35).reshape(5, 7).astype(kind)
    entries = {256: 7, 257: 5, 258: 32, 259: 1, 262: 1, 273: 8, 277: 1, 278: 5, 279: 140, 339: 1 + (kind is np.int32)}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    head = b"II*\0" + struct.pack("<I", 148) + values.astype("<u4").tobytes()
    with pytest.raises(BadImage, match=r"32-bit integers"):
        read_picture(head + struct.pack("<H", len(entries)) + directory + bytes(4))


@pytest.mark.parametrize(
    ("icc", "same"),
    [
        (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), True),
        (profile(SRGB, SRGB_CURVE), True),
        (profile(PRIMARIES[12], SRGB_CURVE), False),
        (profile(ADOBE_RGB, (2.2,)), False),
        (profile(SRGB, (1.8,)), False),
        (profile(SRGB, (2.2,), grey=True), False),
        (b"rubbish", False),
    ],
)
def test_a_profile_is_srgb_if_it_shows_the_same_colours(icc: bytes, same: bool) -> None:
    assert is_srgb(icc) == same


def test_an_exif_block_without_tags_is_kept(photo) -> None:
    block = b"II*\0\x08\0\0\0" + bytes(6)
    picture = read_picture(png(photo(), chunk(b"eXIf", block)))
    assert (picture.exif, picture.notes) == (block, ())


@pytest.mark.parametrize(
    "tags", [{254: 1}, {50706: b"\1\4\0\0"}, {254: 0, 50706: b"\1\6\0\0"}, {254: 1, 50706: b"\1\4"}]
)
def test_a_raw_file_is_not_taken_for_its_preview(photo, tags: dict[int, object], tmp_path: Path) -> None:
    found = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        found[tag] = value
    path = tmp_path / "raw.tif"  # its name does not matter
    photo().save(path, "TIFF", tiffinfo=found)
    with Image.open(path) as image:
        for source in (path, path.read_bytes(), image):
            with pytest.raises(BadImage, match="camera raw files are not read, only their small previews could be"):
                read_picture(source)


@pytest.mark.parametrize(
    "start",
    [
        b"II*\0\x10\0\0\0CR\2\0",
        b"\0\0\0\x18ftypcrx ",
        b"FUJIFILMCCD-RAW ",
        b"IIRO\x08\0\0\0",
        b"IIRS\x08\0\0\0",
        b"MMOR\0\0\0\x08",
        b"IIU\0\x18\0\0\0",
    ],
)
def test_raw_files_are_known_by_their_first_bytes(start: bytes) -> None:
    with pytest.raises(BadImage, match="develop it to TIFF, PNG or JPEG first"):
        read_picture(start + bytes(60))


def test_a_plain_tiff_and_its_smaller_versions_are_read(photo, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    whole, reduced = TiffImagePlugin.ImageFileDirectory_v2(), photo().reduce(2)
    whole[254] = 0
    reduced.encoderinfo = {"tiffinfo": {254: 1}}
    photo().save(path, "TIFF", tiffinfo=whole, save_all=True, append_images=[reduced])
    np.testing.assert_array_equal(read_picture(path).pixels, np.asarray(photo()))
