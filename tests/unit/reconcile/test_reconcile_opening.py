"""The store that a project's specs name: its kind, its token, and nothing imported that is not used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.github_server import REPOSITORY, TOKEN
from fakes.projects import PROJECT
from fakes.release_stores import GitHubBench, github_bench
from fakes.releases import INERT
from tinyops.artifacts import Artifact
from tinyops.build.trust import TRUSTED_FILES
from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.files import digest_bytes
from tinyops.reconcile.apply import fetcher
from tinyops.reconcile.opening import find_token, need_token, open_releases
from tinyops.release.directory import DirectoryStore
from tinyops.release.github.store import GitHubStore
from tinyops.release.store import Unreachable
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.model import GitHubReleases

DIRECTORY = "{kind: directory, path: ../.tinyops/releases}"
Make = Callable[..., Repository]


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "RELEASES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[GitHubBench]:
    with github_bench(tmp_path / "bench", project="bench") as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path) -> Make:
    def make(releases: str, trust: bytes = b"") -> Repository:
        specs = tmp_path / "repository" / "specs"
        specs.mkdir(parents=True, exist_ok=True)
        (specs / "project.yaml").write_text(PROJECT.replace(DIRECTORY, releases))
        if trust:
            path = specs.parent / TRUSTED_FILES[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(trust)
        return load_repository(specs.parent, catalog={})

    return make


def on(bench: GitHubBench, more: str = "") -> str:
    return f'{{kind: github, repository: {REPOSITORY}, url: "{bench.github.url}"{more}}}'


def test_a_store_on_github_is_opened_with_a_token_from_the_environment(
    bench: GitHubBench, repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = bench.publisher.trust_file.read_bytes()
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    store = open_releases(repository(on(bench), trust))
    assert isinstance(store, GitHubStore)
    assert store.latest() is None
    with store.lease("t"):
        bench.publisher.store = store
        manifest = bench.publisher.build(INERT)
    release = bench.publisher.publish(INERT)
    path = store.fetch_output(release.manifest, digest_bytes(INERT.golden))
    assert ".tinyops/github/127.0.0.1+" in str(path)
    assert manifest.version == 1


def test_a_directory_needs_no_github(repository: Make, tmp_path: Path) -> None:
    from tinyops.manifest.keys import SigningKey

    store = open_releases(repository(DIRECTORY, SigningKey.generate().public.to_pem()))
    assert isinstance(store, DirectoryStore)
    assert store.root == tmp_path / "repository" / ".tinyops" / "releases"


def test_releases_without_a_trusted_key_are_not_overlooked(bench: GitHubBench, repository: Make) -> None:
    assert open_releases(repository(on(bench))) is None
    bench.publisher.publish()
    with pytest.raises(UsageError, match=r"acme/wearables-releases on 127\.0\.0\.1: holds releases, but no key"):
        open_releases(repository(on(bench)))


def test_a_named_token_is_the_only_one_that_is_used(
    bench: GitHubBench, repository: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "of somebody else")
    named = repository(on(bench, ", token: {secret: RELEASES}"))
    spec = named.project.document.spec.releases
    assert isinstance(spec, GitHubReleases)
    assert find_token(spec, named.root) is None
    with pytest.raises(ToolError, match="secret RELEASES is nowhere to be found"):
        need_token(spec, named.root)
    (named.root / ".tinyops" / "secrets").mkdir(parents=True)
    path = named.root / ".tinyops" / "secrets" / "RELEASES"
    path.write_text(TOKEN + "\n")
    with pytest.raises(ToolError, match="others than its owner may read it"):
        find_token(spec, named.root)
    path.chmod(0o600)
    found = find_token(spec, named.root)
    assert found is not None
    assert TOKEN not in repr(found)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "héllo", "\x00", "x" * 5000])
def test_a_token_that_is_none_is_refused_without_showing_it(
    bench: GitHubBench, repository: Make, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    named = repository(on(bench, ", token: {secret: RELEASES}"), bench.publisher.trust_file.read_bytes())
    path = named.root / ".tinyops" / "secrets" / "RELEASES"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(token)
    path.chmod(0o600)
    with pytest.raises(ToolError, match="RELEASES") as caught:
        open_releases(named)
    assert token not in str(caught.value)
    assert bench.github.asked == []


@pytest.mark.parametrize(
    ("releases", "words"),
    [
        ("{kind: github, repository: acme}", "owner/name"),
        ("{kind: github, repository: acme/w/x}", "owner/name"),
        ("{kind: github, repository: ../../x}", "owner/name"),
        ('{kind: github, repository: a/b, url: "http://ghe.example.com"}', "encrypted"),
        ('{kind: github, repository: a/b, url: "https://ghe.example.com/api/v3"}', "without a path"),
        ('{kind: github, repository: a/b, url: "https://user@ghe.example.com"}', "encrypted"),
        ("{kind: github, repository: a/b, token: ghp_123}", "token"),
        ("{kind: gitlab, repository: a/b}", "gitlab"),
    ],
)
def test_specs_that_are_wrong_are_told_so(repository: Make, releases: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        repository(releases)


def test_a_missing_package_is_named(bench: GitHubBench, repository: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "github3"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("tinyops.release.github.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "github3", None)
    with pytest.raises(ToolError, match="releases on GitHub need github3") as caught:
        open_releases(repository(on(bench)))
    assert "pip install 'tinyops[github]'" in caught.value.hint


def test_who_releases_to_a_directory_imports_no_github() -> None:
    code = "import sys, tinyops.reconcile.apply; print([m for m in ('github3', 'requests') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_an_output_that_cannot_be_asked_for_is_not_taken_for_lost(bench: GitHubBench, tmp_path: Path) -> None:
    """Otherwise a broken network would make tinyops train anew."""
    manifest = bench.publisher.publish().manifest
    held: dict[str, Any] = {}
    artifacts = SimpleNamespace(add=lambda path: held.update(path=path), find=lambda artifact: held.get("path"))
    store = bench.fresh()
    world = SimpleNamespace(manifest=manifest, releases=store, store=artifacts)
    wanted = Artifact(digest_bytes(INERT.golden), len(INERT.golden))
    bench.github.fault("drop", times=99)
    with pytest.raises(Unreachable):
        fetcher(world, world.store)(wanted)
    bench.github.faults.clear()
    bench.remove("v1", "squeeze.activity.golden.bin")
    store._published.clear()
    assert fetcher(world, world.store)(wanted) is None
    store.close()
