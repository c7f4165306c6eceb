"""Sources that are fetched: by real pip from a folder, with nothing of a package run, and nothing else taken for it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tinyops import fetching
from tinyops.artifacts import Progress
from tinyops.errors import RemoteError, ToolError
from tinyops.fetching import Package, fetch_source, read_source
from tinyops.firmware.fetched import signature_sources

FILES = {
    "pyproject.toml": b'[build-system]\nrequires = ["setuptools", "no-such-package"]\n',
    "setup.py": b"raise SystemExit('it was run')\n",
    "PKG-INFO": b"Metadata-Version: 2.1\nName: pymonocypher\nVersion: 1.0\n",
    "monocypher.c": b"/* C */\n",
    "monocypher.h": b"/* header */\n",
}


def archive(files: Mapping[str, bytes], folder: str = "pymonocypher-1.0") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as found:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(data)
            found.addfile(entry, io.BytesIO(data))
    return made.getvalue()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip sees; downloads are kept apart."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    return folder


def put(index: Path, files: Mapping[str, bytes] = FILES) -> Package:
    data = archive(files)
    (index / "pymonocypher-1.0.tar.gz").write_bytes(data)
    return Package("pymonocypher", "1.0", f"sha256:{hashlib.sha256(data).hexdigest()}", "the lock")


def ignore(_: Progress) -> None:
    pass


def test_a_source_is_fetched_once_and_nothing_of_it_runs(index: Path) -> None:
    package = put(index)
    said: list[Progress] = []
    path = fetch_source(package, said.append)
    assert path.name == package.sha256.removeprefix("sha256:")
    (index / "pymonocypher-1.0.tar.gz").unlink()
    assert fetch_source(package, said.append) == path
    assert [p.message for p in said if p.announce] == ["fetching pymonocypher 1.0 through pip…"]
    assert read_source(path, ("monocypher.h", "monocypher.c")) == {
        n: FILES[n] for n in ("monocypher.h", "monocypher.c")
    }


def test_another_archive_than_the_pinned_one_is_refused_before_it_is_opened(index: Path, tmp_path: Path) -> None:
    pinned = put(index)
    put(index, {**FILES, "monocypher.c": b"/* other C */"})
    with pytest.raises(RemoteError, match=r"pymonocypher 1\.0: pip could not fetch it(\n.*)*Expected sha256"):
        fetch_source(pinned, ignore)
    assert list((tmp_path / "cache/downloads").iterdir()) == []


def test_without_a_network_it_says_so_in_seconds(index: Path) -> None:
    package = put(index)
    (index / "pymonocypher-1.0.tar.gz").unlink()
    with pytest.raises(RemoteError, match=r"pymonocypher 1\.0: pip could not fetch it") as caught:
        fetch_source(package, ignore)
    assert caught.value.exit_code == 69 and "check the network" in caught.value.hint


def test_what_an_archive_lacks_or_cannot_be_is_named(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (index / "damaged").write_bytes(archive(FILES)[:100])
    with pytest.raises(RemoteError, match="damaged: the archive is damaged"):
        read_source(index / "damaged", ("monocypher.c",))
    (index / "whole").write_bytes(archive(FILES))
    with pytest.raises(RemoteError, match=r"whole: holds no monocypher\.s"):
        read_source(index / "whole", ("monocypher.s",))
    (index / "deep").write_bytes(archive(FILES, "pymonocypher-1.0/src"))
    with pytest.raises(RemoteError, match=r"deep: holds no monocypher\.c"):
        read_source(index / "deep", ("monocypher.c",))
    monkeypatch.setattr(fetching, "MEMBER_LIMIT_BYTES", 4)
    with pytest.raises(RemoteError, match=r"monocypher\.c: unpacks to 8 bytes, more than 4"):
        read_source(index / "whole", ("monocypher.c",))
    monkeypatch.setattr(fetching, "ENTRIES_LIMIT", 2)
    with pytest.raises(RemoteError, match="has more than 2 members"):
        read_source(index / "whole", ("PKG-INFO",))


def test_a_firmware_gets_what_the_lock_pins(index: Path) -> None:
    package = put(index)
    found = signature_sources({package.title: package.sha256}, ignore)
    assert found == {name: FILES[name] for name in ("monocypher.c", "monocypher.h")}
    with pytest.raises(ToolError, match="the lock pins no pymonocypher") as caught:
        signature_sources({}, ignore)
    assert "tinyops lock" in caught.value.hint
