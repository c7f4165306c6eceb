"""How a device fares since its model runs: sums over its resets, of counters that begin anew with each. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest

from tinyops.link.smp import Health
from tinyops.manifest.report import Health as ReportedHealth

STEPS = 255  # of an int8 output, from the least to the most


@dataclass(frozen=True)
class Raw:
    """What the device said last."""

    uptime_ms: int = 0
    inferences: int = 0
    histogram: tuple[int, ...] = ()
    confidence_steps: int = 0
    deaths: int = 0  # faults and resets by the watchdog


@dataclass(frozen=True)
class Counted:
    """Sums for one model. `crashes` counts faults and resets by the watchdog since then."""

    model: str = ""
    inferences: int = 0
    histogram: tuple[int, ...] = ()
    confidence_steps: int = 0
    crashes: int = 0
    uptime_s: int = 0
    sensor_failed: bool = False
    raw: Raw = Raw()

    def to_text(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


def from_text(text: str) -> Counted:
    """What `to_text` wrote; nothing counted for anything else."""
    try:
        value = json.loads(text)
        raw = Raw(**value["raw"])
        raw = replace(raw, histogram=tuple(raw.histogram))
        return Counted(**{**value, "raw": raw, "histogram": tuple(value["histogram"])})
    except (ValueError, KeyError, TypeError):
        return Counted()


def count(before: Counted | None, model: str, health: Health) -> Counted:
    """Adds what happened since the last look. With another model than before the sums begin at nothing; of a device
    that was never seen, with what it has counted since its start."""
    raw = Raw(
        health.uptime_ms,
        health.inferences,
        health.histogram,
        health.confidence_steps,
        health.faults + health.watchdog_resets,
    )
    known = before if before is not None and before.model else None
    since = known.raw if known is not None else Raw()
    restarted = raw.uptime_ms < since.uptime_ms or raw.inferences < since.inferences
    base = Raw(deaths=since.deaths) if restarted else since
    died = raw.deaths - base.deaths if raw.deaths >= base.deaths else raw.deaths
    kept = known if known is not None and known.model == model else Counted()
    return Counted(
        model,
        kept.inferences + raw.inferences - base.inferences,
        _added(kept.histogram, _less(raw.histogram, base.histogram)),
        kept.confidence_steps + max(0, raw.confidence_steps - base.confidence_steps),
        kept.crashes + (died if known is not None else 0),
        raw.uptime_ms // 1000,
        health.sensor < 0,
        raw,
    )


def reported(counted: Counted, classes: Sequence[str]) -> ReportedHealth:
    """As a report has it; outputs that the contract names no class for go by their number."""
    names = [classes[at] if at < len(classes) else str(at) for at in range(len(counted.histogram))]
    steps, number = counted.confidence_steps, counted.inferences
    return ReportedHealth(
        inferences=number,
        classes={name: times for name, times in zip(names, counted.histogram, strict=True) if times},
        errors=int(counted.sensor_failed),
        uptime_s=counted.uptime_s,
        crashes=counted.crashes,
        confidence_mean=min(1.0, steps / number / STEPS) if number and steps else None,
    )


def _less(after: Sequence[int], before: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(0, a - b) for a, b in zip_longest(after, before, fillvalue=0))


def _added(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip_longest(one, other, fillvalue=0))
