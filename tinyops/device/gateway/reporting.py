"""Reports of the devices behind a gateway, signed by it: what it saw of each, nothing that it did not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import tinyops
from tinyops.device.gateway.counting import reported
from tinyops.device.gateway.status import Status
from tinyops.device.gateway.ward import Ward
from tinyops.errors import TinyopsError
from tinyops.manifest.fields import time_text
from tinyops.manifest.report import EVENTS_MAX, DeviceReport, LastUpdate, Running, Slot

# Takes reports and brings them on, soon; returns what kept it from that, and is then given newer ones later.
Send: TypeAlias = Callable[[Sequence[DeviceReport]], TinyopsError | None]
PROBLEM_MAX = 1000
AGENT = f"tinyops/{tinyops.__version__}"


@dataclass(frozen=True)
class Reporter:
    """The gateway as it signs: its id, and its public key in hex."""

    device: str
    public_key: str


def report_of(status: Status, ward: Ward, reporter: Reporter, sequence: int) -> DeviceReport | None:
    """None for a board that has no name. Raises JournalFailed."""
    identity = status.identity
    if identity is None:
        return None
    running, problem = _running(status, ward), status.text
    if running is None and status.runs.model:
        unknown = f"runs model image {status.runs.model[:12]}, which no release names that this gateway saw"
        problem = f"{problem}; {unknown}" if problem else unknown
    last = ward.journal.last_update(identity.device)
    return DeviceReport(
        device=identity.device,
        fleet=identity.fleet,
        board=identity.board,
        sequence=sequence,
        time=ward.moment,
        running=running,
        slot=Slot(state=status.slot),
        last_update=LastUpdate.model_validate_json(last) if last else None,
        health=reported(status.counted, status.classes),
        problem=problem[:PROBLEM_MAX] or None,
        agent=AGENT,
        public_key=reporter.public_key,
        reporter=reporter.device,
        silicon=identity.silicon or None,
        seen=time_text(datetime.fromtimestamp(status.seen_s, UTC)) if status.seen_s else None,
        wave=status.wave,
        events=ward.journal.events(identity.device, EVENTS_MAX),
    )


def _running(status: Status, ward: Ward) -> Running | None:
    """As the release has it that brought what runs."""
    about = ward.standings.about(status.runs.model)
    if not status.runs.model or about is None:
        return None
    fields = {**about, "since": status.runs.since}
    firmware = f"sha256:{status.runs.firmware}" if status.runs.firmware else None
    return Running.model_validate_json(json.dumps({**fields, "firmware": firmware}))
