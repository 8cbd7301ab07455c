"""Packs what a browser needs to decode files of some codecs: `python web/pack.py segpic-xs FOLDER`.

FOLDER gets NAME.rgow for each, and models.json, which says what there is, and which other numbers of models the
catalog knows. NAME.rgow is: four bytes, the length of the
JSON that follows, big endian; the JSON; bytes. The JSON has the plan of docs/light.md without what only a writer needs,
and for each file that the graphs point to its `name`, its `size` and the `ranges` [start, length] of it that they use.
The bytes are those ranges, one after the other, then the graphs.
"""

import json
import sys
from pathlib import Path
from typing import Any

import onnx

from regio.models.catalog import CATALOG, RETIRED

WEIGHTS = Path(__file__).parents[1] / "src" / "regio" / "weights"


def ranges_of(graphs: list[bytes]) -> dict[str, list[tuple[int, int]]]:
    """The parts of other files that graphs point to, merged where they touch."""
    found: dict[str, set[tuple[int, int]]] = {}
    for data in graphs:
        for tensor in onnx.load_from_string(data).graph.initializer:
            said = {entry.key: entry.value for entry in tensor.external_data}
            if said:
                found.setdefault(said["location"], set()).add((int(said["offset"]), int(said["length"])))
    merged: dict[str, list[tuple[int, int]]] = {}
    for name, parts in found.items():
        kept: list[tuple[int, int]] = []
        for start, length in sorted(parts):
            if kept and start <= kept[-1][0] + kept[-1][1]:
                kept[-1] = kept[-1][0], max(kept[-1][1], start + length - kept[-1][0])
            else:
                kept.append((start, length))
        merged[name] = kept
    return merged


def packed(name: str) -> bytes:
    """The bytes of NAME.rgow."""
    plan: dict[str, Any] = json.loads((WEIGHTS / f"{name}.light.json").read_text(encoding="utf-8"))
    more = (WEIGHTS / f"{name}.light.bin").read_bytes()
    steps = plan["walk"]
    graphs = [step["both"] for step in steps if step["both"]] + [plan["synthesis"]]
    models = [more[graph["offset"] : graph["offset"] + graph["length"]] for graph in graphs]
    body, at = [], 0
    for graph, model in zip(graphs, models, strict=True):
        graph["offset"] = at
        at += len(model)
    for step in steps:
        for key in ("writer", "values"):
            step.pop(key, None)
    del plan["analysis"]
    files = []
    for other, ranges in ranges_of(models).items():
        data = (WEIGHTS / other).read_bytes()
        files.append({"name": other, "size": len(data), "ranges": ranges})
        body += [data[start : start + length] for start, length in ranges]
    head = json.dumps({"plan": plan, "files": files}, separators=(",", ":")).encode()
    return b"".join([len(head).to_bytes(4, "big"), head, *body, *models])


def main(names: list[str], folder: Path) -> None:
    """Write the packed codecs and the list of them; those of other names that the list has stay."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "models.json"
    before: dict[str, Any] = json.loads(index.read_text(encoding="utf-8")) if index.exists() else {}
    listed: dict[str, Any] = {str(number): {} for number in RETIRED}
    listed |= {str(entry.id): {"name": entry.name} for entry in CATALOG.values()}
    listed |= {number: entry for number, entry in before.items() if "file" in entry and entry["name"] not in names}
    for name in names:
        data = packed(name)
        plan = json.loads(data[4 : 4 + int.from_bytes(data[:4], "big")])["plan"]
        (folder / f"{name}.rgow").write_bytes(data)
        listed[str(plan["number"])] = {
            "name": name,
            "file": f"{name}.rgow",
            "bytes": len(data),
            "fingerprint": plan["fingerprint"],
        }
    index.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    *names, folder = sys.argv[1:]
    main(names, Path(folder))
