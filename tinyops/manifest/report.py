"""What a device says it runs: signed with its own key, written by the agent, read by drift and rollouts."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from tinyops.errors import RemoteError
from tinyops.manifest.envelope import open_envelope, parse_envelope, seal, signed_part, verify
from tinyops.manifest.fields import (
    Counter,
    DeviceName,
    Digest,
    HexDigest,
    Name,
    Reason,
    Time,
    Tolerant,
    Version,
    read_model,
)
from tinyops.manifest.keys import PublicKey, SigningKey, Trust

REPORT_SCHEMA: Final = "tinyops/report/v1"
REPORT_LIMIT_BYTES = 512 * 1024
REPORTS_MAX = 200_000
CONFIDENCE_BINS = 10
EVENTS_MAX = 32

SlotState = Literal["confirmed", "trial", "reverted", "failed", "empty"]
UpdateResult = Literal["installed", "refused", "reverted", "failed"]
Count = Annotated[int, Field(ge=0, le=2**53)]


class Running(Tolerant):
    """What runs now. `version` is the release it was last seen in, `firmware` null where there is none."""

    model: Digest
    contract: Digest
    version: Version
    security_counter: Counter
    since: Time
    firmware: Digest | None = None


class Slot(Tolerant):
    """`confirmed`: what runs proved itself. `trial`: a new one is being proven. `reverted`: a new one was
    given up and the one before runs. `failed`: given up, and there was none before. `empty`: none yet.
    """

    state: SlotState


class LastUpdate(Tolerant):
    """The last release that changed something or tried to.

    `installed`: it runs. `refused`: it cannot be trusted or is not for this device; nothing of it ran.
    `reverted`: it ran on trial and was given up. `failed`: it could not be fetched or written, and will be
    tried again.
    """

    version: Version | None
    digest: Digest | None
    result: UpdateResult
    reason: Reason
    time: Time


class Health(Tolerant):
    """Sums since `running.since`: what this very model did. `uptime_s` counts from its program's start.

    `posted` results a server took, `unposted` were lost on the way to it: it was slow, or not there. `crashes` are
    faults, hangs that a watchdog ended, and models that had to be started again. `confidence` counts inferences by the
    best class's output: [0, 0.1), [0.1, 0.2), … [0.9, 1]; empty where nobody counts; `confidence_mean` where only the
    mean is known. `self_test` is null where there is none.
    """

    inferences: Count
    classes: Mapping[Annotated[str, Field(max_length=200)], Count] = Field(max_length=1000)
    errors: Count
    uptime_s: Count
    posted: Count = 0
    unposted: Count = 0
    crashes: Count = 0
    self_test: Literal["pass", "fail"] | None = None
    confidence: tuple[Count, ...] = Field(default=(), max_length=CONFIDENCE_BINS)
    confidence_mean: Annotated[float, Field(ge=0, le=1)] | None = None


class Event(Tolerant):
    """Something that befell the device, as its journal has it: an update, a crash, a swap of boards."""

    time: Time
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,31}$")]
    text: Annotated[str, Field(max_length=300)]


class DeviceReport(Tolerant):
    """`sequence` rises with every report; `problem` is what kept the last poll from its end, or null.

    `public_key` is the signer's, 64 hex digits: the device's own, or that of the gateway that `reporter` names. Behind
    a gateway `seen` is when the device last answered it, and `silicon` its chip's own number. `wave` is the device's
    in the rollout under way. `events` are its newest ones, oldest first.
    """

    schema_: Literal["tinyops/report/v1"] = Field(default=REPORT_SCHEMA, alias="schema")
    device: DeviceName
    fleet: Name
    board: Name
    sequence: Annotated[int, Field(ge=1, le=2**53)]
    time: Time
    running: Running | None
    slot: Slot
    last_update: LastUpdate | None
    health: Health
    problem: Reason | None
    agent: Annotated[str, Field(max_length=100)]
    public_key: HexDigest
    reporter: DeviceName | None = None
    silicon: Annotated[str, Field(pattern=r"^([0-9a-f]{2}){4,16}$")] | None = None
    seen: Time | None = None
    wave: Annotated[int, Field(ge=0, le=100)] | None = None
    events: tuple[Event, ...] = Field(default=(), max_length=EVENTS_MAX)


@dataclass(frozen=True)
class UnreadableReport:
    """A file among the reports that is none, and why."""

    path: Path
    reason: str


def report_name(fleet: str, device: str, reporter: str | None = None) -> str:
    """Where a report lies below a folder of reports: each who reports a device has a file of its own."""
    return f"{fleet}/{device}@{reporter}.json" if reporter and reporter != device else f"{fleet}/{device}.json"


def report_path(folder: Path, fleet: str, device: str, reporter: str | None = None) -> Path:
    return folder / report_name(fleet, device, reporter)


def seal_report(report: DeviceReport, key: SigningKey) -> bytes:
    """The signed envelope of a report, as a file's content."""
    return seal(report.to_json(), [key]).to_bytes()


def look_at_report(data: bytes, *, where: str) -> DeviceReport:
    """What a report says, which nobody has verified. Raises RemoteError."""
    text = signed_part(data) if len(data) <= REPORT_LIMIT_BYTES else None
    if text is not None:
        with contextlib.suppress(ValidationError):  # what is wrong is said below
            return DeviceReport.model_validate_json(text)
    envelope = parse_envelope(data, limit_bytes=REPORT_LIMIT_BYTES, where=where)
    return read_model(DeviceReport, REPORT_SCHEMA, envelope.signed, where=where)


def check_signature(data: bytes, report: DeviceReport, *, where: str) -> None:
    """Raises RemoteError unless the key that the report names has signed it; a key that is there twice, too."""
    named = PublicKey(bytes.fromhex(report.public_key))
    open_envelope(data, Trust.of([named]), limit_bytes=REPORT_LIMIT_BYTES, where=where)


def read_report(data: bytes, *, where: str, key: PublicKey | None = None) -> DeviceReport:
    """A report whose signature is right.

    With `key` (the device's, as enrolled) only that key counts; without, the one that the report
    names: it then proves that whoever sends later reports under that key is the same, not who it is.
    Raises RemoteError.
    """
    envelope = parse_envelope(data, limit_bytes=REPORT_LIMIT_BYTES, where=where)
    report = read_model(DeviceReport, REPORT_SCHEMA, envelope.signed, where=where)
    named = PublicKey(bytes.fromhex(report.public_key))
    if key is not None and key != named:
        raise RemoteError(f"{where}: signed with key {named.key_id[:8]}, {report.device} has {key.key_id[:8]}")
    verify(envelope, Trust.of([named]), where=where)
    return report
