"""Files of the first version of the format decode as they did when they were made; see README.md beside this file."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toy_codec import code_of_page

import regio
from regio.codec import Codec
from regio.entropy import FactorizedPrior, StreamReader, StreamWriter, TableSet
from regio.format import parse, verify_check
from regio.format.header import MAX_RATE
from regio.nn.regional import GridRegions

HERE = Path(__file__).parent
FILES = {
    "photo": "exact",
    "grey": "exact",
    "tiny": "exact",
    "metadata": "exact",
    "guarded": "guarded",
    "region": "exact",
    "passes": "passes",
}
HASHES = {
    "photo.rgo": "433e9e2f8663b8ae",
    "grey.rgo": "c93089d4cae9a274",
    "tiny.rgo": "a8505bd883c2a9af",
    "metadata.rgo": "fd137065de7fa0d7",
    "guarded.rgo": "b26014d14d518cc5",
    "region.rgo": "ade433b90718bc04",
    "passes.rgo": "58e3ea52ef1084bb",
}
FINGERPRINTS = {
    "exact": "0dd9bc28a345e5900ab89ddf95d88cda",
    "guarded": "93709116b26ddb80331248561490c14a",
    "passes": "949ad5cd1ffabe174331ad62c912e9b4",
}


@lru_cache(maxsize=2)
def codec(name: str) -> Codec:
    return regio.load(HERE / f"{name}.safetensors", device="cpu")


def data_of(name: str) -> bytes:
    return (HERE / f"{name}.rgo").read_bytes()


class Echo:
    """A coder that reads every stream and writes it again; it keeps the symbols of parts by streams."""

    exact = True

    def __init__(self, tables: TableSet, payload: bytes) -> None:
        self.reader, self.writer = StreamReader(tables, [payload]), StreamWriter(tables)
        self.parts: list[tuple[str, list[int], list[float]]] = []

    def factorized(self, stream: str, values: Any, prior: FactorizedPrior, size: Any, present: Any = None) -> Any:
        decoded = self.reader.factorized(stream, None, prior, size)
        self.writer.factorized(stream, decoded, prior, size)
        self.parts.append((stream, prior.round(decoded).int().flatten().tolist(), []))
        return decoded

    def gaussian(self, stream: str, values: Any, mean: Any, level: Any, guard: float) -> Any:
        decoded = self.reader.gaussian(stream, None, mean, level, guard)
        self.writer.gaussian(stream, decoded, mean, level, guard)
        symbols = torch.round(decoded - mean).int().flatten().tolist()
        self.parts.append((stream, symbols, level.double().flatten().tolist()))
        return decoded


def rates_of(name: str) -> tuple[list[int], list[list[int]] | None, bytes]:
    """By the code of the specification: the levels of a file's rate map, the rate steps they mean, and the streams."""
    file = parse(data_of(name))
    if not file.header.varies:
        return [], None, file.payload
    page, payload = code_of_page(), file.payload
    length, span, count = payload[0], payload[1] << 4 | payload[2] >> 4, (payload[2] & 15) + 1
    rows, columns = (-(-side // 32) for side in (file.header.height, file.header.width))
    levels = page["MapDecoder"](payload[3 : 1 + length]).map(rows, columns, count - 1)
    gaps = count - 1
    steps = [[file.header.rate + (2 * level * span + gaps) // (2 * gaps) for level in row] for row in levels]
    return [level for row in levels for level in row], steps, payload[1 + length :]


@torch.inference_mode()
def echo(name: str) -> Echo:
    file, net = parse(data_of(name)), codec(FILES[name]).net
    size = tuple(
        -(-side // net.multiple) * net.multiple // net.stride for side in (file.header.height, file.header.width)
    )
    levels, steps, streams = rates_of(name)
    rate = None if not net.rated else torch.tensor([file.header.rate / MAX_RATE])
    if steps is not None:
        rate = torch.tensor(steps)[None, None] / MAX_RATE
    coder = Echo(codec(FILES[name]).tables, streams)
    for side in (coder.reader.readers[0], coder.writer.writers[0]):
        side.log(np.array(levels, np.int32))
    net.code(None, coder, GridRegions(file.header.grid), rate, size)
    return coder


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_weights_have_the_fingerprint_that_files_name(name: str) -> None:
    assert codec(name).fingerprint == FINGERPRINTS[name]


def test_the_files_are_those_that_were_made() -> None:
    found = {f"{name}.rgo": hashlib.sha256(data_of(name)).hexdigest()[:16] for name in FILES}
    assert found == HASHES


@pytest.mark.parametrize("name", FILES)
def test_every_file_decodes_to_its_picture(name: str) -> None:
    decoded = codec(FILES[name]).decode(data_of(name))
    with Image.open(HERE / f"{name}.png") as image:
        expected = image.copy()
    assert (decoded.mode, decoded.size) == (expected.mode, expected.size)
    difference = np.abs(np.asarray(decoded).astype(int) - np.asarray(expected))
    assert difference.max() <= 1  # floating-point networks round otherwise elsewhere
    if decoded.mode[-1] == "A":
        assert decoded.getchannel("A").tobytes() == expected.getchannel("A").tobytes()


def test_metadata_is_what_was_put_in() -> None:
    decoded = codec("exact").decode(data_of("metadata"))
    with Image.open(HERE / "metadata.png") as expected:
        assert decoded.info["icc_profile"] == expected.info["icc_profile"]
    assert decoded.info["xmp"] == b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    assert decoded.getexif()[0x010E] == "a description"


@pytest.mark.parametrize("name", FILES)
def test_writing_the_symbols_again_gives_the_same_bytes(name: str) -> None:
    """The writer, too, stands still: all of the payload follows from symbols, levels and tables."""
    coder = echo(name)
    (written,) = coder.writer.finish()
    if name == "guarded":  # levels of this machine may make the list another one, of the same symbols
        assert verify_check(data_of(name), written.symbol_crc)
    else:
        assert written.payload == rates_of(name)[2]


@pytest.mark.parametrize("name", FILES)
def test_the_code_of_the_specification_reads_every_file(name: str) -> None:
    """With the levels of the network, docs/format.md alone gets the symbols that the check asks for."""
    page, weights = code_of_page(), codec(FILES[name]).weights
    levels_of_map, _, streams = rates_of(name)
    decoder: Any = page["SymbolDecoder"](streams)
    symbols: list[int] = list(levels_of_map)
    for stream, expected, levels in echo(name).parts:
        if levels:
            found = decoder.gaussian(levels, FILES[name] == "guarded")
        else:
            tables = weights.tables[stream]
            each = len(expected) // len(tables.lengths)
            channels = (tables.channel(c) for c in range(len(tables.lengths)))
            found = [s for lowest, counts in channels for s in decoder.group(each, lowest, counts.tolist())]
        assert found == expected
        symbols += found
    assert verify_check(data_of(name), page["crc_of_symbols"](symbols))


def test_the_parts_of_a_file_stand_in_the_order_of_the_specification() -> None:
    streams = [stream for stream, _, _ in echo("guarded").parts]
    assert streams == ["prototypes_shallow", "prototypes_deep", "z", "y", "y"]
