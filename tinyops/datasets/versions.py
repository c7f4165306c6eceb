"""An index at a commit: the commit is the version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.datasets.editing import read_index
from tinyops.datasets.index import IndexEntry, parse_index
from tinyops.datasets.objects import data_folder
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
    """Commits files and nothing else of the repository. Raises ToolError when Git refuses; the files stay."""
    if not any((above / ".git").exists() for above in (folder.resolve(), *folder.resolve().parents)):
        hint = "nothing is lost; `git init` begins one, the next --commit takes what is there"
        raise ToolError(f"{folder}: lies in no Git repository, so nothing was committed", hint=hint)
    try:
        _commit(folder, paths, message)
    except ToolError as error:
        hint = f"nothing is lost: {paths[0].name} and its files are there; mend that, the next --commit takes them, too"
        raise ToolError(error.message, hint=hint) from error


def _commit(folder: Path, paths: Sequence[Path], message: str) -> None:
    git: list[str | Path] = ["git", "-C", folder]
    for start in range(0, len(paths), PATHS_AT_ONCE):
        run([*git, "add", "--", *paths[start : start + PATHS_AT_ONCE]], timeout_s=GIT_S, what="git add")
    names = "\0".join(str(path) for path in paths)
    pathspec = ["--pathspec-from-file=-", "--pathspec-file-nul"]
    run([*git, "commit", "-q", "-m", message, "--only", *pathspec], timeout_s=GIT_S, stdin=names, what="git commit")


def left_behind(index: Path) -> list[Path]:
    """Files of the index's lines that Git does not have: those of earlier recordings that nobody committed."""
    folder = data_folder(index)
    if not folder.is_dir():
        return []
    others: list[str | Path] = ["git", "-C", folder, "ls-files", "--others", "--exclude-standard", "-z"]
    found = run(others, timeout_s=GIT_S, check=False, what="git").stdout  # what Git refuses here, the commit says
    named = {entry.path for entry in read_index(index)}
    return sorted(folder / name for name in found.split("\0") if name in named)


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
