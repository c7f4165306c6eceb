"""Reports on a Git branch: real repositories, several writers, odd trees, and the repository of specs refused."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.reports import sealed
from tinyops.device.reports import Credential, open_sink
from tinyops.device.reports.branch import SPEC_FILE, Branch, BranchSink, open_branch_sink, same_repository
from tinyops.device.reports.git import Git
from tinyops.errors import RemoteError, UsageError
from tinyops.manifest.keys import SigningKey

KEY = SigningKey.generate()
WHO = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x", "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x"}


def git(folder: Path, *arguments: str, stdin: str = "") -> str:
    argv = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(
        argv, env={**os.environ, **WHO}, input=stdin, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "reports"
    path.mkdir()
    git(path, "init", "--quiet", "--bare", "--initial-branch=main")
    return path


def sink(remote: Path, folder: str = "a", branch: str = "reports") -> BranchSink:
    return open_branch_sink(f"git+{remote}#{branch}", Credential(), remote.parent / folder)


def read(remote: Path, branch: str = "reports") -> dict[str, bytes | str]:
    """What a reader with a folder of its own finds."""
    other = Branch(str(remote), branch, remote.parent / "reader", Credential())
    commit = other.fetch()
    return {one.name: one.reason or one.data for one in other.files(commit)} if commit else {}


def test_a_batch_is_one_commit_and_what_others_wrote_stays(remote: Path) -> None:
    assert read(remote) == {}
    one, two, three = sealed("pi-7", KEY), sealed("bit-1", KEY, reporter="gw-1"), sealed("ä".encode().hex(), KEY)
    assert sink(remote).write([one, two]) == ()
    assert sink(remote, "b").write([three]) == ()
    newer = sealed("pi-7", KEY, sequence=2, problem="Größe")
    first = sink(remote)
    first.write([newer])
    first.write([newer])
    assert read(remote) == {report.name: report.data for report in (two, newer, three)}
    assert git(remote, "rev-list", "--count", "reports") == "3", "the same again is no commit"
    assert git(remote, "log", "-1", "--format=%an %s", "reports") == "tinyops 1 reports"


@pytest.mark.faults
def test_several_who_push_at_once_lose_nothing(remote: Path) -> None:
    """Each refused push is fetched and written again on top of what came first."""
    sinks = [sink(remote, f"gw-{number}") for number in range(4)]
    wrong: list[Exception] = []

    def push(number: int) -> None:
        for sequence in range(1, 4):
            try:
                sinks[number].write([sealed(f"d-{number}", KEY, sequence=sequence)])
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    late = [error for error in wrong if "others wrote first" not in str(error)]
    assert not late
    for number in range(4):
        sinks[number].write([sealed(f"d-{number}", KEY, sequence=9)])
    assert read(remote) == {one.name: one.data for one in (sealed(f"d-{n}", KEY, sequence=9) for n in range(4))}
    count_faults("pushes of several at once", 12)


def test_somebody_pushes_between_fetch_and_push(remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = sink(remote), sink(remote, "b")
    tree, raced = mine.branch._tree, []

    def late(*arguments: Any) -> str:
        if not raced:
            raced.append(theirs.write([sealed("other", KEY)]))
        return tree(*arguments)

    monkeypatch.setattr(mine.branch, "_tree", late)
    mine.write([sealed("pi-7", KEY)])
    assert set(read(remote)) == {"wrist/pi-7.json", "wrist/other.json"}


@pytest.mark.faults
def test_the_repository_of_specs_is_refused_wherever_they_lie(remote: Path) -> None:
    blob = git(remote, "hash-object", "-w", "--stdin", stdin="kind: Project\n")
    specs = git(remote, "mktree", stdin=f"100644 blob {blob}\tproject.yaml\n")
    tree = git(remote, "mktree", stdin=f"040000 tree {specs}\tspecs\n")
    commit = git(remote, "commit-tree", "-m", "specs", tree)
    for name in ("main", "reports"):
        git(remote, "update-ref", f"refs/heads/{name}", commit)
        with pytest.raises(RemoteError, match=rf"holds {SPEC_FILE}: reports do not go where specs are"):
            sink(remote, f"to-{name}").write([sealed("pi-7", KEY)])
        with pytest.raises(RemoteError, match="reports do not go where specs are"):
            read(remote)
        if name == "main":
            assert git(remote, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
        git(remote, "update-ref", "-d", f"refs/heads/{name}")
    count_faults("reports to the repository of specs", 2)


@pytest.mark.faults
def test_odd_trees_are_read_as_data_and_named(remote: Path) -> None:
    good = sealed("pi-7", KEY)
    ids = {
        name: git(remote, "hash-object", "-w", "--stdin", stdin=text)
        for name, text in {
            "good": good.data.decode(),
            "link": "/etc/passwd",
            "large": " " * 600_000,
            "plain": "no\r\nreport",
            "marked": "deadbeef 3\nabc\n",
        }.items()
    }
    deep = git(remote, "mktree", stdin=f"100644 blob {ids['good']}\tx.json\n")
    fleet = git(
        remote,
        "mktree",
        stdin=(
            f"100644 blob {ids['good']}\tpi-7.json\n120000 blob {ids['link']}\tlink.json\n"
            f"100644 blob {ids['large']}\tlarge.json\n100644 blob {ids['plain']}\tplain.json\n"
            f"100644 blob {ids['marked']}\tmarked.json\n040000 tree {deep}\tdeep.json\n"
            f"100644 blob {ids['good']}\todd\u00e4.json\n100644 blob {ids['good']}\tnote.txt\n"
            f"160000 commit {'1' * 40}\tmodule.json\n"
        ),
    )
    root = git(
        remote,
        "mktree",
        "--missing",
        stdin=f"040000 tree {fleet}\twrist\n"
        f"100644 blob {ids['good']}\ttop.json\n100644 blob {ids['link']}\t.gitattributes\n",
    )
    git(remote, "update-ref", "refs/heads/reports", git(remote, "commit-tree", "-m", "x", root))
    assert read(remote) == {
        "wrist/pi-7.json": good.data,
        "wrist/link.json": "is no plain file",
        "wrist/deep.json": "is no plain file",
        "wrist/module.json": "is no plain file",
        "wrist/large.json": "larger than 524,288 bytes",
        "wrist/plain.json": b"no\nreport",
        "wrist/marked.json": b"deadbeef 3\nabc\n",
    }
    count_faults("odd things on a branch of reports", 8)


def test_a_branch_begun_anew_is_followed(remote: Path) -> None:
    """Its history grows by a commit a batch; whoever cuts it off and forces it is not in anybody's way."""
    mine = sink(remote)
    mine.write([sealed("pi-7", KEY), sealed("old", KEY)])
    tree = git(remote, "rev-parse", "reports^{tree}")
    mine.write([sealed("pi-7", KEY, sequence=2)])
    git(remote, "update-ref", "refs/heads/reports", git(remote, "commit-tree", "-m", "anew", tree))
    mine.write([sealed("pi-7", KEY, sequence=3)])
    assert read(remote) == {one.name: one.data for one in (sealed("pi-7", KEY, sequence=3), sealed("old", KEY))}


