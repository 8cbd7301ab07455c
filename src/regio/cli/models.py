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
        row: dict[str, Any] = {"name": entry.name, "id": number, "default": entry.name == DEFAULT}
        line = f"{row['name']:14} id {row['id']:<4}{'  (default)' if row['default'] else ''}".rstrip()
        print_result(json.dumps(row) if as_json else line)
