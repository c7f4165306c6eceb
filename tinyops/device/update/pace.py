"""How fast something is sent, and how long it will take: of the last seconds, not of a start that resumed. Pure."""

from __future__ import annotations

from collections import deque

SPAN_S = 10.0


class Pace:
    """Takes how much is done and when; an upload that begins anew or is resumed is no speed."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, at_s: float, done: int) -> None:
        if self._marks and done < self._marks[-1][1]:
            self._marks.clear()
        self._marks.append((at_s, done))
        while len(self._marks) > 2 and at_s - self._marks[0][0] > SPAN_S:
            self._marks.popleft()

    @property
    def bytes_per_s(self) -> float:
        """0 until it can be told."""
        (begun_s, first), (last_s, last) = (self._marks[0], self._marks[-1]) if self._marks else ((0.0, 0), (0.0, 0))
        return (last - first) / (last_s - begun_s) if last_s > begun_s else 0.0

    def left_s(self, total: int) -> float | None:
        """None while nobody can say."""
        rate = self.bytes_per_s
        return (total - self._marks[-1][1]) / rate if rate else None
