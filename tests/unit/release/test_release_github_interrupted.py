"""GitHub store, interrupted: killed at each request, connections dropped, answers lost. The next run is right."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.release_stores import GitHubBench, github_bench
from fakes.releases import INERT, Publisher
from tinyops.errors import Leased
from tinyops.manifest.document import Manifest
from tinyops.release.github.publishing import Mark

SECOND = INERT.but(library=b"\x7fELF of the second model")
MODEL = "image.activity.linux.model.so"
LATER = "2027-01-02T04:00:00Z"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[GitHubBench]:
    with github_bench(tmp_path) as made:
        made.publisher.publish()
        yield made


def publish(bench: GitHubBench, manifest: Manifest, **patience: float) -> None:
    publisher, store = bench.publisher, bench.fresh(**patience)
    with store.lease("apply") as lease:
        store.publish(publisher.sign(manifest), publisher.files(manifest), lease)
    store.close()


def check_whole(bench: GitHubBench, publisher: Publisher) -> int:
    """What a device or a plan sees at this moment: a whole release. Returns its version."""
    store = bench.fresh()
    latest = store.latest()
    assert latest is not None
    for digest in latest.manifest.assets:
        store.fetch_output(latest.manifest, digest)
    assert bench.latest_tag() == latest.manifest.tag
    store.close()
    return latest.manifest.version


def killed_at(bench: GitHubBench, manifest: Manifest, number: int) -> bool:
    """Whether a process that publishes was killed at its n-th request, which the server still carried out."""
    bench.github.asked.clear()
    ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.read(ready[0], 1)
            publish(bench, manifest)
            status = 0
        finally:
            os._exit(status)
    bench.github.faults = []
    bench.github.fault("kill", number=number, after=True, pid=lambda: pid)
    os.write(ready[1], b"x")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for descriptor in ready:
        os.close(descriptor)
    bench.github.faults = []
    assert status in (0, -9)
    return status == -9


def test_publish_survives_a_kill_at_every_request(bench: GitHubBench) -> None:
    """The old release or the new one, whole; a second run ends in the new one and uploads nothing twice."""
    publisher, state = bench.publisher, bench.state
    first = publisher.build(SECOND)
    second = publisher.build(SECOND, created=LATER)  # the next run signs another manifest
    before = copy.deepcopy(state.__dict__)
    number = kept = 0
    while killed_at(bench, first, number := number + 1):
        version = check_whole(bench, publisher)
        uploaded = {a.id for a in state.assets.values() if a.name == MODEL and a.tag == "v2"}
        if version == 1:
            publish(bench, second)
        assert check_whole(bench, publisher) == 2
        assert sorted(state.published()) == ["v1", "v2"]
        assert state.drafts() == []
        assert len(bench.leases()) <= 2
        if uploaded:
            assert {a.id for a in state.assets.values() if a.name == MODEL and a.tag == "v2"} == uploaded
            kept += 1
        state.__dict__.update(copy.deepcopy(before))
    assert number > 15
    assert kept > 3
    print(f"killed at {number - 1} requests, {kept} of them after the model was uploaded")


@pytest.mark.parametrize(("kind", "after"), [("drop", True), ("drop", False), ("status", False)])
def test_publish_gets_over_one_failure_of_any_request(bench: GitHubBench, kind: str, after: bool) -> None:
    """A connection that breaks before or after the request was carried out, or a 502: at each request once."""
    publisher, github, state = bench.publisher, bench.github, bench.state
    manifest = publisher.build(SECOND)
    before = copy.deepcopy(state.__dict__)
    number = 0
    while True:
        github.asked.clear()
        fault = github.fault(kind, number=(number := number + 1), after=after)
        publish(bench, manifest)
        if fault.times:
            break
        assert check_whole(bench, publisher) == 2
        assert state.drafts() == []
        assert bench.names("v2") == {"manifest.json", "entry-wrist-linux.json", MODEL}
        state.__dict__.update(copy.deepcopy(before))
        github.faults = []
    assert number > 15


def test_an_upload_of_which_half_arrived_is_deleted_and_sent_again(bench: GitHubBench) -> None:
    bench.github.fault("half", "POST", r"/assets\?name=image")
    publish(bench, bench.publisher.build(SECOND))
    assert check_whole(bench, bench.publisher) == 2
    assert {a.state for a in bench.state.assets.values()} == {"uploaded"}
    assert any("the connection broke; again in 1 s" in text for text in bench.waits.said)


def test_a_half_upload_of_a_killed_run_is_replaced_and_the_rest_kept(bench: GitHubBench) -> None:
    manifest = bench.publisher.build(SECOND)
    bench.github.fault("drop", "PATCH", r"/releases/\d+$", times=99)
    with pytest.raises(Exception, match="the connection broke"):
        publish(bench, manifest)
    (draft,) = bench.state.drafts()
    there = {a.name: a.id for a in bench.state.assets_of(draft.id)}
    half = bench.state.assets[there["manifest.json"]]
    half.state, half.content = "starter", half.content[:10]
    bench.github.faults.clear()
    publish(bench, manifest)
    now = {a.name: a.id for a in bench.state.assets_of(draft.id)}
    assert now[MODEL] == there[MODEL]
    assert now["manifest.json"] != there["manifest.json"]
    assert check_whole(bench, bench.publisher) == 2


@pytest.mark.parametrize("after", [True, False])
def test_the_very_first_release_gets_over_a_failure_of_any_request(tmp_path: Path, after: bool) -> None:
    """The first lease has no record to build upon, and there is no release yet."""
    with github_bench(tmp_path) as bench:
        manifest = bench.publisher.build(INERT)
        before = copy.deepcopy(bench.state.__dict__)
        number = 0
        while True:
            bench.github.asked.clear()
            fault = bench.github.fault("drop", number=(number := number + 1), after=after)
            publish(bench, manifest)
            assert bench.names("v1") >= {"manifest.json", "entry-wrist-linux.json", MODEL}
            assert bench.state.drafts() == []
            if fault.times:
                break
            bench.state.__dict__.update(copy.deepcopy(before))
            bench.github.faults = []
        assert number > 18


def test_an_immutable_release_whose_publishing_was_not_heard_of(bench: GitHubBench) -> None:
    """The repeated request is refused, for nothing may be changed any more: it is there all the same."""
    bench.state.immutable = True
    bench.github.fault("drop", "PATCH", r"/releases/\d+$", after=True)
    publish(bench, bench.publisher.build(SECOND))
    assert check_whole(bench, bench.publisher) == 2


def test_two_drafts_of_one_tag_become_one(bench: GitHubBench) -> None:
    """As after an answer that got lost, in a run that was killed before it looked."""
    manifest = bench.publisher.build(SECOND)
    bench.github.fault("drop", "PATCH", r"/releases/\d+$", times=99)
    with pytest.raises(Exception, match="the connection broke"):
        publish(bench, manifest)
    bench.github.faults.clear()
    (draft,) = bench.state.drafts()
    twin = copy.deepcopy(draft)
    twin.id = bench.state.new_id()
    bench.state.releases[twin.id] = twin
    publish(bench, manifest)
    assert bench.state.drafts() == []
    assert sorted(bench.state.published()) == ["v1", "v2"]


def test_who_lost_the_lease_leaves_the_draft_of_the_newer_one_alone(bench: GitHubBench) -> None:
    manifest = bench.publisher.build(SECOND)
    store = bench.fresh()
    with store.lease("slow") as lease:
        body = f"notes\n\n{Mark('wearables', lease.fence + 1)}"
        store.remote.create_draft("v2", body)
        before = bench.snapshot()
        with pytest.raises(Leased, match="made under lease 3, ours is 2"):
            store.publish(bench.publisher.sign(manifest), bench.publisher.files(manifest), lease)
        assert bench.snapshot() == before
    store.close()
