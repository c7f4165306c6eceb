import errno
import os

import pytest

from tinyops import files
from tinyops.errors import SpecError, ToolError


def test_canonical_json_is_one_byte_sequence_and_refuses_nan():
    assert files.canonical_json({"b": [1, 2.5], "a": "ü"}) == '{"a":"ü","b":[1,2.5]}'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        files.canonical_json({"a": float("nan")})


def test_write_atomic_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "file"
    files.write_atomic(path, b"one")
    files.write_atomic(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write_atomic(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ToolError, match="No space left") as error:
        files.write_atomic(path, b"new")
    assert "finished steps are kept" in error.value.hint
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_if_changed_leaves_the_time_of_an_equal_file_alone(tmp_path):
    path = tmp_path / "file"
    assert files.write_if_changed(path, b"x")
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert not files.write_if_changed(path, b"x")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert files.write_if_changed(path, b"y")


def test_reading_is_bounded(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert files.read_bounded(path, 5) == b"12345"
    with pytest.raises(SpecError, match="larger than 4 bytes"):
        files.read_bounded(path, 4)
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        files.read_bounded(tmp_path / "absent", 4)


def test_digest_of_a_tree_sees_names_and_contents_only(tmp_path):
    (tmp_path / "a.c").write_text("1")
    first = files.digest_tree(tmp_path, ["*.c"])
    os.utime(tmp_path / "a.c", (1, 1))
    (tmp_path / "ignored.o").write_text("2")
    assert files.digest_tree(tmp_path, ["*.c"]) == first
    (tmp_path / "a.c").rename(tmp_path / "b.c")
    assert files.digest_tree(tmp_path, ["*.c"]) != first
