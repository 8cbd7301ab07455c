"""Pictures in and out of Pillow.

`opening` says which formats are read; `reading` makes a Picture of anything; `png`, `blocks` and `colour`
know the metadata; `stored` takes it in and out of .rgo files; `hidden` fills what cannot be seen;
`writing` makes images and files.
"""

from regio.images.blocks import EXIF_PREFIX
from regio.images.colour import is_srgb
from regio.images.hidden import fill_hidden
from regio.images.opening import FORMATS, open_picture
from regio.images.reading import Array, Picture, Pixels, Source, read_picture
from regio.images.stored import Stored, metadata_chunks, stored_in
from regio.images.writing import metadata, quality_options, to_file, to_pil, writable_kind

__all__ = [
    "EXIF_PREFIX", "FORMATS", "Array", "Picture", "Pixels", "Source", "Stored", "fill_hidden", "is_srgb",
    "metadata", "metadata_chunks", "open_picture", "quality_options", "read_picture", "stored_in",
    "to_file", "to_pil", "writable_kind",
]  # fmt: skip
