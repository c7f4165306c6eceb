"""The released document: strict, bounded, at one with itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.releases import BOARD, FLEET, INERT, PROJECT, Publisher
from tinyops.errors import RemoteError
from tinyops.files import JsonObject, canonical_json, digest_bytes
from tinyops.manifest.document import (
    ASSETS_PER_RELEASE_MAX,
    MANIFEST_SCHEMA,
    Asset,
    Manifest,
    asset_name,
    entry_asset,
    read_manifest,
)
from tinyops.manifest.entry import ENTRY_LIMIT_BYTES, Entry, entries
from tinyops.manifest.envelope import parse_envelope, seal
from tinyops.manifest.fields import read_model


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture
def manifest(publisher: Publisher) -> Manifest:
    return publisher.build(INERT, counter=3)


def read(value: JsonObject) -> Manifest:
    return read_model(Manifest, MANIFEST_SCHEMA, value, where="manifest.json")


def refused(value: JsonObject) -> str:
    with pytest.raises(RemoteError) as caught:
        read(value)
    return caught.value.message


def test_what_is_written_is_what_is_read(publisher: Publisher, manifest: Manifest) -> None:
    sealed = seal(manifest.to_json(), publisher.keys)
    found, digest = read_manifest(sealed.to_bytes(), publisher.trust, where="manifest.json")
    assert found == manifest
    assert digest == digest_bytes(canonical_json(manifest.to_json())) == sealed.digest
    assert found.steps["train:activity"].facts == {"accuracy": 0.9}


def test_the_document_has_the_names_of_the_format(manifest: Manifest) -> None:
    value = manifest.to_json()
    assert value["schema"] == "tinyops/manifest/v1"
    assert set(value) == {
        *("schema", "project", "version", "tag", "previous", "commit", "created", "plan", "lock", "specs"),
        *("steps", "assets", "fleets", "held", "signed_by", "overrides"),
    }
    board = value["fleets"][FLEET]["boards"][BOARD]
    files = {"contract_file", "model", "firmware", "bootloader", "images", "golden"}
    assert set(board) == {"contract", *files, "proof", "figures", "post"}
    assert set(board["model"]) == {"digest", "bytes", "tag", "asset", "kind"}
    record = value["steps"]["train:activity"]
    assert set(record) == {"step", "key", "settings", "lock", "inputs", "sources", "outputs", "facts"}


def damaged(path: str, value: Any) -> Any:
    """A change of one field of a manifest, named by its path; `...` takes it away."""

    def change(document: JsonObject) -> None:
        *parents, last = path.split("/")
        place: Any = document
        for part in parents:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("schema", "tinyops/manifest/v2", "its schema is 'tinyops/manifest/v2', this tinyops reads"),
        ("schema", ..., "its schema is None"),
        ("surprise", 1, "surprise: Extra inputs are not permitted"),
        ("version", 0, "version: Input should be greater than or equal to 1"),
        ("version", 1.0, "version: Input should be a valid integer"),
        ("version", True, "version: Input should be a valid integer"),
        ("version", "1", "version: Input should be a valid integer"),
        ("version", 2, "tag is v1, version is 2"),
        ("tag", "../v1", "tag: String should match pattern"),
        ("previous", "sha256:00", 'previous: must read "sha256:" and 64 lower-case hex digits'),
        ("previous", "sha256:" + "0" * 64, "exactly the first version has no previous manifest"),
        ("commit", "main", "commit"),
        ("created", "yesterday", "created: must be a time such as"),
        ("created", "2027-02-30T00:00:00Z", "created: must be a time such as"),
        ("plan", 5, "plan: Input should be a valid string"),
        ("project", "../etc", "project: String should match pattern"),
        ("fleets/wrist/security_counter", -1, "fleets.wrist.security_counter"),
        ("fleets/wrist/security_counter", 2**31, "fleets.wrist.security_counter"),
        ("fleets/wrist/boards", {}, "fleets.wrist.boards"),
        ("fleets/wrist/boards/linux/model/kind", "script", "fleets.wrist.boards.linux.model.kind"),
        (
            "fleets/wrist/boards/linux/model/bytes",
            5,
            "boards.linux.model: differs from its line in assets",
        ),
        ("fleets/wrist/boards/linux/proof/model", "booted", "proof.model"),
        ("fleets/wrist/boards/linux/golden", ..., "golden: Field required"),
        ("steps/train:activity/step", "train:other", "holds the record of train:other"),
        ("steps/train:activity/key", "none", "steps.train:activity.key: must read"),
        ("steps/train:activity/outputs/float.tflite/bytes", -1, "outputs.float.tflite.bytes"),
        ("steps/train:activity/facts", [], "steps.train:activity.facts"),
        ("held", [{"fleet": "wrist", "since": 1}], "held.0.reason: Field required"),
    ],
)
def test_each_wrong_field_is_named(manifest: Manifest, path: str, value: Any, sentence: str) -> None:
    document = manifest.to_json()
    damaged(path, value)(document)
    assert sentence in refused(document)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "dot.", "a..b", "", "x" * 201, "sp ace", "naïve", "a\n"])
def test_unsafe_asset_names_are_refused(manifest: Manifest, name: str) -> None:
    document = manifest.to_json()
    digest = next(iter(document["assets"]))
    document["assets"][digest]["asset"] = name
    assert "asset" in refused(document)


@pytest.mark.parametrize("name", ["manifest.json", "MANIFEST.json", entry_asset(FLEET, BOARD)])
def test_an_asset_may_not_take_the_name_of_a_document(manifest: Manifest, name: str) -> None:
    document = manifest.to_json()
    document["assets"]["sha256:" + "1" * 64] = {"tag": "v1", "asset": name, "bytes": 1}
    assert "one name" in refused(document)


def test_names_that_differ_in_capitals_only_are_one_name(manifest: Manifest) -> None:
    document = manifest.to_json()
    for digit, name in (("1", "Model.bin"), ("2", "model.bin")):
        document["assets"]["sha256:" + digit * 64] = {"tag": "v1", "asset": name, "bytes": 1}
    assert "twice" in refused(document)


def test_fleets_and_boards_whose_entries_would_collide_are_refused(manifest: Manifest) -> None:
    document = manifest.to_json()
    entry = document["fleets"].pop(FLEET)
    boards = entry["boards"]
    document["fleets"] = {
        "wrist": {**entry, "boards": {"pro-linux": boards[BOARD]}},
        "wrist-pro": {**entry, "boards": {"linux": boards[BOARD]}},
    }
    assert "rename a fleet or a board" in refused(document)


def test_an_asset_of_a_later_release_is_refused(manifest: Manifest) -> None:
    document = manifest.to_json()
    document["assets"]["sha256:" + "1" * 64] = {"tag": "v2", "asset": "x", "bytes": 1}
    assert "later than this release" in refused(document)


def test_a_release_has_a_largest_number_of_files(manifest: Manifest) -> None:
    many = {f"sha256:{i:064x}": Asset(tag="v1", asset=f"a{i}", bytes=1) for i in range(ASSETS_PER_RELEASE_MAX)}
    document = {
        **manifest.to_json(),
        "assets": {d: a.to_json() for d, a in many.items()} | manifest.to_json()["assets"],
    }
    assert f"at most {ASSETS_PER_RELEASE_MAX}" in refused(document)


def test_only_the_first_few_of_many_problems_are_shown(manifest: Manifest) -> None:
    document = manifest.to_json() | {f"surprise{i}": i for i in range(9)}
    assert "and 4 more problems" in refused(document)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a signed envelope"),
        (b'{"signed": {}, "signatures": [], "more": 1}', "not a signed envelope"),
        (b'{"signed": {"a": 1, "a": 2}, "signatures": []}', "key 'a' is there twice"),
        (b'{"signed": {"a": NaN}, "signatures": []}', "NaN is not a number"),
        (b'{"signed": {"a": 1e999}, "signatures": []}', "not JSON compliant"),
        (b'{"signed": {"a": "\\ud800"}, "signatures": []}', "surrogates not allowed"),
        (b'{"signed": {"a": ' + b"9" * 5000 + b'}, "signatures": []}', "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 8_000, "nested too deeply"),
        (b"  <!doctype html>", "an HTML or XML page"),
        (b" " * 20_000, "larger than 8,192 bytes"),
        (b'{"signed": {}, "signatures": {}}', "wants a list"),
        (b'{"signed": {}, "signatures": [{"keyid": "00", "sig": "00"}]}', "keyid of 64"),
        (b'{"signed": {}, "signatures": ' + json.dumps([{}] * 65).encode() + b"}", "at most 64"),
    ],
)
def test_hostile_json_ends_in_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(RemoteError, match=r"^entry\.json: ") as caught:
        parse_envelope(data, limit_bytes=ENTRY_LIMIT_BYTES, where="entry.json")
    assert sentence in caught.value.message


def test_outputs_that_cannot_be_made_again_must_be_assets(manifest: Manifest) -> None:
    assert manifest.unkept() == []
    kept = {d: a for d, a in manifest.assets.items() if a.asset != "train.activity.float.tflite"}
    assert manifest.model_copy(update={"assets": kept}).unkept() == ["train:activity float.tflite"]


def test_asset_names_come_from_step_and_output() -> None:
    assert asset_name("squeeze:activity/int8", "golden.bin") == "squeeze.activity.int8.golden.bin"


def test_an_entry_holds_integers_and_strings_only(publisher: Publisher, manifest: Manifest) -> None:
    ((name, entry),) = entries(manifest, expires="2030-01-01T00:00:00Z")
    value = entry.to_json()
    assert name == "entry-wrist-linux.json"
    assert value["project"] == PROJECT
    assert (value["version"], value["security_counter"]) == (1, 3)
    assert set(value["model"]) == {"tag", "asset", "sha256", "bytes", "kind"}
    assert all(isinstance(leaf, (int, str)) for leaf in leaves(value) if leaf is not None)
    assert len(seal(value, publisher.keys).to_bytes()) < 2048


@pytest.mark.parametrize("url", ["http://plant:8080/x?y=1", "https://plant.example"])
def test_an_entry_says_where_results_go(publisher: Publisher, url: str) -> None:
    ((_, entry),) = entries(publisher.build(INERT, post=url))
    assert entry.to_json()["post"] == {"url": url, "only_changes": False}
    ((_, silent),) = entries(publisher.build(INERT))
    assert silent.to_json()["post"] is None
    read = read_model(Entry, "tinyops/entry/v1", without(silent.to_json(), "post"), where="entry.json")
    assert read.post is None, "entries of earlier releases have no such field"


@pytest.mark.parametrize("url", ["ftp://plant/x", "http:///x", "http://a b", 'http://a"', "http://" + "a" * 200, ""])
def test_results_go_to_no_other_place(publisher: Publisher, url: str) -> None:
    ((_, entry),) = entries(publisher.build(INERT))
    with pytest.raises(RemoteError, match=r"post\.url"):
        read_model(Entry, "tinyops/entry/v1", {**entry.to_json(), "post": {"url": url}}, where="entry.json")


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [value]


def test_a_later_tinyops_may_add_fields_to_an_entry(manifest: Manifest) -> None:
    ((_, entry),) = entries(manifest)
    value = {**entry.to_json(), "wave": 3}
    value["model"]["delta"] = "x"
    assert read_model(Entry, "tinyops/entry/v1", value, where="entry.json") == entry
