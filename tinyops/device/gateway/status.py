"""How a device at an address stands: what health, metrics and reports are made of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from tinyops.device.gateway.counting import Counted
from tinyops.device.gateway.who import Identity, Trouble
from tinyops.manifest.report import SlotState

State: TypeAlias = Literal[
    "unknown", "absent", "asleep", "trouble", "current", "behind", "updating", "given-up", "held", "expired"
]
STATES: tuple[State, ...] = State.__args__  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Runs:
    """What a device runs: digests of its images, since when. `model` is "" where there is none."""

    model: str = ""
    firmware: str = ""
    contract: str = ""
    since: str = ""
    confirmed: bool = True

    def to_text(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_text(text: str) -> Runs:
        """What `to_text` wrote; nothing for anything else."""
        try:
            return Runs(**json.loads(text))
        except (ValueError, TypeError):
            return Runs()


NOTHING, NO_IMAGES = Counted(), Runs()


@dataclass(frozen=True)
class Status:
    """`text` says why, where a person should know. `seen_s` is when it answered last, seconds after 1970; 0: never."""

    address: str
    state: State = "unknown"
    trouble: Trouble | None = None
    text: str = ""
    identity: Identity | None = None
    silicon: str = ""
    board: str = ""
    seen_s: int = 0
    runs: Runs = NO_IMAGES
    slot: SlotState = "empty"
    counted: Counted = NOTHING
    wave: int | None = None
    classes: tuple[str, ...] = ()

    @property
    def device(self) -> str | None:
        return self.identity.device if self.identity is not None else None

    @property
    def answers(self) -> bool:
        return self.state not in ("unknown", "absent", "asleep")
