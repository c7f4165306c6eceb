"""The decision: the Pareto front of a board's candidates, the one that is picked, and why each other lost. Pure.

Of those that fit the board and keep its gates, none may be more than `loss_max` less accurate than the best. Among what
is left `prefer` decides: size is the least flash, ram the least RAM, speed the fewest instructions, balanced the
least product of the three, so that a tenth less of one makes up for a tenth more of another. Ties go to the less of
the others (flash, RAM, instructions), then to the more accurate, then to the one that the spec names first. Where
instructions were not counted for all of them, they count for none, and speed is size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tinyops.build.choice.candidates import Budget, Candidate, Lack, lacks
from tinyops.errors import DoesNotFit, SpecError
from tinyops.files import JsonObject

Prefer: TypeAlias = Literal["balanced", "size", "ram", "speed"]
_CLOSE = 1e-9  # accuracies are shares of recordings: what differs by less is the same
_UNITS = {"flash_bytes": "bytes of flash", "ram_bytes": "bytes of RAM", "instructions": "instructions"}
_FIRST = {"size": "flash_bytes", "ram": "ram_bytes", "speed": "instructions"}


@dataclass(frozen=True)
class Choice:
    """`lost` says of every other why it was not picked. `unmet` are gates that no variant keeps: then the picked one
    comes nearest, and the gate holds its fleet. `front`: what no other beats in everything."""

    board: str
    prefer: Prefer
    loss_max: float
    picked: Candidate
    why: str
    candidates: tuple[Candidate, ...]
    front: tuple[str, ...]
    lost: Mapping[str, str]
    unmet: tuple[str, ...] = ()
    searched: bool = True

    def to_json(self) -> JsonObject:
        return {
            "board": self.board,
            "prefer": self.prefer,
            "loss_max": self.loss_max,
            "searched": self.searched,
            "picked": self.picked.variant,
            "why": self.why,
            "front": list(self.front),
            "unmet": list(self.unmet),
            "candidates": [{**c.to_json(), "lost": self.lost.get(c.variant, "")} for c in self.candidates],
        }


def choose(
    candidates: Sequence[Candidate], budget: Budget, *, prefer: Prefer, loss_max: float, searched: bool = True
) -> Choice:
    """The variant for a board, of those that there are, in the spec's order.

    Raises SpecError when none could be made at all, DoesNotFit when none fits the board, naming the one that comes
    nearest.
    """
    short = {c.variant: lacks(c, budget) for c in candidates if not c.failed}
    lost = {c.variant: c.failed for c in candidates if c.failed}
    lost |= {name: "; ".join(lack.text for lack in found) for name, found in short.items() if found}
    if not short:
        raise SpecError(f"no variant for {budget.board}: " + "; ".join(f"{n}: {why}" for n, why in lost.items()))
    fitting = [c for c in candidates if c.variant in short and all(lack.fits for lack in short[c.variant])]
    if not fitting:
        raise _nothing_fits(budget, short, candidates)
    keeping = [c for c in fitting if not short[c.variant]]
    axes = _axes(keeping or fitting)
    front = _front(keeping or fitting, axes)
    unmet: tuple[str, ...] = ()
    if keeping:
        picked, why, reasons = _pick(keeping, front, axes, prefer, loss_max)
        lost |= reasons
    else:
        picked = _nearest(fitting, short)
        unmet = tuple(dict.fromkeys(lack.gate for lack in short[picked.variant]))
        why = f"no variant keeps every gate, this one comes nearest: {lost.pop(picked.variant)}"
    if not searched:
        why = "it fits as it is, so that no other was made"
    names = tuple(c.variant for c in front)
    return Choice(budget.board, prefer, loss_max, picked, why, tuple(candidates), names, lost, unmet, searched)


def _nothing_fits(budget: Budget, short: Mapping[str, tuple[Lack, ...]], candidates: Sequence[Candidate]) -> DoesNotFit:
    name = min(short, key=lambda n: sum(lack.excess for lack in short[n] if not lack.fits))
    nearest = next(c for c in candidates if c.variant == name)
    missing = "; ".join(lack.text for lack in short[name] if not lack.fits)
    head = f"none of {len(candidates)} variants fits" if len(candidates) > 1 else "the only variant does not fit"
    return DoesNotFit(
        f"{head} {budget.board}: {name} comes nearest and {missing}",
        hint="add smaller variants to `squeeze.variants`, or choose a board with more room",
        image_bytes=nearest.image_bytes,
        arena_bytes=nearest.arena_bytes,
    )


def _nearest(fitting: Sequence[Candidate], short: Mapping[str, tuple[Lack, ...]]) -> Candidate:
    return min(fitting, key=lambda c: sum(lack.excess for lack in short[c.variant]))


def _axes(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """What costs are compared by: known for all of them."""
    return tuple(name for name in _UNITS if all(getattr(c, name) is not None for c in candidates))


def _front(candidates: Sequence[Candidate], axes: Sequence[str]) -> list[Candidate]:
    return [c for c in candidates if _beaten_by(c, candidates, axes) is None]


def _beaten_by(one: Candidate, candidates: Sequence[Candidate], axes: Sequence[str]) -> Candidate | None:
    """The first that is no worse in anything and better in something; of equals, the first one stays."""
    place = candidates.index(one)
    for number, other in enumerate(candidates):
        if number != place and _no_worse(other, one, axes) and (number < place or not _no_worse(one, other, axes)):
            return other
    return None


def _no_worse(one: Candidate, other: Candidate, axes: Sequence[str]) -> bool:
    costs = all(getattr(one, axis) <= getattr(other, axis) for axis in axes)
    return costs and _accuracy(one) >= _accuracy(other) - _CLOSE


def _accuracy(candidate: Candidate) -> float:
    return candidate.accuracy if candidate.accuracy is not None else 0.0


def _pick(
    keeping: Sequence[Candidate],
    front: Sequence[Candidate],
    axes: Sequence[str],
    prefer: Prefer,
    loss_max: float,
) -> tuple[Candidate, str, dict[str, str]]:
    best = max(keeping, key=_accuracy)
    allowed = [c for c in keeping if _accuracy(c) >= _accuracy(best) - loss_max - _CLOSE]
    cost, what = _cost(prefer, axes)
    picked = min(allowed, key=lambda c: (cost(c), *(getattr(c, axis) for axis in axes), -_accuracy(c)))
    lost = {}
    for one in keeping:
        if one is picked:
            continue
        if one not in allowed:
            points = 100 * (_accuracy(best) - _accuracy(one))
            lost[one.variant] = f"{points:.1f} points less accurate than {best.variant} (loss_max {loss_max:g})"
        elif one not in front:
            beaten = picked if _no_worse(picked, one, axes) else _beaten_by(one, keeping, axes)
            assert beaten is not None  # else it were on the front
            lost[one.variant] = _beaten(beaten, one, axes)
        else:
            lost[one.variant] = _behind(one, picked, prefer, axes, cost)
    near = "as accurate as" if loss_max == 0 else f"within {_points(loss_max)} of"
    why = f"the {what} of the {len(allowed)} that are {near} {best.variant}"
    if len(allowed) == 1:
        why = f"no other is {near} it"
    if len(keeping) == 1:
        why = "the only one that fits the board and keeps the gates"
    return picked, why, lost


def _points(share: float) -> str:
    return "1 point" if share == 0.01 else f"{100 * share:g} points"


def _cost(prefer: Prefer, axes: Sequence[str]) -> tuple[Callable[[Candidate], int], str]:
    """What is to be least, and its name."""
    axis = _FIRST.get(prefer, "")
    if prefer == "speed" and axis not in axes:
        axis = "flash_bytes"
    if axis and axis in axes:
        word = "fewest" if axis == "instructions" else "least"
        return lambda c: int(getattr(c, axis)), f"{word} {_UNITS[axis].removeprefix('bytes of ')}"
    return lambda c: _product(c, axes), f"least {_names(axes)}"


def _names(axes: Sequence[str]) -> str:
    return " × ".join(_UNITS[axis].removeprefix("bytes of ") for axis in axes)


def _product(candidate: Candidate, axes: Sequence[str]) -> int:
    product = 1
    for axis in axes:
        product *= int(getattr(candidate, axis))
    return product


def _beaten(by: Candidate, one: Candidate, axes: Sequence[str]) -> str:
    """`w0.5 is as accurate and takes 2,144 bytes of flash less`."""
    points = 100 * (_accuracy(by) - _accuracy(one))
    accurate = f"{points:.1f} points more accurate" if points > 100 * _CLOSE else "as accurate"
    less = [*_less(by, one, axes)]
    if not less:
        return f"{by.variant} costs the same" + (f" and is {accurate}" if points > 100 * _CLOSE else " and comes first")
    return f"{by.variant} is {accurate} and takes {_listed(less)}"


def _less(by: Candidate, one: Candidate, axes: Sequence[str]) -> Iterator[str]:
    for axis in axes:
        if (difference := getattr(one, axis) - getattr(by, axis)) > 0:
            yield _differs(difference, axis, more=False)


def _differs(difference: int, axis: str, *, more: bool) -> str:
    """`2,144 bytes less flash`, `5,000 more instructions`."""
    count, memory = f"{difference:,}", _UNITS[axis].removeprefix("bytes of ")
    if axis == "instructions":
        return f"{count} {'more' if more else 'fewer'} {memory}"
    return f"{count} {'bytes' if difference != 1 else 'byte'} {'more' if more else 'less'} {memory}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _behind(
    one: Candidate, picked: Candidate, prefer: Prefer, axes: Sequence[str], cost: Callable[[Candidate], int]
) -> str:
    """Why one of the front was not picked: what is preferred, or the first tie-break."""
    if cost(one) > cost(picked) and prefer in _FIRST:
        axis = _FIRST[prefer] if _FIRST[prefer] in axes else "flash_bytes"
        difference = getattr(one, axis) - getattr(picked, axis)
        return f"takes {_differs(difference, axis, more=True)} (prefer: {prefer})"
    if cost(one) > cost(picked):
        share = 100 * (cost(one) / cost(picked) - 1)
        return f"its {_names(axes)} is {share:,.1f} % more (prefer: {prefer})"
    return f"as good by what is preferred ({prefer}), and {picked.variant} is ahead in what comes next"
