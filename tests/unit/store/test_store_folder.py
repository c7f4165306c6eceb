"""The store on one machine: damage counts as absent, leftovers are swept, use and collection exclude each other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.stores import KEY, key_of, made, store_at
from tinyops.artifacts import Artifact
from tinyops.errors import Leased
from tinyops.files import digest_file, write_atomic
from tinyops.store import Store, folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_at(tmp_path / "store")


def test_a_record_is_found_again(store: Store) -> None:
    assert store.lookup(made(store).key) == made(store)
    assert store.lookup(key_of("another")) is None


def test_a_damaged_object_counts_as_absent_and_can_be_made_again(store: Store) -> None:
    record = made(store)
    path = store.folder.object_path(record.outputs["deep/file"].digest)
    path.chmod(0o644)
    path.write_bytes(b"Weights")
    assert store.lookup(record.key) is None
    assert store.lookup(made(store).key) == record


def test_a_whole_object_that_comes_while_a_damaged_one_is_read_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two compile steps fetched one damaged model at once, and one removed what the other had brought."""
    artifact = made(store).outputs["deep/file"]
    path = store.folder.object_path(artifact.digest)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"Weights")

    def read_slowly(damaged: Path) -> str:
        digest = digest_file(damaged)
        write_atomic(path, whole)
        return digest

    with monkeypatch.context() as patch:
        patch.setattr("tinyops.store.folder.digest_file", read_slowly)
        assert store.find(artifact) is None
    assert store.find(artifact) == path


def test_a_damaged_record_counts_as_absent(store: Store) -> None:
    record = made(store)
    path = store.folder.record_path(record.key)
    whole = path.read_bytes()
    for damage in (b"", b"{", b"[]", whole[:-20], whole.replace(KEY.encode(), key_of("other").encode())):
        path.write_bytes(damage)
        assert store.lookup(record.key) is None
        assert not path.exists()


def test_the_same_bytes_are_stored_once_and_count_as_young_again(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"same")
    (tmp_path / "y").write_bytes(b"same")
    first = store.add(tmp_path / "x")
    (path,) = [p for p in (store.root / "objects").rglob("*") if p.is_file()]
    os.utime(path, (0, 0))
    assert store.add(tmp_path / "y") == first
    assert [p for p in (store.root / "objects").rglob("*") if p.is_file()] == [path]
    assert path.stat().st_mtime > 0


def test_scratch_is_removed_and_leftovers_of_the_dead_are_swept(store: Store) -> None:
    with store.scratch("train:a") as path:
        assert path.is_dir()
        store.sweep()
        assert path.is_dir()
    assert not path.exists()
    dead = store.root / "scratch" / "4194399.train.x"
    dead.mkdir()
    store.sweep()
    assert not dead.exists()


def test_an_absent_object_is_none(store: Store) -> None:
    assert store.find(Artifact("sha256:" + "0" * 64, 1)) is None


def test_many_use_a_folder_at_once_but_none_while_it_is_collected(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "PATIENCE_S", 0)
    with store.using(), store.using(), pytest.raises(Leased, match="a build is using it"), store.folder.alone():
        pass
    with store.folder.alone(), pytest.raises(Leased, match="`tinyops gc` is collecting it"), store.using():
        pass
    with store.folder.alone():
        pass


def test_a_process_that_died_uses_nothing_any_more(store: Store) -> None:
    code = (
        "import os, sys, pathlib; from tinyops.store import Folder\n"
        "held = Folder(pathlib.Path(sys.argv[1])).using(); held.__enter__(); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run([sys.executable, "-c", code, store.root], env=environment, timeout=60)
    assert ended.returncode == -9
    with store.folder.alone():
        pass
