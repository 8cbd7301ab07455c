"""The `regio` command: one file per command, thin; heavy imports stay inside the command functions."""

from regio.cli.app import main

__all__ = ["main"]
