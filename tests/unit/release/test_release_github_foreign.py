"""What others do in the repository: foreign releases and drafts, and leases that are taken, broken or dead."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fakes.github_failures import SECOND, failing, leases, publishes, reads
from fakes.github_server import Release
from fakes.release_stores import LEASES, GitHubBench
from fakes.releases import INERT
from tinyops.errors import Leased, RemoteError, UnsafePlan
from tinyops.release.github.store import GitHubStore

pytestmark = pytest.mark.usefixtures("no_token_in_logs")


@pytest.fixture
def bench(released: GitHubBench) -> GitHubBench:
    return released


# -- foreign things -----------------------------------------------------------------------------


def foreign(bench: GitHubBench, tag: str, *, draft: bool = False) -> Release:
    made = Release(bench.state.new_id(), tag, tag, "by a person", draft)
    bench.state.releases[made.id] = made
    if not draft:
        bench.state.latest = made.id
    return made


def test_a_foreign_release_is_neither_read_nor_left_the_latest(bench: GitHubBench) -> None:
    for number in range(60):  # more than one page of them
        foreign(bench, f"docs-{number}")
    store = bench.fresh()
    assert store.latest().manifest.version == 1
    with store.lease("t"):
        assert bench.latest_tag() == "v1"
    store.close()
    assert any("v1 becomes the latest release" in text for text in bench.waits.said)


def test_a_foreign_release_under_our_next_tag_is_refused(bench: GitHubBench) -> None:
    foreign(bench, "v2")
    error = failing(bench, reads)
    assert "v2/manifest.json: released asset is missing" in error.message


def test_a_foreign_draft_of_our_next_tag_is_left_alone(bench: GitHubBench) -> None:
    foreign(bench, "v2", draft=True)
    error = failing(bench, lambda _: publishes(bench), UnsafePlan)
    assert "a draft of v2 that tinyops did not make" in error.message
    assert [r.body for r in bench.state.drafts()] == ["by a person"]


def test_a_dead_draft_of_ours_for_another_version_is_removed_and_a_persons_is_not(bench: GitHubBench) -> None:
    store = bench.fresh()
    store.remote.create_draft("v9", "notes\n\n<!-- tinyops: release of wearables, lease 1 -->")
    store.close()
    foreign(bench, "docs", draft=True)
    publishes(bench)
    assert [r.tag for r in bench.state.drafts()] == ["docs"]


def test_a_release_that_appears_while_ours_is_made(bench: GitHubBench) -> None:
    """Another tool publishes v2 between our look and our own publishing."""
    manifest = bench.publisher.build(SECOND)
    store = bench.fresh()
    with store.lease("apply") as lease:
        check = lease.check

        class Late:
            fence = lease.fence

            def check(self) -> None:
                check()
                foreign(bench, "v2")

        with pytest.raises(RemoteError, match="publishing v2: GitHub answered 422"):
            store.publish(bench.publisher.sign(manifest), bench.publisher.files(manifest), Late())
    store.close()


def test_who_reads_all_releases_gets_them_in_pages(bench: GitHubBench) -> None:
    for number in range(2, 12):
        bench.publisher.publish(INERT.but(library=b"%d" % number))
    store = bench.fresh()
    bench.github.asked.clear()
    assert [store.read(version).manifest.version for version in range(11, 0, -1)] == list(range(11, 0, -1))
    asked = [path.split("?")[0].rpartition("releases")[2] for place, _, path in bench.github.asked if place == "api"]
    assert len([path for path in asked if path.startswith("/tags/")]) == 5
    assert len([path for path in asked if path == ""]) == 1
    store.close()


# -- the lease ----------------------------------------------------------------------------------


def test_a_taken_lease_says_how_to_break_it(bench: GitHubBench) -> None:
    with bench.publisher.store.lease("apply"):
        error = failing(bench, leases, Leased)
    host = "--hostname 127.0.0.1"
    assert error.hint.endswith(f"gh api -X DELETE {host} repos/acme/wearables-releases/git/{LEASES}00000002")


def test_a_broken_lease_is_lost(bench: GitHubBench) -> None:
    with bench.publisher.store.lease("apply") as lease:
        bench.state.refs = {n: s for n, s in bench.state.refs.items() if not n.startswith(LEASES)}
        with pytest.raises(Leased, match="taken over by somebody"):
            lease.check()
    assert bench.leases() == {}


RUN = "/acme/wearables/actions/runs/77/attempts"


@pytest.mark.parametrize(
    ("status", "attempt", "free"),
    [("in_progress", 1, False), ("completed", 1, True), ("in_progress", 2, True), ("nonsense", "x", False)],
)
def test_the_lease_of_a_workflow_run_is_free_when_the_run_is_over(
    bench: GitHubBench, status: str, attempt: Any, free: bool
) -> None:
    with bench.publisher.store.lease("apply"):
        bench.edit_holder(run=f"{bench.github.url}{RUN}/1", boot="elsewhere", machine="")
        bench.state.runs[77] = {"id": 77, "status": status, "run_attempt": attempt}
        store = bench.fresh()
        if free:
            leases(store)
        else:
            with pytest.raises(Leased, match=f"number 2, {bench.github.url}{RUN}/1"):
                leases(store)
        store.close()
    bench.github.exchanges = [e for e in bench.github.exchanges if "/actions/runs/" not in e.path]


def test_an_earlier_attempt_of_our_own_run_is_over(bench: GitHubBench, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"GITHUB_SERVER_URL": bench.github.url, "GITHUB_REPOSITORY": "acme/wearables", "GITHUB_RUN_ID": "77"}
    for name, value in {**ours, "GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "2"}.items():
        monkeypatch.setenv(name, value)
    with bench.publisher.store.lease("apply"):
        bench.edit_holder(run=f"{bench.github.url}{RUN}/2", boot="elsewhere")
        assert f"{RUN}/2" in failing(bench, leases, Leased).message
        bench.edit_holder(run=f"{bench.github.url}{RUN}/1", boot="elsewhere")
        leases(bench.publisher.store)


def test_a_run_that_may_not_be_looked_at_is_alive(bench: GitHubBench) -> None:
    with bench.publisher.store.lease("apply"):
        for run in (f"{bench.github.url}{RUN}/1", "https://github.com/acme/w/actions/runs/1/attempts/1", "x"):
            bench.edit_holder(run=run, boot="elsewhere", machine="")
            failing(bench, leases, Leased)


def test_a_lease_that_cannot_be_given_back_is_said_and_nothing_more(bench: GitHubBench) -> None:
    bench.github.fault("status", "PATCH", "/git/refs/", times=99, status=500)
    leases(bench.publisher.store)
    assert any("the lease could not be given back: " in text for text in bench.waits.said)


def test_when_all_is_lost_the_lease_is_given_back_at_the_first_try_or_not_at_all(bench: GitHubBench) -> None:
    store = bench.fresh()
    with pytest.raises(KeyboardInterrupt), store.lease("apply"):
        bench.github.fault("drop", times=99)
        raise KeyboardInterrupt
    assert bench.waits == []
    assert any("the lease could not be given back: " in text for text in bench.waits.said)
    bench.github.faults.clear()
    store.close()
    bench.edit_holder(started="1")
    with pytest.raises(KeyboardInterrupt), bench.publisher.store.lease("apply"):
        raise KeyboardInterrupt
    leases(bench.publisher.store)


def test_of_many_that_want_the_lease_at_once_one_gets_it(bench: GitHubBench) -> None:
    start, all_tried = threading.Barrier(6), threading.Barrier(6)
    fences: list[int] = []
    refused: list[str] = []

    def want(store: GitHubStore) -> None:
        start.wait(20)
        try:
            with store.lease("apply") as lease:
                fences.append(lease.fence)
                all_tried.wait(20)
        except Leased as error:
            refused.append(error.message)
            all_tried.wait(20)

    stores = [bench.fresh() for _ in range(6)]
    threads = [threading.Thread(target=want, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert (len(fences), len(refused)) == (1, 5)
    assert all("holds the lease for apply" in message for message in refused)


def test_dead_leases_are_swept(bench: GitHubBench) -> None:
    for _ in range(3):
        leases(bench.publisher.store)
    assert list(bench.leases()) == [f"{LEASES}00000004"]
