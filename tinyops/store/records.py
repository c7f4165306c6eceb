"""Records of steps as documents: signed by who made them, taken only from whom the reader trusts.

A store may be written by others: a cache that a fork's run can fill, a bucket with wide rights. Objects
are named by their content, so nobody can pass off one for another. A record says which objects a key
gives, which no digest can show; so it is the record that is signed, and taken for its signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from tinyops.artifacts import Record
from tinyops.errors import RemoteError
from tinyops.files import MIB
from tinyops.manifest.document import StepRecord
from tinyops.manifest.envelope import Envelope, parse_envelope, seal, signers
from tinyops.manifest.fields import Name, Strict, read_model
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.store.runs import Run

RECORD_SCHEMA: Final = "tinyops/record/v1"
RECORD_LIMIT_BYTES = 16 * MIB


class StoredRecord(Strict):
    """The signed part of a record's file: what became of a step, and the run of which project made it."""

    schema_: Literal["tinyops/record/v1"] = Field(default=RECORD_SCHEMA, alias="schema")
    project: Name
    record: StepRecord
    run: Run


@dataclass(frozen=True)
class Taken:
    """A record that is taken, for a trusted signature or because it is this run's own."""

    record: Record
    signed: bool


class Untrusted(RemoteError):
    """A record that nobody trusted vouches for. `run` is who it claims to be of."""

    def __init__(self, where: str, run: Run) -> None:
        super().__init__(f"{where}: made by {run}, and not signed by a trusted key")
        self.run = run


@dataclass(frozen=True)
class Notary:
    """Writes records for one run, and decides which of others it takes.

    `key` signs; without one, what this run makes is taken by itself alone. `trust` are the keys whose
    records are taken. With `publishing`, a run of CI takes nothing without a signature.
    """

    project: str
    run: Run
    trust: Trust | None = None
    key: SigningKey | None = None
    publishing: bool = False

    def seal(self, record: Record) -> bytes:
        stored = StoredRecord(project=self.project, record=record, run=self.run)
        return seal(stored.to_json(), [self.key] if self.key else []).to_bytes()

    @property
    def vouches(self) -> bool:
        """Whether this run may sign what it made before it had a key: not in CI, where nothing shows that it did."""
        return self.key is not None and not self.run.ci

    def take(self, data: bytes, key: str, *, where: str, own: bool) -> Taken:
        """The record of a key. `own`: only this user can have written it there.

        Raises Untrusted, or RemoteError for what is no record of this key.
        """
        stored, envelope = read_stored(data, where=where)
        if stored.record.key != key:
            raise RemoteError(f"{where}: holds the record of another key")
        if self.trust is not None and signers(envelope, self.trust):
            return Taken(stored.record, True)
        if own and self._is_mine(stored.run):
            return Taken(stored.record, False)
        raise Untrusted(where, stored.run)

    def _is_mine(self, run: Run) -> bool:
        """A claim anybody can make in CI, where the folder may come out of a cache: enough to look, not to publish."""
        return run.is_same(self.run) and not (self.publishing and self.run.ci)


def read_stored(data: bytes, *, where: str) -> tuple[StoredRecord, Envelope]:
    """A record as it claims to be, checked for its shape only. Raises RemoteError."""
    envelope = parse_envelope(data, limit_bytes=RECORD_LIMIT_BYTES, where=where)
    stored = read_model(StoredRecord, RECORD_SCHEMA, envelope.signed, where=where, text=envelope.payload)
    return stored, envelope
