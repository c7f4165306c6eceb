"""What an earlier receiver had accepted, read back from its journal after it was stopped, killed, or lost its power."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from tinyops.errors import ToolError
from tinyops.files import writing
from tinyops.receiver.recordings.disk import write_at
from tinyops.receiver.recordings.ledger import Incoming, Ledger, take_name
from tinyops.receiver.recordings.records import ForeignRecord, Kind, Record, holds_whole_record, read_records


@dataclass(frozen=True)
class Recovered:
    """The takes in hand; the newest segment, if there is one, and where its last whole record ends."""

    ledger: Ledger
    segment: Path | None = None
    end: int = 0


def recovered(root: Path, on_event: Callable[[str], None]) -> Recovered:
    """The takes' files are brought up to what the journal says. Files of none are removed.

    What power cut off stands at the end. Where whole records follow damage, the disk has lost what was acknowledged:
    all that the journal had is then kept aside. Raises ToolError for a journal of another version.
    """
    ledger, found = Ledger(), Recovered(Ledger())
    spool = root / "open"
    for path in sorted((root / "journal").glob("*.log")):
        end = _replay(path, ledger, spool)
        found = Recovered(ledger, path, end)
        if (cut := path.stat().st_size - end) and _is_damaged(path, end):
            aside = _keep_aside(path, root)
            on_event(f"{path.name}: damaged {cut:,} bytes before its end: what it and open/ held is kept in {aside}")
        elif cut:
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
    try:
        with path.open("rb") as stream:
            for record, end in read_records(stream, size):
                _apply(record, ledger, spool)
                place = end
    except (ForeignRecord, ValidationError) as error:
        raise ToolError(
            f"{path}: was written by another version of tinyops (byte {place:,}); nothing of it was changed",
            hint="start that version until its takes are closed, or give this one another --state",
        ) from error
    return place


def _is_damaged(path: Path, end: int) -> bool:
    """Whether more than what was never acknowledged is not whole. The first record was there before the file was."""
    with path.open("rb") as stream:
        stream.seek(end)
        return not end or holds_whole_record(stream.read())


def _keep_aside(segment: Path, root: Path) -> Path:
    aside = root / "damaged" / f"{segment.stem}-{secrets.token_hex(4)}"
    with writing(aside):
        shutil.copytree(root / "open", aside / "open")
        shutil.copy2(segment, aside)
    return aside


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
