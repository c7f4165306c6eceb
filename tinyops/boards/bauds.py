"""Rates of serial lines between parts of a chain, by the port of their boards' firmware; other ports take any."""

from __future__ import annotations

from collections.abc import Mapping

_NRF5 = (115_200, 1_000_000)  # which the registers of its chips are known for
_LINUX = (9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_000_000)  # runtime/port/part/stream.c
BAUDS: Mapping[str, tuple[int, ...]] = {"nrf5": _NRF5, "linux": _LINUX}


def cannot_run_at(port: str, baud: int) -> str:
    """Which rates a port's lines have, where this is none of them; "" where it is."""
    known = BAUDS.get(port, (baud,))
    return "" if baud in known else ", ".join(map(str, known))
