"""What was read of reports before: which files are verified, and how far each signer had counted."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from tinyops.device.reports.ahead import right_signatures
from tinyops.errors import TinyopsError
from tinyops.files import canonical_json, read_bounded, write_atomic
from tinyops.manifest.report import DeviceReport, check_signature

MEMORY_LIMIT_BYTES = 64 * 1024 * 1024
FORMAT = 1


class Memory:
    """One file, written whole; one that cannot be read is begun anew, and one that cannot be written is done without.

    Keyed by a report's name; an entry is the digest of the file that was verified, its signer, and its sequence.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._now: dict[str, list[object]] = {}
        self._right: set[str] = set()

    @cached_property
    def _before(self) -> dict[str, list[object]]:
        return _read(self._path) if self._path is not None else {}

    def look_ahead(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Checks the signatures of those that were not verified before, all at once; `verify` then need not."""
        digests = [(name, hashlib.sha256(data).hexdigest(), data) for name, data in files]
        new = [(digest, data) for name, digest, data in digests if self._before.get(name, [None])[0] != digest]
        right = right_signatures([data for _, data in new])
        self._right = {digest for (digest, _), is_right in zip(new, right, strict=True) if is_right}

    def verify(self, name: str, data: bytes, report: DeviceReport, *, where: str) -> str:
        """Why a report counts for nothing although it is signed; empty where it counts. Raises RemoteError for a wrong
        signature."""
        digest = hashlib.sha256(data).hexdigest()
        known = self._before.get(name)
        entry: list[object] = [digest, report.public_key, report.sequence]
        if known == entry:
            self._now[name] = entry
            return ""
        if digest not in self._right:
            check_signature(data, report, where=where)
        if known is not None and known[1] == report.public_key and _number(known[2]) >= report.sequence:
            self._now[name] = known
            older = f"has number {report.sequence}; number {known[2]} of the same signer was read before"
            return f"{older}: it is an old one that was played again, or two devices have one key"
        self._now[name] = entry
        return ""

    def save(self) -> None:
        """Remembers what was there: names that are gone are kept, so that an old report cannot come back as new."""
        merged = {**self._before, **self._now}
        if self._path is None or merged == self._before:
            return
        data = canonical_json({"format": FORMAT, "reports": merged})
        with contextlib.suppress(TinyopsError):
            if len(data) <= MEMORY_LIMIT_BYTES:
                write_atomic(self._path, data)
            else:
                write_atomic(self._path, canonical_json({"format": FORMAT, "reports": self._now}))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _read(path: Path) -> dict[str, list[object]]:
    try:
        value = json.loads(read_bounded(path, MEMORY_LIMIT_BYTES))
    except (TinyopsError, ValueError, RecursionError):
        return {}
    if not isinstance(value, dict) or value.get("format") != FORMAT or not isinstance(value.get("reports"), dict):
        return {}
    return {name: entry for name, entry in value["reports"].items() if isinstance(entry, list) and len(entry) == 3}
