"""Saying what the checks make of recordings that were just added. Nothing is refused: they are there already."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from tinyops.errors import TinyopsError

if TYPE_CHECKING:
    from pathlib import Path

    from tinyops.datasets.index import IndexEntry
    from tinyops.specs.recorded import Recorded

PAUSE_S = 10.0  # a judgement reads the whole index, and recordings may come many a second


def note_added(root: Path, dataset: Recorded, added: Collection[IndexEntry], say: Callable[[str], None]) -> None:
    """Warns of what is wrong with entries that the dataset's index has now."""
    from tinyops.reconcile.data_findings import judge_added

    if not added:
        return
    try:
        findings = judge_added(root, dataset, {entry.id for entry in added})
    except TinyopsError as error:  # what was recorded stays, whatever is wrong with specs
        say(f"not checked: {error}")
        return
    for finding in findings:
        say(f"warning: {finding}")


def note_unpushed(dataset: Recorded, added: Collection[IndexEntry], say: Callable[[str], None]) -> None:
    """Says of files that go behind a URL that they are on this machine alone."""
    from tinyops.datasets.places import folder_of

    url = dataset.source.url
    if added and url is not None and folder_of(url, dataset.index.parent) is None:
        say(f"  the files are in this machine's cache; `tinyops data push {dataset.name}` brings them to {url}")


class NotesLater:
    """The same of recordings that others add all the time: judged together, beside whoever takes them in."""

    def __init__(self, root: Path, say: Callable[[str], None], *, pause_s: float = PAUSE_S) -> None:
        self._root, self._say, self._pause_s = root, say, pause_s
        self._waiting: dict[str, list[IndexEntry]] = defaultdict(list)
        self._lock = threading.Lock()
        self._come, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, dataset: str, entries: Collection[IndexEntry]) -> None:
        """Returns at once. Any thread may call it."""
        with self._lock:
            self._waiting[dataset] += entries
        self._come.set()

    def close(self) -> None:
        """Judges what is left."""
        self._closed.set()
        self._come.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._come.wait()
            self._come.clear()
            self._judge()
            self._closed.wait(self._pause_s)
        self._judge()

    def _judge(self) -> None:
        from tinyops.specs.recorded import recorded_dataset

        with self._lock:
            waiting, self._waiting = self._waiting, defaultdict(list)
        for name, entries in waiting.items():
            say = partial(self._said, name)
            try:
                note_added(self._root, recorded_dataset(self._root, name), entries, say)
            except TinyopsError as error:
                say(f"not checked: {error}")

    def _said(self, name: str, text: str) -> None:
        self._say(f"{name}: {text}")
