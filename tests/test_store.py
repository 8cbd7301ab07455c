"""Weights files: what was saved is what runs, and what is no weights file is refused in one line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toy_codec import paper_net, toy_net

from regio.errors import MissingWeights, UnsupportedFile
from regio.models import catalog
from regio.models.segpic import SegPIC
from regio.weights import store


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetensors"
    store.save(toy_net(), path)
    return path


def contents(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return load_file(path), file.metadata()


@pytest.mark.parametrize("make", [toy_net, paper_net])
def test_weights_come_back_as_they_were(make: Callable[[], SegPIC], tmp_path: Path) -> None:
    net, path = make(), tmp_path / "w.safetensors"
    fingerprint = store.save(net, path, name="mine")
    weights = store.load(path)
    assert (weights.name, weights.fingerprint, weights.number) == ("mine", fingerprint, 0)
    assert weights.net.config == net.config
    for key, value in net.state_dict().items():
        assert torch.equal(weights.net.state_dict()[key], value)
    assert not weights.net.training
    assert not any(parameter.requires_grad for parameter in weights.net.parameters())


def test_halved_weights_run_in_single_precision_with_tables_of_their_own(tmp_path: Path) -> None:
    net, path = toy_net(), tmp_path / "half.safetensors"
    store.save(net, path, half=True)
    weights = store.load(path)
    tensors, _ = contents(path)
    assert path.stat().st_size < 0.6 * sum(4 * p.numel() for p in net.parameters())
    assert tensors["net.gain.log_gain.points"].dtype == torch.float16
    assert next(weights.net.parameters()).dtype == torch.float32
    for stream, prior in weights.net.priors().items():
        assert (prior.tables().counts == weights.tables[stream].counts).all()


def test_a_file_is_named_after_itself_unless_told(saved: Path) -> None:
    assert store.load(saved).name == "toy"


def test_tables_are_read_not_computed(saved: Path) -> None:
    """Another machine may compute others, by a count; the file's are what bytes mean."""
    tensors, metadata = contents(saved)
    counts = tensors["tables.prototypes_deep.counts"]
    counts[0] += 1
    counts[1] -= 1
    save_file(tensors, saved, metadata)
    assert store.load(saved).tables["prototypes_deep"].counts[0] == counts[0]


def test_the_fingerprint_changes_with_any_number_table_or_field(saved: Path) -> None:
    tensors, metadata = contents(saved)
    seen = {store.load(saved).fingerprint}
    for key in ("net.g_a1.down.mix.bias", "tables.prototypes_deep.counts", "tables.prototypes_deep.lowest"):
        changed = {k: v.clone() for k, v in tensors.items()}
        changed[key].view(-1)[0] += 1
        seen.add(store.fingerprint(metadata["config"], changed))
    seen.add(store.fingerprint(metadata["config"].replace('"support": 5', '"support": 2'), tensors))
    assert len(seen) == 5
    assert all(len(fingerprint) == 16 for fingerprint in seen)


def test_the_fingerprint_does_not_depend_on_order_or_name(saved: Path, tmp_path: Path) -> None:
    tensors, metadata = contents(saved)
    again = tmp_path / "again.safetensors"
    save_file(dict(reversed(tensors.items())), again, metadata | {"name": "another"})
    assert store.load(again).fingerprint == store.load(saved).fingerprint


def test_the_fingerprint_of_literal_numbers() -> None:
    tensors = {"b": torch.tensor([1, 2], dtype=torch.int32), "a": torch.tensor([[0.5]])}
    assert store.fingerprint("{}", tensors).hex() == "cb4b1b686c452f449f93597b7e55f570"


def test_a_path_without_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="no such weights file"):
        store.load(tmp_path / "none.safetensors")


def test_a_name_that_is_not_bundled_lists_those_that_are() -> None:
    with pytest.raises(MissingWeights, match=catalog.DEFAULT):
        store.load("segpic-huge")


def test_another_file_is_no_weights_file(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UnsupportedFile, match=r"photo\.jpg is not a weights file; their names end in \.safetensors$"):
        store.load(tmp_path / "photo.jpg")


def test_bundled_weights_that_are_not_those_of_the_release_are_refused(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "bundled", lambda name: saved)
    entry = catalog.by_name(catalog.DEFAULT)
    monkeypatch.setitem(catalog.CATALOG, entry.id, replace(entry, fingerprint="00" * 16))
    with pytest.raises(MissingWeights, match="install Regio again"):
        store.load(entry.name)
    right = store.read(saved, 0).fingerprint.hex()
    monkeypatch.setitem(catalog.CATALOG, entry.id, replace(entry, fingerprint=right))
    assert store.load(entry.name).number == entry.id


def broken(path: Path, kind: str) -> None:
    """Damage a weights file."""
    tensors, metadata = contents(path)
    config = json.loads(metadata["config"])
    match kind:
        case "bytes":
            path.write_bytes(path.read_bytes()[:1000])
            return
        case "text":
            path.write_text("weights")
            return
        case "empty":
            path.write_bytes(b"")
            return
        case "layout":
            metadata["layout"] = "2"
        case "family":
            metadata["family"] = "os"
        case "no metadata":
            metadata = {}
        case "config":
            config["latent"] = 13
        case "config field":
            config["colour"] = 1
        case "config kind":
            config["transform"]["kind"] = "magic"
        case "config syntax":
            pass
        case "missing tensor":
            del tensors["net.g_a1.down.mix.bias"]
        case "missing table":
            del tensors["tables.prototypes_deep.counts"]
        case "another shape":
            tensors["net.g_a1.down.mix.bias"] = torch.zeros(3)
        case "tables":
            tensors["tables.prototypes_deep.counts"][0] += 1
        case "no config":
            del metadata["config"]
    if "config" in metadata:
        metadata["config"] = "{" if kind == "config syntax" else json.dumps(config)
    save_file(tensors, path, metadata)


KINDS = ["bytes", "text", "empty", "layout", "family", "no metadata", "config", "config field", "config kind"]
KINDS += ["config syntax", "missing tensor", "missing table", "another shape", "tables", "no config"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_weights_file_of_ours_is_refused_in_one_line(kind: str, saved: Path) -> None:
    broken(saved, kind)
    with pytest.raises(UnsupportedFile) as caught:
        store.load(saved)
    assert "\n" not in str(caught.value)
    assert saved.name in str(caught.value)
