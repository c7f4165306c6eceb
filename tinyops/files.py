"""Reading with bounds, writing by rename, digests, canonical JSON."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from tinyops.errors import SpecError, ToolError

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"
JsonObject: TypeAlias = dict[str, Any]

MIB = 1024 * 1024
CHUNK_BYTES = 1 * MIB


def digest_bytes(data: bytes) -> str:
    """`sha256:<64 hex digits>` of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """`sha256:<64 hex digits>` of a file's content, read in chunks."""
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(value: Json | JsonObject) -> bytes:
    """The one byte sequence of a JSON value: sorted keys, no spaces, UTF-8. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_json(value: Json | JsonObject) -> str:
    return digest_bytes(canonical_json(value))


def pretty_json(value: Json | JsonObject) -> bytes:
    """JSON for files that people read; ends in a newline. NaN is refused."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def digest_tree(root: Path, patterns: Iterable[str]) -> str:
    """Digest of the named files below a folder: their relative paths and contents, not their times."""
    paths = sorted({p for pattern in patterns for p in root.glob(pattern) if p.is_file()})
    return digest_json([[p.relative_to(root).as_posix(), digest_file(p)] for p in paths])


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """A whole file, refused when it is longer than the limit.

    Raises SpecError for a file that is missing, unreadable or too long.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit_bytes + 1)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > limit_bytes:
        raise SpecError(f"{path}: larger than {limit_bytes:,} bytes", hint="split the file")
    return data


def printable(text: str) -> str:
    """Text that devices and others wrote, without what would move a cursor, change colours or turn its direction."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an operating system's refusal to write into one sentence that names path and reason."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some space and run the same command again: finished steps are kept"
        raise ToolError(f"{path}: cannot be written: {error.strerror}", hint=hint if full else "") from error


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A stream whose bytes take the place of a file by rename at the end: a reader sees the old or the new ones, also
    after a crash.

    Raises ToolError when the disk refuses; the old file is then untouched.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    sync_folder(path.parent)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replaces a file as `replacing` does."""
    with replacing(path, mode=mode) as stream:
        stream.write(data)


def write_if_changed(path: Path, data: bytes, *, mode: int = 0o644) -> bool:
    """Writes only what differs, so that build tools see no change. Returns whether it wrote."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return False
    write_atomic(path, data, mode=mode)
    return True


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cache_folder() -> Path:
    """Where builds are kept between runs: TINYOPS_CACHE, else the user's cache folder."""
    named = os.environ.get("TINYOPS_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named).absolute() if named else Path(base).absolute() / "tinyops"
