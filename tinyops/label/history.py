"""What was changed, so that it can be taken back: the lines that went and those that came. Pure.

A change is undone in the index as it is now: lines that others added or changed meanwhile stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from tinyops.datasets.index import IndexEntry
from tinyops.errors import SpecError
from tinyops.label.edits import Entries


@dataclass(frozen=True)
class Change:
    """Lines that went, and those that stand in their place; `what` says it for people."""

    what: str
    removed: Entries
    added: Entries

    @property
    def back(self) -> Change:
        return Change(self.what, self.added, self.removed)


def difference(what: str, before: Entries, after: Entries) -> Change:
    """The change from one state to the next; empty when they are equal. Lines that an edit left alone are the same
    objects, so of ten thousand only those that differ are compared."""
    kept = {id(entry) for entry in before} & {id(entry) for entry in after}
    old = [entry for entry in before if id(entry) not in kept]
    new = [entry for entry in after if id(entry) not in kept]
    equal = set(old) & set(new)
    return Change(what, tuple(e for e in old if e not in equal), tuple(e for e in new if e not in equal))


def carry_out(entries: Entries, change: Change) -> Entries:
    """The entries with the change. Raises SpecError when others changed the same lines."""
    going = {_key(entry): entry for entry in change.removed}
    left = [entry for entry in entries if going.get(_key(entry)) != entry]
    if len(entries) - len(left) < len(going):
        there = set(entries)
        _refuse(change, next(entry for entry in change.removed if entry not in there))
    coming = {_key(entry): entry for entry in change.added}
    taken = next((coming[_key(entry)] for entry in left if _key(entry) in coming), None)
    if taken is not None:
        _refuse(change, taken)
    at = next((n for n, entry in enumerate(entries) if going.get(_key(entry)) == entry), len(entries))
    return (*left[:at], *change.added, *left[at:])


def _refuse(change: Change, entry: IndexEntry) -> NoReturn:
    message = f"{change.what}: {entry.id} was changed by another program since"
    raise SpecError(message, hint="its line stays as it is")


def _key(entry: IndexEntry) -> tuple[str, str, int | None, int | None]:
    """What two lines of an index do not have in common."""
    return entry.sha256, entry.file, entry.begin, entry.end


@dataclass
class History:
    """Every change of a session, and how many of them are undone."""

    done: list[Change] = field(default_factory=list)
    undone: list[Change] = field(default_factory=list)

    def add(self, change: Change) -> None:
        self.done.append(change)
        self.undone.clear()

    def undo(self, entries: Entries) -> tuple[Entries, Change]:
        """The entries before the last change. Raises SpecError when there is none, or it cannot be taken back."""
        if not self.done:
            raise SpecError("there is nothing to undo")
        change = self.done[-1].back
        changed = carry_out(entries, change)
        self.undone.append(self.done.pop())
        return changed, change

    def redo(self, entries: Entries) -> tuple[Entries, Change]:
        if not self.undone:
            raise SpecError("there is nothing to redo")
        change = self.undone[-1]
        changed = carry_out(entries, change)
        self.done.append(self.undone.pop())
        return changed, change


def without_copies(entries: Entries) -> IndexEntry | None:
    """The first line whose name another one has; None when all differ."""
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            return entry
        seen.add(entry.id)
    return None
