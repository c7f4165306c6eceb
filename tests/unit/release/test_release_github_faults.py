"""GitHub store when GitHub refuses, fails, stalls or lies: one sentence that says what to do, and never the token."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.github_server import READ_TOKEN, TOKEN, Release
from fakes.release_stores import LEASES, GitHubBench, github_bench
from fakes.releases import INERT
from tinyops.errors import Leased, RemoteError, TinyopsError, ToolError, UnsafePlan
from tinyops.files import digest_bytes
from tinyops.release.github import session as sessions
from tinyops.release.github.store import GitHubStore
from tinyops.release.github.uploading import check_source
from tinyops.release.store import Unreachable

SECOND = INERT.but(library=b"\x7fELF of the second model" + bytes(range(256)) * 40)
MODEL = "image.activity.linux.model.so"
GOLDEN = "squeeze.activity.golden.bin"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[GitHubBench]:
    with github_bench(tmp_path) as made:
        made.publisher.publish()
        made.waits.clear()
        made.waits.said.clear()
        made.github.asked.clear()
        yield made


def reads(store: GitHubStore) -> None:
    store.latest()


def leases(store: GitHubStore) -> None:
    with store.lease("apply"):
        pass


def fetches(store: GitHubStore) -> None:
    manifest = store.latest().manifest
    store.fetch_output(manifest, digest_bytes(INERT.golden))


def publishes(bench: GitHubBench, model: Any = SECOND, **more: Any) -> None:
    manifest = bench.publisher.build(model, **more)
    store = bench.fresh()
    try:
        with store.lease("apply") as lease:
            store.publish(bench.publisher.sign(manifest), bench.publisher.files(manifest), lease)
    finally:
        store.close()


def failing(
    bench: GitHubBench, work: Callable[[GitHubStore], None], error: type[TinyopsError] = RemoteError, **options: Any
) -> TinyopsError:
    """The error of work that must fail; neither it nor anything that was said holds the token."""
    store = bench.fresh(**options)
    try:
        with pytest.raises(error) as caught:
            work(store)
    finally:
        store.close()
    shown = everything_about(caught.value)
    for canary in (TOKEN, READ_TOKEN):
        assert canary not in shown
        assert canary not in "\n".join(bench.waits.said)
    assert type(caught.value) is error or error is RemoteError
    return caught.value


def everything_about(error: BaseException) -> str:
    """What a crash reporter would send: the chain of exceptions, and the variables of every frame but this file's."""
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(str(cause))
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if frame.f_code.co_filename != __file__:
                for value in frame.f_locals.values():
                    with contextlib.suppress(AttributeError):  # github3's own objects, when fields are missing
                        texts.append(repr(value))
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


@pytest.fixture(autouse=True)
def no_token_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    lines = [record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when)]
    assert any("/repos/acme/" in line for line in lines)
    assert not [line for line in lines if TOKEN in line or READ_TOKEN in line]


# -- refusals -----------------------------------------------------------------------------------


def test_a_token_that_github_does_not_know(bench: GitHubBench) -> None:
    error = failing(bench, reads, token="ghs_unknown")
    assert "401" in error.message
    assert "the token from environment variable GITHUB_TOKEN" in error.message
    assert "expired or revoked" in error.hint


def test_a_token_that_may_not_write_names_the_permission(bench: GitHubBench) -> None:
    error = failing(bench, leases, token=READ_TOKEN)
    assert "403 Forbidden" in error.message
    assert "needed: contents=write" in error.message
    assert "contents: write" in error.hint
    assert bench.waits == []


def test_a_repository_that_cannot_be_seen(bench: GitHubBench) -> None:
    bench.state.private = True
    assert "it is private, for there is no token" in failing(bench, reads, token=None).message
    bench.state.repository = "acme/other"
    assert "acme/wearables-releases" in (error := failing(bench, reads)).message
    assert "404" in error.message
    bench.state.repository = "acme/wearables-releases"


def test_a_public_repository_is_read_without_a_token(bench: GitHubBench) -> None:
    store = bench.fresh(token=None)
    fetches(store)
    store.close()


def test_an_empty_repository(tmp_path: Path) -> None:
    with github_bench(tmp_path) as bench:
        bench.state.commits.clear()
        error = failing(bench, leases)
        assert "409 Conflict: Git Repository is empty" in error.message
        assert "first commit" in error.hint


