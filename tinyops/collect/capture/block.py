"""What dialects make of bytes: blocks of frames, and counts of what was no frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Block:
    """Frames that follow each other without a gap. `values` [n, V] are int16 counts, or float32 in the units."""

    values: NDArray[Any]
    arrived_s: float  # this machine's monotonic clock when the newest of them came
    lost: int = 0  # frames that are missing before the first
    clock_ms: int | None = None  # the device's clock at the newest, never wrapping


@dataclass
class Tally:
    """What came and was not recorded, since the take began; each field is a line of what is said at its end."""

    noise: int = 0
    broken: int = 0
    not_finite: int = 0
    bad_frames: int = 0
    duplicates: int = 0
    late: int = 0
    stale: int = 0

    def lines(self) -> Iterator[str]:
        """One sentence for each kind that was met."""
        for field in fields(self):
            count = getattr(self, field.name)
            if count:
                yield _ONE[field.name] if count == 1 else _SENTENCES[field.name].format(count=f"{count:,}")


_SENTENCES = {
    "noise": "{count} lines were no numbers and were skipped",
    "broken": "{count} lines or reports had another number of values than a frame has: each is a gap",
    "not_finite": "{count} lines held nan or inf: each is a gap",
    "bad_frames": "{count} frames arrived damaged",
    "duplicates": "{count} frames came twice and were recorded once",
    "late": "{count} frames came after later ones and were left out: each is part of a gap",
    "stale": "{count} reports belonged to an earlier take and were ignored",
}
_ONE = {
    "noise": "1 line was no numbers and was skipped",
    "broken": "1 line or report had another number of values than a frame has: it is a gap",
    "not_finite": "1 line held nan or inf: it is a gap",
    "bad_frames": "1 frame arrived damaged",
    "duplicates": "1 frame came twice and was recorded once",
    "late": "1 frame came after a later one and was left out: it is part of a gap",
    "stale": "1 report belonged to an earlier take and was ignored",
}
