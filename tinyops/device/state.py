"""What an agent remembers: one file, replaced by rename, so that every switch is atomic.

Files in slots count only when this record names their digests, so nothing half-written is ever run.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from tinyops.errors import Leased, RemoteError, SpecError, ToolError
from tinyops.files import pretty_json, read_bounded, write_atomic, writing
from tinyops.manifest.entry import Entry
from tinyops.manifest.fields import (
    Counter,
    Digest,
    HexDigest,
    Name,
    Reason,
    Strict,
    Time,
    Version,
    read_json,
    read_model,
)
from tinyops.manifest.report import CONFIDENCE_BINS, EVENTS_MAX, Count, Event, LastUpdate

STATE_SCHEMA: Final = "tinyops/agent-state/v1"
STATE_LIMIT_BYTES = 1024 * 1024
STATE_FILE = "state.json"
REJECTED_MAX = 16

SlotName = Literal["a", "b"]
SLOTS: tuple[SlotName, SlotName] = ("a", "b")


class Installed(Strict):
    """A model that was confirmed in a slot, as its signed entry described it."""

    entry: Entry
    since: Time


class Trial(Strict):
    """A model that is being proven; `attempts` counts starts, so that one that takes the machine down ends."""

    slot: SlotName
    entry: Entry
    entry_digest: Digest
    attempts: Annotated[int, Field(ge=1)]


class Rejected(Strict):
    """An entry whose model was given up: not tried again until the entry changes."""

    entry_digest: Digest
    model: HexDigest
    reason: Reason


class ProgramTrial(Strict):
    """The program of a part that took another one's place, and has not worked for long enough yet.

    `before` in `slot` is what runs again where it does not: what ran, or the chain's new model under the old program.
    `attempts` counts the agents that began it, so that one that takes the machine down ends.
    """

    before: Installed
    slot: SlotName
    entry_digest: Digest
    attempts: Annotated[int, Field(ge=1)] = 1


class AgentState(Strict):
    """`accepted` is the highest release whose entry was verified: an older one is a rollback attack.

    `security_counter` is that of the newest confirmed model. `current` is the slot that runs.
    """

    schema_: Literal["tinyops/agent-state/v1"] = Field(default=STATE_SCHEMA, alias="schema")
    project: Name | None = None
    fleet: Name
    board: Name
    sequence: Count = 0
    accepted: Version | None = None
    accepted_digest: Digest | None = None
    security_counter: Counter = 0
    current: SlotName | None = None
    slots: Mapping[SlotName, Installed] = Field(default_factory=dict)
    trial: Trial | None = None
    program: ProgramTrial | None = None
    rejected: tuple[Rejected, ...] = ()
    last_update: LastUpdate | None = None
    inferences: Count = 0
    classes: Mapping[str, Count] = Field(default_factory=dict)
    errors: Count = 0
    posted: Count = 0
    unposted: Count = 0
    crashes: Count = 0
    confidence: tuple[Count, ...] = Field(default=(), max_length=CONFIDENCE_BINS)
    events: tuple[Event, ...] = Field(default=(), max_length=EVENTS_MAX)

    @property
    def running(self) -> Installed | None:
        return self.slots[self.current] if self.current else None

    @property
    def spare(self) -> SlotName:
        return "b" if self.current == "a" else "a"

    def but(self, **changes: Any) -> AgentState:
        """A copy with other values, checked like every state."""
        return AgentState.model_validate({**{f: getattr(self, f) for f in AgentState.model_fields}, **changes})

    def refusal(self, entry_digest: str, model: str) -> Rejected | None:
        """Of a model, by its SHA-256 in hex digits, as that very entry offers it."""
        return next((r for r in self.rejected if (r.entry_digest, r.model) == (entry_digest, model)), None)


def load_state(folder: Path, fleet: str, board: str) -> AgentState:
    """The state of a folder, fresh when there is none.

    Raises ToolError when it is damaged, SpecError when it belongs to another fleet or board.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return AgentState(fleet=fleet, board=board)
    try:
        value = read_json(read_bounded(path, STATE_LIMIT_BYTES), limit_bytes=STATE_LIMIT_BYTES, where=str(path))
        state = read_model(AgentState, STATE_SCHEMA, value, where=str(path))
    except RemoteError as error:
        raise ToolError(error.message, hint=f"the disk is damaged; without {path} the agent starts anew") from None
    if (state.fleet, state.board) != (fleet, board):
        raise SpecError(
            f"{path}: belongs to fleet {state.fleet}, board {state.board}, not to {fleet}, {board}",
            hint="give this fleet a state folder of its own",
        )
    return state


def save_state(folder: Path, state: AgentState) -> None:
    write_atomic(folder / STATE_FILE, pretty_json(state.to_json()))


@contextlib.contextmanager
def only_agent(folder: Path) -> Iterator[None]:
    """Keeps a second agent away from a state folder; freed by the kernel however this one ends. Raises Leased."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Leased(f"{folder}: another agent uses this state folder") from None
        yield
    finally:
        os.close(descriptor)
