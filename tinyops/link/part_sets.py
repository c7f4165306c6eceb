"""Which set of parts a part of a chain runs, and what it says of itself: what `runtime/chain/set.c` decides.

For parts that are programs of Linux and for whoever watches a chain; a test holds the two to the same answers. The
rules and why they are these: docs/split.md, "Updating a chain".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

SET_BYTES = 16
OFFERS = 2
NOBODY = 0xFF
NONE = bytes(SET_BYTES)  # in place of a set


class Action(IntEnum):
    STAY = 0
    SWITCH = 1


class SetState(IntEnum):
    """Whether the parts that a part knows of compute one model; `SetChoice.part` is the part that is meant."""

    WHOLE = 0
    ABSENT = 1
    LOST = 2
    STRANGER = 3
    MIXED = 4


@dataclass(frozen=True, slots=True)
class PartWord:
    """What a part says of itself to both neighbours."""

    position: int
    parts: int
    running: bytes
    offered: tuple[bytes, ...] = ()  # every part up to this one can run them; first what is to be preferred
    wished: bool = False  # the first part was asked to run the first of them
    committed: bytes | None = None  # what the last part runs; None: not heard yet
    lost: int = NOBODY


@dataclass(frozen=True, slots=True)
class SetKnown:
    """What a part knows when it decides; see chain.h."""

    position: int
    parts: int
    running: bytes
    spare: bytes = NONE
    wished: bool = False
    doubted: bool = False
    up: PartWord | None = None
    down: PartWord | None = None

    @property
    def is_last(self) -> bool:
        return self.position + 1 == self.parts

    @property
    def ready(self) -> tuple[bytes, ...]:
        """What this part runs or could run next."""
        return _once(self.running, NONE if self.doubted else self.spare)


@dataclass(frozen=True, slots=True)
class SetChoice:
    action: Action
    state: SetState
    part: int
    say: PartWord


def choose(known: SetKnown) -> SetChoice:
    """What a part does and says, from what it knows alone."""
    up, down = _fitting(known, known.up, known.position - 1), _fitting(known, known.down, known.position + 1)
    offered, wished = _offers(known, up)
    committed = known.running if known.is_last else None if down is None else down.committed
    findings, lost = _findings(known, up, down, committed)
    state, part = findings[0] if findings else (SetState.WHOLE, NOBODY)
    say = PartWord(known.position, known.parts, known.running, offered, wished, committed, lost)
    return SetChoice(_action(known, say), state, part, say)


def _once(*sets: bytes) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(one for one in sets if one != NONE))


def _fitting(known: SetKnown, word: PartWord | None, position: int) -> PartWord | None:
    """None as well where the word is of a board that belongs elsewhere."""
    return word if word is not None and (word.position, word.parts) == (position, known.parts) else None


def _offers(known: SetKnown, up: PartWord | None) -> tuple[tuple[bytes, ...], bool]:
    if known.position == 0:
        wished = known.wished and not known.doubted and known.spare != NONE
        return (_once(known.spare, known.running) if wished else known.ready), wished
    if up is None:
        return (), False
    offered = _once(*(one for one in up.offered if one in known.ready))
    return offered, up.wished and bool(offered) and offered[0] == up.offered[0]


def _action(known: SetKnown, say: PartWord) -> Action:
    if known.spare == NONE:
        return Action.STAY
    if known.spare == known.running:  # the same model, made anew: nobody else's matter
        return Action.SWITCH if known.wished else Action.STAY
    return Action.SWITCH if known.spare == _wanted(known, say) else Action.STAY


def _wanted(known: SetKnown, say: PartWord) -> bytes | None:
    if not known.is_last:
        return say.committed
    if not say.wished and known.running in say.offered:
        return known.running
    return say.offered[0] if say.offered else None


def _findings(
    known: SetKnown, up: PartWord | None, down: PartWord | None, committed: bytes | None
) -> tuple[list[tuple[SetState, int]], int]:
    """What is wrong, worst first, and the position of a part that is not heard."""
    last = known.parts - 1
    found = [(SetState.ABSENT, known.position)] if known.running == NONE else []
    lost = NOBODY
    if known.position > 0:
        new, lost = _judged(known, known.up is not None, up, known.position - 1)
        found += new
    if not known.is_last:
        new, below = _judged(known, known.down is not None, down, known.position + 1)
        found += new
        lost = below if below != NOBODY else lost
        if committed is None:
            found.append((SetState.LOST, last))
        elif committed != known.running:
            found.append((SetState.MIXED, last))
    return found, lost


def _judged(
    known: SetKnown, is_heard: bool, word: PartWord | None, position: int
) -> tuple[list[tuple[SetState, int]], int]:
    if word is None:
        return [(SetState.STRANGER if is_heard else SetState.LOST, position)], position
    found, lost = [], NOBODY
    is_beyond = word.lost < position if position < known.position else word.lost > position
    if word.lost < known.parts and is_beyond:
        found, lost = [(SetState.LOST, word.lost)], word.lost
    if word.running != known.running:
        found.append((SetState.MIXED, position))
    return found, lost
