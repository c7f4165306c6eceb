"""Reports that wait: the newest of each device, on the disk, never more than so many."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tinyops.device.reports.kind import SealedReport
from tinyops.errors import ToolError
from tinyops.manifest.report import report_name

WAITING_MAX = 20_000
WAITING_LIMIT_BYTES = 64 * 1024 * 1024
BUSY_S = 5.0
_TABLE = """
CREATE TABLE IF NOT EXISTS waiting (
  name TEXT PRIMARY KEY, fleet TEXT, device TEXT, reporter TEXT, sequence INTEGER, data BLOB, number INTEGER
) WITHOUT ROWID
"""
_PUT = """
INSERT INTO waiting SELECT ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(number), 0) + 1 FROM waiting)
WHERE true ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence, data = excluded.data
"""
_OLDEST = "SELECT fleet, device, sequence, data, reporter FROM waiting ORDER BY number LIMIT ?"
_GONE = "DELETE FROM waiting WHERE name = ? AND sequence <= ?"
_SUM = "SELECT count(*), coalesce(sum(length(data)), 0) FROM waiting"
_DROP = "DELETE FROM waiting WHERE name = (SELECT name FROM waiting ORDER BY number LIMIT 1)"

T = TypeVar("T")


class Spool:
    """A file that is made when first something waits. One that is damaged is made anew: the next poll reports again.

    Not for two threads at once: whoever has it keeps them apart.
    """

    def __init__(self, path: Path, *, waiting_max: int = WAITING_MAX, limit_bytes: int = WAITING_LIMIT_BYTES) -> None:
        self.path, self.waiting_max, self.limit_bytes = path, waiting_max, limit_bytes
        self._file: sqlite3.Connection | None = None

    def put(self, reports: Sequence[SealedReport]) -> int:
        """Lets reports wait in the place of older ones of the same devices; returns how many of the oldest were lost
        to make room. Raises ToolError when the disk refuses."""

        def change(file: sqlite3.Connection) -> int:
            rows = [(r.name, r.fleet, r.device, r.reporter, r.sequence, r.data) for r in reports]
            for row in rows:
                file.execute(_PUT, row)
            return self._shrink(file)

        return self._do(change, 0)

    def oldest(self, count: int) -> list[SealedReport]:
        """Those that wait longest; a device that reports again keeps its place."""
        if not self.path.exists():
            return []
        return self._do(lambda file: [SealedReport(*row) for row in file.execute(_OLDEST, (count,))], [])

    def remove(self, reports: Sequence[SealedReport]) -> None:
        """Those that are settled, unless a newer one took their place meanwhile."""
        if self.path.exists():
            gone = [(report_name(r.fleet, r.device, r.reporter), r.sequence) for r in reports]
            self._do(lambda file: file.executemany(_GONE, gone), None)

    def __len__(self) -> int:
        if not self.path.exists():
            return 0
        return self._do(lambda file: int(file.execute(_SUM).fetchone()[0]), 0)

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(sqlite3.Error):
                self._file.close()
            self._file = None

    def _shrink(self, file: sqlite3.Connection) -> int:
        lost = 0
        count, size = file.execute(_SUM).fetchone()
        while count > self.waiting_max or size > self.limit_bytes:
            file.execute(_DROP)
            lost += 1
            count, size = file.execute(_SUM).fetchone()
        return lost

    def _do(self, what: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """One transaction; a file that is none is put away and the transaction tried on a new one."""
        for attempt in (1, 2):
            try:
                file = self._open()
                with file:
                    return what(file)
            except sqlite3.OperationalError as error:
                self.close()
                raise ToolError(f"{self.path}: cannot be written: {error}", hint="is the disk full?") from error
            except sqlite3.DatabaseError as error:
                self.close()
                if attempt == 2:
                    raise ToolError(f"{self.path}: {error}") from error
                for name in (self.path.name, f"{self.path.name}-wal", f"{self.path.name}-shm"):
                    self.path.with_name(name).unlink(missing_ok=True)
        return otherwise

    def _open(self) -> sqlite3.Connection:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = sqlite3.connect(self.path, timeout=BUSY_S, check_same_thread=False)
            file.execute("PRAGMA journal_mode=WAL")
            file.execute("PRAGMA synchronous=NORMAL")  # a report that a loss of power takes is made again
            file.execute(_TABLE)
            self._file = file
        return self._file
