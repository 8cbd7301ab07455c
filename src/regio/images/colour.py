"""Colour that a file states without an ICC profile, made into a profile.

PNG has two such ways: cICP (code points of ITU-T H.273) and gAMA with cHRM. A matrix profile with
parametric curves says the same. Colours that are sRGB need no profile.
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Curve = tuple[float, ...]
"""Gamma; or gamma, a, b, c, d: (a v + b)^gamma from v = d on, c v below."""
Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue."""

_D65, _DCI, _C, _E = (0.3127, 0.3290), (0.314, 0.351), (0.310, 0.316), (1 / 3, 1 / 3)
SRGB: Chromaticities = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
ADOBE_RGB: Chromaticities = (*_D65, 0.640, 0.330, 0.210, 0.710, 0.150, 0.060)
_SMPTE_170M: Chromaticities = (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
PRIMARIES: dict[int, Chromaticities] = {  # H.273, table 2
    1: SRGB,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: _SMPTE_170M,
    7: _SMPTE_170M,
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709: Curve = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
CURVES: dict[int, Curve] = {  # H.273, table 3
    1: _BT709,
    4: (2.2,),
    5: (2.8,),
    6: _BT709,
    8: (1.0,),
    13: SRGB_CURVE,
    14: _BT709,
    15: _BT709,
}
HDR = {16: "PQ", 18: "HLG"}
_NEAR = 0.0015  # cHRM is often written with three digits
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Said:
    """The colours of a file: a profile unless they are sRGB, and a note for the user."""

    icc: bytes | None = None
    note: str | None = None


def is_srgb(icc: bytes) -> bool:
    """Whether an RGB profile shows every colour as sRGB does, to within one step of 255."""
    if icc[16:20] != b"RGB ":
        return False
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        shown = ImageCms.profileToProfile(Image.fromarray(colours), given, srgb, intent, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return False
    return shown is not None and int(np.abs(np.asarray(shown).astype(int) - colours).max()) <= 1


def from_cicp(body: bytes, grey: bool) -> Said:
    """The body of a cICP chunk: primaries, transfer, matrix (0), full range (1)."""
    if len(body) != 4:
        return Said(note="cICP colour description left out: damaged")
    primaries, transfer, matrix, full = body
    if transfer in HDR:
        return Said(
            note=f"HDR picture ({HDR[transfer]} transfer): pixels are coded as they are and the transfer is not kept, "
            "so programs show wrong brightness; convert it to SDR first"
        )
    if transfer not in CURVES or (primaries not in PRIMARIES and not grey) or matrix != 0 or full != 1:
        numbers = "/".join(map(str, body))
        return Said(note=f"colour description left out: cICP {numbers} is not supported; colours are taken as sRGB")
    return _said(PRIMARIES.get(primaries, SRGB), CURVES[transfer], grey, "cICP")


def from_gamma(gama: bytes | None, chrm: bytes | None, grey: bool) -> Said:
    """The bodies of gAMA and cHRM chunks, of which one may be missing."""
    curve, white_and_primaries = SRGB_CURVE, SRGB
    if gama is not None:
        value = struct.unpack(">I", gama)[0] / 1e5 if len(gama) == 4 else 0.0
        if not 0.1 <= value <= 10:
            return Said(note="gAMA left out: damaged; colours are taken as sRGB")
        if abs(value - 1 / 2.2) > 0.005:
            curve = (1 / value,)
    if chrm is not None:
        given = tuple(number / 1e5 for number in struct.unpack(">8I", chrm)) if len(chrm) == 32 else (0.0,) * 8
        if max(abs(a - b) for a, b in zip(given, SRGB, strict=True)) > _NEAR:
            white_and_primaries = given
            if curve == SRGB_CURVE and gama is not None:
                curve = (2.2,)
    return _said(white_and_primaries, curve, grey, "gAMA and cHRM" if gama and chrm else "gAMA" if gama else "cHRM")


def _said(primaries: Chromaticities, curve: Curve, grey: bool, what: str) -> Said:
    if curve == SRGB_CURVE and (grey or primaries == SRGB):
        return Said()
    try:
        icc = profile(primaries, curve, grey=grey)
    except (ValueError, np.linalg.LinAlgError):
        return Said(note=f"{what} left out: impossible primaries; colours are taken as sRGB")
    return Said(icc, f"{what} kept as an ICC profile")


def profile(primaries: Chromaticities, curve: Curve, *, grey: bool = False, name: str = "Stated by the file") -> bytes:
    """An ICC profile (version 4.3) of these primaries and this curve; ValueError for impossible primaries."""
    matrix = adapted_to_d50(primaries)
    kind = {1: 0, 5: 3}[len(curve)]
    trc = b"para" + struct.pack(">IHH", 0, kind, 0) + b"".join(map(_fixed, curve))
    tags = {b"desc": _text(name), b"cprt": _text("CC0"), b"wtpt": _xyz(_D50)}
    if grey:
        tags[b"kTRC"] = trc
    else:
        tags |= {name: _xyz(matrix[:, k]) for k, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc)
    table, bodies, places = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    first = 128 + 4 + 12 * len(tags)
    for tag, body in tags.items():
        if body not in places:
            places[body] = first + len(bodies)
            bodies += body + bytes(-len(body) % 4)
        table += tag + struct.pack(">II", places[body], len(body))
    space = b"GRAY" if grey else b"RGB "
    head = struct.pack(">I4sI4s4s4s", first + len(bodies), bytes(4), 0x04300000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(_fixed, _D50))
    return head + bytes(128 - len(head)) + table + bodies


def adapted_to_d50(chromaticities: Sequence[float]) -> npt.NDArray[np.float64]:
    """Linear RGB -> XYZ under D50, (3,3), adapted by Bradford's matrix."""
    pairs = np.array(chromaticities, float).reshape(4, 2)
    if (pairs[:, 1] <= 0).any() or (pairs > 1.5).any() or pairs[0].sum() > 1:
        raise ValueError("chromaticities are impossible")
    xyz = np.stack([pairs[:, 0] / pairs[:, 1], np.ones(4), (1 - pairs.sum(1)) / pairs[:, 1]])
    white, columns = xyz[:, 0], xyz[:, 1:]
    matrix = columns * np.linalg.solve(columns, white)
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: npt.NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ (scale[:, None] * _BRADFORD) @ matrix
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 100:
        raise ValueError("chromaticities are impossible")
    return adapted


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(value: npt.NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, value))


def _text(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">III2s2sII", 0, 1, 12, b"en", b"US", len(coded), 28) + coded
