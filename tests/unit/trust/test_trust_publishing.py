"""What the library's own updater, and curl, make of what we publish."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError

from fakes.trusted import ENTRIES, Trusted, client, new_keys
from fakes.web import FakeServer, serving
from tinyops.errors import UnsafePlan

PROGRESS = {"wrist": b'{"signed":{"sequence":1},"signatures":[]}\n'}


@pytest.fixture
def trusted(tmp_path: Path) -> Trusted:
    made = Trusted(tmp_path / "metadata", clock=datetime.now(UTC))
    made.release()
    return made


@pytest.fixture
def web(trusted: Trusted) -> Iterator[FakeServer]:
    with serving(trusted.root) as server:
        yield server


def fetched(web: FakeServer, folder: Path, root: bytes, name: str) -> bytes | None:
    updater = client(web.url, folder, root)
    updater.refresh()
    info = updater.get_targetinfo(name)
    return Path(updater.download_target(info)).read_bytes() if info else None


def test_the_librarys_updater_fetches_an_entry(trusted: Trusted, web: FakeServer, tmp_path: Path) -> None:
    name = "entry-wrist-linux.json"
    assert fetched(web, tmp_path / "client", trusted.roots[0], name) == ENTRIES[name]
    assert fetched(web, tmp_path / "client", trusted.roots[0], "entry-wrist-other.json") is None


def test_an_unchanged_poll_is_two_requests_and_less_than_a_kilobyte(
    trusted: Trusted, web: FakeServer, tmp_path: Path
) -> None:
    folder = tmp_path / "client"
    fetched(web, folder, trusted.roots[0], "entry-wrist-linux.json")
    web.seen.clear()
    web.sent = 0
    client(web.url, folder, trusted.roots[0]).refresh()
    assert [path for path, _ in web.seen] == ["/2.root.json", "/timestamp.json"]
    assert web.sent < 600


def test_progress_is_signed_by_the_online_key_and_by_no_role_else(
    trusted: Trusted, web: FakeServer, tmp_path: Path
) -> None:
    trusted.publish(progress=PROGRESS)
    folder = tmp_path / "client"
    assert fetched(web, folder, trusted.roots[0], "rollout/wrist.json") == PROGRESS["wrist"]
    assert (trusted.root / "rollout" / "wrist.json").read_bytes() == PROGRESS["wrist"]
    assert json.loads((folder / "rollout.json").read_bytes())["signatures"][0]["keyid"] == trusted.online.public.key_id
    assert fetched(web, folder, trusted.roots[0], "entry-wrist-linux.json") == ENTRIES["entry-wrist-linux.json"]


def test_curl_finds_its_way_from_the_timestamp_to_an_entry(trusted: Trusted, web: FakeServer) -> None:
    def curl(name: str) -> bytes:
        argv = ["curl", "-fsS", "--max-time", "10", f"{web.url}/{name}"]
        return subprocess.run(argv, check=True, capture_output=True, timeout=20).stdout

    timestamp = json.loads(curl("timestamp.json"))["signed"]["meta"]["snapshot.json"]
    snapshot = curl(f"{timestamp['version']}.snapshot.json")
    assert hashlib.sha256(snapshot).hexdigest() == timestamp["hashes"]["sha256"]
    listed = json.loads(snapshot)["signed"]["meta"]["targets.json"]
    targets = json.loads(curl(f"{listed['version']}.targets.json"))["signed"]
    sha256 = targets["targets"]["entry-wrist-linux.json"]["hashes"]["sha256"]
    assert curl(f"targets/{sha256}.entry-wrist-linux.json") == ENTRIES["entry-wrist-linux.json"]
    assert targets["tinyops"]["version"] == 1


def test_a_client_follows_every_root_since_its_own(trusted: Trusted, web: FakeServer, tmp_path: Path) -> None:
    first, old = trusted.roots[0], trusted.keys["root"]
    trusted.keys["root"] = new_keys(2)
    trusted.add_root([*old, *trusted.keys["root"]])
    trusted.keys["targets"], leaked = new_keys(1), trusted.keys["targets"]
    trusted.add_root(trusted.keys["root"])
    trusted.release(release=2)
    folder = tmp_path / "client"
    assert fetched(web, folder, first, "entry-wrist-linux.json") is not None
    assert json.loads((folder / "root.json").read_bytes())["signed"]["version"] == 3
    with pytest.raises(UnsafePlan, match="0 of 1 of the keys that root 3 names"):
        trusted.release(release=3, signing=leaked)


def test_a_root_that_the_old_keys_did_not_sign_is_followed_by_nobody(
    trusted: Trusted, web: FakeServer, tmp_path: Path
) -> None:
    trusted.keys["root"] = new_keys(2)
    trusted.add_root(trusted.keys["root"])
    trusted.release(release=2)
    with pytest.raises(UnsignedMetadataError, match="root was signed by 0/2 keys"):
        fetched(web, tmp_path / "client", trusted.roots[0], "entry-wrist-linux.json")


def test_what_a_revoked_online_key_signs_is_refused_by_clients(
    trusted: Trusted, web: FakeServer, tmp_path: Path
) -> None:
    before = trusted.copy(tmp_path / "attacker")
    trusted.keys["online"] = new_keys(1)
    trusted.add_root(trusted.keys["root"])
    trusted.release(release=2)
    folder = tmp_path / "client"
    fetched(web, folder, trusted.roots[0], "entry-wrist-linux.json")
    before.versions = trusted.versions
    before.later(minutes=1).release(release=9)  # the attacker has the old online key and the targets key
    shutil.copytree(before.root, trusted.root, dirs_exist_ok=True)
    with pytest.raises(RepositoryError):
        fetched(web, folder, trusted.roots[0], "entry-wrist-linux.json")


def test_an_online_key_that_the_root_does_not_name_publishes_nothing(trusted: Trusted) -> None:
    trusted.keys["online"] = new_keys(1)
    was = sorted(trusted.root.rglob("*"))
    with pytest.raises(UnsafePlan, match="is not one that root 1 names"):
        trusted.publish()
    assert sorted(trusted.root.rglob("*")) == was


def test_nothing_is_written_while_all_is_young_and_the_timestamp_alone_when_it_is_not(trusted: Trusted) -> None:
    def names() -> set[str]:
        return {str(path.relative_to(trusted.root)) for path in trusted.root.rglob("*.json")}

    before = names()
    assert not trusted.later(hours=17).publish()
    assert trusted.later(hours=2).publish()
    assert names() == before
    assert json.loads((trusted.root / "timestamp.json").read_bytes())["signed"]["version"] == 2
    assert trusted.later(days=2).publish()
    assert names() - before == {"2.snapshot.json", "2.rollout.json"}
