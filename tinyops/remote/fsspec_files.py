"""Files behind an fsspec URL. The only module that imports fsspec, and only when a URL is opened."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tinyops.errors import ToolError
from tinyops.files import CHUNK_BYTES
from tinyops.remote.files import Sink, Stored
from tinyops.remote.secrets import hidden

# A put there is seen whole or not at all. Elsewhere a file is put under another name and then moved.
WHOLE_PUTS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"})
PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
    "sftp": "paramiko",
}
TEMPORARY = ".new."


class FsspecFiles:
    """Implements `Remote`. `options` are fsspec's storage options of the URL's file system."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url = url.rstrip("/")
        self._scheme = urlsplit(url).scheme
        self._files, self._root = _open(url, self._scheme, options)

    def read(self, name: str, limit_bytes: int) -> bytes:
        with self._files.open(self._path(name), "rb") as stream:
            return bytes(stream.read(limit_bytes))

    def fetch(self, name: str, to: Sink, limit_bytes: int) -> None:
        with self._files.open(self._path(name), "rb") as reader:
            left = limit_bytes
            while left > 0 and (chunk := reader.read(min(CHUNK_BYTES, left))):
                left -= len(chunk)
                to.write(chunk)

    def put(self, name: str, source: Path) -> None:
        with self._whole(name) as path:
            self._files.put_file(str(source), path)

    def write(self, name: str, data: bytes) -> None:
        with self._whole(name) as path:
            self._files.pipe_file(path, data)

    def stat(self, name: str) -> Stored:
        self._files.invalidate_cache()
        return _stored(name, self._files.info(self._path(name)))

    def listing(self) -> Iterator[Stored]:
        self._files.invalidate_cache()
        found: Mapping[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            found = self._files.find(self._root, detail=True)
        for path, info in found.items():
            yield _stored(path.removeprefix(self._root).lstrip("/"), info)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _whole(self, name: str) -> Iterator[str]:
        """A path to write to, which becomes the name when the block has ended."""
        path = self._path(name)
        if self._scheme in WHOLE_PUTS:
            yield path
            return
        folder, _, last = path.rpartition("/")
        temporary = f"{folder}/{TEMPORARY}{last}.{secrets.token_hex(8)}"
        self._files.makedirs(folder, exist_ok=True)
        try:
            yield temporary
            self._files.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.rm_file(temporary)
            raise


def _open(url: str, scheme: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """A file system of its own, without what others of this process know of it. Raises ToolError."""
    try:
        import fsspec
    except ImportError:
        raise ToolError(f"{url}: needs fsspec", hint="pip install 'tinyops[remote]'") from None
    try:
        files, root = fsspec.url_to_fs(url, skip_instance_cache=True, **options)
    except ImportError as error:
        package = PACKAGES.get(scheme, "")
        hint = f"pip install {package}" if package else "install what fsspec names"
        raise ToolError(f"{url}: {error}", hint=hint) from None
    except Exception as error:  # an unknown scheme, options that it does not take
        hint = "https://filesystem-spec.readthedocs.io lists the schemes and their options"
        said = hidden(str(error), options.values())
        raise ToolError(f"{url}: cannot be opened: {type(error).__name__}: {said}", hint=hint) from None
    return files, str(root).rstrip("/")


def _stored(name: str, info: Mapping[str, Any]) -> Stored:
    return Stored(name, int(info.get("size") or 0), _age(info))


def _age(info: Mapping[str, Any]) -> float | None:
    """Seconds since a file was written; file systems name the moment differently, and some do not know it."""
    for key in ("LastModified", "mtime", "last_modified", "updated", "modified", "created"):
        moment = info.get(key)
        if isinstance(moment, str):
            with contextlib.suppress(ValueError):
                moment = datetime.fromisoformat(moment)
        if isinstance(moment, datetime):
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return time.time() - aware.timestamp()
        if isinstance(moment, int | float):
            return time.time() - moment
    return None
