"""What was changed, so that it can be taken back: the lines that went and those that came. Pure.

A change is undone in the index as it is now: lines that others added or changed meanwhile stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    """The change from one state to the next; empty when they are equal."""
    old, new = set(before), set(after)
    return Change(what, tuple(e for e in before if e not in new), tuple(e for e in after if e not in old))


def carry_out(entries: Entries, change: Change) -> Entries:
    """The entries with the change. Raises SpecError when others changed the same lines."""
    there = set(entries)
    gone = [entry for entry in change.removed if entry not in there]
    ids = {entry.id for entry in entries} - {entry.id for entry in change.removed}
    taken = [entry for entry in change.added if entry.id in ids]
    if gone or taken:
        name = (gone or taken)[0].id
        raise SpecError(f"{change.what}: {name} was changed by another program since", hint="its line stays as it is")
    removed = set(change.removed)
    at = next((n for n, entry in enumerate(entries) if entry in removed), len(entries))
    left = tuple(entry for entry in entries[at:] if entry not in removed)
    return (*entries[:at], *change.added, *left)


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
