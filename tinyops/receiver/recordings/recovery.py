"""What an earlier receiver had accepted, read back from its journal after it was stopped, killed, or lost its power."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tinyops.receiver.recordings.disk import write_at
from tinyops.receiver.recordings.ledger import Incoming, Ledger, take_name
from tinyops.receiver.recordings.records import Kind, Record, read_records


@dataclass(frozen=True)
class Recovered:
    """The takes in hand; the newest segment, if there is one, and where its last whole record ends."""

    ledger: Ledger
    segment: Path | None = None
    end: int = 0


def recovered(root: Path, on_event: Callable[[str], None]) -> Recovered:
    """The takes' files are brought up to what the journal says. Files of none are removed."""
    ledger, found = Ledger(), Recovered(Ledger())
    spool = root / "open"
    for path in sorted((root / "journal").glob("*.log")):
        end = _replay(path, ledger, spool)
        found = Recovered(ledger, path, end)
        if cut := path.stat().st_size - end:
            on_event(f"{path.name}: its last {cut:,} bytes were never whole, and nobody was told that they were taken")
    for incoming in list(ledger.takes.values()):
        _settle(ledger, incoming, spool, on_event)
    known = {incoming.name for incoming in ledger.takes.values()}
    for path in spool.iterdir():
        if path.name not in known:
            path.unlink(missing_ok=True)
    for path in (root / "journal").glob(".*"):
        path.unlink(missing_ok=True)
    return found


def _replay(path: Path, ledger: Ledger, spool: Path) -> int:
    """Applies a segment. Returns where its last whole record ends."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as stream:
        for record, end in read_records(stream, size):
            try:
                _apply(record, ledger, spool)
            except ValidationError:
                break
            place = end
    return place


def _apply(record: Record, ledger: Ledger, spool: Path) -> None:
    incoming = ledger.takes.get(record.take)
    before = None if incoming is None else incoming.bytes
    ledger.apply(record)
    if record.kind == Kind.CHUNK and incoming is not None and incoming.bytes != before:
        write_at(spool / take_name(record.take), record.data, record.offset)


def _settle(ledger: Ledger, incoming: Incoming, spool: Path, on_event: Callable[[str], None]) -> None:
    """Its file as long as the journal says: what stands behind that was never acknowledged."""
    path = spool / incoming.name
    with contextlib.suppress(FileNotFoundError):
        size = path.stat().st_size
        if size > incoming.bytes:
            os.truncate(path, incoming.bytes)
        if size >= incoming.bytes:
            return
    size = path.stat().st_size if path.exists() else 0
    on_event(f"{incoming.name}: {incoming.bytes - size:,} bytes are gone from the disk")
    path.touch()
    ledger.shorten(incoming, size)
