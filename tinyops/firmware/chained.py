"""A firmware's place in a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyops.errors import SpecError

PARTS_MAX = 16
BAUD = 115200  # of a serial line that nobody says a rate of
FLAG = "TINYOPS_PART"  # the application's C asks the part only where this is defined


@dataclass(frozen=True)
class ChainPlace:
    """Of a part, from 0, among so many; a neighbour that is silent for `after_ms` is lost. The rates are those of its
    serial lines to its neighbours. A page knows the kind of its link to the part before, and all parts' names."""

    position: int
    parts: int
    after_ms: int
    upstream_baud: int = BAUD
    downstream_baud: int = BAUD
    upstream_kind: str = ""
    names: tuple[str, ...] = ()
    downstream_kind: str = ""  # of the last part, whose line leads to its host
    downstream_wired: bool = False  # the next part is reached over pins: it takes no USB line

    @property
    def first(self) -> bool:
        return self.position == 0


def read_place(value: Mapping[str, Any] | None) -> ChainPlace | None:
    """From a firmware step's settings; None for a board by itself. Raises SpecError."""
    if value is None:
        return None
    try:
        above, below = ((value.get(side) or {}) for side in ("upstream", "downstream"))
        place = ChainPlace(
            position=int(value["position"]),
            parts=int(value["parts"]),
            after_ms=int(value["after_ms"]),
            upstream_baud=int(above.get("baud") or BAUD),
            downstream_baud=int(below.get("baud") or BAUD),
            upstream_kind=str(above.get("kind") or ""),
            names=tuple(map(str, value.get("names") or ())),
            downstream_kind=str(below.get("kind") or ""),
            downstream_wired=bool(below.get("wired")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"firmware: chain: not usable: {type(error).__name__} {error}") from error
    if not (2 <= place.parts <= PARTS_MAX and 0 <= place.position < place.parts and 0 < place.after_ms < 1 << 31):
        raise SpecError(f"firmware: chain: part {place.position} of {place.parts}, {place.after_ms} ms cannot be")
    return place
