"""Loading and saving of networks and codecs by the Hugging Face hub."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import NamedTuple, Self

from regio.entropy.tables import FactorizedTables
from regio.errors import UsageError
from regio.hub import Access, push_folder
from regio.models.base import Network
from regio.version import __version__

MESSAGE = f"Push weights with Regio {__version__}"  # of commits


class Goods(NamedTuple):
    """What is shared."""

    net: Network
    name: str | None = None  # None: that of the folder or repository
    tables: dict[str, FactorizedTables] | None = None  # that files were made with; None: made anew


class Shareable:
    """What can be saved and pushed; `regio.load` is the way back. Weights build networks, so imports wait for calls."""

    def to_share(self) -> Goods:
        """The network, its name and tables."""
        raise NotImplementedError

    def save_pretrained(self, folder: str | PathLike[str], *, name: str | None = None, card: str | None = None) -> Path:
        """Write weights, configuration and card into a folder, made where it is missing -> the folder.

        card: the text of README.md below its heading; default: what is known. Numbers that half precision holds exactly
        are stored so.
        """
        from regio.weights import sharing

        goods = self.to_share()
        return sharing.save(goods.net, folder, tables=goods.tables, name=name or goods.name, card=card)

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

        goods = self.to_share()
        with sharing.packed(goods.net, repository, tables=goods.tables, card=card) as folder:
            return push_folder(
                folder, repository, private=private, token=token, message=commit_message or MESSAGE, branch=branch
            )


class Shared(Shareable, Network):
    """A network of the catalog's families."""

    def to_share(self) -> Goods:
        """See Shareable."""
        return Goods(self)

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
        from regio.weights import store

        access = Access(revision=revision, token=token, cache_dir=cache_dir, local_files_only=local_files_only)
        net = store.shared(source, access).net
        if not isinstance(net, cls):
            raise UsageError(f"{source} is a {type(net).__name__}, not a {cls.__name__}")
        return net
