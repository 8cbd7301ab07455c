"""The Hugging Face hub as transport: fetches files and pushes folders, whatever they contain.

huggingface_hub is needed by none but those who use the hub; HF_HUB_OFFLINE, HF_HOME, HF_TOKEN and HF_ENDPOINT work as
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from regio.errors import MissingWeights, RegioError, UsageError, one_line

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


@dataclass(frozen=True, kw_only=True)
class Access:
    """Options for reaching the hub; None is the default of huggingface_hub."""

    revision: str | None = None
    token: str | None = None
    cache_dir: str | PathLike[str] | None = None
    local_files_only: bool = False


def fetch(source: str, access: Access = Access()) -> Path:
    """The folder, in huggingface_hub's cache, with the files of a repository. MissingWeights; nothing half-fetched."""
    repository, _, pinned = source.partition("@")
    if pinned and access.revision not in (None, pinned):
        raise UsageError(f"{source}: revision={access.revision!r} contradicts it")
    with on_the_hub(source, MissingWeights):
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


def push_folder(
    folder: Path, repository: str, *, private: bool | None, token: str | None, message: str, branch: str | None
) -> str:
    """Upload a folder into a repository of the hub, made where it is missing -> the URL of the commit. RegioError."""
    with on_the_hub(repository, RegioError):
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        made = api.create_repo(repository, private=private, exist_ok=True)
        if branch is not None:
            api.create_branch(made.repo_id, branch=branch, exist_ok=True)
        commit = api.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message=message, revision=branch)
    return str(commit.commit_url)


@contextmanager
def on_the_hub(what: str, kind: type[RegioError]) -> Iterator[None]:
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
        raise kind(f"{what}: the repository has no {WEIGHTS}; it is not a model of Regio") from error
    except Exception as error:  # connections, servers, full disks: the hub's own exceptions have no common base
        raise kind(f"{what}: the hub says: {(str(error).splitlines() or [type(error).__name__])[0]}") from error
