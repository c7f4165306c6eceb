"""What a board answers, as frozen objects without a foreign type in them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

RESET_CAUSES = ("unknown", "power", "pin", "watchdog", "software", "fault", "brownout")


@dataclass(frozen=True)
class Parameters:
    """A board's buffers for messages: bytes of each, and how many."""

    buffer_bytes: int
    buffers: int


@dataclass(frozen=True)
class ImageSlot:
    """An image that lies on a board. `digest` is its SHA-256, None where the board cannot read it."""

    image: int
    slot: int
    version: str
    digest: bytes | None
    active: bool
    confirmed: bool
    pending: bool
    bootable: bool


class TrialState(IntEnum):
    """Where an image is between test and confirm; the numbers are those of slots.h."""

    IDLE = 0
    PENDING = 1
    RUNNING = 2


class TrialOutcome(IntEnum):
    """What became of an image's last trial; the numbers are those of slots.h."""

    NONE = 0
    CONFIRMED = 1
    RESET = 2
    SELF_TEST = 3
    DAMAGED = 4
    REFUSED = 5


@dataclass(frozen=True)
class UpdateState:
    """How updates of one image fare on a board; the fields as in definition.py, `state` a TrialState."""

    state: int
    outcome: int
    refusal: int
    written: int
    announced: int
    counter: int
    gap_ms: int
    lost: int
    deltas: int = 0


@dataclass(frozen=True)
class BoardInfo:
    """Who a board is and what it runs; the fields as in definition.py. Digests are SHA-256, None: not to be had, as is
    `silicon`, the chip's own number, where it has none."""

    board: str
    fleet: str
    version: str
    contract: bytes
    firmware: bytes | None
    model: bytes | None
    image_crc: int
    abi: int
    state: int
    arena_bytes: int
    ram_bytes: int
    free_slots: int
    silicon: bytes | None = None


@dataclass(frozen=True)
class Health:
    """How a board fares, since start-up; the fields as in health.h. `histogram` counts inferences by best output."""

    uptime_ms: int
    reset_cause: int
    watchdog_resets: int
    faults: int
    inferences: int
    sensor: int
    missed_frames: int
    stack_used: int
    stack_bytes: int
    arena_used: int
    arena_bytes: int
    supply_mv: int
    confidence_steps: int
    histogram: tuple[int, ...]

    @property
    def reset_cause_name(self) -> str:
        return RESET_CAUSES[self.reset_cause] if self.reset_cause < len(RESET_CAUSES) else str(self.reset_cause)


@dataclass(frozen=True)
class Crash:
    """A hard fault that a board has kept; the fields as in health.h."""

    pc: int
    lr: int
    psr: int
    cfsr: int
    hfsr: int
    mmfar: int
    bfar: int
    image_crc: int
    uptime_ms: int
    firmware_crc: int


@dataclass(frozen=True)
class SelfTest:
    """What was checked and what came out: 0, or what was wrong. `outputs_crc` is the CRC-32 of the output tensor."""

    checks: tuple[tuple[str, int], ...]
    outputs_crc: int

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(status == 0 for _, status in self.checks)


@dataclass(frozen=True)
class Spread:
    """The least, the largest and the mean of some measurements."""

    least: int
    largest: int
    mean: float


@dataclass(frozen=True)
class Bench:
    """How long `repeat` inferences took. `tick_hz` as in link.Timing; `cycles` is None where the core counts none."""

    repeat: int
    ticks: Spread
    tick_hz: int
    cycles: Spread | None
    emulated: bool