def test_writing_without_a_token_names_the_ways_to_give_one(bench: GitHubBench) -> None:
    def need() -> None:
        raise ToolError("secret GITHUB_TOKEN is nowhere to be found", hint="set GITHUB_TOKEN")

    store = bench.fresh(token=None)
    store._need_token = need
    with pytest.raises(ToolError, match="GITHUB_TOKEN is nowhere"):
        leases(store)
    assert bench.github.asked == []
    store.close()


def test_a_ref_that_github_refuses_altogether_is_no_endless_race(bench: GitHubBench) -> None:
    bench.github.fault("status", "POST", "/git/refs", times=9, status=422, body=b'{"message": "Bad ref name"}')
    error = failing(bench, leases)
    assert f"making {LEASES}00000002: GitHub answered 422" in error.message
    assert "Bad ref name" in error.message


def test_an_asset_that_is_there_already_is_named(bench: GitHubBench) -> None:
    body = {"message": "Validation Failed", "errors": [{"resource": "A", "code": "already_exists", "field": "name"}]}
    bench.github.fault("status", "POST", r"/assets\?", times=99, status=422, body=json.dumps(body).encode())
    error = failing(bench, lambda _: publishes(bench))
    assert f"uploading {MODEL} to v2: GitHub answered 422" in error.message
    assert "name already_exists" in error.message


# -- failures -----------------------------------------------------------------------------------


def test_no_network_at_all_is_said_at_once(bench: GitHubBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.github, "url", "http://127.0.0.1:1")
    error = failing(bench, reads, Unreachable)
    assert "GitHub cannot be reached: Connection refused" in error.message
    assert "HTTPS_PROXY" in error.hint
    assert bench.waits == []


