"""Carrying an edit of a spec out: checked before it stays, undone when it breaks something, committed when asked."""

from __future__ import annotations

from tinyops.errors import TinyopsError, ToolError
from tinyops.files import write_atomic
from tinyops.process import run
from tinyops.reconcile.verbs import Edit
from tinyops.reconcile.world import World, load_world_catalog
from tinyops.specs.loader import load_repository

GIT_S = 30


def carry_out(world: World, edit: Edit, *, commit: bool) -> None:
    """Writes the file, checks every spec with it, and commits it alone. Undone when a spec is wrong then.

    Raises SpecError, and ToolError when Git refuses or the file had changes of its own before.
    """
    if commit:
        _check_clean(world, edit)
    mode = edit.path.stat().st_mode & 0o777
    write_atomic(edit.path, edit.after.encode(), mode=mode)
    try:
        load_repository(world.root, catalog=load_world_catalog(world.root))
        if commit:
            message = ["-m", edit.summary]
            run(
                ["git", "-C", world.root, "commit", "-q", *message, "--", edit.path], timeout_s=GIT_S, what="git commit"
            )
    except TinyopsError:
        write_atomic(edit.path, edit.before.encode(), mode=mode)
        raise


def author_of(world: World) -> str | None:
    """Who Git says is at work here; None where it does not know."""
    try:
        return run(["git", "-C", world.root, "config", "user.name"], timeout_s=GIT_S).stdout.strip() or None
    except ToolError:
        return None


def _check_clean(world: World, edit: Edit) -> None:
    status = run(
        ["git", "-C", world.root, "status", "--porcelain", "--", edit.path], timeout_s=GIT_S, what="git status"
    )
    if status.stdout.strip():
        raise ToolError(
            f"{edit.path}: has changes that are not committed", hint="commit them first, or leave --commit out"
        )
