"""One commit of what was recorded: the index and the recordings' files, and nothing else of the repository."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tinyops.collect.capture.finishing import Kept
from tinyops.datasets.objects import data_folder
from tinyops.process import run

GIT_S = 120


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
    """Commits the index, and the files when they lie beside it. Raises ToolError when Git refuses."""
    paths = [index]
    if beside:
        paths += sorted({data_folder(index) / k.entry.path for k in kept})
    git: list[str | Path] = ["git", "-C", index.parent]
    for start in range(0, len(paths), 500):
        run([*git, "add", "--", *paths[start : start + 500]], timeout_s=GIT_S, what="git add")
    names = "\0".join(str(path) for path in paths)
    pathspec = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    message = ["-m", message_of(dataset, kept)]
    run([*git, "commit", "-q", *message, "--only", *pathspec], timeout_s=GIT_S, stdin=names, what="git commit")
