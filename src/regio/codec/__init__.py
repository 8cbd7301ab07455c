"""Pictures to bytes and back: what everything around the models stands on."""

from regio.codec.api import DEFAULT_QUALITY, Codec, decode, load, shared, verify

__all__ = ["DEFAULT_QUALITY", "Codec", "decode", "load", "shared", "verify"]
