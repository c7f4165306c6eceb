"""An index at a commit: the commit is the version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.datasets.editing import read_index
from tinyops.datasets.index import IndexEntry, parse_index
from tinyops.errors import ToolError, UsageError
from tinyops.process import run

GIT_S = 120.0
PATHS_AT_ONCE = 500
WORKING_TREE = "."


def index_at(index: Path, version: str) -> tuple[IndexEntry, ...]:
    """The lines of an index at a commit, or with `.` as it lies on disk; none where it does not exist.

    Raises UsageError for a name that is no commit, SpecError for an index that is wrong.
    """
    if version == WORKING_TREE:
        return read_index(index)
    data = bytes_at(index, version)
    return parse_index(data, f"{index.name} at {version}") if data.strip() else ()


def bytes_at(index: Path, version: str) -> bytes:
    """The text of an index at a commit, empty where it does not exist. Raises UsageError."""
    commit = commit_named(index.parent, version)
    git: list[str | Path] = ["git", "-C", _existing(index.parent)]
    found = run([*git, "ls-files", "--full-name", "--", index], timeout_s=GIT_S, check=False, what="git").stdout
    names = found.splitlines() or [_name(index)]
    tree = run([*git, "ls-tree", "--full-tree", "--name-only", commit, "--", names[0]], timeout_s=GIT_S, what="git")
    if not tree.stdout.strip():
        return b""
    return run([*git, "cat-file", "blob", f"{commit}:{names[0]}"], timeout_s=GIT_S, what="git").stdout.encode()


def commit_files(folder: Path, paths: Sequence[Path], message: str) -> None:
    """Commits files and nothing else of the repository. Raises ToolError when Git refuses."""
    git: list[str | Path] = ["git", "-C", folder]
    for start in range(0, len(paths), PATHS_AT_ONCE):
        run([*git, "add", "--", *paths[start : start + PATHS_AT_ONCE]], timeout_s=GIT_S, what="git add")
    names = "\0".join(str(path) for path in paths)
    pathspec = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    run([*git, "commit", "-q", "-m", message, "--only", *pathspec], timeout_s=GIT_S, stdin=names, what="git commit")


def commit_named(folder: Path, name: str) -> str:
    """The digits of a commit by any of Git's names. Raises UsageError."""
    try:
        if name.startswith("-"):
            raise ToolError("a name does not begin with -")
        git = ["git", "-C", str(_existing(folder)), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"]
        return run(git, timeout_s=GIT_S, what="git").stdout.strip()
    except ToolError:
        raise UsageError(
            f"{name[:100]}: Git knows no such commit here",
            hint="a commit by any of Git's names, . for the working tree, or two files",
        ) from None


def _existing(folder: Path) -> Path:
    return next(p for p in (folder, *folder.parents) if p.is_dir())


def _name(index: Path) -> str:
    """Of an index that is not in Git's own list: its path below the root of the repository."""
    root = next((p for p in index.resolve().parents if (p / ".git").exists()), index.resolve().parent)
    return index.resolve().relative_to(root).as_posix()
