"""The client against what the real GitHub answered, and the fake server's judge against wrong exchanges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from fakes.github_server import serving_github
from fakes.openapi import Exchange, description, shared
from fakes.release_stores import Waits
from fakes.replay import Replay
from tinyops.release.github.place import Place
from tinyops.release.github.problems import Unsure
from tinyops.release.github.remote import Remote
from tinyops.release.github.uploading import Outgoing

HELLO = b"Hello, world!\n"


@contextmanager
def replayed(scenario: str, skip: Any = lambda exchange: False) -> Iterator[tuple[Remote, Replay]]:
    adapter = Replay(shared(f"octokit_fixtures/{scenario}/normalized-fixture.json"), skip)
    remote = Remote(Place.of(f"octokit-fixture-org/{scenario}"), "0" * 40, "a test", Waits().patience())
    remote.session.mount("https://", adapter)
    yield remote, adapter
    assert adapter.left == []
    remote.close()


def test_a_release_with_an_asset_from_upload_to_delete() -> None:
    """One asset is read by itself and renamed in between, which tinyops never does."""
    with replayed("release-assets", lambda e: e["method"] in ("get", "patch") and "/assets/" in e["path"]) as (
        remote,
        ask,
    ):
        release = remote.by_tag("v1.0.0")
        assert release is not None
        assert (release.id, release.tag, release.draft) == (1000, "v1.0.0", False)
        with Outgoing(HELLO, remote.patience) as outgoing:
            asset = remote.upload(release, "test-upload.txt", outgoing)
        assert (asset.name, asset.bytes, asset.state, asset.digest) == ("test-upload.txt", 14, "uploaded", "")
        assert remote.assets(release) == (asset,)
        assert asset.may_be(14, "sha256:" + "0" * 64)
        remote.delete_asset(asset)
        assert ask.asked[1] == ("POST", "/repos/octokit-fixture-org/release-assets/releases/1000/assets", HELLO)


def test_an_upload_under_a_name_that_is_taken() -> None:
    with replayed("release-assets-conflict") as (remote, _):
        release = remote.by_tag("v1.0.0")
        assert release is not None
        with pytest.raises(Unsure) as caught, Outgoing(HELLO, remote.patience) as outgoing:
            remote.upload(release, "test-upload.txt", outgoing)
        assert "422 Unprocessable Entity: Validation Failed; name already_exists" in caught.value.message
        (taken,) = remote.assets(release)
        remote.delete_asset(taken)
        with Outgoing(HELLO, remote.patience) as outgoing:
            assert remote.upload(release, "test-upload.txt", outgoing).id == 1001


def test_a_ref_from_making_to_deleting() -> None:
    with replayed("git-refs", lambda e: e["method"] == "get") as (remote, ask):
        sha = f"{2:040}"
        assert remote.create_ref("refs/heads/test", sha)
        remote.move_ref("refs/heads/test", f"{1:040}")
        remote.delete_ref("refs/heads/test")
        assert [method for method, _, _ in ask.asked] == ["POST", "PATCH", "DELETE"]
        assert json.loads(ask.asked[0][2]) == {"ref": "refs/heads/test", "sha": sha}


# -- the judge ----------------------------------------------------------------------------------


def judge() -> Any:
    shared("github_rest_openapi_subset.json")
    return description()


@pytest.fixture
def listed() -> Exchange:
    """A right exchange: a draft is made."""
    with serving_github() as github:
        remote = Remote(
            Place.of(github.state.repository, github.url), next(iter(github.state.tokens)), "t", Waits().patience()
        )
        remote.create_draft("v1", "text")
        remote.close()
        return github.exchanges[0]


def test_a_right_exchange_is_right(listed: Exchange) -> None:
    assert judge().problems(listed) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "PUT"}, "no such operation"),
        ({"path": "/repos/a/b/nonsense"}, "no such operation"),
        ({"path": "/repos/a/b/releases?page_size=3"}, "unknown query parameter page_size"),
        ({"place": "uploads"}, "sent to uploads, belongs to api"),
        ({"sent": b'{"tag_name": "v1", "latest": true}'}, "unknown field latest"),
        ({"sent": b'{"tag_name": 1}'}, "1 is not of type 'string'"),
        ({"sent": b'{"tag_name": "v1", "make_latest": true}'}, "True is not of type 'string'"),
        ({"sent": b"{}"}, "'tag_name' is a required property"),
        ({"content_type": "text/plain"}, "sent as text/plain, wants application/json"),
        ({"answered": b'{"id": 1}'}, "'tag_name' is a required property"),
        ({"status": 200}, "this status is not described"),
    ],
)
def test_a_wrong_exchange_is_found(listed: Exchange, change: dict[str, Any], words: str) -> None:
    problems = judge().problems(replace(listed, **change))
    assert any(words in problem for problem in problems), problems


def test_lists_are_read_in_pages_that_github_grants(listed: Exchange) -> None:
    many = replace(listed, method="GET", path="/repos/a/b/releases?per_page=500", sent=b"", status=200, answered=b"[]")
    assert judge().problems(many) == [f"GET {many.path} (200): per_page is at most 100"]
