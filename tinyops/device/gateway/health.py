"""What a gateway tells of itself: `/metrics` for Prometheus, `/healthz` for whoever restarts it. No secrets, and no
more lines with more devices than there are fleets and states.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import tinyops
from tinyops.device.exposition import Labels, Metric, counters, exposition, gauge, resident_bytes
from tinyops.device.gateway.status import STATES, Status

FLEETS_MAX = 1000
POLLS_MISSED = 3
NAMED_MAX = 20


@dataclass(frozen=True)
class Snapshot:
    """All times are seconds, moments after 1970; 0: never, or not known."""

    name: str
    statuses: Sequence[Status] = ()
    polls: Mapping[str, int] = field(default_factory=dict)
    looks: Mapping[str, int] = field(default_factory=dict)
    updates: Mapping[tuple[str, str], int] = field(default_factory=dict)
    reports: Mapping[str, int] = field(default_factory=dict)
    last_poll: float = 0.0
    started: float = 0.0
    poll_s: float = 300.0
    poll_problem: str = ""
    stale_after: float | None = None
    fetched_files: int = 0
    fetched_bytes: int = 0
    cache_bytes: int = 0
    journal_writes: int = 0
    journal_trouble: str = ""
    warnings: Sequence[str] = ()
    alive_s: float = 0.0  # since the loop went round last
    now: float = 0.0


def metrics(snapshot: Snapshot) -> bytes:
    """The text exposition format, version 0.0.4."""
    return exposition(_metrics(snapshot))


def health(snapshot: Snapshot) -> tuple[bool, bytes]:
    """Whether all is well with the gateway itself, and a JSON object of what is not, devices that need a person too."""
    reasons = list(_reasons(snapshot))
    troubled = [s for s in snapshot.statuses if s.state in ("trouble", "given-up")]
    value = {
        "ok": not reasons,
        "reasons": reasons,
        "warnings": list(snapshot.warnings)[:NAMED_MAX],
        "devices": dict(Counter(s.state for s in snapshot.statuses)),
        "troubles": [{"address": s.address, "device": s.device, "why": s.text[:300]} for s in troubled[:NAMED_MAX]],
    }
    return not reasons, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def _reasons(snapshot: Snapshot) -> Iterator[str]:
    since = max(snapshot.last_poll, snapshot.started)
    late_s = snapshot.now - since
    if late_s > POLLS_MISSED * snapshot.poll_s:
        problem = f": {snapshot.poll_problem}" if snapshot.poll_problem else ""
        yield f"no poll came to its end for {late_s:.0f} s{problem}"
    if snapshot.journal_trouble:
        yield f"the journal cannot be written: {snapshot.journal_trouble}"
    if snapshot.stale_after is not None and snapshot.stale_after <= snapshot.now:
        yield "what the store says of its newest release has expired: nothing new is installed"
    if snapshot.alive_s > POLLS_MISSED * snapshot.poll_s:
        yield f"it did nothing for {snapshot.alive_s:.0f} s"


def _metrics(snapshot: Snapshot) -> Iterator[Metric]:
    yield Metric("tinyops_agent_info", "gauge", "Version of the agent.", [((("version", tinyops.__version__),), 1)])
    yield gauge("tinyops_agent_start_time_seconds", "When it started.", snapshot.started)
    yield gauge("tinyops_agent_resident_bytes", "Most memory that it held.", resident_bytes())
    yield counters("tinyops_agent_polls_total", "Polls of the store.", "result", snapshot.polls)
    yield gauge("tinyops_agent_last_poll_time_seconds", "When a poll last came to its end.", snapshot.last_poll)
    if snapshot.stale_after is not None:
        about = "When what is offered may not be installed any more."
        yield gauge("tinyops_agent_metadata_expiry_time_seconds", about, snapshot.stale_after)
    yield gauge("tinyops_agent_warnings", "Things that a person should look at.", len(snapshot.warnings))
    yield Metric("tinyops_gateway_devices", "gauge", "Devices by fleet and state.", list(_by_fleet(snapshot.statuses)))
    yield counters("tinyops_gateway_looks_total", "Looks at devices, by how each stood.", "state", snapshot.looks)
    updates = [((("fleet", f), ("result", r)), float(n)) for (f, r), n in sorted(snapshot.updates.items())]
    yield Metric("tinyops_gateway_updates_total", "counter", "Updates of devices.", updates[:FLEETS_MAX])
    yield counters("tinyops_gateway_reports_total", "Reports of devices.", "result", snapshot.reports)
    for name, about, value in (
        ("fetched_files_total", "Files fetched from the store.", snapshot.fetched_files),
        ("fetched_bytes_total", "Bytes of them.", snapshot.fetched_bytes),
        ("journal_writes_total", "Writes of the journal.", snapshot.journal_writes),
    ):
        yield Metric(f"tinyops_gateway_{name}", "counter", about, [((), value)])
    yield gauge("tinyops_gateway_cache_bytes", "Bytes of images on disk.", snapshot.cache_bytes)
    yield gauge("tinyops_gateway_journal_ok", "1: the journal can be written.", float(not snapshot.journal_trouble))


def _by_fleet(statuses: Iterable[Status]) -> Iterator[tuple[Labels, float]]:
    """Boards without a name are of fleet ""."""
    counted = Counter((s.identity.fleet if s.identity is not None else "", s.state) for s in statuses)
    fleets = sorted({fleet for fleet, _ in counted})[:FLEETS_MAX]
    for fleet in fleets:
        for state in STATES:
            yield (("fleet", fleet), ("state", state)), counted[fleet, state]
