"""Labelling, as it goes on: the index as it is on the disk, what was changed, and what can be undone.

Every change is made in the index as the disk has it then, under its lock: what others changed meanwhile stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyops.datasets.editing import comments_above, locked
from tinyops.datasets.index import INDEX_LIMIT_BYTES, IndexEntry, format_index, parse_index
from tinyops.errors import SpecError
from tinyops.files import digest_bytes, read_bounded, write_atomic
from tinyops.label.actions import ACTIONS, Action, said
from tinyops.label.edits import UNMEASURED, Entries, Whole
from tinyops.label.history import Change, History, carry_out, difference, without_copies
from tinyops.label.signals import Gallery, Shown, measured

MEASURED = ("frames", *UNMEASURED)


@dataclass(frozen=True)
class Done:
    """What became of an action: the change, and the digest of the index before (as the disk had it) and after."""

    change: Change
    before: str
    after: str


@dataclass(frozen=True)
class State:
    """The index at one time."""

    data: bytes
    digest: str
    entries: Entries


class Session:
    """One index, edited by one page or several. Threads may share it."""

    def __init__(self, index: Path, gallery: Gallery) -> None:
        self.index, self.gallery = index, gallery
        self.history = History()
        self._lock = threading.Lock()
        self._state = self._opened = self._read()

    def state(self) -> State:
        """The index as it is on the disk now. Raises SpecError."""
        with self._lock:
            return self._refresh()

    def shown(self, path: str) -> Shown:
        """A file of the index. Raises SpecError for one that is not in it, or cannot be read."""
        with self._lock:
            entry = next((entry for entry in self._state.entries if entry.path == path), None)
        if entry is None:
            raise SpecError(f"{path[:80]}: is not in the index", hint="it was changed elsewhere: look again")
        return self.gallery.read(entry)

    def act(self, action: Action) -> Done:
        """Carries an action out and saves. Raises SpecError and ToolError; the index is then as it was."""

        def change(entries: Entries) -> Change:
            framed = self._framer(entries)
            changed = ACTIONS[type(action)](entries, action, framed)
            made = self._finished(difference(said(action), entries, changed), entries)
            if not made.removed and not made.added:
                raise SpecError("it is so already: nothing was changed")
            return made

        return self._save(lambda entries: self._added(entries, change(entries)))

    def undo(self) -> Done:
        """Takes the last change back. Raises SpecError where there is none, or others changed its lines since."""
        return self._save(self.history.undo)

    def redo(self) -> Done:
        return self._save(self.history.redo)

    def added(self) -> Entries:
        """The lines that were written since it was opened and have not gone again."""
        with self._lock:
            opened = set(self._opened.entries)
            written = {entry for change in self.history.done for entry in change.added}
            return tuple(entry for entry in self._state.entries if entry in written and entry not in opened)

    def _added(self, entries: Entries, change: Change) -> tuple[Entries, Change]:
        changed = carry_out(entries, change)
        self.history.add(change)
        return changed, change

    def _save(self, step: Callable[[Entries], tuple[Entries, Change]]) -> Done:
        with self._lock, locked(self.index):
            before = self._refresh()
            done, undone = list(self.history.done), list(self.history.undone)
            try:
                entries, change = step(before.entries)
                after = self._write(entries)
            except BaseException:
                self.history.done, self.history.undone = done, undone
                raise
            return Done(change, before.digest, after.digest)

    def _finished(self, change: Change, before: Entries) -> Change:
        """New pieces with their statistics, as they will be read from the disk."""
        had = {(entry.path, entry.begin, entry.end) for entry in change.removed}
        unused = unused_columns(before)
        new = [e if (e.path, e.begin, e.end) in had else self._measured(e, unused) for e in change.added]
        if (copy := without_copies(tuple(new))) is not None:
            raise SpecError(f"{copy.id}: there would be two of it")
        return replace(change, added=parse_index(format_index(new), str(self.index)))

    def _measured(self, entry: IndexEntry, unused: Mapping[str, Any]) -> IndexEntry:
        return replace(measured(entry, self.gallery.read(entry)), **unused)

    def _framer(self, entries: Entries) -> Callable[[str], Whole]:
        def framed(path: str) -> Whole:
            entry = next((entry for entry in entries if entry.path == path), None)
            if entry is None:
                raise SpecError(f"{path[:80]}: is not in the index", hint="it was changed elsewhere: look again")
            return Whole(path, self.gallery.read(entry).frames)

        return framed

    def _refresh(self) -> State:
        data = read_bounded(self.index, INDEX_LIMIT_BYTES)
        if data != self._state.data:
            self._state = State(data, digest_bytes(data), parse_index(data, str(self.index)))
        return self._state

    def _read(self) -> State:
        data = read_bounded(self.index, INDEX_LIMIT_BYTES)
        return State(data, digest_bytes(data), parse_index(data, str(self.index)))

    def _write(self, entries: Entries) -> State:
        same = not self.history.done and set(entries) == set(self._opened.entries)
        data = self._opened.data if same else comments_above(self._state.data) + format_index(entries)
        write_atomic(self.index, data)
        self._state = State(data, digest_bytes(data), entries)
        return self._state


def unused_columns(entries: Entries) -> dict[str, Any]:
    """Measured columns that no line of an index uses, empty: filled in, one of them would change every line's text.

    An index without pieces gets new columns at its first piece in any case, and then all of them.
    """
    if all(entry.begin is None for entry in entries):
        return {}
    empty = IndexEntry("")
    blank = {name: getattr(empty, name) for name in MEASURED}
    return {name: value for name, value in blank.items() if all(getattr(entry, name) == value for entry in entries)}
