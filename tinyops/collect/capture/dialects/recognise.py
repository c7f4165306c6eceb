"""Which dialect a device speaks: decided by looking at what comes. Pure."""

from __future__ import annotations

from collections import Counter

from tinyops.collect.capture.dialects.lines import numbers_of
from tinyops.link.codec import Decoder

LINES_WANTED = 3
SEEN_MAX = 65_536
SHOWN = 40


class Recogniser:
    """Looks at chunks until `found` is a dialect's name."""

    def __init__(self, *, begun: bool, datagrams: bool) -> None:
        self.found = ""
        self.width = 0  # numbers in a line
        self.bytes = 0
        self._decoder = Decoder()
        self._datagrams = datagrams
        self._skip = not begun
        self._seen = b""
        self._first = b""

    def look(self, data: bytes, *, ended: bool = False) -> None:
        """More bytes. `ended`: none will follow, so one line must do."""
        self.bytes += len(data)
        self._first = (self._first + data)[:SHOWN]
        if any(True for _ in self._decoder.feed(data)):
            self.found = "framed"
            return
        self._seen = (self._seen + data + (b"\n" if self._datagrams else b""))[-SEEN_MAX:]
        lines = [line for line in self._seen.replace(b"\r", b"\n").split(b"\n") if line.strip()]
        last = len(lines) if ended or self._seen.endswith((b"\n", b"\r")) else -1
        widths = Counter(len(n) for n in map(numbers_of, lines[int(self._skip) : last]) if n is not None)
        if widths:
            width, count = widths.most_common(1)[0]
            if count >= (1 if ended else LINES_WANTED):
                self.found, self.width = "lines", width

    @property
    def description(self) -> str:
        """What came, for a message."""
        if not self.bytes:
            return "nothing came"
        return f"{self.bytes:,} bytes came, neither frames of the link nor lines of numbers: {self._first!r}"
