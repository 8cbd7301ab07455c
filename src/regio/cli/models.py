"""regio models: the codecs this release knows."""

from typing import Any

from regio.cli.options import Json
from regio.cli.progress import print_result


def models(as_json: Json = False) -> None:
    """List the codecs that --codec takes by name.

    \b
    Examples:
      regio models
      regio models --json | jq -r .name
    """
    import json

    from regio.models.catalog import CATALOG, DEFAULT

    for number, entry in sorted(CATALOG.items()):
        row: dict[str, Any] = {"name": entry.name, "id": number, "family": entry.family, "summary": entry.summary}
        row["default"] = entry.name == DEFAULT
        line = f"{entry.name:14} {entry.summary}{' (default)' if row['default'] else ''}"
        print_result(json.dumps(row) if as_json else line)
