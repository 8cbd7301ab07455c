"""Encode and decode many pictures, on the cores of one machine or on a cluster: `regio bulk`.

    from regio import bulk
    report = bulk.encode("photos", "s3://bucket/small", quality=50, workers=8)

Planning, journal and manifest are plain Python with fsspec; Ray Data runs the work. See docs/bulk.md.
"""

from regio.bulk.journal import Row, read_manifest
from regio.bulk.run import DecodeOptions, EncodeOptions, Job, Report, decode, decoding, encode, encoding

__all__ = [
    "DecodeOptions", "EncodeOptions", "Job", "Report", "Row", "decode", "decoding", "encode", "encoding",
    "read_manifest",
]  # fmt: skip


def __dir__() -> list[str]:
    return __all__
