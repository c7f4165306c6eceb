"""Parsed YAML by the digest of its bytes, so that unchanged files are never parsed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinyops import __version__
from tinyops.errors import ToolError
from tinyops.files import MIB, JsonObject, digest_bytes, write_atomic

CACHE_FORMAT = 1  # raise it when reading.py gives other values for the same bytes
CACHE_LIMIT_BYTES = 64 * MIB


class ParseCache:
    """One JSON file `<folder>/<name>.json` of the values of every file that the last run read.

    It only saves time: a missing, damaged or older one is as good as none, and one that cannot be
    written is left out. What is read from it is validated like freshly parsed YAML. Its first line
    is the digest of the rest. Keep it on the machine: an untrusted run must not be able to write it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.json"
        self._known = _load(self.path)
        self._used: dict[str, list[JsonObject]] = {}

    def get(self, digest: str) -> list[JsonObject] | None:
        """The documents of the file with this digest, or None."""
        values = self._known.get(digest)
        if values is not None:
            self._used[digest] = values
        return values

    def put(self, digest: str, values: list[JsonObject]) -> None:
        self._used[digest] = values

    def save(self) -> None:
        """Keeps what this run used and forgets the rest, so the file never outgrows the specs."""
        if self._used.keys() == self._known.keys():
            return
        body = json.dumps({"format": [CACHE_FORMAT, __version__], "files": self._used}, separators=(",", ":")).encode()
        if len(body) > CACHE_LIMIT_BYTES:
            return
        try:
            write_atomic(self.path, digest_bytes(body).encode() + b"\n" + body)
        except ToolError:
            return


def _load(path: Path) -> dict[str, list[JsonObject]]:
    try:
        with path.open("rb") as stream:
            data = stream.read(CACHE_LIMIT_BYTES + 100)
        head, _, body = data.partition(b"\n")
        if digest_bytes(body).encode() != head:
            return {}
        value: Any = json.loads(body)
        return value["files"] if value["format"] == [CACHE_FORMAT, __version__] and _well_formed(value["files"]) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _well_formed(files: Any) -> bool:
    return isinstance(files, dict) and all(
        isinstance(values, list) and all(isinstance(v, dict) for v in values) for values in files.values()
    )
