"""Sources of Debian packages: fetched through apt into a folder of their own, believed by their digest alone."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from tinyops.debian import fetch_originals, read_tree
from tinyops.errors import RemoteError, ToolError
from tinyops.fetching import Package, kept

# In the place of apt-get: what it knows of archives, and the archive that it "fetches".
APT = """#!/bin/sh
case "$*" in
  *indextargets*) cat "$TARGETS" ;;
  *update*) cp "$(echo "$*" | sed 's/.*SourceList=\\([^ ]*\\).*/\\1/')" "$SEEN" ;;
  *source*)
    echo "$*" >> "$SEEN"
    [ -f "$ARCHIVE" ] || { echo "E: no such source" >&2; exit 100; }
    cp "$ARCHIVE" ./lib_1.2.orig.tar.gz ;;
esac
"""
DEBIAN = "Packages main Debian bookworm http://deb.example/debian/\n"


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what the stand-in for apt-get reads and leaves."""
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(APT)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    for name in ("TARGETS", "SEEN", "ARCHIVE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    (tmp_path / "targets").write_text(
        DEBIAN + "Packages main Others x http://others.example/\nContents main Debian y z\n"
    )
    return tmp_path


def package(data: bytes) -> Package:
    return Package("lib", "1.2-3", f"sha256:{hashlib.sha256(data).hexdigest()}", "this test")


def test_an_archive_is_fetched_once_from_debian_and_kept_by_its_digest(apt: Path) -> None:
    data = archive(apt / "archive", {"lib-1.2/src/a.c": b"int a;"}).read_bytes()
    said: list[str] = []
    wanted = package(data)
    assert fetch_originals([wanted], lambda progress: said.append(progress.message))["lib"] == kept(wanted)
    assert kept(wanted).read_bytes() == data and "lib 1.2-3" in said[0]
    sources, asked = (apt / "seen").read_text().splitlines()
    assert sources == "deb-src http://deb.example/debian/ bookworm main" and asked.endswith(
        "source --download-only lib=1.2-3"
    )
    (apt / "archive").unlink()
    assert fetch_originals([wanted], lambda _: None)["lib"] == kept(wanted)


def test_another_file_than_the_pinned_one_is_never_kept(apt: Path) -> None:
    archive(apt / "archive", {"lib-1.2/a.c": b"evil"})
    wanted = package(b"what was pinned")
    with pytest.raises(RemoteError, match=r"this test pins sha256:.* what apt fetched is sha256:"):
        fetch_originals([wanted], lambda _: None)
    assert not kept(wanted).exists()
    kept(wanted).parent.mkdir(parents=True, exist_ok=True)
    kept(wanted).write_bytes(b"changed since it was kept")
    with pytest.raises(RemoteError, match="pins"):
        fetch_originals([wanted], lambda _: None)


def test_what_cannot_be_fetched_says_what_apt_said(apt: Path) -> None:
    with pytest.raises(RemoteError, match="E: no such source"):
        fetch_originals([package(b"x")], lambda _: None)
    (apt / "targets").write_text("Packages main Others x http://others.example/\n")
    with pytest.raises(ToolError, match="knows no archive of Debian's"):
        fetch_originals([package(b"x")], lambda _: None)


def test_a_tree_has_the_wanted_folders_and_nothing_from_outside(tmp_path: Path) -> None:
    members = {
        "lib/src/a.c": b"a",
        "lib/src/deep/b.h": b"b",
        "lib/doc/c": b"c",
        "lib/src/../d": b"d",
        "lib/srcs/e": b"e",
    }
    path = archive(tmp_path / "a.tar.gz", members)
    assert read_tree(path, ["src"]) == {"src/a.c": b"a", "src/deep/b.h": b"b"}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RemoteError, match="damaged"):
        read_tree(path, ["src"])
    huge = archive(tmp_path / "h.tar.gz", {f"lib/{n}": bytes(1 << 20) for n in range(65)})
    with pytest.raises(RemoteError, match="unpacks to more"):
        read_tree(huge, ["src"])
