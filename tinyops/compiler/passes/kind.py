"""What each file of this package defines: one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tinyops.graph import Graph, Operator


@dataclass(frozen=True)
class Pass:
    """`name` and `sentence` are what reports and the documentation say of it."""

    name: str
    sentence: str
    run: Callable[[Graph], Graph]


@dataclass(frozen=True)
class Applied:
    """What a pass did: operators that are gone, that read, write or do something else now, that run at another time."""

    name: str
    sentence: str
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = (("removed", self.removed), ("changed", self.changed), ("moved", self.moved))
        return "; ".join(f"{what} {', '.join(names)}" for what, names in said if names)


def difference(one: Pass, before: Graph, after: Graph) -> Applied:
    """Told from the two graphs, so that no pass has to keep a record."""
    kept = {operator.number: operator for operator in after.operators}
    removed = tuple(_name(o) for o in before.operators if o.number not in kept)
    changed = tuple(_name(o) for o in before.operators if o.number in kept and _differs(o, kept[o.number]))
    return Applied(one.name, one.sentence, removed, changed)


def _differs(a: Operator, b: Operator) -> bool:
    return replace(a, index=0, origin=None) != replace(b, index=0, origin=None)


def _name(operator: Operator) -> str:
    return f"{operator.number} {operator.name}"
