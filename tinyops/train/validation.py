"""Which part of the training side variants are chosen by: whole groups that none of them learns from. Pure.

A group is what the dataset's split keeps together. About a fifth of each class is held back, as far as whole groups
allow; every class keeps a group to learn from. Names alone decide on the order in which groups are tried, so the same
data gives the same sides on any machine.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.files import JsonObject
from tinyops.recordings import Recordings

SHARE = 0.2  # of the training recordings of each class
GROUPS_SHOWN = 100
_SALT = "tinyops validation"


@dataclass(frozen=True)
class Validation:
    """`held` [R] says which recordings no variant learns from; `by` what lies on one side as a whole, `groups` the
    names of those held back; `missing` are classes of the training side that it has none of."""

    held: NDArray[np.bool_]
    by: str
    groups: tuple[str, ...]
    missing: tuple[int, ...]

    def to_json(self, recordings: Recordings, classes: Sequence[str]) -> JsonObject:
        """`validation` of training.json. Where recordings are the groups, their ids are names enough."""
        return {
            "by": self.by,
            "groups": list(self.groups) if self.by != "recording" else [],
            "recordings": [recordings.ids[int(r)] for r in np.flatnonzero(self.held)],
            "missing": [classes[label] for label in self.missing],
        }


def summary(record: JsonObject) -> JsonObject:
    """The same as a fact: counts, and the first of the groups' names."""
    return {**record, "groups": record["groups"][:GROUPS_SHOWN], "recordings": len(record["recordings"])}


def choose_validation(recordings: Recordings, groups: Sequence[str], by: str) -> Validation:
    """Holds groups of the training side back; `groups` [R] names each recording's.

    Where one group has all of a side, as one subject who recorded alone, whole recordings are held back: these resemble
    what is learned from. Raises SpecError where no class has two recordings.
    """
    side = np.flatnonzero(~recordings.test)
    labels = recordings.labels[side].tolist()
    for kind, names in ((by, groups), ("recording", recordings.ids)):
        mine = [names[int(r)] for r in side]
        held = choose_groups(mine, labels)
        if held:
            mask = np.zeros(len(recordings), np.bool_)
            mask[side] = [name in held for name in mine]
            missing = sorted(set(labels) - set(recordings.labels[mask].tolist()))
            return Validation(mask, kind, tuple(sorted(held)), tuple(missing))
    raise SpecError(
        f"squeeze.variants: {len(side)} training recordings are too few to choose a variant by: no class has two",
        hint="record more, or leave one variant, which needs no choice",
    )


def choose_groups(groups: Sequence[str], labels: Sequence[int]) -> set[str]:
    """The groups to hold back; `groups` and `labels` are of each recording. None where no class has two groups."""
    count: dict[str, Counter[int]] = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        count[group][label] += 1
    ledger = _Ledger(Counter(labels), Counter(label for its in count.values() for label in its))
    held: set[str] = set()
    ranked = sorted(count, key=lambda group: (hashlib.sha256(f"{_SALT}\n{group}".encode()).digest(), group))
    for group in _first_of_each_class(ranked, count, ledger):
        held.add(group)
    for group in ranked:
        if group not in held and ledger.can_spare(count[group]) and ledger.comes_closer(count[group]):
            ledger.take(count[group])
            held.add(group)
    return held


def _first_of_each_class(ranked: Sequence[str], count: dict[str, Counter[int]], ledger: _Ledger) -> Iterator[str]:
    """A group for each class that can spare one, the classes with fewest groups first."""
    for label in sorted(ledger.groups_left, key=lambda its: (ledger.groups_left[its], its)):
        if ledger.held[label]:
            continue
        for group in ranked:
            if label in count[group] and ledger.can_spare(count[group]):
                ledger.take(count[group])
                yield group
                break


class _Ledger:
    """How many recordings of each class are held back, and how many of its groups are left to learn from."""

    def __init__(self, total: Counter[int], groups: Counter[int]) -> None:
        self.total, self.groups_left = total, groups
        self.held: Counter[int] = Counter()

    def can_spare(self, group: Counter[int]) -> bool:
        return all(self.groups_left[label] > 1 for label in group)

    def comes_closer(self, group: Counter[int]) -> bool:
        """Whether holding it back brings the classes closer to their share, each by its size."""
        return sum(self._change(label, number) for label, number in group.items()) < 0

    def _change(self, label: int, number: int) -> float:
        wanted, now = SHARE * self.total[label], self.held[label]
        return (abs(now + number - wanted) - abs(now - wanted)) / self.total[label]

    def take(self, group: Counter[int]) -> None:
        self.held.update(group)
        self.groups_left.subtract(dict.fromkeys(group, 1))
