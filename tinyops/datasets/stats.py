"""What an index says of its recordings, in groups: how many, how long, how fast, what is lost, where values lie.

Pure, and without numpy: no file is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import mul

from tinyops.datasets.index import IndexEntry
from tinyops.files import JsonObject

NO_LABEL = "(no label)"
GROUPS = ("label", "subject", "device")
MINUTE_S, HOUR_S = 60, 3600


@dataclass(frozen=True)
class ChannelStats:
    """The values of a channel over all recordings of a group, in its unit."""

    low: float
    high: float
    mean: float
    spread: float


@dataclass(frozen=True)
class GroupStats:
    """A group of lines. `seconds` are of those whose rate is known; `rates` the lowest and highest measured one."""

    name: str
    recordings: int
    files: int
    frames: int
    seconds: float
    rates: tuple[float, float] | None
    lost: int
    clipped: int
    bytes: int
    channels: tuple[ChannelStats, ...]

    def to_json(self, names: Sequence[str]) -> JsonObject:
        return {
            "name": self.name,
            "recordings": self.recordings,
            "files": self.files,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "rate_hz": list(self.rates) if self.rates else None,
            "lost": self.lost,
            "clipped": self.clipped,
            "bytes": self.bytes,
            "channels": {
                name: {"low": c.low, "high": c.high, "mean": c.mean, "spread": c.spread}
                for name, c in zip(names, self.channels, strict=False)
            },
        }


def group_stats(name: str, entries: Sequence[IndexEntry], rate_hz: float | None = None) -> GroupStats:
    """One group; `rate_hz` is the signal's, for lines that name none."""
    files = {entry.sha256: entry.bytes or 0 for entry in entries}
    rates = [entry.rate_hz for entry in entries if entry.rate_hz]
    lengths = [(entry.length or 0, entry.rate_hz or rate_hz) for entry in entries]
    return GroupStats(
        name=name,
        recordings=len(entries),
        files=len(files),
        frames=sum(length for length, _ in lengths),
        seconds=math.fsum(length / rate for length, rate in lengths if rate),
        rates=(min(rates), max(rates)) if rates else None,
        lost=sum(entry.lost or 0 for entry in entries),
        clipped=sum(entry.clipped or 0 for entry in entries),
        bytes=sum(files.values()),
        channels=_channels(entries),
    )


def grouped(entries: Iterable[IndexEntry], field: str, rate_hz: float | None = None) -> list[GroupStats]:
    """By the values of a field, in order; lines without one come last, as `(no label)` and the like."""
    by_name: dict[str, list[IndexEntry]] = {}
    for entry in entries:
        by_name.setdefault(getattr(entry, field), []).append(entry)
    names = sorted(by_name, key=lambda name: (not name, name))
    return [group_stats(name or f"(no {field})", by_name[name], rate_hz) for name in names]


def all_stats(entries: Sequence[IndexEntry], rate_hz: float | None) -> Mapping[str, list[GroupStats]]:
    """By each field that any line uses."""
    return {f: grouped(entries, f, rate_hz) for f in GROUPS if f == "label" or any(getattr(e, f) for e in entries)}


def _channels(entries: Sequence[IndexEntry]) -> tuple[ChannelStats, ...]:
    """Pooled over the frames of the lines that have statistics, all of as many channels as the first has."""
    known = [e for e in entries if e.mean and e.length and len(e.low) == len(e.high) == len(e.mean) == len(e.spread)]
    same = [e for e in known if len(e.mean) == len(known[0].mean)]
    weights = [e.length or 0 for e in same]
    columns = (zip(*(getattr(e, name) for e in same), strict=True) for name in ("low", "high", "mean", "spread"))
    return tuple(_pooled(column, weights) for column in zip(*columns, strict=True)) if same else ()


def _pooled(column: Sequence[Sequence[float]], weights: Sequence[int]) -> ChannelStats:
    low, high, mean, spread = column
    total = sum(weights)
    centre = math.fsum(map(mul, mean, weights)) / total
    squares = (s * s + (m - centre) * (m - centre) for s, m in zip(spread, mean, strict=True))
    square = math.fsum(map(mul, squares, weights)) / total
    return ChannelStats(min(low), max(high), _short(centre), _short(math.sqrt(square)))


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def seconds_text(seconds: float) -> str:
    """`4.2 s`, `12 min 3 s`, `2 h 5 min`."""
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    if seconds < HOUR_S:
        return f"{int(seconds // MINUTE_S)} min {int(seconds % MINUTE_S)} s"
    return f"{int(seconds // HOUR_S)} h {int(seconds % HOUR_S // MINUTE_S)} min"


def rates_text(rates: tuple[float, float] | None) -> str:
    """`99.8`, or `98–101` where they differ."""
    if rates is None:
        return "-"
    low, high = (f"{rate:.6g}" for rate in rates)
    return low if low == high else f"{low}–{high}"
