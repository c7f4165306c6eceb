"""The two release stores, each with what a test may do to it from outside: look, damage, take away, take over."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from fakes.github_server import REPOSITORY, TOKEN, GitHub, serving_github
from fakes.openapi import description
from fakes.releases import Publisher
from tinyops.manifest.keys import Trust
from tinyops.release.github.patience import Patience
from tinyops.release.github.place import Place
from tinyops.release.github.store import GitHubStore
from tinyops.remote.secrets import SecretValue

LEASES = "refs/tinyops/lease/wearables/"


class Bench(Protocol):
    """A store under test."""

    publisher: Publisher

    def snapshot(self) -> Any:
        """All that can be seen of the store but its lease."""

    def names(self, tag: str) -> set[str]: ...
    def content(self, tag: str, name: str) -> bytes: ...
    def put(self, tag: str, name: str, content: bytes) -> None: ...
    def remove(self, tag: str, name: str) -> None: ...
    def rename(self, tag: str, to: str) -> None: ...
    def latest_tag(self) -> str: ...
    def point_latest(self, tag: str) -> None: ...
    def notes(self, tag: str) -> str: ...
    def take_over(self) -> None:
        """Somebody else takes the lease, whoever has it."""

    def edit_holder(self, **fields: Any) -> None:
        """Changes the record of the newest lease."""

    def reopened(self, trust: Trust) -> Any:
        """The same store, seen by who trusts other keys."""


class DirectoryBench:
    def __init__(self, root: Path, **options: Any) -> None:
        self.publisher = Publisher(root, **options)
        self.root = self.publisher.store.root

    def snapshot(self) -> Any:
        paths = (p for p in sorted(self.root.rglob("*")) if ".lease" not in p.parts)
        return {
            p.relative_to(self.root).as_posix(): str(p.readlink()) if p.is_symlink() else p.read_bytes()
            for p in paths
            if p.is_symlink() or p.is_file()
        }

    def names(self, tag: str) -> set[str]:
        return {path.name for path in (self.root / tag).iterdir()}

    def content(self, tag: str, name: str) -> bytes:
        return (self.root / tag / name).read_bytes()

    def put(self, tag: str, name: str, content: bytes) -> None:
        path = self.root / tag / name
        path.chmod(0o644)
        path.write_bytes(content)

    def remove(self, tag: str, name: str) -> None:
        (self.root / tag / name).unlink()

    def rename(self, tag: str, to: str) -> None:
        (self.root / tag).rename(self.root / to)

    def latest_tag(self) -> str:
        return str((self.root / "latest").readlink())

    def point_latest(self, tag: str) -> None:
        (self.root / "latest").unlink()
        (self.root / "latest").symlink_to(tag)

    def notes(self, tag: str) -> str:
        path = self.root / tag / "notes.md"
        return path.read_text() if path.exists() else ""

    def _newest(self) -> Path:
        return max((self.root / ".lease").glob("*.json"))

    def take_over(self) -> None:
        newest = self._newest()
        record = json.loads(newest.read_bytes()) | {"owner": "somebody else", "token": "theirs"}
        (newest.parent / f"{int(newest.stem) + 1:08}.json").write_text(json.dumps(record))

    def edit_holder(self, **fields: Any) -> None:
        self._newest().write_text(json.dumps(json.loads(self._newest().read_bytes()) | fields))

    def reopened(self, trust: Trust) -> Any:
        return type(self.publisher.store)(self.root, "wearables", trust)


class Waits(list[float]):
    """The waits that were asked for, none of which was waited."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def patience(self, **options: Any) -> Patience:
        """Real time limits, short ones; the clock is real, waiting is not."""
        limits = {"connect_s": 5.0, "read_s": 5.0, "upload_read_s": 5.0, "pace_s": 0.0}
        return Patience(**{**limits, "sleep": self.append, "say": self.said.append, **options})


def secret(token: str = TOKEN) -> SecretValue:
    return SecretValue("GITHUB_TOKEN", "environment variable GITHUB_TOKEN", token.encode())


