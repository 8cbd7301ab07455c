"""Weights on the Hugging Face hub, or in a folder of the same layout: fetched, saved, pushed.

    net = SegPIC.from_pretrained("owner/name")            a hub id, "owner/name@revision", or a folder
    net.save_pretrained("folder"); net.push_to_hub("owner/name")
    regio.load("owner/name"); regio.load("mine.safetensors").push_to_hub("owner/name")

    model.safetensors   the weights file, complete in itself
    config.json         what hub pages show; its fingerprint must be that of the weights
    README.md           the model card

The files are those of huggingface_hub's model mixin. Ours does not inherit from it, because huggingface_hub is needed
by none but those who use the hub; HF_HUB_OFFLINE, HF_HOME, HF_TOKEN and HF_ENDPOINT work as everywhere.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from regio.errors import MissingWeights, RegioError, UnsupportedFile, UsageError, one_line
from regio.version import __version__

if TYPE_CHECKING:
    from regio.weights.store import Weights

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
MESSAGE = f"Push weights with Regio {__version__}"  # of commits


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach the hub; None is what huggingface_hub takes by default."""

    revision: str | None = None
    token: str | None = None
    cache_dir: str | PathLike[str] | None = None
    local_files_only: bool = False


class Shared:
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
        weights are not to be had, UsageError where they are those of another family, UnsupportedFile.
        """
        access = Access(revision=revision, token=token, cache_dir=cache_dir, local_files_only=local_files_only)
        net = read(source, access).net
        if not isinstance(net, cls):
            raise UsageError(f"{source} is a {type(net).__name__}, not a {cls.__name__}")
        return net

    def save_pretrained(self, folder: str | PathLike[str], *, name: str | None = None, card: str | None = None) -> Path:
        """Write weights, configuration and card into a folder, made where it is missing -> the folder.

        card: the text of README.md below its heading; default: what is known. Numbers that half precision holds exactly
        are stored so.
        """
        return save(self, folder, name=name, card=card)

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
        message = commit_message or MESSAGE
        return push(self, repository, private=private, token=token, message=message, branch=branch, card=card)


class SharedCodec:
    """What codecs can do with the hub; `regio.load` is the way back."""

    net: Any
    name: str
    weights: Weights

    def save_pretrained(self, folder: str | PathLike[str], *, card: str | None = None) -> Path:
        """Weights, configuration and card into a folder, as `regio.load` and the hub take them -> the folder."""
        return save(self.net, folder, tables=self.weights.tables, name=self.name, card=card)

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
        """The same into a repository of the hub ("owner/name") -> the URL of the commit; RegioError."""
        return push(
            self.net,
            repository,
            tables=self.weights.tables,
            private=private,
            token=token,
            message=commit_message or MESSAGE,
            branch=branch,
            card=card,
        )


def read(source: str | PathLike[str], access: Access = Access()) -> Weights:
    """The weights of a hub id or a folder; those that are bundled, too, keep their number in the catalog."""
    from regio.models.catalog import CATALOG
    from regio.weights import store

    folder = Path(source)
    home = folder if folder.is_dir() else fetch(str(source), access)
    weights = store.read(home / WEIGHTS, number=0)
    config = home / CONFIG
    if config.is_file():
        try:
            claimed = json.loads(config.read_text(encoding="utf-8")).get("fingerprint")
        except (ValueError, AttributeError) as error:
            raise UnsupportedFile(f"{source}: {CONFIG} is damaged") from error
        if claimed not in (None, weights.fingerprint.hex()):
            raise UnsupportedFile(f"{source}: {CONFIG} and {WEIGHTS} do not belong together; fetch both again")
    for number, entry in CATALOG.items():
        if entry.fingerprint == weights.fingerprint.hex():
            return replace(weights, number=number, name=entry.name)
    return weights


def fetch(source: str, access: Access = Access()) -> Path:
    """The folder, in huggingface_hub's cache, with the files of a repository. MissingWeights; nothing half-fetched."""
    repository, _, pinned = source.partition("@")
    if pinned and access.revision not in (None, pinned):
        raise UsageError(f"{source}: revision={access.revision!r} contradicts it")
    with _on_the_hub(source, MissingWeights):
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        options: dict[str, Any] = {
            "revision": pinned or access.revision,
            "token": access.token,
            "cache_dir": access.cache_dir,
            "local_files_only": access.local_files_only,
        }
        path = Path(hf_hub_download(repository, WEIGHTS, **options))
        try:  # counts as a download, and says whether the weights are whole
            hf_hub_download(repository, CONFIG, **options)
        except LocalEntryNotFoundError:
            pass
        except EntryNotFoundError:
            pass
    return path.parent