def test_a_name_that_nobody_knows_is_said_at_once(bench: GitHubBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        import socket

        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr(bench.github, "url", "https://ghe.acme.example")
    assert "its name is not known here" in failing(bench, reads, Unreachable).message
    assert bench.waits == []


def test_a_server_that_keeps_failing_is_asked_five_times(bench: GitHubBench) -> None:
    bench.github.fault("status", "GET", "latest", times=99, status=503)
    error = failing(bench, reads, Unreachable)
    assert "GitHub answered 503 Service Unavailable, 5 times" in error.message
    assert bench.waits == [1, 2, 4, 8]
    assert "again in 8 s" in bench.waits.said[-1]


def test_a_server_that_stalls(bench: GitHubBench) -> None:
    bench.github.fault("stall", "GET", "latest", times=99)
    error = failing(bench, reads, Unreachable, read_s=0.05, attempts=2)
    assert "GitHub stopped answering, 2 times" in error.message


def test_answers_that_are_cut_short(bench: GitHubBench) -> None:
    bench.github.fault("truncate", "GET", "latest", times=99, after=True)
    assert "the connection broke" in failing(bench, reads, Unreachable).message


@pytest.mark.parametrize("body", [b"[1, 2]", b"{}", b'{"url": 5}', b"null", b'"text"', b"[" * 100_000, b"\xff", b"17"])
def test_answers_that_are_nonsense(bench: GitHubBench, body: bytes) -> None:
    bench.github.fault("json", "GET", "(latest|releases)", times=99, body=body)
    error = failing(bench, reads)
    assert "is no answer of GitHub's API" in error.message
    assert "releases.url" in error.hint


def test_fields_of_another_type_are_nonsense(bench: GitHubBench) -> None:
    from fakes import github_shapes

    whole = github_shapes.release(bench.state, bench.state.published()["v1"])
    for name, value in (("id", "1"), ("tag_name", 7), ("draft", None), ("assets", [{}]), ("upload_url", 1)):
        bench.github.fault("json", "GET", "latest", body=json.dumps({**whole, name: value}).encode())
        assert "is no answer of GitHub's API" in failing(bench, reads).message


def test_a_login_page_is_no_answer(bench: GitHubBench) -> None:
    bench.github.fault("garbage", "GET", "latest")
    assert "is no answer of GitHub's API: not JSON" in failing(bench, reads, Unreachable).message


def test_an_endless_answer_is_bounded(bench: GitHubBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "ANSWER_LIMIT_BYTES", 1000)
    assert "longer than 1,000 bytes" in failing(bench, reads).message


# -- rates --------------------------------------------------------------------------------------


def test_the_primary_rate_limit_is_waited_for_and_shown(bench: GitHubBench) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000090"}
    bench.github.fault("status", "GET", "latest", status=403, headers=headers)
    store = bench.fresh(now=lambda: 1_000_000.0)
    store.latest()
    store.close()
    assert bench.waits == [91]
    assert bench.waits.said == [
        f"{store}: reading the latest release: GitHub's rate limit is used up; waiting 91 s, until 13:48:11 UTC"
    ]


def test_a_secondary_rate_limit_is_waited_for_as_long_as_github_asks(bench: GitHubBench) -> None:
    bench.github.fault("status", "POST", r"/assets\?", status=429, headers={"Retry-After": "17"})
    about = (
        b'{"message": "slow down", "documentation_url": "https://docs.github.com/rest/using/rate-limits-for-the-api"}'
    )
    bench.github.fault("status", "POST", r"/assets\?", status=403, body=about)
    publishes(bench)
    assert bench.waits == [17, 120]
    assert bench.latest_tag() == "v2"


def test_waiting_for_rates_has_an_end(bench: GitHubBench) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1003000"}
    bench.github.fault("status", "GET", "latest", status=403, headers=headers)
    error = failing(bench, reads, now=lambda: 1_000_000.0)
    assert "in 50 min; tinyops waits at most 20 min in all" in error.message
    assert "goes on where it stopped" in error.hint
    bench.github.fault("status", "GET", "latest", times=99, status=429, headers={"Retry-After": "500"})
    assert "20 min in all" in failing(bench, reads).message
    assert bench.waits == [500, 500]


def test_many_writes_are_one_a_second(bench: GitHubBench) -> None:
    store = bench.fresh(pace_s=1.0, clock=lambda: 5.0)
    for _ in range(62):
        store.remote.patience.pace()
    assert bench.waits == [1, 1]
    store.close()


# -- uploads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_an_upload_that_arrives_damaged_is_sent_again(bench: GitHubBench, told: bool) -> None:
    """Whether GitHub names a digest or the file has to be fetched back."""
    bench.state.tells_digests = told
    bench.state.damaged_uploads = 1
    if told:
        publishes(bench)
        assert bench.content("v2", MODEL) == SECOND.library
        assert f"{MODEL}: arrived damaged; again in 1 s" in bench.waits.said
        bench.state.damaged_uploads = 99
        error = failing(bench, lambda _: publishes(bench, INERT.but(library=b"third")))
        assert "arrived damaged 5 times" in error.message
    else:
        error = failing(bench, lambda _: publishes(bench))
        assert f"{MODEL} was uploaded, but GitHub has it with another digest" in error.message
        assert bench.latest_tag() == "v1"
        publishes(bench)
        assert bench.content("v2", MODEL) == SECOND.library


def test_a_server_that_tells_no_digests_is_read_back(bench: GitHubBench) -> None:
    bench.state.tells_digests = False
    bench.github.asked.clear()
    publishes(bench)
    fetched = [path for place, _, path in bench.github.asked if place == "objects"]
    assert len(fetched) >= 3  # what was uploaded, beside the manifests that were read
    store = bench.fresh()
    assert store.latest().manifest.version == 2
    store.close()


def test_an_upload_goes_to_githubs_own_hosts_only(bench: GitHubBench) -> None:
    bench.state.uploads = bench.state.objects
    error = failing(bench, lambda _: publishes(bench))
    assert "the token is not sent there" in error.message
    assert not [a for a in bench.github.asked if a[0] == "objects" and a[1] == "POST"]


def test_an_upload_that_is_taken_too_slowly_ends(bench: GitHubBench) -> None:
    times = itertools.count(0, 60)
    store = bench.fresh(clock=lambda: next(times), attempts=2)
    manifest = bench.publisher.build(INERT.but(library=bytes(range(256)) * 8_000))
    with pytest.raises(Unreachable, match="GitHub stopped answering"), store.lease("apply") as lease:
        store.publish(bench.publisher.sign(manifest), bench.publisher.files(manifest), lease)
    store.close()


def test_files_that_github_takes_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: GitHubBench) -> None:
    with pytest.raises(ToolError, match="empty: 0 bytes; GitHub takes files of 1 byte to"):
        check_source("empty", b"", digest_bytes(b""))
    monkeypatch.setattr("tinyops.release.github.uploading.ASSET_LIMIT_BYTES", 3)
    with pytest.raises(ToolError, match="large: 4 bytes"):
        check_source("large", b"1234", digest_bytes(b"1234"))
    reads(bench.publisher.store)


def test_immutable_releases_are_published_all_the_same(bench: GitHubBench) -> None:
    bench.state.immutable = True
    publishes(bench)
    bench.point_latest("v1")
    leases(bench.publisher.store)
    assert bench.latest_tag() == "v2"


# -- downloads ----------------------------------------------------------------------------------


