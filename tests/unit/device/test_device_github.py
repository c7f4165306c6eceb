"""What devices fetch from releases on GitHub: the newest entry and files by tag, through two redirects and no token."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.release_stores import GitHubBench, github_bench
from fakes.releases import INERT
from tinyops.device.folder import github_page, open_source
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
