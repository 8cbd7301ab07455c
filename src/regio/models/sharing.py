"""What networks of the catalog's families can do with the Hugging Face hub."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Self

from regio.errors import UsageError
from regio.hub import Access
from regio.models.base import Network


class Shared(Network):
    """What models of the catalog's families can do with the hub."""

    @classmethod
    def from_pretrained(
        cls,
        source: str | PathLike[str],
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """A model in evaluation mode, float32, from a hub id ("owner/name", "owner/name@revision") or a folder.

        For pictures use `regio.load`, which takes the same and brings the tables along. Raises MissingWeights where the
        weights are not available, UsageError where they are those of another family, UnsupportedFile.
        """
        from regio.weights import store  # weights build networks, so this module cannot begin with them

        access = Access(revision=revision, token=token, cache_dir=cache_dir, local_files_only=local_files_only)
        net = store.shared(source, access).net
        if not isinstance(net, cls):
            raise UsageError(f"{source} is a {type(net).__name__}, not a {cls.__name__}")
        return net

    def save_pretrained(self, folder: str | PathLike[str], *, name: str | None = None, card: str | None = None) -> Path:
        """Write weights, configuration and card into a folder, made where it is missing -> the folder.

        card: the text of README.md below its heading; default: what is known. Numbers that half precision holds exactly
        are stored so.
        """
        from regio.weights import sharing

        return sharing.save(self, folder, name=name, card=card)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str | None = None,
        branch: str | None = None,
        card: str | None = None,
    ) -> str:
        """The same into a repository of the hub, made where it is missing -> the URL of the commit. RegioError."""
        from regio.weights import sharing

        message = commit_message or sharing.MESSAGE
        return sharing.push(self, repository, private=private, token=token, message=message, branch=branch, card=card)
