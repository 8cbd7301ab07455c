"""regio verify: checks whether files are intact and can be decoded here."""

from regio.cli.batch import Result, run_batch
from regio.cli.engines import Decoder, Engine
from regio.cli.files import read_rgo
from regio.cli.options import Device, Json, MaxPixels, Memory, Parallel, RgoCodec, RgoFiles, raise_pillow_limit
from regio.cli.paths import Source, find
from regio.cli.progress import talking
from regio.codec.options import memory_of
from regio.names import RGO


def verify(
    files: RgoFiles,
    codec: RgoCodec = None,
    memory: Memory = None,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
    engine: Engine = "auto",
    parallel: Parallel = 1,
    as_json: Json = False,
) -> None:
    """Check files: container, checksum, weights present, every symbol decodes. Writes nothing.

    \b
    Examples:
      regio verify photo.rgo
      regio verify --json archive/ | grep error
    """
    allowed, most = memory_of(memory), raise_pillow_limit(max_pixels)
    sources = find(files, RGO)
    with talking("loading the codec"):
        decoder = Decoder(engine, codec, device)

    def work(source: Source) -> Result:
        decoder.verify(read_rgo(source), allowed, most)
        return Result(f"{source.name}: ok", {"source": source.real, "ok": True})

    run_batch(sources, work, parallel=parallel, as_json=as_json)
