"""What of a store nothing needs any more: decided here, from a list of what is there and of what lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tinyops.errors import RemoteError
from tinyops.manifest.document import DURABLE_KINDS
from tinyops.remote.files import Stored
from tinyops.store.folder import OBJECTS, RECORDS
from tinyops.store.records import RECORD_LIMIT_BYTES, StoredRecord, read_stored
from tinyops.store.shared import DAY_S

NO_RECORD, LEFTOVER = "no record", "leftovers"


@dataclass(frozen=True)
class Live:
    """What must stay: records by key, objects by digest. `all_durable`: every record of what cannot be made again.

    That is so when a release could not be read, which may name any of them.
    """

    project: str
    keys: frozenset[str]
    digests: frozenset[str]
    all_durable: bool = False


@dataclass(frozen=True)
class Waste:
    """A file to be dropped, and what it was part of: a step's kind, or why it belongs to none."""

    file: Stored
    kind: str


def find_waste(
    files: Iterable[Stored], live: Live, keep_s: float, read: Callable[[str], bytes], *, leftover_s: float = DAY_S
) -> Iterator[Waste]:
    """What may go, records before the objects that they name, so that a run that is killed leaves no dead names.

    A file stays while it is younger than `keep_s`, or of unknown age; unfinished ones while younger than
    `leftover_s`. Records of other projects stay, for what they need is not known here, and files whose names
    are none of a store's. `read` gives a record's file, or raises FileNotFoundError when it is gone.
    """
    objects: list[Stored] = []
    kinds: dict[str, str] = {}
    needed = set(live.digests)
    for file in files:
        if _is_leftover(file):
            if _older(file, leftover_s):
                yield Waste(file, LEFTOVER)
        elif (digest := _digest(file.name, OBJECTS)) is not None:
            objects.append(file)
        elif (key := _digest(file.name, RECORDS)) is not None:
            claimed = _read(file, read)
            digests = {artifact.digest for artifact in claimed.record.outputs.values()} if claimed else set()
            kind = claimed.record.step.partition(":")[0] if claimed else NO_RECORD
            if not _older(file, keep_s) or _is_live(key, claimed, live):
                needed |= digests
            else:
                kinds |= dict.fromkeys(digests, kind)
                yield Waste(file, kind)
    for file in objects:
        digest = _digest(file.name, OBJECTS) or ""
        if digest not in needed and _older(file, keep_s):
            yield Waste(file, kinds.get(digest, NO_RECORD))


def _is_live(key: str, claimed: StoredRecord | None, live: Live) -> bool:
    if key in live.keys or claimed is None:
        return key in live.keys
    durable = live.all_durable and claimed.record.step.partition(":")[0] in DURABLE_KINDS
    return durable or claimed.project != live.project


def _older(file: Stored, seconds: float) -> bool:
    return file.age_s is not None and file.age_s >= seconds


def _is_leftover(file: Stored) -> bool:
    """A temporary file of a writer, which becomes an object or a record by rename."""
    folder, _, name = file.name.rpartition("/")
    return name.startswith(".") and folder.split("/")[0] in (OBJECTS, RECORDS)


def _digest(name: str, folder: str) -> str | None:
    """The digest that a file of a store is named by; None for any other file."""
    top, _, rest = name.partition("/")
    digits = rest.replace("/", "", 1) if folder == OBJECTS else rest.removesuffix(".json")
    if top != folder or len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        return None
    return f"sha256:{digits}"


def _read(file: Stored, read: Callable[[str], bytes]) -> StoredRecord | None:
    """A record as it claims to be: that it keeps an object alive does no harm, so no signature is asked for."""
    if not is_record(file):
        return None
    try:
        data = read(file.name)
    except FileNotFoundError:
        return None
    try:
        return read_stored(data, where=file.name)[0]
    except RemoteError:
        return None


def is_record(file: Stored) -> bool:
    """Whether a file may be a record, by its name and its length."""
    return _digest(file.name, RECORDS) is not None and file.bytes <= RECORD_LIMIT_BYTES


def sums(waste: Sequence[Waste]) -> dict[str, tuple[int, int]]:
    """Files and bytes by kind, the most bytes first."""
    found: dict[str, tuple[int, int]] = {}
    for line in waste:
        files, size = found.get(line.kind, (0, 0))
        found[line.kind] = (files + 1, size + line.file.bytes)
    return dict(sorted(found.items(), key=lambda item: (-item[1][1], item[0])))
