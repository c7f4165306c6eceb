"""The model's opinion of all recordings, made in the background while people label."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinyops.datasets.index import IndexEntry
from tinyops.errors import SpecError, TinyopsError
from tinyops.label.edits import Entries
from tinyops.label.guesses import Guesses, Judge, guess, open_judge
from tinyops.label.signals import Gallery, Shown
from tinyops.specs.model import DatasetSpec

BATCH_FILES = 50
BATCH_FRAMES = 2_000_000
IDLE_S = 2.0


@dataclass(frozen=True)
class ModelFiles:
    """A model's name, where it comes from in words, its .tflite and its features.json."""

    name: str
    origin: str
    int8: Path
    features: Path


@dataclass(frozen=True)
class Opinion:
    """How far the model is: `done` of `total` files; `problem` says why there are no suggestions."""

    model: str = ""
    origin: str = ""
    problem: str = ""
    hint: str = ""
    done: int = 0
    total: int = 0


class Suggestions:
    """`find` brings the model, which may take a while; nothing of it keeps the page waiting."""

    def __init__(self, find: Callable[[], ModelFiles], spec: DatasetSpec, gallery: Gallery) -> None:
        self._find, self._spec, self._gallery = find, spec, gallery
        self._lock, self._end = threading.Lock(), threading.Event()
        self._found: list[tuple[str, Guesses | str]] = []
        self._known: set[str] = set()
        self._opinion = Opinion()
        self._thread: threading.Thread | None = None

    def start(self, entries: Callable[[], Entries]) -> None:
        self._thread = threading.Thread(target=self._run, args=(entries,), name="suggestions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()

    def after(self, number: int) -> tuple[Opinion, list[tuple[str, Guesses | str]]]:
        """How far it is, and what was found after so many files: path, and guesses or why there are none."""
        with self._lock:
            return self._opinion, self._found[number:]

    def _run(self, entries: Callable[[], Entries]) -> None:
        try:
            model = self._find()
            judge = open_judge(model.int8, model.features, self._spec.signal.full_scale, len(self._spec.classes))
        except (TinyopsError, OSError) as error:
            self._say(Opinion(problem=_sentence(error), hint=getattr(error, "hint", "")))
            return
        while not self._end.is_set():
            files = {entry.path: entry for entry in entries()}
            left = [entry for path, entry in files.items() if path not in self._known]
            self._say(Opinion(model.name, model.origin, done=len(files) - len(left), total=len(files)))
            if not left:
                self._end.wait(IDLE_S)
            elif not self._judge(judge, left[:BATCH_FILES]):
                return

    def _judge(self, judge: Judge, entries: list[IndexEntry]) -> bool:
        """Some files at a time, so that the page has something to show soon. False ends it."""
        looked: dict[str, Shown] = {}
        frames = 0
        for entry in entries:
            if frames > BATCH_FRAMES:
                break
            try:
                looked[entry.path] = self._gallery.read(entry)
                frames += looked[entry.path].frames
            except TinyopsError as error:
                self._add([(entry.path, _sentence(error))])
        try:
            self._add(list(zip(looked, guess(judge, list(looked.values())), strict=True)))
        except SpecError as error:
            self._add([(path, _sentence(error)) for path in looked])
        except TinyopsError as error:
            self._say(Opinion(problem=_sentence(error), hint=error.hint))
            return False
        return True

    def _add(self, found: list[tuple[str, Guesses | str]]) -> None:
        with self._lock:
            self._found += found
            self._known |= {path for path, _ in found}

    def _say(self, opinion: Opinion) -> None:
        with self._lock:
            self._opinion = opinion


def _sentence(error: Exception) -> str:
    text = error.message if isinstance(error, TinyopsError) else str(error)
    return "; ".join(line.strip() for line in text.splitlines()[:4])
