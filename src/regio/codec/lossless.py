"""Store a picture without loss, as a WebP bit stream, if that takes fewer bytes: charts, line art, flat areas.

No network of ours is as good at them as WebP's lossless mode, whatever the quality (docs/decisions/0043).
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from PIL import Image, features

from regio.codec.layout import Box
from regio.errors import CorruptFile, LimitExceeded, UnsupportedFile
from regio.format import Chunk, Header, Kind, RgoFile, pack
from regio.format.chunks import webp_head
from regio.format.container import NO_SYMBOLS
from regio.images import Picture, Pixels, open_picture

METHOD, EFFORT = 4, 75  # 0.4 s for a megapixel of a photograph; the highest take forty times as long for 0 to 19 %
LONGEST = 16383  # pixels of a side that libwebp writes
WRAPPER = 20  # bytes of a WebP file before its bit stream
PIXEL_BYTES = 16  # of memory to decode a pixel: the words of the WebP, the image, and the picture
PACKED_BYTES = 40  # of memory to encode a pixel
SAMPLED = 16  # strips of so many rows are packed to guess at the size of the whole
DOUBT = 6  # a picture whose guess is so many times the limit is not packed: guesses are up to 5 times too large
SLACK = 8192  # bytes by which the guess at an easy picture may be wrong, ...
SLACK_OF = 200  # ... and a byte for so many samples


def smaller_file(picture: Picture, header: Header, others: tuple[Chunk, ...], limit: int) -> bytes | None:
    """The file that holds a picture without loss, if it takes at most `limit` bytes; None otherwise.

    Fully transparent pixels become black, which takes the fewest bytes.
    header: size, colour and weights count; others: the other chunks of the file.
    """
    if max(picture.width, picture.height) > LONGEST or not features.check("webp"):
        return None
    other = header.size + sum(chunk.size for chunk in others)
    pixels = picture.pixels if picture.alpha is None else picture.pixels * (picture.alpha > 0)[..., None]
    planes = pixels[..., :1] if picture.grey else pixels
    if limit < other or _guess(planes) > DOUBT * (limit - other) + SLACK + planes.size // SLACK_OF:
        return None
    data = pack(RgoFile(header, (*others, Chunk(Kind.LOSSLESS, _stream(pixels)))), NO_SYMBOLS)
    return data if len(data) <= limit else None


def pixels_of(file: RgoFile, region: Box) -> Pixels:
    """(h,w,3): a region of the picture of such a file. CorruptFile; UnsupportedFile where Pillow lacks WebP."""
    if not features.check("webp"):
        raise UnsupportedFile("the file holds the picture as a WebP, which this Pillow cannot read")
    body = file.body(Kind.LOSSLESS)
    assert body is not None
    even = body + bytes(len(body) % 2)
    riff = b"RIFF" + (12 + len(even)).to_bytes(4, "little") + b"WEBPVP8L" + len(body).to_bytes(4, "little")
    try:
        with open_picture(io.BytesIO(riff + even)) as image:
            pixels = np.asarray(image.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise LimitExceeded(f"{error}; raise PIL.Image.MAX_IMAGE_PIXELS if you trust the file") from error
    except Exception as error:  # Pillow's readers raise whatever the damage leads to
        raise CorruptFile("the picture without loss is damaged: WebP cannot decode it") from error
    if file.header.grey and not (pixels == pixels[..., :1]).all():
        raise CorruptFile("the picture without loss has colours, and the header says that it is grey")
    rows, columns = region
    return np.ascontiguousarray(pixels[rows.start : rows.stop, columns.start : columns.stop])


def encoding_cost(picture: Picture) -> int:
    """Bytes of memory that the attempt takes."""
    return PACKED_BYTES * picture.width * picture.height


def decoding_cost(head: Header) -> int:
    """Bytes of memory that decoding such a file takes."""
    return PIXEL_BYTES * head.pixels


def _stream(pixels: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "WEBP", lossless=True, method=METHOD, quality=EFFORT)
    whole = out.getvalue()
    length = int.from_bytes(whole[WRAPPER - 4 : WRAPPER], "little")
    stream = whole[WRAPPER : WRAPPER + length]
    assert whole[12:16] == b"VP8L"
    assert stream.startswith(webp_head(pixels.shape[1], pixels.shape[0]))
    return stream


def _guess(planes: Pixels) -> float:
    """The bytes of the whole, by those of a few strips."""
    rows = planes.shape[0]
    starts = np.linspace(0, max(0, rows - SAMPLED), min(SAMPLED, -(-rows // (4 * SAMPLED)))).astype(int)
    strips = [planes[at : at + SAMPLED] for at in starts]
    packed = sum(len(zlib.compress(np.diff(strip, axis=1, prepend=np.uint8(0)).tobytes(), 1)) for strip in strips)
    return packed * planes.size / sum(strip.size for strip in strips)
