"""How far a rollout in waves has come: a small document that an online key signs, and what a device makes of it.

The release itself, signed by its own key, says what may be chosen between: the new content, the content before
(`base`), the thresholds of the waves, and whose signature this document needs. The online key can only say how many
waves are reached, wait, or halt: never name other content.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from tinyops.errors import RemoteError
from tinyops.manifest.envelope import Envelope, parse_envelope, verify
from tinyops.manifest.fields import HexDigest, Name, Reason, Time, Tolerant, Version, read_model
from tinyops.manifest.keys import Trust

PROGRESS_SCHEMA: Final = "tinyops/progress/v1"
PROGRESS_LIMIT_BYTES = 16 * 1024
POSITIONS = 2**32
WAVES_MAX = 20
ONLINE_KEYS_MAX = 4
QUARANTINED_MAX = 32

RolloutState: TypeAlias = Literal["advancing", "holding", "halted", "finished"]
Threshold = Annotated[int, Field(ge=0, lt=POSITIONS)]
OnFailure: TypeAlias = Literal["revert", "hold"]
HeldBy: TypeAlias = Literal["spec", "person"]


class Quarantined(Tolerant):
    """A file that was new in a rollout which halted: a model's, or a firmware's where the model was not new."""

    digest: HexDigest
    rollout: Version


class Progress(Tolerant):
    """`rollout` is the version that first brought the content; `sequence` rises with every document of a fleet.

    `waves` of them are reached, 0: none yet, the last of them at `since`; a rollout that ended did so at `since`.
    `begun` is when its first document was made, `resumed` when a person let it go on after a halt. `advancing` and
    `holding` differ for people only: a device takes what its wave says; `held_by` tells a hold in the spec from one
    that a person ends. `halted`: nobody takes the new content any more, and with the release's `on_failure: revert` who
    has it goes back. `quarantined` is what rollouts of this fleet halted on, oldest first. After `expires` nothing is
    installed by it.
    """

    schema_: Literal["tinyops/progress/v1"] = Field(default=PROGRESS_SCHEMA, alias="schema")
    project: Name
    fleet: Name
    rollout: Version
    sequence: Annotated[int, Field(ge=1, le=2**53)]
    state: RolloutState
    waves: Annotated[int, Field(ge=0, le=WAVES_MAX)]
    since: Time
    time: Time
    expires: Time
    reason: Reason = ""
    begun: Time | None = None
    resumed: Time | None = None
    held_by: HeldBy | None = None
    quarantined: tuple[Quarantined, ...] = Field(default=(), max_length=QUARANTINED_MAX)


def position(fleet: str, unit: str) -> int:
    """Where a device stands in the order of its fleet's waves, 0 to 2**32 - 1: the same in every release.

    `unit` is the device's id, or its chain's. The first four bytes, big-endian, of SHA-256 over fleet, a zero byte
    and unit.
    """
    return int.from_bytes(hashlib.sha256(f"{fleet}\0{unit}".encode()).digest()[:4], "big")


def progress_file(fleet: str) -> str:
    """Its name below the address of the metadata."""
    return f"rollout/{fleet}.json"


def read_progress(data: bytes, trust: Trust, *, where: str) -> tuple[Progress, Envelope]:
    """A progress document that an online key signed. Raises RemoteError."""
    envelope = parse_envelope(data, limit_bytes=PROGRESS_LIMIT_BYTES, where=where)
    signed = verify(envelope, trust, where=where)
    return read_model(Progress, PROGRESS_SCHEMA, signed, where=where, text=envelope.payload), envelope


def check_progress(progress: Progress, project: str, fleet: str, known_sequence: int, *, where: str) -> None:
    """Raises RemoteError for that of another fleet, and for one that is older than one that was seen."""
    if (progress.project, progress.fleet) != (project, fleet):
        raise RemoteError(f"{where}: is of {progress.project}/{progress.fleet}, not of {project}/{fleet}")
    if progress.sequence < known_sequence:
        raise RemoteError(f"{where}: its sequence {progress.sequence} is older than {known_sequence}, seen before")