def big(bench: GitHubBench) -> tuple[Any, str]:
    publishes(bench)
    bench.github.asked.clear()
    bench.waits.said.clear()
    bench.waits.clear()
    store = bench.fresh()
    return store, digest_bytes(SECOND.library)


def test_a_download_that_broke_off_goes_on_where_it_ended(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    bench.github.fault("truncate", "GET", "^/objects/", after=True, times=2)
    path = store.fetch_output(manifest, digest)
    assert path.read_bytes() == SECOND.library
    half = len(SECOND.library) // 2
    assert any(f"({half:,} of {len(SECOND.library):,} bytes)" in text for text in bench.waits.said)
    assert sorted(p.name for p in path.parent.iterdir() if p.name.startswith(".part")) == []
    store.close()


def test_a_download_of_a_killed_run_is_carried_on(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    name = digest.removeprefix("sha256:")
    (store._downloads.folder / f".part-{name}").write_bytes(SECOND.library[:5000])
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    (store._downloads.folder / name).unlink()
    (store._downloads.folder / f".part-{name}").write_bytes(b"of another file" * 100)
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    (store._downloads.folder / name).write_bytes(b"damaged on the disk")
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    store.close()


def test_an_address_that_expired_is_asked_for_afresh(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    bench.github.fault("status", "GET", "^/objects/", status=403, body=b"<Error/>")
    assert store.fetch_output(manifest, digest).read_bytes() == SECOND.library
    assert "the server of the files answered 403" in bench.waits.said[0]
    asked = [path for place, _, path in bench.github.asked if place == "api" and "/releases/assets/" in path]
    assert len(asked) == 3  # the manifest, and the model twice
    store.close()


def test_a_second_host_that_stalls_or_sends_too_much(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    store.close()
    bench.github.fault("stall", "GET", "^/objects/", times=99)
    error = failing(bench, lambda s: s.fetch_output(manifest, digest), Unreachable, read_s=0.05, attempts=2)
    assert f"v2/{MODEL}: GitHub stopped answering, 2 times" in error.message
    bench.github.faults.clear()
    bench.state.asset("v2", MODEL).told = digest
    bench.state.asset("v2", MODEL).content = SECOND.library[:-1] + b"!"
    error = failing(bench, lambda s: s.fetch_output(manifest, digest))
    assert "released asset is damaged" in error.message


def test_a_download_is_not_followed_out_of_the_encryption(bench: GitHubBench) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    store.close()
    for place, words in {
        "http://files.example/x": "redirected to an address that is not encrypted",
        "ftp://files.example/x": "redirected to an address that is not encrypted",
        "file:///etc/passwd": "redirected to an address that is not encrypted",
        "//[": "it leads to what is no address",
    }.items():
        bench.github.fault("status", "GET", "/releases/assets/", status=302, headers={"Location": place}, body=b"")
        assert words in failing(bench, lambda s: s.fetch_output(manifest, digest)).message


def test_the_api_is_not_followed_to_another_host(bench: GitHubBench) -> None:
    place = f"{bench.state.objects}/steal"
    bench.github.fault("status", "GET", "latest", status=302, headers={"Location": place}, body=b"")
    error = failing(bench, reads)
    assert "the token is not sent there" in error.message
    assert not [path for at, _, path in bench.github.asked if at == "objects"]


def test_a_repository_that_was_renamed_is_followed(bench: GitHubBench) -> None:
    place = f"{bench.state.repository_url}/releases/latest"
    bench.github.fault("status", "GET", "latest", status=301, headers={"Location": place}, body=b"")
    store = bench.fresh()
    assert store.latest().manifest.version == 1
    store.close()


def test_assets_that_do_not_come_with_the_release_are_listed(bench: GitHubBench) -> None:
    bench.state.embedded_max = 0
    publishes(bench)
    store = bench.fresh()
    fetches(store)
    store.close()


def test_a_full_disk_is_one_sentence(bench: GitHubBench, monkeypatch: pytest.MonkeyPatch) -> None:
    store, digest = big(bench)
    manifest = store.latest().manifest
    monkeypatch.setattr(store._downloads, "folder", Path("/proc/nothing"))
    with pytest.raises(ToolError, match="/proc/nothing: cannot be written"):
        store.fetch_output(manifest, digest)
    store.close()


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
    assert any("v1 becomes the latest release again" in text for text in bench.waits.said)


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


def test_dead_leases_are_swept(bench: GitHubBench) -> None:
    for _ in range(3):
        leases(bench.publisher.store)
    assert list(bench.leases()) == [f"{LEASES}00000004"]
