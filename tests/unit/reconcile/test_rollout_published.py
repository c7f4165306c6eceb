"""How far rollouts are, on the metadata's host: read, believed, written, and not overwritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.projects import FINISHED, STREAM, fleet, repository
from fakes.trusted import Trusted, parsed_root
from tinyops.boards.loader import load_catalog
from tinyops.errors import Leased, RemoteError, SpecError, ToolError, UnsafePlan
from tinyops.files import digest_bytes
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import Progress
from tinyops.reconcile.rollout.published import TRUST_FOLDER, Held, online_keys, read_all
from tinyops.reconcile.rollout.publishing import (
    LOG_LINES_MAX,
    Change,
    alone,
    log_file,
    logged,
    publish,
)
from tinyops.specs.loader import Repository, load_repository
from tinyops.trust.folder import FolderPlace
from tinyops.trust.places import Moved
from tinyops.trust.published import read_published

CATALOG = load_catalog()
HOST = """\
  metadata: {kind: directory, path: ../metadata}
  signing:
    online: {key: {secret: TINYOPS_ONLINE_KEY}}
"""
NOW = "2027-01-02T03:04:05Z"


@dataclass
class Desk:
    """A repository whose fleet desk has a rollout, and its host, on which something is offered."""

    specs: Repository
    trusted: Trusted
    monkeypatch: pytest.MonkeyPatch

    @property
    def key(self) -> SigningKey:
        return self.trusted.online

    def be(self, key: SigningKey) -> None:
        """CI has this key from now on."""
        self.monkeypatch.setenv("TINYOPS_ONLINE_KEY", key.to_pem().decode())

    def read(self) -> Mapping[str, Held]:
        return read_all(self.specs, None)

    def write(self, made: Progress, *, notable: bool = True, **other: Any) -> None:
        held = self.read().get("desk")
        seen, keys = (held.data if held else None), (self.key.public.raw.hex(),)
        change = Change("desk", made, seen, keys, notable)
        publish(self.specs, [replace(change, **other)], {"desk"}, self.trusted.clock, "why")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    rollout = "  rollout: {waves: [{share: 1}]}\n"
    made = repository(tmp_path / "bench", FINISHED, fleet("desk", "tiny", {"linux": STREAM}, rollout), model=b"a model")
    made.edit("specs/project.yaml", "  signing:\n", HOST)
    trusted = Trusted(made.root / "metadata")
    trusted.release()
    for name in ("root.json", "1.root.json"):
        made.write(f"{TRUST_FOLDER}/{name}", trusted.roots[0])
    found = Desk(load_repository(made.root, catalog=CATALOG), trusted, monkeypatch)
    found.be(trusted.online)
    return found


def progress(sequence: int = 1, **more: object) -> Progress:
    fields = {"project": "bench", "fleet": "desk", "rollout": 7, "state": "advancing", "waves": 1}
    return Progress.model_validate(
        {**fields, "sequence": sequence, **dict.fromkeys(("since", "time", "expires"), NOW), **more}
    )


def test_what_is_written_is_read_and_logged(desk: Desk) -> None:
    assert desk.read() == {}
    desk.write(progress())
    desk.write(progress(2), notable=False)
    assert desk.read()["desk"].progress == progress(2)
    log = desk.trusted.root / log_file("desk")
    assert [json.loads(line)["signed"]["sequence"] for line in log.read_text().splitlines()] == [1]
    full = b"".join(b"%d\n" % n for n in range(LOG_LINES_MAX + 9))
    log.write_bytes(full)
    lines = logged(desk.trusted.place.look(), "desk", b"new\n").splitlines()
    assert (len(lines), lines[-1], lines[0]) == (LOG_LINES_MAX, b"new", b"10")


def test_it_lies_there_plain_and_as_a_target_of_the_metadata(desk: Desk) -> None:
    desk.write(progress())
    metadata = desk.trusted.root
    names = sorted(str(path.relative_to(metadata)) for path in metadata.rglob("*desk*"))
    plain = (metadata / "rollout/desk.json").read_bytes()
    assert names == ["rollout/desk.json", "rollout/desk.log", f"targets/rollout/{digest_bytes(plain)[7:]}.desk.json"]
    published = read_published(desk.trusted.place.look(), parsed_root(desk.trusted.roots[0]))
    assert published.progress == {"desk": plain}


def test_a_document_is_not_written_over_one_that_was_not_seen(desk: Desk) -> None:
    desk.write(progress())
    for seen in (None, b"another"):
        with pytest.raises(Moved, match="somebody else made a step"):
            desk.write(progress(2), seen=seen)
    assert desk.read()["desk"].progress.sequence == 1


@pytest.mark.faults
def test_a_step_that_ended_at_any_write_is_carried_on_by_the_next(desk: Desk) -> None:
    """Killed, or the disk was full: whatever lies there plain already, the next step is no stranger to it."""
    desk.write(progress())
    write, faults = FolderPlace._write, 0
    for count in range(99):
        left = [count]

        def full(self: FolderPlace, path: Path, data: bytes, left: list[int] = left) -> None:
            if not left[0]:
                raise ToolError("no space left on the disk")
            left[0] -= 1
            write(self, path, data)

        sequence = desk.read()["desk"].progress.sequence
        with desk.monkeypatch.context() as patched:
            patched.setattr(FolderPlace, "_write", full)
            try:
                desk.write(progress(sequence + 1))
                break
            except ToolError:
                faults += 1
        then = desk.read()["desk"].progress.sequence + 1
        desk.write(progress(then))
        published = read_published(desk.trusted.place.look(), parsed_root(desk.trusted.roots[0]))
        assert published.progress == {"desk": desk.read()["desk"].data}
        assert desk.read()["desk"].progress.sequence == then
    assert faults >= 5
    count_faults("a disk that is full within a step of a rollout", faults)


def test_who_is_overtaken_while_it_writes_its_log_made_its_step_all_the_same(desk: Desk) -> None:
    change = FolderPlace.change

    def overtaken(self: FolderPlace, files: Mapping[str, bytes], *more: Any) -> None:
        if log_file("desk") in files:
            raise Moved("somebody else published metadata just now")
        change(self, files, *more)

    desk.monkeypatch.setattr(FolderPlace, "change", overtaken)
    desk.write(progress())
    assert desk.read()["desk"].progress == progress()


def test_a_key_that_released_entries_do_not_believe_signs_nothing(desk: Desk) -> None:
    with pytest.raises(UnsafePlan, match="do not believe online key"):
        desk.write(progress(), keys=("0" * 64,))
    desk.be(SigningKey.generate())
    with pytest.raises(UnsafePlan, match="do not believe online key"):
        desk.write(progress())
    assert desk.read() == {}


def test_one_step_at_a_time(desk: Desk) -> None:
    with alone(desk.specs), pytest.raises(Leased), alone(desk.specs):
        pass


@pytest.mark.parametrize("damage", ["other key", "altered", "cut", "html", "large", "other fleet", "other project"])
def test_what_cannot_be_true_is_refused(desk: Desk, damage: str) -> None:
    signer = SigningKey.generate() if damage == "other key" else desk.key
    more = {"fleet": "other"} if damage == "other fleet" else {"project": "p"} if damage == "other project" else {}
    data = seal(progress(**more).to_json(), [signer]).to_bytes()
    broken = {
        "altered": data.replace(b'"waves":1', b'"waves":9'),
        "cut": data[:-9],
        "html": b"<html>",
        "large": b" " * 99999,
    }
    path = desk.trusted.root / "rollout/desk.json"
    path.parent.mkdir()
    path.write_bytes(broken.get(damage, data))
    with pytest.raises((RemoteError, SpecError), match=r"rollout/desk\.json|larger"):
        desk.read()


def test_online_keys_are_those_of_the_newest_finished_root(desk: Desk) -> None:
    root = desk.specs.root
    assert online_keys(root) == (desk.key.public,)
    other = SigningKey.generate().public
    role = {"keyids": [other.key_id], "threshold": 1}
    named = {other.key_id: {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": other.raw.hex()}}}
    newer = json.dumps({"signed": {"roles": {"timestamp": role}, "keys": named}})
    (root / TRUST_FOLDER / "root.json").write_text(newer)  # proposed, not signed by enough
    assert online_keys(root) == (desk.key.public,)
    (root / TRUST_FOLDER / "10.root.json").write_text(newer)
    assert online_keys(root) == (other,)
    for broken in ("{", "[]", '{"signed": {"roles": {"timestamp": {"keyids": []}}, "keys": {}}}'):
        (root / TRUST_FOLDER / "11.root.json").write_text(broken)
        with pytest.raises(SpecError, match="names no Ed25519 key for the timestamp"):
            online_keys(root)
    for path in (root / TRUST_FOLDER).iterdir():
        path.unlink()
    assert online_keys(root) == ()
