"""Weights in folders and on the hub, which is played by tests/fake_hub.py: no network."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_codec

import regio
from regio.errors import MissingWeights, RegioError, UnsupportedFile, UsageError
from regio.models.catalog import CATALOG, DEFAULT
from regio.models.mcm import MCM
from regio.models.mcm import PRESETS as MCM_PRESETS
from regio.models.roi import PRESETS as ROI_PRESETS
from regio.models.roi import RoiCodec
from regio.models.segpic import SegPIC

pytest.importorskip("huggingface_hub")
PICTURE = toy_codec.picture(40, 50)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A hub that is empty, and a cache that is, too."""
    import huggingface_hub
    from fake_hub import FakeHub
    from huggingface_hub import constants

    fake = FakeHub()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    huggingface_hub.set_client_factory(fake.client)
    yield fake
    from huggingface_hub.utils._http import default_client_factory

    huggingface_hub.set_client_factory(default_client_factory)


def same(first: Any, second: Any) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    "net",
    [
        toy_codec.toy_net(),
        RoiCodec(ROI_PRESETS["toy"]).eval(),
        MCM(MCM_PRESETS["toy"]).eval(),
    ],
    ids=["segpic", "roi", "mcm"],
)
def test_every_family_comes_back_from_a_folder(net: Any, tmp_path: Path) -> None:
    net.save_pretrained(tmp_path / "mine")
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    again = type(net).from_pretrained(tmp_path / "mine")
    assert same(net, again)
    assert again.config == net.config
    assert not again.training
    about = json.loads((tmp_path / "mine" / "config.json").read_text())
    assert (about["name"], about["library_name"]) == ("mine", "regio")


def test_a_codec_from_a_folder_writes_the_same_files(tmp_path: Path) -> None:
    codec = toy_codec.paper()  # which has parts in float64
    codec.save_pretrained(tmp_path / "mine")
    again = regio.load(tmp_path / "mine", device="cpu")
    assert (again.fingerprint, again.name) == (codec.fingerprint, codec.name)
    data = codec.encode(PICTURE)
    assert again.encode(PICTURE) == data
    assert regio.decode(data, codec=str(tmp_path / "mine")).tobytes() == codec.decode(data).tobytes()


@pytest.mark.weights
def test_bundled_weights_stay_what_they_are_wherever_they_lie(tmp_path: Path) -> None:
    codec = regio.load(DEFAULT, device="cpu")
    codec.save_pretrained(tmp_path / "copy")
    again = regio.load(tmp_path / "copy", device="cpu")
    entry = next(entry for entry in CATALOG.values() if entry.name == DEFAULT)
    assert (again.fingerprint, again.name, again.weights.number) == (entry.fingerprint, DEFAULT, entry.id)
    assert regio.inspect(again.encode(PICTURE)).codec == DEFAULT  # so that anybody decodes it
    assert (tmp_path / "copy/model.safetensors").stat().st_size < 1.01 * store_size()


def store_size() -> int:
    from regio.weights import store

    return store.bundled(DEFAULT).stat().st_size


def test_what_is_pushed_is_fetched_and_then_had_without_a_network(hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net = toy_codec.toy_net()
    url = net.push_to_hub("me/toy", token="hf_x", card="Made for a test.")
    assert url.startswith("https://huggingface.co/me/toy/commit/")
    assert set(hub.repositories["me/toy"]) == {"model.safetensors", "config.json", "README.md"}
    card = hub.repositories["me/toy"]["README.md"].decode()
    assert card.startswith("---\nlibrary_name: regio\n")
    assert "Made for a test." in card
    assert 'regio.load("me/toy")' in card
    assert same(SegPIC.from_pretrained("me/toy", revision="v1"), net)
    codec = regio.load("me/toy@main", device="cpu")
    assert codec.encode(PICTURE) == toy_codec.codec_of(net).encode(PICTURE)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(hub.requests)
    assert same(SegPIC.from_pretrained("me/toy"), net)
    assert same(SegPIC.from_pretrained("me/toy", local_files_only=True), net)
    assert regio.load("me/toy", device="cpu").encode(PICTURE) == codec.encode(PICTURE)
    assert len(hub.requests) == before
    with pytest.raises(MissingWeights, match="me/other: not in the local cache, and the hub is off"):
        SegPIC.from_pretrained("me/other")


def test_a_codec_is_pushed_with_its_own_tables(hub: Any) -> None:
    codec = toy_codec.toy()
    codec.push_to_hub("me/codec", token="hf_x")
    again = regio.load("me/codec", device="cpu")
    assert again.fingerprint == codec.fingerprint
    assert again.decode(codec.encode(PICTURE)).size == (50, 40)


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("me/none", MissingWeights, "me/none: no such repository, or a private one"),
        ("me/toy@v9", MissingWeights, "me/toy@v9: the repository has no such revision"),
        ("me/other", MissingWeights, r"me/other: the repository has no model.safetensors; it is not a model of Regio"),
        ("me/gated", MissingWeights, "me/gated: gated; accept its conditions"),
        ("me/--bad--", UsageError, "me/--bad--"),
        ("me/foreign", UnsupportedFile, "not a safetensors file"),
        ("me/mixed", UnsupportedFile, r"config.json and model.safetensors do not belong together"),
        ("me/odd", UnsupportedFile, r"config.json is damaged"),
    ],
)
def test_every_way_of_not_getting_weights_is_one_line(
    hub: Any, tmp_path: Path, source: str, kind: type[Exception], message: str
) -> None:
    toy_codec.toy_net().save_pretrained(tmp_path / "toy")
    files = {path.name: path.read_bytes() for path in (tmp_path / "toy").iterdir()}
    hub.repositories |= {
        "me/toy": files,
        "me/gated": files,
        "me/other": {"README.md": b"#"},
        "me/foreign": files | {"model.safetensors": b"PK"},
        "me/mixed": files | {"config.json": b'{"fingerprint": "00"}'},
        "me/odd": files | {"config.json": b"["},
    }
    hub.gated = {"me/gated"}
    with pytest.raises(kind, match=message) as caught:
        regio.load(source)
    assert "\n" not in str(caught.value)


def test_pushing_where_nobody_listens_is_an_error_and_not_a_missing_file(hub: Any) -> None:
    hub.answer = lambda request: (_ for _ in ()).throw(ConnectionError("refused"))
    import huggingface_hub

    huggingface_hub.set_client_factory(hub.client)
    with pytest.raises(RegioError, match="me/toy: the hub says") as caught:
        toy_codec.toy_net().push_to_hub("me/toy", token="hf_x")
    assert type(caught.value) is RegioError


def test_another_family_is_refused(tmp_path: Path) -> None:
    toy_codec.toy_net().save_pretrained(tmp_path / "toy")
    with pytest.raises(UsageError, match="is a SegPIC, not a RoiCodec"):
        RoiCodec.from_pretrained(tmp_path / "toy")
    with pytest.raises(MissingWeights, match=r"model.safetensors: no such weights file"):
        regio.load(tmp_path)
    with pytest.raises(UsageError, match="revision='b' contradicts it"):
        SegPIC.from_pretrained("me/toy@a", revision="b")


def test_without_huggingface_hub_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingWeights, match=r"me/toy: the hub needs: pip install 'regio\[hub\]'"):
        regio.load("me/toy")


def test_a_model_that_stays_here_needs_no_hub(tmp_path: Path) -> None:
    toy_codec.toy_net().save_pretrained(tmp_path / "toy")
    code = "import sys, regio; regio.load(sys.argv[1], device='cpu'); print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "toy"], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
