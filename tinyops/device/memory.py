"""What an agent knows of the time and of documents that it saw, kept on disk: a clock that was set back, or a server
that hands out what was the newest once, takes it no further back than this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from tinyops.errors import RemoteError, ToolError
from tinyops.files import pretty_json, read_bounded, write_atomic
from tinyops.manifest.fields import HexDigest, Name, Strict, Time, read_json, read_model, read_time, time_text
from tinyops.manifest.keys import Trust
from tinyops.manifest.report import Count

MEMORY_SCHEMA: Final = "tinyops/agent-memory/v1"
MEMORY_FILE = "memory.json"
MEMORY_LIMIT_BYTES = 1024 * 1024
GRAIN = timedelta(hours=1)  # an idle device writes no more often


class Remembered(Strict):
    """`time` is the newest at which something signed had not expired: no signature, and no clock, brings it further
    than that. `sequences` are those of the newest progress, by fleet, and `signers` the ids of the keys that signed
    it."""

    schema_: Literal["tinyops/agent-memory/v1"] = Field(default=MEMORY_SCHEMA, alias="schema")
    time: Time | None = None
    sequences: Mapping[Name, Count] = Field(default_factory=dict)
    signers: Mapping[Name, HexDigest] = Field(default_factory=dict)


class Memory:
    """`<folder>/memory.json`. `clock` is the machine's, which may be wrong by years."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        """Raises ToolError when the file is damaged."""
        self._path = folder / MEMORY_FILE
        self._clock = clock
        self._kept = _load(self._path)

    def now(self) -> datetime:
        """The machine's time, or the newest known one where the machine's is before that."""
        now, known = self._clock(), self._kept.time
        return max(now, read_time(known)) if known is not None else now

    def sequence(self, fleet: str, trust: Trust) -> int:
        """What counts as seen before: nothing of a key that the release does not name any more, for who stole it may
        have counted as high as there are numbers."""
        signer = self._kept.signers.get(fleet)
        return 0 if signer is not None and signer not in trust.keys else self._kept.sequences.get(fleet, 0)

    def saw_sequence(self, fleet: str, sequence: int, signer: str, trust: Trust) -> None:
        """Raises ToolError when it cannot be kept."""
        if sequence > self.sequence(fleet, trust):
            signers = {**self._kept.signers, fleet: signer}
            self._save(sequences={**self._kept.sequences, fleet: sequence}, signers=signers)

    def saw_alive(self) -> None:
        """Something with an expiry was verified, and `now` is before that. Raises ToolError."""
        now, known = self.now(), self._kept.time
        if known is None or now - read_time(known) >= GRAIN:
            self._save(time=time_text(now))

    def _save(self, **changes: Any) -> None:
        kept = Remembered.model_validate({**{f: getattr(self._kept, f) for f in Remembered.model_fields}, **changes})
        write_atomic(self._path, pretty_json(kept.to_json()))
        self._kept = kept


def _load(path: Path) -> Remembered:
    if not path.exists():
        return Remembered()
    try:
        value = read_json(read_bounded(path, MEMORY_LIMIT_BYTES), limit_bytes=MEMORY_LIMIT_BYTES, where=str(path))
        return read_model(Remembered, MEMORY_SCHEMA, value, where=str(path))
    except RemoteError as error:
        raise ToolError(error.message, hint=f"the disk is damaged; without {path} the agent starts anew") from None
