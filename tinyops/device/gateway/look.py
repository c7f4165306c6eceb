"""Looking at one device: reached or not, who it is, what it runs, how it fares."""

from __future__ import annotations

from dataclasses import dataclass

from tinyops.device.gateway.guard import RESET_ASK_S
from tinyops.device.gateway.places import Place
from tinyops.device.gateway.who import Answer, ask
from tinyops.device.update.connection import Connection
from tinyops.link.client import LinkTimeout
from tinyops.link.smp import Crash, Health, ImageSlot, Refused

TRIES = 3


@dataclass(frozen=True)
class Seen:
    """What a device says of its images and itself; a health of None: it tells none."""

    slots: tuple[ImageSlot, ...]
    health: Health | None
    crash: Crash | None


def reach(to: Connection, place: Place, ask_s: float) -> Answer:
    """Who answers, soon: a device that does not is there another time. Raises LinkError."""
    wake = place.named.wake
    if place.settle_s:
        tries, wait_s = 1, RESET_ASK_S
    elif wake is not None:
        tries, wait_s = 1, min(ask_s, wake.knock_s)
    else:
        tries, wait_s = TRIES, ask_s
    while True:
        board = to.manager()
        board.timeout_s = wait_s
        try:
            return ask(board)
        except LinkTimeout:
            tries -= 1
            to.silent()
            if not tries:
                raise


def look(to: Connection) -> Seen:
    """Raises LinkError."""
    return Seen(images_of(to), _health(to), _crash(to))


def images_of(to: Connection) -> tuple[ImageSlot, ...]:
    """None at all from a board without slots. Raises LinkError."""
    try:
        return to.call(lambda board: board.images())
    except Refused:
        return ()


def _health(to: Connection) -> Health | None:
    try:
        return to.call(lambda board: board.health())
    except Refused:
        return None


def _crash(to: Connection) -> Crash | None:
    try:
        return to.call(lambda board: board.crash())
    except Refused:
        return None


def crash_mark(crash: Crash, health: Health | None) -> str:
    """What tells this crash from the next one."""
    count = health.faults if health is not None else 0
    return f"{crash.pc:08x}/{crash.lr:08x}/{crash.uptime_ms}/{crash.image_crc:08x}/{count}"