def save(
    net: Any,
    folder: str | PathLike[str],
    *,
    tables: Any = None,
    name: str | None = None,
    card: str | None = None,
    repository: str = "OWNER/NAME",
) -> Path:
    """See `Shared.save_pretrained`. tables: of the weights that files were made with; default: made anew."""
    from regio.weights import store

    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    known = name or home.resolve().name
    plain = type(net)(net.config)  # a codec's has parts in float64
    plain.load_state_dict(net.state_dict())
    halves = all(_fits_half(number) for number in plain.state_dict().values())
    fingerprint = store.save(plain.eval(), home / WEIGHTS, name=known, half=halves, tables=tables)
    about = {
        "library_name": "regio",
        "regio_version": __version__,
        "family": store.family_of(plain),
        "name": known,
        "fingerprint": fingerprint.hex(),
        "config": plain.config.as_dict(),
    }
    (home / CONFIG).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (home / CARD).write_text(_card(about, plain, card, repository), encoding="utf-8")
    return home


def push(
    net: Any,
    repository: str,
    *,
    private: bool | None,
    token: str | None,
    message: str,
    branch: str | None,
    tables: Any = None,
    card: str | None = None,
) -> str:
    """See `Shared.push_to_hub`."""
    with tempfile.TemporaryDirectory(prefix="regio-") as folder, _on_the_hub(repository, RegioError):
        from huggingface_hub import HfApi

        name = repository.rpartition("/")[2]
        save(net, folder, tables=tables, name=name, card=card, repository=repository)
        api = HfApi(token=token)
        made = api.create_repo(repository, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(made.repo_id, branch=branch, exist_ok=True)
        commit = api.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message=message, revision=branch)
    return str(commit.commit_url)


@contextmanager
def _on_the_hub(what: str, kind: type[RegioError]) -> Iterator[None]:
    """Every way in which the hub says no, as one line."""
    try:
        from huggingface_hub import errors
        from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled
    except ImportError as error:
        raise MissingWeights(f"{what}: the hub needs: pip install 'regio[hub]'") from error
    try:
        yield
    except RegioError:
        raise
    except HFValidationError as error:
        raise UsageError(f"{what}: {one_line(error)}") from error
    except (errors.LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise kind(f"{what}: not in the local cache, and the hub is off or cannot be reached") from error
    except errors.GatedRepoError as error:
        raise kind(f"{what}: gated; accept its conditions on the hub, then log in (hf auth login)") from error
    except errors.RepositoryNotFoundError as error:
        raise kind(f"{what}: no such repository, or a private one: log in (hf auth login)") from error
    except errors.RevisionNotFoundError as error:
        raise kind(f"{what}: the repository has no such revision") from error
    except errors.EntryNotFoundError as error:
        raise kind(f"{what}: the repository has no {WEIGHTS}; it is no model of Regio") from error
    except Exception as error:  # connections, servers, full disks: the hub's own exceptions have no common base
        raise kind(f"{what}: the hub says: {(str(error).splitlines() or [type(error).__name__])[0]}") from error


def _fits_half(number: Any) -> bool:
    return not number.is_floating_point() or bool((number.half().float() == number).all())


def _card(about: dict[str, Any], net: Any, text: str | None, repository: str) -> str:
    """README.md: what the hub reads at its top, how to use the model, what it is."""
    numbers = sum(parameter.numel() for parameter in net.parameters())
    head = [
        "---",
        "library_name: regio",
        "pipeline_tag: image-to-image",
        "tags:",
        "- image-compression",
        "- learned-image-compression",
        f"- {about['family']}",
        "---",
        "",
        f"# {about['name']}",
        "",
        text.strip() if text else f"A codec of Regio's {about['family']} family.",
        "",
        "```python",
        "import regio",
        "",
        f'codec = regio.load("{repository}")',
        'data = codec.encode("photo.jpg", quality=60)',
        'codec.decode(data).save("photo.png")',
        "```",
        "",
        f"- {numbers / 1e6:.2f} million numbers",
        f"- fingerprint {about['fingerprint']}; files that it makes carry it and decode with these weights only",
        f"- saved by Regio {about['regio_version']}",
        "",
    ]
    return "\n".join(head)
