"""Serial lines on which a device speaks first: one that sleeps and wakes when it likes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from tinyops.device.gateway.places import Place
from tinyops.errors import ToolError
from tinyops.link.client import LinkError
from tinyops.link.serial_port import SerialStream

LISTENERS_MAX = 256


class Ears:
    """Lines that are open while nobody talks on them. For one thread."""

    def __init__(self, open_line: Callable[[str], SerialStream] = SerialStream) -> None:
        self._open = open_line
        self._lines: dict[str, SerialStream] = {}

    def heard(self, places: Iterable[Place]) -> list[str]:
        """The addresses, of those that are to be listened to and are not busy, at which something was said; those
        lines are free then."""
        listening = [p for p in places if p.named.listen and p.port is not None and not p.busy][:LISTENERS_MAX]
        found = []
        for place in listening:
            assert place.port is not None
            try:
                if place.address not in self._lines:
                    self._lines[place.address] = self._open(place.port)
                if not self._lines[place.address].read(0):
                    continue
                found.append(place.address)
            except (ToolError, LinkError):
                pass  # not there now
            self.close(place.address)
        return found

    def close(self, address: str) -> None:
        line = self._lines.pop(address, None)
        if line is not None:
            with contextlib.suppress(OSError):
                line.close()

    def close_all(self) -> None:
        for address in list(self._lines):
            self.close(address)
