"""Which hosts may see the token, how long answers ask to wait, what marks a draft as ours: pure rules."""

from __future__ import annotations

import pytest

from fakes.github_failures import leases
from fakes.release_stores import GitHubBench
from fakes.releases import INERT
from tinyops.release.github.patience import rate_wait_s
from tinyops.release.github.place import Place, may_follow
from tinyops.release.github.problems import printable, refusal
from tinyops.release.github.publishing import NOTES_CHARACTERS_MAX, Mark, mark_of
from tinyops.release.github.remote import RemoteRelease
from tinyops.release.holder import run_address

PUBLIC = Place.of("acme/w")
SERVER = Place.of("acme/w", "https://ghe.acme.example/")
CLOUD = Place.of("acme/w", "https://acme.ghe.com")
LOCAL = Place.of("acme/w", "http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("place", "api"),
    [
        (PUBLIC, "https://api.github.com"),
        (SERVER, "https://ghe.acme.example/api/v3"),
        (CLOUD, "https://api.acme.ghe.com"),
        (LOCAL, "http://127.0.0.1:8080/api/v3"),
    ],
)
def test_each_github_has_its_api(place: Place, api: str) -> None:
    assert place.api == api
    assert place.trusts(f"{api}/repos/acme/w")


@pytest.mark.parametrize(
    ("place", "url", "trusted"),
    [
        (PUBLIC, "https://uploads.github.com/repos/a/w/releases/1/assets", True),
        (PUBLIC, "http://api.github.com/repos", False),
        (PUBLIC, "https://api.github.com.evil.example/", False),
        (PUBLIC, "https://evilgithub.com/", False),
        (PUBLIC, "https://api.github.com@evil.example/", False),
        (PUBLIC, "https://objects.githubusercontent.com/x", False),
        (PUBLIC, "//api.github.com", False),
        (PUBLIC, "https://[", False),
        (SERVER, "https://ghe.acme.example/api/uploads/x", True),
        (SERVER, "https://other.acme.example/x", False),
        (LOCAL, "http://127.0.0.1:9/x", True),
        (LOCAL, "http://localhost:9/x", False),
        (Place.of("a/b", "http://evil.example"), "http://evil.example/x", False),
    ],
)
def test_the_token_goes_to_its_own_github_only(place: Place, url: str, trusted: bool) -> None:
    assert place.trusts(url) is trusted


@pytest.mark.parametrize(
    ("url", "followed"),
    [
        ("https://files.example/x", True),
        ("http://files.example/x", False),
        ("http://127.0.0.1/x", False),
        ("", False),
        ("https://[", False),
    ],
)
def test_downloads_stay_encrypted(url: str, followed: bool) -> None:
    assert may_follow(url, PUBLIC) is followed


def test_two_places_share_no_folder() -> None:
    places = [PUBLIC, SERVER, CLOUD, LOCAL, Place.of("acme/w", "http://127.0.0.1:8081"), Place.of("acme/x")]
    assert len({place.folder for place in places}) == len(places)


@pytest.mark.parametrize(
    ("status", "headers", "documentation", "wait"),
    [
        (200, {"Retry-After": "5"}, "", None),
        (403, {}, "https://docs/rest/releases", None),
        (403, {"X-RateLimit-Remaining": "12", "X-RateLimit-Reset": "2000"}, "", None),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1060"}, "", 61),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "900"}, "", 1),
        (403, {"X-RateLimit-Remaining": "0"}, "", None),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon"}, "", None),
        (429, {"Retry-After": "0"}, "", 1),
        (429, {"Retry-After": "-3"}, "", 240),
        (429, {}, "", 240),
        (403, {}, "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api", 240),
        (403, {"Retry-After": "9", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "5000"}, "", 9),
    ],
)
def test_what_an_answer_asks_to_wait(
    status: int, headers: dict[str, str], documentation: str, wait: float | None
) -> None:
    assert rate_wait_s(status, headers, documentation, 1000.0, 3) == wait


@pytest.mark.parametrize(
    ("body", "mark"),
    [
        ("notes\n\n<!-- tinyops: release of w, lease 7 -->", Mark("w", 7)),
        ("notes\r\n\r\n<!-- tinyops: release of w, lease 7 -->\r\n", Mark("w", 7)),
        ("<!-- tinyops: release of w, lease 7 -->\nadded by a person", None),
        ("", None),
        ("<!-- tinyops: release of w, lease " + "9" * 30 + " -->", None),
    ],
)
def test_our_drafts_are_known_by_their_last_line(body: str, mark: Mark | None) -> None:
    assert mark_of(RemoteRelease(1, "v1", True, body, (), None)) == mark


def test_notes_are_bounded_and_have_a_default(released: GitHubBench) -> None:
    assert "- wrist: model activity for linux" in released.notes("v1")
    released.publisher.publish(INERT.but(library=b"2"), notes="x" * 200_000)
    assert released.notes("v2") == "x" * NOTES_CHARACTERS_MAX
    assert mark_of(RemoteRelease(1, "v2", True, released.state.published()["v2"].body, (), None)) == Mark(
        "wearables", 2
    )


def test_what_a_server_says_does_not_reach_the_terminal_raw() -> None:
    assert printable("a\x1b[31mb\n" + "c" * 500, 12) == "a [31mb cccc"
    body = {"message": "no\x1b[2J", "errors": [{"field": "tag\n", "code": "x" * 999}, 7]}
    error = refusal(PUBLIC, "t", 422, {}, body, token="")
    assert error.message.isprintable()
    assert len(error.message) < 600
    headers = {"X-Accepted-GitHub-Permissions": "\x1b[31m"}
    assert "needed" not in refusal(PUBLIC, "t", 403, headers, {"message": 1}, token="x").message


def test_a_workflow_run_knows_its_address() -> None:
    run = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}
    assert run_address({**run, "GITHUB_ACTIONS": "true"}) == "https://github.com/a/b/actions/runs/7/attempts/1"
    assert run_address(run) == ""
    assert run_address({}) == ""


def test_a_lease_in_a_workflow_names_the_run(released: GitHubBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SERVER_URL": "https://github.com",
        "REPOSITORY": "a/b",
        "RUN_ID": "7",
        "ACTIONS": "true",
    }.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    with released.publisher.store.lease("apply") as lease:
        assert lease.holder.run == "https://github.com/a/b/actions/runs/7/attempts/1"
    leases(released.publisher.store)
