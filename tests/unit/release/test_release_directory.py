"""The directory store beside what the contract asks of every store: plain files, atomic at any kill."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from fakes.power import cut_at
from fakes.releases import INERT, Publisher
from tinyops.errors import ToolError

SECOND = INERT.but(library=b"\x7fELF of the second model")


def link_of(root: Path) -> str:
    return str((root / "latest").readlink())


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


def tree(root: Path) -> dict[str, bytes | str]:
    """Every file and link of a store but the lease."""
    paths = (p for p in sorted(root.rglob("*")) if ".lease" not in p.parts)
    return {
        p.relative_to(root).as_posix(): str(p.readlink()) if p.is_symlink() else p.read_bytes()
        for p in paths
        if p.is_symlink() or p.is_file()
    }


def test_the_layout_is_that_of_plain_files(publisher: Publisher) -> None:
    release = publisher.publish()
    root = publisher.store.root
    assert link_of(root) == "v1"
    names = {path.name for path in (root / "v1").iterdir()}
    assert names == {"manifest.json", "entry-wrist-linux.json", *release.manifest.own_assets()}
    assert all(not path.stat().st_mode & 0o222 for path in (root / "v1").iterdir())
    assert publisher.store.latest() == release
    assert not [p.name for p in root.iterdir() if p.name.startswith((".draft", ".latest"))]


def test_a_file_in_the_place_of_latest_is_left_alone(publisher: Publisher) -> None:
    publisher.store.root.mkdir()
    (publisher.store.root / "latest").mkdir()
    with pytest.raises(ToolError, match="is in the way"):
        publisher.publish()


def test_publish_survives_a_kill_at_every_step(publisher: Publisher, tmp_path: Path) -> None:
    """At each file operation: the old release or the new one, whole; and a second run ends in the new one."""
    publisher.publish()
    root = publisher.store.root
    manifest = publisher.build(SECOND)
    signed, files = publisher.sign(manifest), publisher.files(manifest)

    def publish() -> None:
        with publisher.store.lease("apply") as lease:
            publisher.store.publish(signed, files, lease)

    step = before_commit = 0
    while True:
        step += 1
        if not cut_at(publish, root, step):
            break
        latest = publisher.store.latest()
        assert latest is not None
        for digest in latest.manifest.assets:
            publisher.store.fetch_output(latest.manifest, digest)
        assert link_of(root) in ("v1", latest.manifest.tag)
        assert (root / "latest" / "entry-wrist-linux.json").exists()
        before_commit += latest.manifest.version == 1
        publish()
        assert link_of(root) == "v2"
        assert not [p.name for p in root.iterdir() if p.name.startswith((".draft", ".latest"))]
        _take_back(root)
    print(f"publish: killed at {step - 1} steps, {before_commit} before the release was complete")
    assert step > 12
    assert 0 < before_commit < step - 1


def _take_back(root: Path) -> None:
    shutil.rmtree(root / "v2")
    (root / "latest").unlink()
    (root / "latest").symlink_to("v1")


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half(publisher: Publisher) -> None:
    """The kernel refuses to write more than 4 KB to a file."""
    publisher.publish()
    root, before = publisher.store.root, tree(publisher.store.root)
    manifest = publisher.build(INERT.but(library=bytes(100_000)))
    signed, files = publisher.sign(manifest), publisher.files(manifest)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            with publisher.store.lease("apply") as lease:
                resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
                publisher.store.publish(signed, files, lease)
        except ToolError as error:
            status = 70 if "cannot be written" in error.message else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 70
    assert tree(root) == before
    publisher.publish(INERT.but(library=bytes(100_000)))
