"""GitHub store when GitHub refuses, fails, stalls or lies: one sentence that says what to do, and never the token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.github_failures import MODEL, failing, fetches, leases, publishes, reads
from fakes.github_server import READ_TOKEN
from fakes.release_stores import LEASES, GitHubBench, github_bench
from tinyops.errors import ToolError
from tinyops.release.github import session as sessions
from tinyops.release.store import Unreachable

pytestmark = pytest.mark.usefixtures("no_token_in_logs")


@pytest.fixture
def bench(released: GitHubBench) -> GitHubBench:
    return released


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
