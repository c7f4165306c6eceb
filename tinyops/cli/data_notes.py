"""Saying what the checks make of recordings that were just added. Nothing is refused: they are there already."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from tinyops.errors import TinyopsError

if TYPE_CHECKING:
    from pathlib import Path

    from tinyops.datasets.index import IndexEntry
    from tinyops.specs.recorded import Recorded


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
