"""How long to wait for GitHub: time limits, repeats, rate limits, and the pace of writing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tinyops.errors import RemoteError

Say: TypeAlias = Callable[[str], None]

LONGEST_BACKOFF_S = 30.0
SECONDARY_WAIT_S = 60.0  # what GitHub asks for when it says nothing else
SHORT_S = 5.0
RESET_SLACK_S = 1.0
SLOWEST_BYTES_PER_S = 16 * 1024
WRITES_BEFORE_PACE = 60


def nobody(text: str) -> None:
    """For who does not want to be told."""


@dataclass
class Patience:
    """Limits on waiting. `say` is told of every wait that people would wonder about."""

    connect_s: float = 10.0
    read_s: float = 30.0
    upload_read_s: float = 120.0
    attempts: int = 5
    backoff_s: float = 1.0
    rate_wait_max_s: float = 20 * 60  # all waits for rate limits together
    pace_s: float = 1.0  # between writes, as GitHub asks of whoever makes many
    say: Say = nobody
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    _waited_s: float = 0.0
    _writes: int = 0
    _last_write: float = 0.0

    @contextlib.contextmanager
    def short(self) -> Iterator[None]:
        """For the last thing to be tried when all is lost anyway: once, and not for long."""
        before = self.attempts, self.connect_s, self.read_s, self.rate_wait_max_s
        self.attempts, self.rate_wait_max_s = 1, 0.0
        self.connect_s, self.read_s = min(self.connect_s, SHORT_S), min(self.read_s, SHORT_S)
        try:
            yield
        finally:
            self.attempts, self.connect_s, self.read_s, self.rate_wait_max_s = before

    def deadline(self, length: int) -> float:
        """The moment, on `clock`, by which so many bytes must have come or gone."""
        return self.clock() + self.read_s + length / SLOWEST_BYTES_PER_S

    def back_off(self, attempt: int, what: str) -> None:
        """Waits after the `attempt`-th failure (from 1), twice as long each time."""
        wait_s = min(self.backoff_s * 2 ** (attempt - 1), LONGEST_BACKOFF_S)
        self.say(f"{what}; again in {wait_s:g} s")
        self.sleep(wait_s)

    def wait_for_rate(self, wait_s: float, what: str) -> None:
        """Waits until GitHub takes requests again. Raises RemoteError when that is too long."""
        until = time.strftime("%H:%M:%S UTC", time.gmtime(self.now() + wait_s))
        if self._waited_s + wait_s > self.rate_wait_max_s:
            raise RemoteError(
                f"{what}: GitHub's rate limit is used up until {until}, in {wait_s / 60:.0f} min; tinyops waits "
                f"at most {self.rate_wait_max_s / 60:.0f} min in all",
                hint="run the same command again after that, it goes on where it stopped; without a token GitHub "
                "answers 60 requests an hour, with one 1,000 to 15,000",
            )
        self._waited_s += wait_s
        self.say(f"{what}: GitHub's rate limit is used up; waiting {wait_s:.0f} s, until {until}")
        self.sleep(wait_s)

    def pace(self) -> None:
        """Before each write: from the 61st on, at most one a second."""
        self._writes += 1
        if self._writes > WRITES_BEFORE_PACE:
            rest = self._last_write + self.pace_s - self.clock()
            if rest > 0:
                self.sleep(rest)
        self._last_write = self.clock()


def rate_wait_s(status: int, headers: Mapping[str, str], documentation: str, now: float, attempt: int) -> float | None:
    """How long an answer asks to wait; None when it is no matter of rates.

    403 means two things. It is a rate when a header or the address of the documentation says so.
    """
    if status not in (403, 429):
        return None
    asked = _number(headers.get("Retry-After"))
    if asked is not None:
        return max(asked, RESET_SLACK_S)
    reset = _number(headers.get("X-RateLimit-Reset"))
    if headers.get("X-RateLimit-Remaining") == "0" and reset is not None:
        return max(reset - now, 0.0) + RESET_SLACK_S
    if status == 429 or "rate-limit" in documentation:
        return float(SECONDARY_WAIT_S * 2 ** (attempt - 1))
    return None


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() and len(text) <= 12 else None
