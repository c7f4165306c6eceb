"""What an agent's client remembers of what it did: its state, the outcome of its last update, its newest events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tinyops.device.settings import AgentSettings
from tinyops.device.state import AgentState, save_state
from tinyops.manifest.fields import time_text
from tinyops.manifest.report import EVENTS_MAX, Event, LastUpdate, UpdateResult

REASON_CHARACTERS_MAX = 1000
EVENT_CHARACTERS_MAX = 300


@dataclass
class Records:
    """`state` is always what is on the disk."""

    settings: AgentSettings
    state: AgentState
    now: Callable[[], datetime]
    on_event: Callable[[str], None]

    def count_report(self) -> None:
        """Raises the number of reports, before one is written."""
        self.save(sequence=self.state.sequence + 1)

    def note_event(self, kind: str, text: str) -> None:
        """Keeps what befell the device among its newest events, unless it is there already."""
        text = text[:EVENT_CHARACTERS_MAX]
        if (kind, text) not in {(event.kind, event.text) for event in self.state.events}:
            self.save(events=self._events(Event(time=time_text(self.now()), kind=kind, text=text)))

    def save(self, **changes: object) -> None:
        """Raises ToolError; then nothing has changed."""
        outcome = changes.get("last_update")
        if isinstance(outcome, LastUpdate) and "events" not in changes:
            of = f"v{outcome.version}: " if outcome.version is not None else ""
            text = f"{of}{outcome.reason}"[:EVENT_CHARACTERS_MAX]
            changes["events"] = self._events(Event(time=outcome.time, kind=outcome.result, text=text))
        state = self.state.but(**changes)
        if state != self.state:
            save_state(self.settings.state, state)
            self.state = state

    def note(self, result: UpdateResult, reason: str, version: int | None, digest: str | None) -> None:
        """Remembers an outcome; the same one again keeps its first time, so an idle device writes nothing."""
        last = self.state.last_update
        reason = reason[:REASON_CHARACTERS_MAX]
        if last and (last.result, last.reason, last.version, last.digest) == (result, reason, version, digest):
            return
        self.save(last_update=self.outcome(result, reason, version, digest))

    def outcome(self, result: UpdateResult, reason: str, version: int | None, digest: str | None) -> LastUpdate:
        return LastUpdate(version=version, digest=digest, result=result, reason=reason, time=time_text(self.now()))

    def _events(self, newest: Event) -> tuple[Event, ...]:
        return (*self.state.events, newest)[-EVENTS_MAX:]
