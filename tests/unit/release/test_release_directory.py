"""The directory store: complete and atomic at any kill, never changed after, never going back."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.models import FakeModel, golden_bytes
from fakes.power import cut_at
from fakes.releases import FLEET, INERT, Publisher, record
from tinyops.errors import Leased, RemoteError, ToolError, UnsafePlan
from tinyops.files import digest_bytes
from tinyops.manifest.document import Manifest
from tinyops.manifest.entry import read_entry
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.release.directory import DirectoryStore
from tinyops.release.store import SignedRelease, sign_release

SECOND = INERT.but(library=b"\x7fELF of the second model")


def link_of(root: Path) -> str:
    return str((root / "latest").readlink())


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def tree(root: Path) -> dict[str, bytes | str]:
    """Every file and link of a store but the lease."""
    paths = (p for p in sorted(root.rglob("*")) if ".lease" not in p.parts)
    return {
        p.relative_to(root).as_posix(): str(p.readlink()) if p.is_symlink() else p.read_bytes()
        for p in paths
        if p.is_symlink() or p.is_file()
    }


def test_an_empty_store_has_no_release(publisher: Publisher) -> None:
    assert publisher.store.latest() is None


def test_the_layout_is_that_of_plain_files(publisher: Publisher) -> None:
    release = publisher.publish()
    root = publisher.store.root
    assert link_of(root) == "v1"
    names = {path.name for path in (root / "v1").iterdir()}
    assert names == {"manifest.json", "entry-wrist-linux.json", *release.manifest.own_assets()}
    assert all(not path.stat().st_mode & 0o222 for path in (root / "v1").iterdir())
    assert publisher.store.latest() == release
    assert not [p.name for p in root.iterdir() if p.name.startswith((".draft", ".latest"))]


def test_unchanged_assets_keep_their_tag_and_are_not_written_again(publisher: Publisher) -> None:
    publisher.publish()
    second = publisher.publish(SECOND)
    names = {path.name for path in (publisher.store.root / "v2").iterdir()}
    assert names == {"manifest.json", "entry-wrist-linux.json", "image.activity.linux.model.so"}
    board = second.manifest.fleets[FLEET].boards["linux"]
    assert (board.model.tag, board.golden.tag) == ("v2", "v1")
    assert publisher.store.fetch_output(second.manifest, board.golden.digest).read_bytes() == INERT.golden
    assert second.manifest.previous == publisher.store.read(1).digest


def test_the_same_release_twice_is_no_error(publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    signed, files = publisher.sign(manifest), publisher.files(manifest)
    with publisher.store.lease("t") as lease:
        first = publisher.store.publish(signed, files, lease)
        before = tree(publisher.store.root)
        assert publisher.store.publish(signed, files, lease) == first
    assert tree(publisher.store.root) == before


def test_an_older_release_published_again_does_not_become_the_latest(publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    publisher.publish()
    publisher.publish(SECOND)
    with publisher.store.lease("t") as lease:
        publisher.store.publish(publisher.sign(manifest), publisher.files(manifest), lease)
    latest = publisher.store.latest()
    assert latest is not None
    assert latest.manifest.version == 2
    assert link_of(publisher.store.root) == "v2"


def refusal(publisher: Publisher, signed: SignedRelease, error: type[Exception]) -> str:
    """Publishing must fail and leave the store as it was."""
    before = tree(publisher.store.root)
    with pytest.raises(error) as caught, publisher.store.lease("t") as lease:
        publisher.store.publish(signed, publisher.files(signed.manifest), lease)
    assert tree(publisher.store.root) == before
    return str(caught.value)


def test_a_version_published_before_with_other_content_is_refused(publisher: Publisher) -> None:
    other = publisher.build(SECOND)
    publisher.publish()
    assert "published before with other content" in refusal(publisher, publisher.sign(other), UnsafePlan)


def test_a_version_that_does_not_rise_by_one_is_refused(publisher: Publisher) -> None:
    publisher.publish()
    gap = publisher.build(SECOND).to_json() | {"version": 3, "tag": "v3"}
    for asset in gap["assets"].values():
        asset["tag"] = "v3" if asset["tag"] == "v2" else asset["tag"]
    gap["fleets"][FLEET]["boards"]["linux"]["model"]["tag"] = "v3"
    manifest = Manifest.model_validate_json(json.dumps(gap))
    assert "v3 does not follow v1" in refusal(publisher, publisher.sign(manifest), UnsafePlan)


def test_a_release_made_to_follow_another_one_is_refused(publisher: Publisher) -> None:
    publisher.publish()
    manifest = publisher.build(SECOND, previous=digest_bytes(b"another"))
    assert "made to follow another v1" in refusal(publisher, publisher.sign(manifest), UnsafePlan)


def test_another_projects_release_is_refused(publisher: Publisher) -> None:
    manifest = publisher.build(INERT, project="doorbells")
    assert "the store is of wearables" in refusal(publisher, publisher.sign(manifest), UnsafePlan)


def test_a_release_signed_by_nobody_trusted_is_refused(publisher: Publisher) -> None:
    signed = sign_release(publisher.build(INERT), [SigningKey.generate()])
    assert "0 of 1 trusted signatures" in refusal(publisher, signed, RemoteError)


def test_entries_must_agree_with_the_manifest(publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    signed, other = publisher.sign(manifest), publisher.sign(publisher.build(INERT, counter=5))
    name = "entry-wrist-linux.json"
    swapped = replace(signed, documents={**signed.documents, name: other.documents[name]})
    assert "does not agree with the manifest" in refusal(publisher, swapped, ToolError)
    missing = replace(signed, documents={k: v for k, v in signed.documents.items() if k != name})
    assert "one signed entry for each" in refusal(publisher, missing, ToolError)


def test_an_entry_may_expire(publisher: Publisher) -> None:
    publisher.publish(expires="2030-01-01T00:00:00Z")
    path = publisher.store.root / "latest" / "entry-wrist-linux.json"
    entry, _ = read_entry(path.read_bytes(), publisher.trust, where="x")
    assert entry.expires == "2030-01-01T00:00:00Z"


def test_what_cannot_be_made_again_must_be_released(publisher: Publisher) -> None:
    steps = {"train:activity": record("train:activity", {"float.tflite": b"never written anywhere"})}
    signed = publisher.sign(publisher.build(INERT, steps=steps))
    assert "would lose what cannot be made again: train:activity float.tflite" in refusal(publisher, signed, ToolError)


def test_files_must_be_those_of_the_manifest(publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    files = publisher.files(manifest)
    files.pop("image.activity.linux.model.so")
    with pytest.raises(ToolError, match=r"differ in image\.activity"), publisher.store.lease("t") as lease:
        publisher.store.publish(publisher.sign(manifest), files, lease)


def test_a_file_that_changed_since_it_was_built_is_refused(publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    path, _ = publisher.files(manifest)["image.activity.linux.model.so"]
    path.write_bytes(b"something else")
    assert "changed since it was built" in refusal(publisher, publisher.sign(manifest), ToolError)
    path.unlink()
    assert "cannot be read" in refusal(publisher, publisher.sign(manifest), ToolError)


def test_a_damaged_or_missing_carried_asset_stops_the_next_release(publisher: Publisher) -> None:
    publisher.publish()
    golden = publisher.store.root / "v1" / "squeeze.activity.golden.bin"
    golden.chmod(0o644)
    golden.write_bytes(golden.read_bytes()[:-1] + b"\x80")
    signed = publisher.sign(publisher.build(SECOND))
    assert "v1/squeeze.activity.golden.bin: released asset is damaged" in refusal(publisher, signed, RemoteError)
    golden.unlink()
    assert "released asset cannot be read" in refusal(publisher, signed, RemoteError)


def test_an_altered_manifest_is_refused_when_read(publisher: Publisher) -> None:
    publisher.publish()
    path = publisher.store.root / "v1" / "manifest.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    with pytest.raises(RemoteError, match="0 of 1 trusted signatures"):
        publisher.store.latest()


def test_a_folder_that_was_renamed_to_a_higher_version_is_refused(publisher: Publisher) -> None:
    publisher.publish()
    (publisher.store.root / "v1").rename(publisher.store.root / "v9")
    with pytest.raises(RemoteError, match="is v1 of wearables, not v9"):
        publisher.store.latest()


def test_a_manifest_of_other_keys_is_refused(publisher: Publisher) -> None:
    publisher.publish()
    stranger = DirectoryStore(publisher.store.root, "wearables", Trust.of([SigningKey.generate().public]))
    with pytest.raises(RemoteError, match="not in the trusted keys"):
        stranger.latest()


def test_a_file_in_the_place_of_latest_is_left_alone(publisher: Publisher) -> None:
    publisher.store.root.mkdir()
    (publisher.store.root / "latest").mkdir()
    with pytest.raises(ToolError, match="is in the way"):
        publisher.publish()


def test_publish_survives_a_kill_at_every_step(publisher: Publisher, tmp_path: Path) -> None:
    """At each file operation: the old release or the new one, whole; and a second run ends in the new one."""
    publisher.publish()
    root = publisher.store.root
    manifest = publisher.build(SECOND)
    signed, files = publisher.sign(manifest), publisher.files(manifest)

    def publish() -> None:
        with publisher.store.lease("apply") as lease:
            publisher.store.publish(signed, files, lease)

    step = before_commit = 0
    while True:
        step += 1
        if not cut_at(publish, root, step):
            break
        latest = publisher.store.latest()
        assert latest is not None
        for digest in latest.manifest.assets:
            publisher.store.fetch_output(latest.manifest, digest)
        assert link_of(root) in ("v1", latest.manifest.tag)
        assert (root / "latest" / "entry-wrist-linux.json").exists()
        before_commit += latest.manifest.version == 1
        publish()
        assert link_of(root) == "v2"
        assert not [p.name for p in root.iterdir() if p.name.startswith((".draft", ".latest"))]
        _take_back(root)
    print(f"publish: killed at {step - 1} steps, {before_commit} before the release was complete")
    assert step > 12
    assert 0 < before_commit < step - 1


def _take_back(root: Path) -> None:
    shutil.rmtree(root / "v2")
    (root / "latest").unlink()
    (root / "latest").symlink_to("v1")


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half(publisher: Publisher) -> None:
    """The kernel refuses to write more than 4 KB to a file."""
    publisher.publish()
    root, before = publisher.store.root, tree(publisher.store.root)
    manifest = publisher.build(INERT.but(library=bytes(100_000)))
    signed, files = publisher.sign(manifest), publisher.files(manifest)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            with publisher.store.lease("apply") as lease:
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
                publisher.store.publish(signed, files, lease)
        except ToolError as error:
            status = 70 if "cannot be written" in error.message else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 70
    assert tree(root) == before
    publisher.publish(INERT.but(library=bytes(100_000)))


def test_a_publisher_that_lost_its_lease_publishes_nothing(publisher: Publisher) -> None:
    publisher.publish()
    manifest = publisher.build(SECOND)
    with publisher.store.lease("slow") as lease:
        newest = lease.folder / f"{lease.fence:08}.json"
        (lease.folder / f"{lease.fence + 1:08}.json").write_bytes(newest.read_bytes())
        before = tree(publisher.store.root)
        with pytest.raises(Leased, match="was taken over"):
            publisher.store.publish(publisher.sign(manifest), publisher.files(manifest), lease)
    assert tree(publisher.store.root) == before


def test_a_digest_that_was_never_released_is_named(publisher: Publisher) -> None:
    manifest = publisher.publish().manifest
    with pytest.raises(RemoteError, match="is not among the released files"):
        publisher.store.fetch_output(manifest, "sha256:" + "0" * 64)


def test_a_threshold_of_two_wants_two_signatures(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, keys=[SigningKey.generate(), SigningKey.generate()], threshold=2)
    alone = sign_release(publisher.build(INERT), publisher.keys[:1])
    assert "1 of 2 trusted signatures" in refusal(publisher, alone, RemoteError)
    publisher.publish(FakeModel(b"x", golden_bytes(), INERT.contract))