def test_what_git_says_is_passed_on(remote: Path) -> None:
    with pytest.raises(RemoteError, match="does not appear to be a git repository"):
        sink(remote.parent / "nowhere").write([sealed("pi-7", KEY)])
    hook = remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho nobody may >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(
        RemoteError, match=r"the branch reports takes nothing: [\s\S]*pre-receive hook declined"
    ) as error:
        sink(remote).write([sealed("pi-7", KEY)])
    assert "write to that repository" in error.value.hint


def test_addresses(tmp_path: Path) -> None:
    opened = open_sink("git+ssh://git@git.example.com/acme/reports#lab/one", credential=Credential(), state=tmp_path)
    assert opened.where == "ssh://git@git.example.com/acme/reports#lab/one"
    assert open_branch_sink("git+file:///srv/reports", Credential(), tmp_path).where == "/srv/reports#reports"
    for wrong in ("git+", "git+/x#", "git+/x#-x", "git+/x#a..b", "git+/x y"):
        with pytest.raises(UsageError, match="names no branch"):
            open_sink(wrong, credential=Credential(), state=tmp_path)


def test_credentials_are_in_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("s3cret-token")
    seen: list[tuple[list[str], dict[str, str]]] = []

    def run(argv: list[str], *, env: dict[str, str], **_: Any) -> Any:
        seen.append((argv, env))
        raise RemoteError("enough")

    monkeypatch.setattr("tinyops.device.reports.git.run", run)
    for address in ("https://git.example.com/acme/reports", "ssh://git@git.example.com/acme/reports"):
        with pytest.raises(RemoteError):
            Git(tmp_path, address, Credential(tmp_path / "token"))("fetch", address)
    (web, web_env), (_, ssh_env) = seen
    assert "s3cret" not in " ".join(web)
    assert "http.https://git.example.com/acme/reports.extraHeader" in web_env.values()
    assert any(value.startswith("Authorization: Basic ") for value in web_env.values())
    assert f"-i {tmp_path / 'token'}" in ssh_env["GIT_SSH_COMMAND"]
    assert not any("Authorization" in value for value in ssh_env.values())


def test_one_repository_has_many_addresses() -> None:
    same = (
        "git@github.com:acme/w.git", "https://github.com/acme/w", "ssh://git@github.com/Acme/w/", "git+ssh://github.com/acme/w.git",
    )  # fmt: skip
    assert all(same_repository(same[0], other) for other in same)
    for other in ("git@github.com:acme/w-reports", "https://example.com/acme/w", "/acme/w"):
        assert not same_repository(same[0], other)
