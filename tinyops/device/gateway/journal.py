"""The gateway's journal: SQLite, one writer, every write on the disk before what it announces is done.

A step is written down before it is taken (`mark`), and its end together with the event that tells of it (`finish`): so
after a crash at any moment an open step says what to look at, and no event is lost or told twice.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tinyops.device.gateway.choice import Accepted
from tinyops.device.gateway.tables import ABOUT, DDL, SCHEMA
from tinyops.errors import ToolError
from tinyops.manifest.report import Event

JOURNAL_FILE = "gateway.db"
EVENTS_OF_DEVICE = 64
SAMPLES_OF_DEVICE = 16
STEPS_OF_DEVICE = 32
DEVICES_MAX = 20_000
OFFERS_MAX = 10_000
PAGES_MAX: Final = 256 * 1024  # of 4 KB: 1 GiB, whatever happens
BUSY_S = 5.0
TEXT_MAX = 300

Phase: TypeAlias = Literal["upload", "test", "confirm"]
StepResult: TypeAlias = Literal["installed", "refused", "reverted", "failed", "dropped"]


class JournalFailed(ToolError):
    """The journal cannot be read or written: nothing is begun that could not be told of."""


@dataclass(frozen=True)
class Step:
    """An image on its way to a device, as far as it is known to have come."""

    id: int
    device: str
    image: str
    offer: str
    version: int
    phase: Phase


@dataclass(frozen=True)
class Remembered:
    """A device as it was seen last, whether or not it answers now. Times are seconds after 1970."""

    device: str
    address: str
    silicon: str
    fleet: str
    board: str
    seen_s: int
    sequence: int = 0
    running: str = ""  # what it ran, as JSON of `report.Running`
    health: str = ""  # as JSON of `counting.Counted`
    last_update: str = ""  # as JSON of `report.LastUpdate`
    crash: str = ""


class Journal:
    """One file in the agent's folder. Every method may raise JournalFailed; all may be called from several threads."""

    def __init__(
        self, folder: Path, now: Callable[[], int], *, at_write: Callable[[int, str], None] | None = None
    ) -> None:
        """`at_write` is for tests: called before and after each write with its number."""
        self.path = folder / JOURNAL_FILE
        self.writes = 0
        self.trouble = self.damaged = ""
        self._now, self._at_write = now, at_write or (lambda _number, _when: None)
        self._lock = threading.RLock()
        self._db = self._open()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- devices and places -------------------------------------------------------------------------

    def devices(self) -> dict[str, Remembered]:
        names = ", ".join(Remembered.__dataclass_fields__)
        return {row[0]: Remembered(*row) for row in self._read(f"SELECT {names} FROM devices")}  # noqa: S608

    def places(self) -> dict[str, tuple[str, str]]:
        """Device and silicon that answered last, by address."""
        return {row[0]: (row[1], row[2]) for row in self._read("SELECT address, device, silicon FROM places")}

    def meet(self, device: Remembered, events: Sequence[Event]) -> tuple[str, ...]:
        """A device at an address: the first one, another one than before, or one that moved there.

        Returns the devices that are forgotten for it.
        """
        with self._writing("meet") as db:
            db.execute(
                "INSERT INTO devices (device, address, silicon, fleet, board, seen_s) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (device) DO UPDATE SET address = excluded.address, silicon = excluded.silicon, "
                "fleet = excluded.fleet, board = excluded.board, seen_s = excluded.seen_s",
                (device.device, device.address, device.silicon, device.fleet, device.board, device.seen_s),
            )
            db.execute(
                "INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (device.address, device.device, device.silicon)
            )
            self._tell(db, device.device, events)
            return self._forget_most(db)

    def keep(self, devices: Iterable[Remembered]) -> None:
        """What was seen of devices that are known: when, what runs, how they fare. Many at once."""
        rows = [(d.seen_s, d.running, d.health, d.device) for d in devices]
        with self._writing("keep") as db:
            db.executemany("UPDATE devices SET seen_s = ?, running = ?, health = ? WHERE device = ?", rows)
            for seen_s, _, health, device in rows:
                db.execute("INSERT INTO samples (device, time_s, health) VALUES (?, ?, ?)", (device, seen_s, health))
                self._rotate(db, "samples", device, SAMPLES_OF_DEVICE)

    def tell(self, device: str, event: Event, *, crash: str | None = None) -> None:
        """An event of a device; with `crash` what tells this crash from the next, so that it is told once."""
        with self._writing("tell") as db:
            if crash is not None:
                changed = db.execute(
                    "UPDATE devices SET crash = ? WHERE device = ? AND crash IS NOT ?", (crash, device, crash)
                ).rowcount
                if not changed:
                    return
            self._tell(db, device, [event])

    def trouble_at(self, address: str, trouble: str, subject: str, event: Event | None) -> None:
        """What is wrong at an address, "" where nothing is: told when it changes."""
        with self._writing("trouble") as db:
            found = db.execute("SELECT trouble FROM troubles WHERE address = ?", (address,)).fetchone()
            if (found[0] if found else "") == trouble:
                return
            db.execute("INSERT OR REPLACE INTO troubles VALUES (?, ?)", (address, trouble))
            if event is not None:
                self._tell(db, subject, [event])

    def troubles(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self._read("SELECT address, trouble FROM troubles")}

    def events(self, device: str, most: int) -> tuple[Event, ...]:
        """The newest, oldest first."""
        rows = self._read(
            "SELECT time, kind, text FROM events WHERE device = ? ORDER BY id DESC LIMIT ?", (device, most)
        )
        return tuple(Event(time=time, kind=kind, text=text) for time, kind, text in reversed(rows))

    def count_reports(self, devices: Sequence[str]) -> dict[str, int]:
        """Raises the number of these devices' reports, and returns it. Numbers rise even when a journal was lost:
        each is at least the seconds since 1970 when it was given out first."""
        with self._writing("count") as db:
            least = self._now()
            db.executemany(
                "UPDATE devices SET sequence = max(sequence + 1, ?) WHERE device = ?",
                [(least if least > 0 else 1, device) for device in devices],
            )
            return {
                device: int(row[0])
                for device in devices
                for row in db.execute("SELECT sequence FROM devices WHERE device = ?", (device,))
            }

    # -- offers -------------------------------------------------------------------------------------

    def accepted(self) -> dict[tuple[str, str], Accepted]:
        rows = self._read("SELECT fleet, board, version, digest FROM offers")
        return {(fleet, board): Accepted(version, digest) for fleet, board, version, digest in rows}

    def accept(self, fleet: str, board: str, accepted: Accepted, images: Sequence[tuple[str, str]]) -> None:
        """The newest entry of a fleet and board; `images` are digests of models in slots, with what a report says of
        each: they are known from then on, whichever release they are of."""
        with self._writing("accept") as db:
            row = (fleet, board, accepted.version, accepted.digest)
            db.execute("INSERT OR REPLACE INTO offers (fleet, board, version, digest) VALUES (?, ?, ?, ?)", row)
            db.executemany("INSERT OR REPLACE INTO models (image, about) VALUES (?, ?)", images)
            db.execute(
                "DELETE FROM models WHERE rowid IN (SELECT rowid FROM models ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
                (OFFERS_MAX,),
            )

    def models(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self._read("SELECT image, about FROM models")}

    # -- steps --------------------------------------------------------------------------------------

    def open_steps(self, device: str) -> tuple[Step, ...]:
        rows = self._read(
            "SELECT id, device, image, offer, version, phase FROM steps "
            "WHERE device = ? AND ended_s IS NULL ORDER BY id",
            (device,),
        )
        return tuple(Step(*row) for row in rows)

    def mark(self, device: str, address: str, image: str, offer: str, version: int, phase: Phase) -> None:
        """Written down before a device is asked for it."""
        tried = int(phase == "test")
        with self._writing(phase) as db:
            changed = db.execute(
                "UPDATE steps SET phase = ?, address = ?, offer = ?, version = ?, trials = trials + ? "
                "WHERE device = ? AND image = ? AND ended_s IS NULL",
                (phase, address, offer, version, tried, device, image),
            ).rowcount
            if not changed:
                db.execute(
                    "INSERT INTO steps (device, address, image, offer, version, phase, trials, begun_s) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (device, address, image, offer, version, phase, tried, self._now()),
                )
                self._rotate(db, "steps", device, STEPS_OF_DEVICE)

    def finish(
        self,
        device: str,
        image: str,
        result: StepResult,
        event: Event | None,
        *,
        last_update: str = "",
        given_up: tuple[str, str] | None = None,
    ) -> None:
        """The end of a device's open step with an image, with what is told of it; `given_up` are the offer and the
        reason for which the image is not tried again. Does nothing where no such step is open."""
        with self._writing("finish") as db:
            changed = db.execute(
                "UPDATE steps SET ended_s = ?, result = ? WHERE device = ? AND image = ? AND ended_s IS NULL",
                (self._now(), result, device, image),
            ).rowcount
            if not changed:
                return
            if last_update:
                db.execute("UPDATE devices SET last_update = ? WHERE device = ?", (last_update, device))
            if given_up is not None:
                db.execute("INSERT OR REPLACE INTO given_up VALUES (?, ?, ?, ?)", (device, image, *given_up))
                db.execute(
                    "DELETE FROM given_up WHERE device = ? AND rowid NOT IN "
                    "(SELECT rowid FROM given_up WHERE device = ? ORDER BY rowid DESC LIMIT ?)",
                    (device, device, STEPS_OF_DEVICE),
                )
            if event is not None:
                self._tell(db, device, [event])

    def trials(self, device: str, image: str, offer: str) -> int:
        """How often a device was to try an image, in vain, while this was the offer."""
        rows = self._read(
            "SELECT coalesce(sum(trials), 0) FROM steps WHERE device = ? AND image = ? AND offer = ? "
            "AND result IS NOT 'installed'",
            (device, image, offer),
        )
        return int(rows[0][0])

    def given_up(self, device: str, image: str, offer: str) -> str:
        """Why an image is not tried again on a device while this is the offer; "" where it is."""
        rows = self._read(
            "SELECT reason FROM given_up WHERE device = ? AND image = ? AND offer = ?", (device, image, offer)
        )
        return str(rows[0][0]) if rows else ""

    def note_update(self, device: str, last_update: str) -> None:
        """An update that failed, and is tried again: its steps stay open."""
        with self._writing("note") as db:
            db.execute("UPDATE devices SET last_update = ? WHERE device = ?", (last_update, device))

    def last_update(self, device: str) -> str:
        rows = self._read("SELECT last_update FROM devices WHERE device = ?", (device,))
        return str(rows[0][0]) if rows else ""

    # -- the file -----------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        try:
            return self._opened()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._failed(error) from error
        for tail in ("", "-wal", "-shm"):  # damaged: what a journal knows can be found out again from the devices
            part = Path(f"{self.path}{tail}")
            if part.exists():
                part.replace(f"{self.path}.damaged{tail}")
        self.damaged = f"{self.path} was damaged: it is kept as {self.path.name}.damaged, a new one was begun"
        try:
            return self._opened()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA max_page_count = {PAGES_MAX}")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("its pages do not fit together")
            db.execute("BEGIN IMMEDIATE")
            for statement in DDL:
                db.execute(statement)
            db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (ABOUT, SCHEMA))
            found = db.execute("SELECT value FROM about WHERE name = ?", (ABOUT,)).fetchone()[0]
            if found != SCHEMA:
                raise sqlite3.DatabaseError(f"its schema is {found!r}, this tinyops has {SCHEMA!r}")
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._at_write(self.writes + 1, f"before {what}")
                    self._db.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back by itself
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._failed(error) from error
            self.writes += 1
            self.trouble = ""
            self._at_write(self.writes, f"after {what}")

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> JournalFailed:
        self.trouble = str(error)
        hint = "free some space: what is under way goes on then" if "full" in str(error) else ""
        return JournalFailed(f"{self.path}: the journal cannot be used: {error}", hint=hint)

    def _tell(self, db: sqlite3.Connection, device: str, events: Sequence[Event]) -> None:
        for event in events:
            row = (device, event.time, event.kind, event.text)
            db.execute("INSERT INTO events (device, time, kind, text) VALUES (?, ?, ?, ?)", row)
        if events:
            self._rotate(db, "events", device, EVENTS_OF_DEVICE)

    def _forget_most(self, db: sqlite3.Connection) -> tuple[str, ...]:
        """Devices that were not seen for the longest, and all that is known of them, where there are too many."""
        gone = db.execute(
            "DELETE FROM devices WHERE device IN "
            "(SELECT device FROM devices ORDER BY seen_s DESC LIMIT -1 OFFSET ?) RETURNING device",
            (DEVICES_MAX,),
        ).fetchall()
        for table in ("events", "steps", "samples", "given_up", "places"):
            db.executemany(f"DELETE FROM {table} WHERE device = ?", gone)  # noqa: S608 names of ours
        return tuple(str(row[0]) for row in gone)

    def _rotate(self, db: sqlite3.Connection, table: str, device: str, most: int) -> None:
        db.execute(
            f"DELETE FROM {table} WHERE device = ? AND id <= "  # noqa: S608 a name of ours
            f"(SELECT id FROM {table} WHERE device = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (device, device, most),
        )


def event_of(moment: str, kind: str, text: str) -> Event:
    """An event with as much of the text as one may hold, on one line."""
    line = " ".join(text.split())
    return Event(time=moment, kind=kind, text=line if len(line) <= TEXT_MAX else line[: TEXT_MAX - 1] + "…")


def as_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
