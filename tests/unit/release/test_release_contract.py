"""What every release store promises, held against each: complete or not at all, never changed, never going back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.models import FakeModel, golden_bytes
from fakes.release_stores import BENCHES, Bench
from fakes.releases import FLEET, INERT, Publisher, record
from tinyops.errors import Leased, RemoteError, ToolError, UnsafePlan
from tinyops.files import digest_bytes
from tinyops.manifest.document import Manifest
from tinyops.manifest.entry import read_entry
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.release.store import SignedRelease, sign_release

SECOND = INERT.but(library=b"\x7fELF of the second model")
MODEL = "image.activity.linux.model.so"
GOLDEN = "squeeze.activity.golden.bin"


@pytest.fixture(params=sorted(BENCHES))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with BENCHES[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def publisher(bench: Bench) -> Publisher:
    return bench.publisher


def refusal(bench: Bench, signed: SignedRelease, error: type[Exception]) -> str:
    """Publishing must fail and leave the store as it was."""
    publisher, before = bench.publisher, bench.snapshot()
    with pytest.raises(error) as caught, publisher.store.lease("t") as lease:
        publisher.store.publish(signed, publisher.files(signed.manifest), lease)
    assert bench.snapshot() == before
    return str(caught.value)


def test_an_empty_store_has_no_release(publisher: Publisher) -> None:
    assert publisher.store.latest() is None
    assert not publisher.store.has_releases()
    with pytest.raises(RemoteError, match="v1"):
        publisher.store.read(1)


def test_a_release_holds_its_files_and_signed_documents(bench: Bench, publisher: Publisher) -> None:
    release = publisher.publish()
    assert bench.latest_tag() == "v1"
    assert bench.names("v1") == {"manifest.json", "entry-wrist-linux.json", *release.manifest.own_assets()}
    assert publisher.store.latest() == release == publisher.store.read(1)
    assert publisher.store.has_releases()
    for digest in release.manifest.assets:
        assert digest_bytes(publisher.store.fetch_output(release.manifest, digest).read_bytes()) == digest


def test_unchanged_assets_keep_their_tag_and_are_not_written_again(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    second = publisher.publish(SECOND)
    assert bench.names("v2") == {"manifest.json", "entry-wrist-linux.json", MODEL}
    board = second.manifest.fleets[FLEET].boards["linux"]
    assert (board.model.tag, board.golden.tag) == ("v2", "v1")
    assert publisher.store.fetch_output(second.manifest, board.golden.digest).read_bytes() == INERT.golden
    assert second.manifest.previous == publisher.store.read(1).digest


def test_the_same_release_twice_is_no_error(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    signed, files = publisher.sign(manifest), publisher.files(manifest)
    with publisher.store.lease("t") as lease:
        first = publisher.store.publish(signed, files, lease)
        before = bench.snapshot()
        assert publisher.store.publish(signed, files, lease) == first
    assert bench.snapshot() == before


def test_an_older_release_published_again_does_not_become_the_latest(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    publisher.publish()
    publisher.publish(SECOND)
    with publisher.store.lease("t") as lease:
        publisher.store.publish(publisher.sign(manifest), publisher.files(manifest), lease)
    latest = publisher.store.latest()
    assert latest is not None
    assert latest.manifest.version == 2
    assert bench.latest_tag() == "v2"


def test_a_pointer_that_was_moved_back_deceives_nobody_and_is_moved_on(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    publisher.publish(SECOND)
    bench.point_latest("v1")
    latest = publisher.store.latest()
    assert latest is not None
    assert latest.manifest.version == 2
    with publisher.store.lease("t"):
        assert bench.latest_tag() == "v2"


def test_notes_are_kept_beside_the_release(bench: Bench, publisher: Publisher) -> None:
    release = publisher.publish(notes="# v1\n\nWrists count steps – all of them.")
    assert bench.notes("v1") == "# v1\n\nWrists count steps – all of them."
    assert publisher.store.read(1) == release


def test_a_version_published_before_with_other_content_is_refused(bench: Bench, publisher: Publisher) -> None:
    other = publisher.build(SECOND)
    publisher.publish()
    assert "published before with other content" in refusal(bench, publisher.sign(other), UnsafePlan)


def test_a_version_that_does_not_rise_by_one_is_refused(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    gap = publisher.build(SECOND).to_json() | {"version": 3, "tag": "v3"}
    for asset in gap["assets"].values():
        asset["tag"] = "v3" if asset["tag"] == "v2" else asset["tag"]
    gap["fleets"][FLEET]["boards"]["linux"]["model"]["tag"] = "v3"
    manifest = Manifest.model_validate_json(json.dumps(gap))
    assert "v3 does not follow v1" in refusal(bench, publisher.sign(manifest), UnsafePlan)


def test_a_release_made_to_follow_another_one_is_refused(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    manifest = publisher.build(SECOND, previous=digest_bytes(b"another"))
    assert "made to follow another v1" in refusal(bench, publisher.sign(manifest), UnsafePlan)


def test_another_projects_release_is_refused(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.build(INERT, project="doorbells")
    assert "the store is of wearables" in refusal(bench, publisher.sign(manifest), UnsafePlan)


def test_a_release_signed_by_nobody_trusted_is_refused(bench: Bench, publisher: Publisher) -> None:
    signed = sign_release(publisher.build(INERT), [SigningKey.generate()])
    assert "0 of 1 trusted signatures" in refusal(bench, signed, RemoteError)


def test_entries_must_agree_with_the_manifest(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    signed, other = publisher.sign(manifest), publisher.sign(publisher.build(INERT, counter=5))
    name = "entry-wrist-linux.json"
    swapped = replace(signed, documents={**signed.documents, name: other.documents[name]})
    assert "does not agree with the manifest" in refusal(bench, swapped, ToolError)
    missing = replace(signed, documents={k: v for k, v in signed.documents.items() if k != name})
    assert "one signed entry for each" in refusal(bench, missing, ToolError)


def test_an_entry_may_expire(bench: Bench, publisher: Publisher) -> None:
    publisher.publish(expires="2030-01-01T00:00:00Z")
    entry, _ = read_entry(bench.content("v1", "entry-wrist-linux.json"), publisher.trust, where="x")
    assert entry.expires == "2030-01-01T00:00:00Z"


def test_what_cannot_be_made_again_must_be_released(bench: Bench, publisher: Publisher) -> None:
    steps = {"train:activity": record("train:activity", {"float.tflite": b"never written anywhere"})}
    signed = publisher.sign(publisher.build(INERT, steps=steps))
    assert "would lose what cannot be made again: train:activity float.tflite" in refusal(bench, signed, ToolError)


def test_files_must_be_those_of_the_manifest(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    files = publisher.files(manifest)
    files.pop(MODEL)
    before = bench.snapshot()
    with pytest.raises(ToolError, match=r"differ in image\.activity"), publisher.store.lease("t") as lease:
        publisher.store.publish(publisher.sign(manifest), files, lease)
    assert bench.snapshot() == before


def test_a_file_that_changed_since_it_was_built_is_refused(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.build(INERT)
    path, _ = publisher.files(manifest)[MODEL]
    path.write_bytes(b"something else")
    assert "changed since it was built" in refusal(bench, publisher.sign(manifest), ToolError)
    path.unlink()
    assert "cannot be read" in refusal(bench, publisher.sign(manifest), ToolError)


def test_a_damaged_or_missing_carried_asset_stops_the_next_release(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    bench.put("v1", GOLDEN, bench.content("v1", GOLDEN)[:-1] + b"\x80")
    signed = publisher.sign(publisher.build(SECOND))
    assert f"v1/{GOLDEN}: released asset is damaged" in refusal(bench, signed, RemoteError)
    bench.remove("v1", GOLDEN)
    assert f"v1/{GOLDEN}: released asset " in refusal(bench, signed, RemoteError)


def test_a_damaged_or_missing_asset_is_not_handed_out(bench: Bench, publisher: Publisher) -> None:
    manifest = publisher.publish().manifest
    digest = digest_bytes(INERT.golden)
    bench.put("v1", GOLDEN, bench.content("v1", GOLDEN)[:-1] + b"\x80")
    with pytest.raises(RemoteError, match=f"v1/{GOLDEN}: released asset is damaged"):
        bench.reopened(publisher.trust).fetch_output(manifest, digest)
    bench.remove("v1", GOLDEN)
    with pytest.raises(RemoteError, match=f"v1/{GOLDEN}: released asset (is missing|cannot be read)"):
        bench.reopened(publisher.trust).fetch_output(manifest, digest)


def test_an_altered_manifest_is_refused_when_read(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    altered = bench.content("v1", "manifest.json").replace(b'"version":1', b'"version":2')
    bench.put("v1", "manifest.json", altered)
    with pytest.raises(RemoteError, match="0 of 1 trusted signatures"):
        bench.reopened(publisher.trust).latest()


def test_a_release_without_a_manifest_is_refused_when_read(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    bench.remove("v1", "manifest.json")
    with pytest.raises(RemoteError, match=r"v1/manifest\.json: "):
        bench.reopened(publisher.trust).latest()


def test_a_release_that_was_renamed_to_a_higher_version_is_refused(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    bench.rename("v1", "v9")
    with pytest.raises(RemoteError, match="is v1 of wearables, not v9"):
        bench.reopened(publisher.trust).latest()


def test_a_manifest_of_other_keys_is_refused(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    with pytest.raises(RemoteError, match="not in the trusted keys"):
        bench.reopened(Trust.of([SigningKey.generate().public])).latest()


def test_a_digest_that_was_never_released_is_named(publisher: Publisher) -> None:
    manifest = publisher.publish().manifest
    with pytest.raises(RemoteError, match="is not among the released files"):
        publisher.store.fetch_output(manifest, "sha256:" + "0" * 64)


@pytest.mark.parametrize("kind", sorted(BENCHES))
def test_a_threshold_of_two_wants_two_signatures(kind: str, tmp_path: Path) -> None:
    with BENCHES[kind](tmp_path, keys=[SigningKey.generate(), SigningKey.generate()], threshold=2) as bench:
        publisher = bench.publisher
        alone = sign_release(publisher.build(INERT), publisher.keys[:1])
        assert "1 of 2 trusted signatures" in refusal(bench, alone, RemoteError)
        publisher.publish(FakeModel(b"x", golden_bytes(), INERT.contract))


# -- the lease ----------------------------------------------------------------------------------


def test_the_number_of_the_lease_rises(publisher: Publisher) -> None:
    numbers = []
    for _ in range(3):
        with publisher.store.lease("t") as lease:
            lease.check()
            numbers.append(lease.fence)
    assert numbers == [1, 2, 3]


def test_a_second_one_is_told_who_and_since_when(publisher: Publisher) -> None:
    with publisher.store.lease("apply"), pytest.raises(Leased) as caught, publisher.store.lease("t"):
        pass
    assert f"process {os.getpid()}" in caught.value.message
    assert "for apply, since" in caught.value.message
    assert caught.value.exit_code == 75


def test_the_lease_of_the_dead_is_free_and_the_slow_notice(bench: Bench, publisher: Publisher) -> None:
    with publisher.store.lease("slow") as slow:
        bench.edit_holder(started="1")
        with publisher.store.lease("t") as lease:
            assert lease.fence == 2
            lease.check()
            with pytest.raises(Leased, match=r"was taken over by .* \(number 2, ours was 1\)"):
                slow.check()


@pytest.mark.parametrize("fields", [{"taken": "yesterday"}, {"owner": 1}, {"more": 1}, {"purpose": "\x1b[2J"}])
def test_a_lease_whose_record_is_damaged_is_not_free(
    bench: Bench, publisher: Publisher, fields: dict[str, object]
) -> None:
    with publisher.store.lease("t"):
        pass
    bench.edit_holder(**fields)
    with pytest.raises(Leased, match="its record is damaged"), publisher.store.lease("t"):
        pass


def test_a_publisher_that_lost_its_lease_publishes_nothing(bench: Bench, publisher: Publisher) -> None:
    publisher.publish()
    manifest = publisher.build(SECOND)
    with publisher.store.lease("slow") as lease:
        bench.take_over()
        with pytest.raises(Leased, match="was taken over by somebody else"):
            publisher.store.publish(publisher.sign(manifest), publisher.files(manifest), lease)
    assert publisher.store.latest().manifest.version == 1
    assert bench.latest_tag() == "v1"
    assert set(bench.names("v1")) >= {"manifest.json"}
