"""regio info: facts about files. Loads no model and no torch."""

from regio.cli.batch import Result, run_batch
from regio.cli.files import read_rgo
from regio.cli.options import Json, RgoFiles
from regio.cli.paths import Source, find
from regio.names import RGO


def info(files: RgoFiles, as_json: Json = False) -> None:
    """Show size, codec, quality and what the bytes are spent on.

    Nothing is decoded, so damage to the pixels goes unnoticed: see `regio verify`.

    \b
    Examples:
      regio info photo.rgo
      regio info --json small/ | jq .bpp
    """
    from regio.info import Info, at_scale, inspect, quality_of

    def work(source: Source) -> Result:
        found = inspect(read_rgo(source) if source.path is None else source.path)
        return Result(describe(source.name, found), {"source": source.real, **found.as_dict()})

    def describe(name: str, found: Info) -> str:
        facts = {
            "picture": f"{found.width} x {found.height}, {found.colour}{at_scale(found)}",
            "codec": f"{found.codec}, {quality_of(found)}, grid {found.grid}, weights {found.fingerprint}"
            if not found.lossless
            else f"none: the picture is there {quality_of(found)} ({found.codec} was asked for)",
            "size": f"{found.bytes_total} bytes, {found.bpp:.4g} bpp",
            "parts": ", ".join(f"{part} {size}" for part, size in found.parts.items()),
        }
        if found.metadata:
            facts["metadata"] = found.metadata_share
        if found.opacity_share:
            facts["opacity"] = found.opacity_share.removeprefix("opacity: ")
        return "\n".join([name, *(f"  {word:9}{fact}" for word, fact in facts.items())])

    run_batch(find(files, RGO), work, parallel=1, as_json=as_json)
