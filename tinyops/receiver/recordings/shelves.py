"""Where closed takes go: into datasets of a repository, or an inbox that has the same form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tinyops.datasets.adding import Added, Addition, add_entries, add_recordings
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.objects import Objects
from tinyops.documents import closest
from tinyops.files import digest_bytes
from tinyops.receiver.guard import Refused
from tinyops.specs.model import Signal


class Shelves(Protocol):
    """A receiver's datasets."""

    def signal(self, dataset: str) -> Signal | None:
        """None where nobody has said it. Raises Refused for a dataset that takes no recordings."""

    def check_label(self, dataset: str, label: str) -> None:
        """Raises Refused for one that is no class of the dataset."""

    def put(self, dataset: str, additions: Sequence[Addition]) -> Added:
        """Durable when it returns. Raises SpecError and ToolError, and Refused as `signal` does."""


@dataclass(frozen=True)
class Inbox:
    """`DIR/wrist.csv` and the files below `DIR/wrist`, until `tinyops data add` takes them."""

    root: Path

    def signal(self, dataset: str) -> Signal | None:  # noqa: ARG002 an inbox knows none
        return None

    def check_label(self, dataset: str, label: str) -> None:
        """It knows no classes."""

    def put(self, dataset: str, additions: Sequence[Addition]) -> Added:
        return add_recordings(self.root / f"{dataset}.csv", additions)


@dataclass(frozen=True)
class Dataset:
    """What a spec says: its signal and classes, the index that people record into, and where the files go."""

    signal: Signal
    classes: tuple[str, ...]
    index: Path
    objects: Objects


@dataclass(frozen=True)
class Datasets:
    """Of a repository; what `read` gives changes when its specs do. `on_added` hears of new lines of an index."""

    read: Callable[[], Mapping[str, Dataset]]
    on_added: Callable[[str, Sequence[IndexEntry]], None] = lambda _dataset, _entries: None

    def signal(self, dataset: str) -> Signal | None:
        return self._find(dataset).signal

    def check_label(self, dataset: str, label: str) -> None:
        classes = self._find(dataset).classes
        if label and label not in classes:
            raise Refused(422, f"label: {label!r} is no class of {dataset}: {closest(label, classes)}; or leave it out")

    def put(self, dataset: str, additions: Sequence[Addition]) -> Added:
        found = self._find(dataset)
        lines = [replace(a.entry, sha256=digest_bytes(a.data), bytes=len(a.data)) for a in additions]
        for line, addition in zip(lines, additions, strict=True):
            found.objects.put(line, addition.data)
        added = add_entries(found.index, lines)
        self.on_added(dataset, added.entries)
        return added

    def _find(self, dataset: str) -> Dataset:
        found = self.read()
        if dataset not in found:
            known = ", ".join(sorted(found)[:20]) or "none"
            raise Refused(404, f"no dataset {dataset} with a source of recordings; there is {known}")
        return found[dataset]
