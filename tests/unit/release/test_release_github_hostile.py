"""Whatever JSON stands where GitHub's should: a value or RemoteError, never another exception, never a wrong type."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import BaseAdapter

from fakes import github_shapes as shapes
from fakes.github_state import HEAD, TREE, Asset, Release, State
from fakes.release_stores import Waits
from tinyops.errors import RemoteError
from tinyops.release.github.place import Place
from tinyops.release.github.remote import Remote, RemoteAsset, RemoteCommit, RemoteRelease
from tinyops.release.holder import read_holder

STATE = State()
STATE.api, STATE.web, STATE.uploads = "https://api.github.com", "https://github.com", "https://uploads.github.com"
STATE.releases[1] = Release(1, "v1", "v1", "notes", draft=False)
STATE.assets[2] = Asset(2, 1, "v1", "model.so", b"model")
RELEASE = shapes.release(STATE, STATE.releases[1])
COMMIT = shapes.git_commit(STATE, HEAD, "message", TREE)
GONE = object()
HOSTILE = [GONE, None, True, 5, -1, 1.5, "", "x\x1b[31m", "https://[", "{?", [], [1], {}, {"sha": 1}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, the whole first; of people, who are of no interest, only the whole."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inside = (
        p for key, item in inner if path[-1:] not in (("author",), ("uploader",)) for p in places(item, (*path, key))
    )
    return [path, *inside]


def spoiled(value: Any) -> Iterator[tuple[str, Any]]:
    """The value with each of its places replaced by each hostile value, or gone."""
    for path in places(value):
        for hostile in HOSTILE:
            whole = [copy.deepcopy(value)]
            owner: Any = whole
            for key in (0, *path)[:-1]:
                owner = owner[key]
            if hostile is GONE:
                del owner[(0, *path)[-1]]
            else:
                owner[(0, *path)[-1]] = hostile
            yield f"{path}: {hostile!r}", whole[0] if whole else None


class Answering(BaseAdapter):
    """Every request is answered with one JSON value."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.body = json.dumps(value).encode()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url, response.request = 200, str(request.url), request
        response.raw = io.BytesIO(self.body)
        return response

    def close(self) -> None:
        pass


def check_asset(asset: RemoteAsset) -> None:
    texts, numbers = (asset.name, asset.state, asset.digest, asset.url), (asset.id, asset.bytes)
    assert [type(v) for v in (*texts, *numbers)] == [str] * 4 + [int] * 2
    assert asset.name.isprintable()


def check_release(release: RemoteRelease | None) -> None:
    assert release is not None
    assert release.tag.isprintable()
    kinds = [type(v) for v in (release.id, release.tag, release.draft, release.body)]
    assert kinds == [int, str, bool, str]
    for asset in release.embedded:
        check_asset(asset)


def check_refs(refs: dict[str, str]) -> None:
    assert all(type(name) is str and len(sha) in (40, 64) for name, sha in refs.items())


def check_commit(commit: RemoteCommit) -> None:
    assert [type(v) for v in (commit.sha, commit.message, commit.tree)] == [str] * 3


ASKED: dict[str, tuple[Any, Callable[[Remote], Any], Callable[[Any], None]]] = {
    "release": (RELEASE, lambda remote: remote.by_tag("v1"), check_release),
    "releases": ([RELEASE, RELEASE], lambda remote: remote.releases(), lambda all_: [check_release(r) for r in all_]),
    "refs": ([shapes.ref(STATE, "refs/tinyops/lease/w/00000001", HEAD)], lambda remote: remote.refs("x"), check_refs),
    "commit": (COMMIT, lambda remote: remote.commit(HEAD), check_commit),
}


@pytest.mark.parametrize("kind", sorted(ASKED))
def test_spoiled_answers(kind: str) -> None:
    value, ask, check = ASKED[kind]
    remote = Remote(Place.of("acme/w"), "t" * 40, "a test", Waits().patience())
    refused = 0
    for where, answer in spoiled(value):
        remote.session.mount("https://", Answering(answer))
        try:
            check(ask(remote))
        except RemoteError as error:
            refused += 1
            assert error.message.isprintable(), where
        except Exception as error:
            raise AssertionError(where) from error
    assert refused > 40
    remote.close()


@pytest.mark.parametrize("kind", sorted(ASKED))
def test_whole_answers(kind: str) -> None:
    value, ask, check = ASKED[kind]
    remote = Remote(Place.of("acme/w"), "t" * 40, "a test", Waits().patience())
    remote.session.mount("https://", Answering(value))
    check(ask(remote))
    remote.close()


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_holders_record_is_read_or_is_damaged(data: bytes) -> None:
    assert read_holder(data) is None
