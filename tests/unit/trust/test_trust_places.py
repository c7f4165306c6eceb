"""Hosts of metadata, a folder and a real branch of Git: one change at a time, seen whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fakes.trusted import Trusted, parsed_root
from tinyops.errors import RemoteError, ToolError
from tinyops.trust.branch import BranchPlace
from tinyops.trust.folder import FolderPlace
from tinyops.trust.places import MetadataPlace, Moved
from tinyops.trust.published import read_published
from tinyops.trust.publishing import LIVES, Wanted, publish
from tinyops.trust.signing import seal, to_bytes
from tinyops.trust.sweeping import KEPT_EDITIONS

FILES = {"1.targets.json": b'{"a":"\xc3\xa9"}\n', "targets/rollout/x.json": b"{}", "timestamp.json": b"1"}


def git(*argv: str) -> str:
    return subprocess.run(["git", *argv], check=True, capture_output=True, text=True, timeout=30).stdout


def branch(root: Path) -> BranchPlace:
    git("init", "-q", "--bare", str(root / "pages.git"))
    return BranchPlace(str(root / "pages.git"), "gh-pages", root / "cache.git")


@pytest.fixture(params=["folder", "branch"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetadataPlace]:
    yield FolderPlace(tmp_path / "metadata") if request.param == "folder" else branch(tmp_path)


def test_nothing_is_there_at_first(place: MetadataPlace) -> None:
    view = place.look()
    assert (view.revision, list(view.names()), view.read("timestamp.json")) == ("", [], None)


def test_what_was_written_is_read_back_byte_for_byte(place: MetadataPlace) -> None:
    place.change(FILES, [], "", "first")
    view = place.look()
    assert {name: view.read(name) for name in view.names()} == FILES
    assert view.read("2.targets.json") is None


def test_files_come_and_go(place: MetadataPlace) -> None:
    place.change(FILES, [], "", "first")
    place.change({"timestamp.json": b"2"}, ["1.targets.json"], place.look().revision, "second")
    view = place.look()
    assert set(view.names()) == {"targets/rollout/x.json", "timestamp.json"}
    assert view.read("timestamp.json") == b"2"


def test_who_looked_before_somebody_else_published_changes_nothing(place: MetadataPlace) -> None:
    place.change(FILES, [], "", "first")
    seen = place.look().revision
    place.change({"timestamp.json": b"2"}, [], seen, "second")
    for revision in (seen, ""):
        with pytest.raises(Moved, match="somebody else published metadata"):
            place.change({"timestamp.json": b"3", "late.json": b"x"}, [], revision, "late")
    view = place.look()
    assert (view.read("timestamp.json"), view.read("late.json")) == (b"2", None)


def test_a_view_stays_what_it_was(place: MetadataPlace) -> None:
    place.change(FILES, [], "", "first")
    view = place.look()
    place.change({"timestamp.json": b"2"}, [], view.revision, "second")
    assert view.read("timestamp.json") == b"1"


def test_old_editions_are_swept_and_the_newest_stay(tmp_path: Path) -> None:
    place, trusted = FolderPlace(tmp_path / "metadata"), Trusted(tmp_path / "unused")
    for number in range(1, KEPT_EDITIONS + 6):
        entries = {"entry-wrist-linux.json": b"%d" % number}
        targets = to_bytes(seal(trusted.later(minutes=1).offer(entries, number), trusted.keys["targets"]))
        publish(place, Wanted(tuple(trusted.roots), targets, entries), trusted.online, trusted.clock, LIVES)
    names = set(place.look().names())
    kept = {int(n.split(".")[0]) for n in names if n.endswith(".snapshot.json")}
    assert kept == set(range(number - KEPT_EDITIONS, number + 1))
    assert {int(n.split(".")[0]) for n in names if n.endswith(".targets.json")} == kept
    assert len([n for n in names if n.startswith("targets/")]) == len(kept)
    assert {"1.root.json", "1.rollout.json"} <= names
    assert read_published(place.look(), parsed_root(trusted.roots[0])).offer.version == number


def test_editions_of_one_second_are_of_two_to_a_web_server(tmp_path: Path) -> None:
    """Whose ETags are made of whole seconds and sizes."""
    place, seen = FolderPlace(tmp_path / "metadata"), set()
    for number in range(4):
        place.change({"timestamp.json": b"%d" % number}, [], place.look().revision, "again")
        seen.add(int((place.root / "timestamp.json").stat().st_mtime))
    assert len(seen) == 4


def test_a_folder_forgets_what_a_killed_publisher_left(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "metadata")
    place.change(FILES, [], "", "first")
    (place.root / "targets" / "rollout" / ".x.json.k3j_0a1z").write_bytes(b"half")
    for name in (".htaccess", ".nojekyll", ".well-known/security.txt", ".git/HEAD"):  # of the web server, and of people
        (place.root / name).parent.mkdir(exist_ok=True)
        (place.root / name).write_bytes(b"theirs")
    assert ".x.json.k3j_0a1z" not in "".join(place.look().names())
    place.change({"timestamp.json": b"2"}, [], place.look().revision, "second")
    assert not list(place.root.rglob(".x.json.*"))
    theirs = [".git", ".htaccess", ".lock", ".nojekyll", ".well-known"]
    assert sorted(path.name for path in place.root.glob(".*")) == theirs and (place.root / ".git/HEAD").exists()


def test_a_branch_of_pages_is_served_as_it_is_and_keeps_its_history(tmp_path: Path) -> None:
    place = branch(tmp_path)
    place.change(FILES, [], "", "Release v1")
    place.change({"timestamp.json": b"2"}, [], place.look().revision, "Refresh")
    assert ".nojekyll" in git("-C", place.url, "ls-tree", "--name-only", "gh-pages").split()
    assert git("-C", place.url, "log", "--format=%s %an", "gh-pages").splitlines() == [
        "Refresh tinyops",
        "Release v1 tinyops",
    ]


def test_another_machine_with_an_empty_copy_goes_on(tmp_path: Path) -> None:
    place = branch(tmp_path)
    place.change(FILES, [], "", "first")
    other = replace(place, cache=tmp_path / "other" / "cache.git")
    other.change({"timestamp.json": b"2"}, [], other.look().revision, "second")
    assert place.look().read("timestamp.json") == b"2"


def test_a_repository_that_is_not_there_is_said(tmp_path: Path) -> None:
    place = BranchPlace(str(tmp_path / "no.git"), "gh-pages", tmp_path / "cache.git")
    with pytest.raises(RemoteError, match=r"no.git .gh-pages.: Git says: .*access rights"):
        place.look()


def test_a_push_that_is_refused_is_said_and_nothing_changes(tmp_path: Path) -> None:
    place = branch(tmp_path)
    place.change(FILES, [], "", "first")
    hook = Path(place.url) / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected branch >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RemoteError, match=r"Git says: .*pre-receive hook declined"):
        place.change({"timestamp.json": b"2"}, [], place.look().revision, "second")
    assert place.look().read("timestamp.json") == b"1"


def test_a_token_is_neither_shown_nor_on_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def watched(argv: list[Any], **options: Any) -> Any:
        seen.append((argv, options["env"]))
        raise ToolError("stop here")

    monkeypatch.setattr("tinyops.trust.branch.run", watched)
    place = BranchPlace("https://git.test/acme/pages", "gh-pages", tmp_path / "cache.git", token="canary-7")
    (tmp_path / "cache.git").mkdir()
    (tmp_path / "cache.git" / "HEAD").touch()
    with pytest.raises(ToolError, match="stop here"):
        place.look()
    ((argv, env),) = seen
    assert "canary-7" not in f"{argv}{place!r}{place}"
    assert env["GIT_CONFIG_KEY_0"] == "http.https://git.test/.extraheader"
    assert env["GIT_CONFIG_VALUE_0"].startswith("Authorization: Basic ")


def test_a_branch_survives_kill_9_before_and_after_each_call_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old edition or the new one, never a part of it; and the next publisher carries on."""
    place = branch(tmp_path)
    place.change(FILES, [], "", "first")
    old, calls = place.look().revision, tmp_path / "calls"
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    real = shutil.which("git")
    shim.write_text(
        f"#!/bin/sh\necho x >> {calls}\nn=$(wc -l < {calls})\n"
        f'[ "$n" = "$BEFORE" ] && kill -9 "$PPID" && exit 1\n"{real}" "$@"\ncode=$?\n'
        '[ "$n" = "$AFTER" ] && kill -9 "$PPID"\nexit $code\n'
    )
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")

    def killed_at(when: str, step: int) -> bool:
        calls.unlink(missing_ok=True)
        monkeypatch.setenv("BEFORE", "")
        monkeypatch.setenv("AFTER", "")
        monkeypatch.setenv(when, str(step))
        pid = os.fork()
        if pid == 0:
            try:
                place.change({"new.json": b"2", "timestamp.json": b"2"}, ["1.targets.json"], old, "second")
            finally:
                os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        monkeypatch.delenv(when)
        return killed

    seen: list[tuple[bytes | None, bool]] = []
    for when in ("BEFORE", "AFTER"):
        step = 0
        while killed_at(when, step := step + 1):
            view = place.look()
            found = (view.read("timestamp.json"), "new.json" in view.names())
            assert found in ((b"1", False), (b"2", True))
            seen.append(found)
            if view.revision == old:
                place.change({"new.json": b"2", "timestamp.json": b"2"}, ["1.targets.json"], old, "second")
            assert place.look().read("timestamp.json") == b"2"
            git("-C", place.url, "update-ref", "refs/heads/gh-pages", old)
        git("-C", place.url, "update-ref", "refs/heads/gh-pages", old)
    print(f"a branch: killed {len(seen)} times, {sum(new for _, new in seen)} after the push")
    assert len(seen) >= 12 and {new for _, new in seen} == {True, False}


@pytest.mark.faults
def test_a_host_that_redirects_is_not_followed_with_a_token(tmp_path: Path) -> None:
    """Git would send the header with the token to wherever the first answer leads, also in the clear."""
    asked: list[str] = []

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere{self.path}")  # type: ignore[index]
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = BranchPlace(f"http://127.0.0.1:{server.server_port}/pages.git", "gh-pages", tmp_path / "c.git", "t0ken")
        with pytest.raises(RemoteError):
            place.look()
        server.shutdown()
    assert asked and not [path for path in asked if path.startswith("/elsewhere")]
