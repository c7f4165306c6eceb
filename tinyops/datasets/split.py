"""Which recordings are for training and which for the test. Pure, and without numpy: `plan` imports it.

Groups (a subject, a take, a file) lie on one side as a whole. Each group's side follows from its name and the seed
alone, so that no group ever moves when others are added. Recordings that stand alone, of sources that are pinned as a
whole, are ranked within their class: that keeps the share exact, and what was released as it was.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyops.datasets.index import IndexEntry
from tinyops.errors import SpecError
from tinyops.specs.dataset import Split

NAMES_SHOWN = 12
NAMES_SUGGESTED = 20  # more are no list that a person writes
SEEDS_TRIED, UNITS_HASHED = 50, 500_000
_RANKS = 2**64


@dataclass(frozen=True)
class Piece:
    """What a split sees of a recording: its label, what it belongs to ("" when it stands alone), its content."""

    label: str
    group: str
    digest: str

    @property
    def unit(self) -> str:
        """What lies on one side as a whole."""
        return self.group or self.digest


def entry_group(entry: IndexEntry, by: str) -> str:
    """What an index's line must share a side with; "" when the line does not say whose it is."""
    return {"subject": entry.subject, "take": entry.group_take, "recording": entry.sha256}[by]


def unique_recordings(ids: Sequence[str], labels: Sequence[str], digests: Sequence[str]) -> list[int]:
    """The indices that stay when every content is kept once, the first of its kind.

    A copy is no new evidence and could lie on both sides of a split. Raises SpecError when the same
    content has two labels.
    """
    first: dict[str, int] = {}
    for index, digest in enumerate(digests):
        before = first.setdefault(digest, index)
        if labels[before] != labels[index]:
            raise SpecError(
                f"{ids[index]} has the same content as {ids[before]}, "
                f"but is labelled {labels[index]} and not {labels[before]}",
                hint="one of the two labels is wrong",
            )
    return sorted(first.values())


def choose_test(pieces: Sequence[Piece], split: Split, test_only: Collection[str] = ()) -> list[bool]:
    """For each recording, whether it is for the test; those labelled as one of `test_only` always are.

    Raises SpecError when a side, or a class on one side, would be empty, or when a name in `split.test` is unknown.
    """
    test = place_units(pieces, split)
    if split.by != "recording":
        _refuse_groupless(pieces, split)
        _refuse_unknown(pieces, split)
        _refuse_empty(_classes(piece for piece in pieces if piece.label not in test_only), test, split)
    return [piece.label in test_only or piece.unit in test for piece in pieces]


def place_units(pieces: Sequence[Piece], split: Split) -> set[str]:
    """What is for the test, whether or not that makes a split to work with."""
    if isinstance(split.test, tuple):
        return {*split.test}
    if split.by != "recording":
        return _below((piece.unit for piece in pieces), split.test, split.seed)
    alone = [piece for piece in pieces if not piece.group]
    ranked = split_by_content([p.label for p in alone], [p.digest for p in alone], split.test, split.seed)
    test = {piece.digest for piece, its in zip(alone, ranked, strict=True) if its}
    return test | _at_least_one(_classes([piece for piece in pieces if piece.group]), split.test, split.seed)


def split_by_content(labels: Sequence[str], digests: Sequence[str], share: float, seed: int) -> list[bool]:
    """For each recording that stands alone, whether it is for the test; its content's digest and the seed decide.

    In each class the recordings with the lowest hashes, `share` of them, at least one and never all,
    are for the test. A recording added to a class moves at most one other to the other side.
    """
    ranks = {d: hashlib.sha256(f"{seed}\n{d}".encode()).hexdigest() for d in digests}
    test: set[str] = set()
    for label in sorted(set(labels)):
        mine = sorted((d for d, its in zip(digests, labels, strict=True) if its == label), key=lambda d: ranks[d])
        number = min(max(round(share * len(mine)), 1), len(mine) - 1)
        test.update(mine[:number])
    return [d in test for d in digests]


