"""Health and metrics of an agent, on loopback unless it is told otherwise."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tinyops.device.agent import REPORT_FILE
from tinyops.device.document import listen_at
from tinyops.device.gateway.health import Snapshot
from tinyops.device.gateway.serving import serving
from tinyops.errors import TinyopsError, ToolError
from tinyops.files import read_bounded
from tinyops.manifest.envelope import parse_envelope
from tinyops.manifest.fields import read_time
from tinyops.manifest.report import REPORT_LIMIT_BYTES


@contextlib.contextmanager
def pages(
    listen: str, snapshot: Callable[[], Snapshot], on_event: Callable[[str], None], *, chosen: bool
) -> Iterator[None]:
    """Serves them, unless `listen` is ""; at an address that nobody has `chosen` they may be missing: another agent
    has it."""
    with contextlib.ExitStack() as stack:
        if listen:
            host, port = listen_at(listen)
            try:
                at = stack.enter_context(serving(host, port, snapshot))
                on_event(f"health and metrics at http://{listen.rpartition(':')[0]}:{at}/metrics")
            except ToolError as error:
                if chosen:
                    raise
                on_event(f"warning: {error.message}")
        yield


def own_snapshot(name: str, state: Path, poll_s: float) -> Callable[[], Snapshot]:
    """How a machine without devices behind it stands: by the report that it wrote last."""
    started = time.time()

    def snapshot() -> Snapshot:
        found = Snapshot(name, started=started, poll_s=poll_s, now=time.time())
        try:
            envelope = parse_envelope(
                read_bounded(state / REPORT_FILE, REPORT_LIMIT_BYTES), limit_bytes=REPORT_LIMIT_BYTES, where=REPORT_FILE
            )
            problem, at = envelope.signed.get("problem"), read_time(str(envelope.signed.get("time")))
        except (TinyopsError, ValueError):
            return found
        last_poll = 0.0 if problem else at.timestamp()
        return replace(found, poll_problem=str(problem or ""), last_poll=last_poll)

    return snapshot
