"""How far rollouts are, on the metadata's host: read, believed, written, and not overwritten."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.projects import FINISHED, STREAM, fleet, repository
from tinyops.boards.loader import load_catalog
from tinyops.errors import Leased, RemoteError, SpecError, UsageError
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import Progress
from tinyops.reconcile.rollout.published import ONLINE_FILE, ROOT_FILE, online_keys, read_all
from tinyops.reconcile.rollout.publishing import (
    LOG_LINES_MAX,
    Change,
    alone,
    log_file,
    online_key,
    open_host,
    publish,
)
from tinyops.specs.loader import Repository, load_repository
from tinyops.trust.places import Moved

CATALOG = load_catalog()
HOST = """\
  metadata: {kind: directory, path: ../metadata}
  signing:
    online: {key: {secret: TINYOPS_ONLINE_KEY}}
"""
NOW = "2027-01-02T03:04:05Z"


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture
def specs(tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> Repository:
    rollout = "  rollout: {waves: [{share: 1}]}\n"
    made = repository(tmp_path / "bench", FINISHED, fleet("desk", "tiny", {"linux": STREAM}, rollout), model=b"a model")
    made.edit("specs/project.yaml", "  signing:\n", HOST)
    made.write(ONLINE_FILE, key.public.to_pem())
    monkeypatch.setenv("TINYOPS_ONLINE_KEY", key.to_pem().decode())
    return load_repository(made.root, catalog=CATALOG)


def progress(sequence: int = 1, **more: object) -> Progress:
    fields = {"project": "bench", "fleet": "desk", "rollout": 7, "state": "advancing", "waves": 1}
    return Progress.model_validate(
        {**fields, "sequence": sequence, **dict.fromkeys(("since", "time", "expires"), NOW), **more}
    )


def write(specs: Repository, key: SigningKey, made: Progress, *, notable: bool = True) -> None:
    held = read_all(specs, None).get("desk")
    publish(specs, key, {"desk": Change("desk", made, held.data if held else None, notable)}, "why")


def test_what_is_written_is_read_and_logged(specs: Repository, key: SigningKey) -> None:
    assert read_all(specs, None) == {}
    write(specs, key, progress())
    write(specs, key, progress(2), notable=False)
    assert read_all(specs, None)["desk"].progress == progress(2)
    log = specs.root / "metadata" / log_file("desk")
    assert [json.loads(line)["signed"]["sequence"] for line in log.read_text().splitlines()] == [1]
    for sequence in range(3, LOG_LINES_MAX + 9):
        write(specs, key, progress(sequence))
    lines = [json.loads(line)["signed"]["sequence"] for line in log.read_text().splitlines()]
    assert lines == [*range(9, LOG_LINES_MAX + 9)]


def test_a_document_is_not_written_over_one_that_was_not_seen(specs: Repository, key: SigningKey) -> None:
    write(specs, key, progress())
    for seen in (None, b"another"):
        with pytest.raises(Moved, match="somebody else made a step"):
            publish(specs, key, {"desk": Change("desk", progress(2), seen, True)}, "why")
    assert read_all(specs, None)["desk"].progress.sequence == 1


def test_one_step_at_a_time(specs: Repository) -> None:
    with alone(specs), pytest.raises(Leased), alone(specs):
        pass


@pytest.mark.parametrize("damage", ["other key", "altered", "cut", "html", "large", "other fleet", "other project"])
def test_what_cannot_be_true_is_refused(specs: Repository, key: SigningKey, damage: str) -> None:
    path = specs.root / "metadata/rollout/desk.json"
    signer = SigningKey.generate() if damage == "other key" else key
    more = {"fleet": "other"} if damage == "other fleet" else {"project": "p"} if damage == "other project" else {}
    write(specs, signer, progress(**more))
    data = path.read_bytes()
    broken = {
        "altered": data.replace(b'"waves":1', b'"waves":9'),
        "cut": data[:-9],
        "html": b"<html>",
        "large": b" " * 99999,
    }
    path.write_bytes(broken.get(damage, data))
    with pytest.raises((RemoteError, SpecError), match=r"rollout/desk\.json|larger"):
        read_all(specs, None)


def test_online_keys_are_those_of_the_root_else_of_the_file(specs: Repository, key: SigningKey) -> None:
    assert online_keys(specs.root) == (key.public,)
    other = SigningKey.generate().public
    role = {"keyids": [other.key_id], "threshold": 1}
    named = {other.key_id: {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": other.raw.hex()}}}
    (specs.root / ROOT_FILE).write_text(json.dumps({"signed": {"roles": {"timestamp": role}, "keys": named}}))
    assert online_keys(specs.root) == (other,)
    with pytest.raises(SpecError, match="no online key that is committed here"):
        online_key(specs)
    for broken in ("{", "[]", '{"signed": {"roles": {"timestamp": {"keyids": []}}, "keys": {}}}'):
        (specs.root / ROOT_FILE).write_text(broken)
        with pytest.raises(SpecError, match="names no Ed25519 key for the timestamp"):
            online_keys(specs.root)
    (specs.root / ROOT_FILE).unlink()
    (specs.root / ONLINE_FILE).unlink()
    assert online_keys(specs.root) == ()


def test_a_project_without_a_host_has_no_place_for_it(specs: Repository) -> None:
    project = specs.project.document
    without = project.model_copy(update={"spec": project.spec.model_copy(update={"metadata": None})})
    with pytest.raises(UsageError, match="has no `metadata`"):
        open_host(replace(specs, project=replace(specs.project, document=without)))
