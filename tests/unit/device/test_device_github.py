"""What devices fetch from releases on GitHub: the newest entry and files by tag, through two redirects and no token."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.github_server import READ_TOKEN
from fakes.release_stores import GitHubBench, github_bench
from fakes.releases import INERT
from tinyops.device.folder import github_page, open_source
from tinyops.device.source import Source
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.entry import read_entry

SECOND = INERT.but(library=b"\x7fELF of the second model")
ENTRY = "entry-wrist-linux.json"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[GitHubBench]:
    with github_bench(tmp_path) as made:
        made.publisher.publish()
        yield made


def test_an_entry_and_its_files_come_without_a_token(bench: GitHubBench) -> None:
    source = open_source(f"github:{bench.github.url}/acme/wearables-releases", 20.0)
    fetched = source.entry(ENTRY, "")
    assert fetched.body is not None
    entry, _ = read_entry(fetched.body, bench.publisher.trust, where="x")
    into = io.BytesIO()
    source.asset(entry.model, into)
    assert into.getvalue() == INERT.library
    assert source.entry(ENTRY, fetched.etag).body is None
    bench.publisher.publish(SECOND)
    newer = source.entry(ENTRY, fetched.etag)
    assert newer.body is not None
    entry, _ = read_entry(newer.body, bench.publisher.trust, where="x")
    assert (entry.model.tag, entry.golden.tag) == ("v2", "v1")


def test_a_private_repository_gives_devices_nothing(bench: GitHubBench) -> None:
    bench.state.private = True
    source = open_source(f"github:{bench.github.url}/acme/wearables-releases", 20.0)
    with pytest.raises(RemoteError, match="404 Not Found"):
        source.entry(ENTRY, "")


def private(bench: GitHubBench) -> Source:
    bench.state.private = True
    return open_source(f"github:{bench.github.url}/acme/wearables-releases", 20.0, token=READ_TOKEN)


def test_a_token_that_reads_makes_a_private_repository_a_store(bench: GitHubBench) -> None:
    source = private(bench)
    fetched = source.entry(ENTRY, "")
    assert fetched.body is not None
    entry, _ = read_entry(fetched.body, bench.publisher.trust, where="x")
    for file, content in ((entry.model, INERT.library), (entry.golden, INERT.golden)):
        into = io.BytesIO()
        source.asset(file, into)
        assert into.getvalue() == content
    assert bench.github.leaks == [], "the host of the files was shown no token"
    asked = [path for place, _, path in bench.github.asked if place == "api"]
    assert sum("tags/" in path for path in asked) == 1, "a release never changes: it is asked for once"
    with pytest.raises(RemoteError, match="the release has no entry-ankle-linux"):
        source.entry("entry-ankle-linux.json", "")


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"assets": 3}', b"<html>", b'{"assets": [3, {"name": 3}]}'])
def test_what_is_no_release_is_refused(bench: GitHubBench, body: bytes) -> None:
    bench.github.fault("json", "GET", "/releases/latest", body=body)
    with pytest.raises(RemoteError):
        private(bench).entry(ENTRY, "")


@pytest.mark.parametrize("open_store", [False, True])
def test_an_address_that_expires_in_the_middle_is_asked_for_again(bench: GitHubBench, open_store: bool) -> None:
    """GitHub's addresses of files live for five minutes: each part takes a new one, from where the last part ended."""
    large = INERT.but(library=b"\x7fELF" + os.urandom(300_000))
    bench.publisher.publish(large)
    where = f"github:{bench.github.url}/acme/wearables-releases"
    source: Any = open_source(where, 20.0) if open_store else private(bench)
    source._pause = lambda _: None
    fetched = source.entry(ENTRY, "")
    entry, _ = read_entry(fetched.body, bench.publisher.trust, where="x")
    bench.state.address_uses = 1
    bench.github.ranges.clear()
    bench.github.fault("truncate", "GET", "/objects/", times=2, after=True)
    into = io.BytesIO()
    source.asset(entry.model, into)
    assert into.getvalue() == large.library
    assert len(bench.github.ranges) == 3 and bench.github.ranges[2].startswith("bytes=22")
    count_faults("addresses of files that expired in the middle", 2)


@pytest.mark.parametrize(
    ("store", "page"),
    [
        ("github:acme/w", "https://github.com/acme/w/releases"),
        ("github:https://ghe.example.com/acme/w", "https://ghe.example.com/acme/w/releases"),
        ("https://github.com/acme/w", "https://github.com/acme/w/releases"),
        ("https://github.com/acme/w.r/releases/", "https://github.com/acme/w.r/releases"),
        ("https://releases.example.org/acme/w", None),
        ("https://github.com.example.org/acme/w", None),
        ("github", None),
    ],
)
def test_stores_that_are_on_github(store: str, page: str | None) -> None:
    assert github_page(store) == page


@pytest.mark.parametrize("store", ["github:", "github:acme", "github:acme/w/x", "github:https://a@b/acme/w"])
def test_a_name_that_is_no_repository(store: str) -> None:
    with pytest.raises(UsageError, match="names no repository on GitHub"):
        open_source(store, 1.0)