def _rank(unit: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\n{unit}".encode()).digest()[:8], "big")


def _below(units: Iterable[str], share: float, seed: int) -> set[str]:
    """The units whose hash lies in the lowest `share` of all hashes: nothing but its own name decides on one."""
    return {unit for unit in set(units) if _rank(unit, seed) < share * _RANKS}


def _at_least_one(classes: Mapping[str, set[str]], share: float, seed: int) -> set[str]:
    """As `_below`, with one file of each class moved to a side that had none: so few recordings still make a split."""
    test = _below(set().union(*classes.values()), share, seed)
    for label in sorted(classes):
        mine = sorted(classes[label], key=lambda unit: _rank(unit, seed))
        if len(mine) > 1 and not test & set(mine):
            test.add(mine[0])
        elif len(mine) > 1 and test >= set(mine):
            test.remove(mine[-1])
    return test


def _classes(pieces: Iterable[Piece]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for piece in pieces:
        found[piece.label].add(piece.unit)
    return dict(found)


def _refuse_groupless(pieces: Sequence[Piece], split: Split) -> None:
    without = sum(not piece.group for piece in pieces)
    if split.by == "subject" and without:
        raise SpecError(
            f"split.by is subject, but {without} of {len(pieces)} recordings do not say whose they are",
            hint="write their subject into the index, or split by take",
        )


def _refuse_unknown(pieces: Sequence[Piece], split: Split) -> None:
    known = {piece.unit for piece in pieces}
    unknown = [name for name in split.test if name not in known] if isinstance(split.test, tuple) else []
    if unknown:
        raise SpecError(
            f"split.test names {listed(unknown)}: no recording has such a {split.by}", hint=f"there are {listed(known)}"
        )


def _refuse_empty(classes: Mapping[str, set[str]], test: set[str], split: Split) -> None:
    problems = [p for label in sorted(classes) if (p := _emptiness(label, classes[label], test, split.by))]
    if problems:
        raise SpecError("split: " + "; ".join(problems[:NAMES_SHOWN]), hint=_suggestion(classes, split))


def _emptiness(label: str, mine: set[str], test: set[str], by: str) -> str:
    for side, there in (("test", mine & test), ("training", mine - test)):
        if not there:
            other = "training" if side == "test" else "test"
            return f"class {label} has nothing for {side}: its {by}s {listed(mine)} are all in {other}"
    return ""


def _suggestion(classes: Mapping[str, set[str]], split: Split) -> str:
    single = sorted(label for label, mine in classes.items() if len(mine) == 1)
    if single:
        return f"record class {single[0]} with another {split.by}: one alone cannot lie on both sides"
    names = suggest_test(classes, split.test if isinstance(split.test, float) else 0.25, split.seed)
    if 0 < len(names) <= NAMES_SUGGESTED:
        return f"choose them by name: `test: [{', '.join(names)}]`; named {split.by}s stay where they are"
    seed = _suggest_seed(classes, split)
    if seed is not None:
        return f"`seed: {seed}` gives both sides every class; it moves the others too"
    return f"no choice of {split.by}s was found that gives both sides every class: record more, or leave a class out"


def suggest_test(classes: Mapping[str, set[str]], share: float, seed: int) -> tuple[str, ...]:
    """Units for the test that leave every class on both sides, about `share` of them; none where no such was found."""
    labels: dict[str, list[str]] = defaultdict(list)
    for label, members in classes.items():
        for unit in members:
            labels[unit].append(label)
    units = sorted(labels, key=lambda unit: (_rank(unit, seed), unit))
    wanted = min(max(round(share * len(units)), 1), len(units) - 1)
    left = {label: len(mine) for label, mine in classes.items()}  # in training
    test: set[str] = set()
    for needed in (True, False):  # first what a class lacks, then what the share lacks
        for unit in units:
            mine = labels[unit]
            lacks = any(left[its] == len(classes[its]) for its in mine) if needed else len(test) < wanted
            if unit not in test and lacks and all(left[its] > 1 for its in mine):
                test.add(unit)
                for its in mine:
                    left[its] -= 1
    complete = all(0 < left[label] < len(mine) for label, mine in classes.items())
    return tuple(sorted(test)) if complete else ()


def _suggest_seed(classes: Mapping[str, set[str]], split: Split) -> int | None:
    """The first of some seeds that leaves nothing empty."""
    if isinstance(split.test, tuple):
        return None
    units = set().union(*classes.values())
    for seed in range(min(SEEDS_TRIED, UNITS_HASHED // max(len(units), 1))):
        test = _below(units, split.test, seed)
        if all(mine & test and mine - test for mine in classes.values()):
            return seed
    return None


def listed(names: Collection[str]) -> str:
    """`s01, s02 and 7 more`."""
    ordered = sorted(set(names))
    more = f" and {len(ordered) - NAMES_SHOWN} more" if len(ordered) > NAMES_SHOWN else ""
    return ", ".join(ordered[:NAMES_SHOWN]) + more
