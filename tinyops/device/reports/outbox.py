"""The outbox: reports wait on the disk until their sink has taken them; whoever offers one is never kept waiting."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tinyops.device.reports.kind import Refusal, ReportSink, SealedReport, TryLater
from tinyops.device.reports.spool import Spool
from tinyops.errors import RemoteError, TinyopsError, ToolError

FIRST_WAIT_S = 2.0  # after the first failure, doubled with each further one
WAIT_MAX_S = 3600.0  # also where a server asks for more
NAMED_MAX = 3


def wait_s(failures: int, asked_s: float | None, chance: float) -> float:
    """Seconds until the next attempt after so many failures in a row: what the sink asked for, else doubled each time,
    spread by `chance` in 0 to 1 so that a fleet does not come back at once."""
    own = min(FIRST_WAIT_S * 2.0 ** min(failures - 1, 20), WAIT_MAX_S)
    least = min(max(asked_s or 0.0, own), WAIT_MAX_S)
    return least * (1 + 0.25 * chance)


class Outbox:
    """Reports of one machine on their way to one sink. `trouble` is what kept the last batch from it, or None."""

    def __init__(self, sink: ReportSink, spool: Path, *, on_event: Callable[[str], None] = lambda _: None) -> None:
        self.sink = sink
        self.trouble: TinyopsError | None = None
        self.lost = 0  # reports that were crowded out by others
        self._spool = Spool(spool)
        self._on_event = on_event
        self._changed = threading.Condition()
        self._failures = 0
        self._next_s = 0.0  # when the next batch may go, on the monotonic clock
        self._hurried = self._ending = False
        self._thread: threading.Thread | None = None

    def offer(self, reports: Sequence[SealedReport]) -> TinyopsError | None:
        """Takes reports, the newest of each device, and returns at once: to a sink that is immediate they are written,
        others are sent from a thread. Returns what went wrong here; a report that was not written is kept."""
        with self._changed:
            if self.sink.immediate:
                return self._write_now(reports)
            try:
                self.lost += self._spool.put(reports)
            except ToolError as error:
                return error
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="reports", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return None

    def waiting(self) -> int:
        """How many reports wait."""
        with self._changed:
            return len(self._spool)

    def flush(self, seconds: float) -> TinyopsError | None:
        """Waits at most so long until nothing waits any more, less when the sink cannot be tried again by then.

        Returns what is in the way.
        """
        end = time.monotonic() + seconds
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            while self._thread is not None and len(self._spool):
                left = end - time.monotonic()
                if left <= 0 or (self._failures and self._next_s > end):
                    break
                self._changed.wait(min(left, 0.2))
            self._hurried = False
            if self._thread is not None and len(self._spool) and self.trouble is None:
                return RemoteError(f"{self.sink.where}: reports still wait: {len(self._spool)}")
            return self.trouble

    def close(self, seconds: float = 1.0) -> None:
        """Ends; what waits stays on the disk for the next time."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)
        with self._changed:
            self._spool.close()

    # -- to the sink ------------------------------------------------------------------------------

    def _write_now(self, reports: Sequence[SealedReport]) -> TinyopsError | None:
        batch = {report.name: report for report in [*self._spool.oldest(self.sink.batch_max), *reports]}
        try:
            self._judge(list(batch.values()), self.sink.write(list(batch.values())))
        except TinyopsError as error:
            with contextlib.suppress(ToolError):
                self.lost += self._spool.put(reports)
            self.trouble = error
        return self.trouble

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            try:
                refused = self.sink.write(batch)
                with self._changed:
                    self._judge(batch, refused)
            except TinyopsError as error:  # also of a full disk, where what was taken cannot be struck off
                self._failed(error)
            except Exception as error:  # a defect here must not end reports for ever
                self._failed(ToolError(f"{self.sink.where}: {type(error).__name__}: {error}"))

    def _next(self) -> list[SealedReport] | None:
        """The batch whose time has come; None at the end."""
        with self._changed:
            while not self._ending:
                left = self._next_s - time.monotonic()
                if self._hurried and not self._failures:
                    left = 0
                if left <= 0:
                    with contextlib.suppress(ToolError):
                        if batch := self._spool.oldest(self.sink.batch_max):
                            return batch
                self._changed.wait(left if left > 0 else None)
        return None

    def _failed(self, error: TinyopsError) -> None:
        with self._changed:
            self._failures += 1
            asked = error.after_s if isinstance(error, TryLater) else None
            self._next_s = time.monotonic() + wait_s(self._failures, asked, random.random())  # noqa: S311
            said = self.trouble is None or self.trouble.message != error.message
            self.trouble = error
            self._changed.notify_all()
        if said:
            self._on_event(error.message)

    def _judge(self, batch: Sequence[SealedReport], refused: Sequence[Refusal]) -> None:
        """Takes what is settled out of the spool."""
        kept = {refusal.name for refusal in refused if refusal.later}
        self._spool.remove([report for report in batch if report.name not in kept])
        self._failures = 1 if kept else 0
        self._next_s = time.monotonic() + (FIRST_WAIT_S if kept else self.sink.every_s)
        self.trouble = _sentence(self.sink.where, refused)
        self._changed.notify_all()


def _sentence(where: str, refused: Sequence[Refusal]) -> TinyopsError | None:
    if not refused:
        return None
    named = "; ".join(f"{refusal.name}: {refusal.reason}" for refusal in refused[:NAMED_MAX])
    more = f" and {len(refused) - NAMED_MAX} more" if len(refused) > NAMED_MAX else ""
    return RemoteError(f"{where}: {len(refused)} reports are not taken: {named}{more}")