class GitHubBench:
    def __init__(self, root: Path, github: GitHub, **options: Any) -> None:
        self.github, self.state, self.root = github, github.state, root
        self.waits = Waits()
        self.publisher = Publisher(root, open_store=lambda _, project, trust: self.store(trust, project), **options)

    def store(
        self, trust: Trust, project: str = "wearables", token: str | None = TOKEN, **patience: Any
    ) -> GitHubStore:
        return GitHubStore(
            Place.of(REPOSITORY, self.github.url),
            project,
            trust,
            cache=self.root / f"cache-{os.getpid()}",
            token=secret(token) if token else None,
            need_token=lambda: None,
            patience=self.waits.patience(**patience),
        )

    def fresh(self, **options: Any) -> GitHubStore:
        """What another process would see: nothing remembered, nothing in its cache."""
        shutil.rmtree(self.root / f"cache-{os.getpid()}", ignore_errors=True)
        return self.store(self.publisher.trust, **options)

    def snapshot(self) -> Any:
        state = self.state
        return (
            {
                (r.id, r.tag, r.draft, r.body): {a.name: (a.content, a.state) for a in state.assets_of(r.id)}
                for r in state.releases.values()
            },
            state.latest,
        )

    def _id(self, tag: str) -> int:
        return self.state.published()[tag].id

    def names(self, tag: str) -> set[str]:
        return {a.name for a in self.state.assets_of(self._id(tag))}

    def content(self, tag: str, name: str) -> bytes:
        return self.state.asset(tag, name).content

    def put(self, tag: str, name: str, content: bytes) -> None:
        self.state.asset(tag, name).content = content
        self._forget()

    def remove(self, tag: str, name: str) -> None:
        del self.state.assets[self.state.asset(tag, name).id]
        self._forget()

    def rename(self, tag: str, to: str) -> None:
        release = self.state.published()[tag]
        release.tag = release.name = to
        self._forget()

    def _forget(self) -> None:
        shutil.rmtree(self.root / f"cache-{os.getpid()}", ignore_errors=True)

    def latest_tag(self) -> str:
        return self.state.latest_tag()

    def point_latest(self, tag: str) -> None:
        self.state.latest = self._id(tag)

    def notes(self, tag: str) -> str:
        return self.state.published()[tag].body.rpartition("\n\n<!--")[0]

    def leases(self) -> dict[str, str]:
        return {name: sha for name, sha in self.state.refs.items() if name.startswith(LEASES)}

    def _newest(self) -> str:
        return max(self.leases())

    def _record(self, **fields: Any) -> str:
        """A commit with the record of the newest lease, changed."""
        message, tree = self.state.commits[self.state.refs[self._newest()]]
        headline, _, record = message.partition("\n\n")
        sha = f"{self.state.new_id():040x}"
        self.state.commits[sha] = (f"{headline}\n\n{json.dumps(json.loads(record) | fields)}", tree)
        return sha

    def take_over(self) -> None:
        number = int(self._newest().removeprefix(LEASES))
        self.state.refs[f"{LEASES}{number + 1:08}"] = self._record(owner="somebody else", token="theirs")

    def edit_holder(self, **fields: Any) -> None:
        self.state.refs[self._newest()] = self._record(**fields)

    def reopened(self, trust: Trust) -> Any:
        return self.store(trust)


@contextlib.contextmanager
def directory_bench(root: Path, **options: Any) -> Iterator[DirectoryBench]:
    yield DirectoryBench(root, **options)


@contextlib.contextmanager
def github_bench(root: Path, **options: Any) -> Iterator[GitHubBench]:
    """With every exchange held against GitHub's description in the end, and no token on the second host."""
    with serving_github() as github:
        bench = GitHubBench(root, github, **options)
        yield bench
        bench.publisher.store.close()
        assert github.leaks == []
        check_exchanges(github)


def check_exchanges(github: GitHub) -> None:
    rules = description()
    described = [exchange for exchange in github.exchanges if "/approvals?" not in exchange.path]
    problems = [problem for exchange in described for problem in rules.problems(exchange)] if rules else []
    assert problems == []


BENCHES = {"directory": directory_bench, "github": github_bench}
