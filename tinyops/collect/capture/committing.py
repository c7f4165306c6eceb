"""One commit of what was recorded: the index and the recordings' files, and nothing else of the repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tinyops.collect.capture.finishing import Kept
from tinyops.datasets.objects import data_folder
from tinyops.datasets.versions import commit_files, left_behind


def message_of(dataset: str, kept: Sequence[Kept]) -> str:
    """What was added, for `git log`."""
    count = len(kept)
    labels = Counter(k.entry.label or "no label" for k in kept)
    subjects = sorted({k.entry.subject for k in kept if k.entry.subject})
    seconds = sum(k.seconds for k in kept)
    what = ", ".join(f"{number} {label}" for label, number in sorted(labels.items()))
    of = f" of {', '.join(subjects)}" if subjects else ""
    takes = "\n".join(f"- {k.entry.take}: {k.entry.label or 'no label'}, {k.entry.frames or 0} frames" for k in kept)
    return f"{dataset}: {count} recording{'s' * (count > 1)}{of}, {seconds:.0f} s ({what})\n\n{takes}\n"


def commit(dataset: str, index: Path, kept: Sequence[Kept], *, beside: bool) -> None:
    """Commits the index, and the files when they lie beside it: all that its lines name, also of earlier takes.

    Raises ToolError when Git refuses.
    """
    paths = [index]
    if beside:
        paths += sorted({data_folder(index) / k.entry.path for k in kept} | set(left_behind(index)))
    commit_files(index.parent, paths, message_of(dataset, kept))
