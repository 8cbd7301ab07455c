"""The opacity plane of a file."""

import io

import numpy as np
from PIL import Image

from regio.errors import BadImage, CorruptFile
from regio.images import Pixels, read_picture


def pack_alpha(alpha: Pixels) -> bytes:
    """One byte for a constant plane, otherwise a grey PNG."""
    if alpha.min() == alpha.max():
        return bytes([int(alpha.flat[0])])
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, "PNG", optimize=True)
    return out.getvalue()


def unpack_alpha(body: bytes, height: int, width: int) -> Pixels:
    """The inverse of `pack_alpha`; CorruptFile if the PNG does not decode to the picture's size."""
    if len(body) == 1:
        return np.full((height, width), body[0], np.uint8)
    try:
        alpha = read_picture(body)
    except BadImage as error:
        raise CorruptFile(f"the alpha plane is damaged: {error}") from error
    if not alpha.grey or alpha.pixels.shape[:2] != (height, width):
        raise CorruptFile("the alpha plane is not a grey picture of the right size")
    return np.ascontiguousarray(alpha.pixels[..., 0])
