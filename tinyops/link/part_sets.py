"""Which set of parts a part of a chain runs, and what it tells its neighbours of it: what runtime/chain/set.c decides.

For parts that are programs of Linux; a test holds the two to the same answers. The rules are in chain.h, and why they
are these in docs/split.md, "Updating a chain".
"""

from __future__ import annotations

from dataclasses import dataclass

from tinyops.link.parts import NO_SET


@dataclass(frozen=True, slots=True)
class SetView:
    """What a part knows of sets; `NO_SET` stands for none, and for what nobody has told.

    `spare` is proven, or has run before; `wished`: somebody asked for it; `doubted`: a reset came in its trial.
    `offered`, `also` and `offer_wished` are what the part before told last, `committed` what the part after told.
    """

    position: int
    parts: int
    running: bytes
    spare: bytes = NO_SET
    wished: bool = False
    doubted: bool = False
    offered: bytes = NO_SET
    also: bytes = NO_SET
    offer_wished: bool = False
    committed: bytes = NO_SET

    @property
    def is_last(self) -> bool:
        return self.position + 1 == self.parts

    @property
    def ready(self) -> tuple[bytes, ...]:
        """What this part runs or could run next."""
        return _once(self.running, NO_SET if self.doubted else self.spare)


@dataclass(frozen=True, slots=True)
class SetDecision:
    """What is told of sets, and whether what the spare slot holds is to run now."""

    offered: bytes
    also: bytes
    wished: bool
    committed: bytes
    switches: bool


def decide(view: SetView) -> SetDecision:
    """From what is known alone."""
    offered, wished = _own_offers(view) if view.position == 0 else _passed_offers(view)
    first, other = (*offered, NO_SET, NO_SET)[:2]
    committed = view.running if view.is_last else view.committed
    return SetDecision(first, other, wished, committed, _switches(view, offered, wished))


def _once(*sets: bytes) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(one for one in sets if one != NO_SET))


def _own_offers(view: SetView) -> tuple[tuple[bytes, ...], bool]:
    wished = view.wished and not view.doubted and view.spare != NO_SET
    return (_once(view.spare, view.running) if wished else view.ready), wished


def _passed_offers(view: SetView) -> tuple[tuple[bytes, ...], bool]:
    offered = _once(*(one for one in (view.offered, view.also) if one in view.ready))
    return offered, view.offer_wished and view.offered in offered


def _switches(view: SetView, offered: tuple[bytes, ...], wished: bool) -> bool:
    if view.spare == NO_SET:
        return False
    if view.spare == view.running:  # the same model, made anew: nobody else's matter
        return view.wished
    return view.spare == (_picked(view, offered, wished) if view.is_last else view.committed)


def _picked(view: SetView, offered: tuple[bytes, ...], wished: bool) -> bytes:
    """What the last part is to run, of what every part can: it stays unless the first part wishes otherwise."""
    return view.running if not wished and view.running in offered else (*offered, NO_SET)[0]
