"""Which commit may be released: the released one or what came after it, never what others made in between undone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from tinyops.errors import UnsafePlan
from tinyops.process import Completed, run
from tinyops.reconcile.safety import find_override, override_line
from tinyops.reconcile.world import World
from tinyops.specs.gates import LimitOverride
from tinyops.store import in_ci

GIT_TIMEOUT_S = 60.0
SHOWN_FILES = 5
_MORE_HISTORY = "check out with the whole history: `fetch-depth: 0` in a workflow, `git fetch --unshallow` by hand"


def check_descends(world: World, day: date, environment: Mapping[str, str] | None = None) -> tuple[LimitOverride, ...]:
    """The override that lifts the rule, where one is needed and there.

    Raises UnsafePlan where the commit that is checked out is neither the released one nor a descendant of it, where
    that cannot be told, and, with CI set, where files differ from their commit: what nobody reviewed.
    """
    released = world.manifest.commit if world.manifest else None
    in_git, strict = any((f / ".git").exists() for f in (world.root, *world.root.parents)), in_ci(environment)
    if in_git and (strict or released is not None):
        _check_readable(world.root)
    if in_git and strict:
        _check_clean(world.root)
    fault = _fault(world, released, in_git) if released is not None else None
    if fault is None:
        return ()
    override = find_override(world, day, "history")
    if override is None:
        raise fault
    return (override,)


def _fault(world: World, released: str, in_git: bool) -> UnsafePlan | None:
    root, tag = world.root, world.manifest.tag if world.manifest else ""
    said = f"{tag} was released from commit {released[:12]}"
    if not in_git:
        return UnsafePlan(f"{said}, and {root} is no Git checkout", hint="apply from a checkout of the branch")
    if _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode != 0:
        return UnsafePlan(f"{said}, and this branch has no commit yet", hint="apply from a checkout of the branch")
    head = _git(root, "rev-parse", "HEAD").stdout.strip()
    if head == released:
        return None
    shallow = _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"
    if _git(root, "cat-file", "-e", f"{released}^{{commit}}").returncode != 0:
        if shallow:
            return UnsafePlan(f"{said}, which this shallow clone does not reach back to", hint=_MORE_HISTORY)
        return UnsafePlan(
            f"{said}, which this checkout does not know: somebody released from a commit that is not here",
            hint=f"`git fetch` and apply the branch's tip{_or_override(world)}",
        )
    if _git(root, "merge-base", "--is-ancestor", released, head).returncode == 0:
        return None
    if shallow:
        return UnsafePlan(
            f"{said}; whether {head[:12]} came after it cannot be told in a shallow clone", hint=_MORE_HISTORY
        )
    return UnsafePlan(
        f"{said}, and {head[:12]} is neither that commit nor a descendant of it",
        hint="apply the tip of the branch; to go back, `git revert` or `tinyops rollback` make a new commit"
        f"{_or_override(world)}",
    )


def _or_override(world: World) -> str:
    line = override_line(world, "history")
    return f"; if history was rewritten and it is meant, the project's `overrides` need {line}"


def _check_readable(root: Path) -> None:
    """Git refuses checkouts of others, which a container's are."""
    asked = _git(root, "rev-parse", "--git-dir")
    if asked.returncode != 0:
        raise UnsafePlan(
            f"{root}: Git does not read this checkout: {asked.stderr.strip()[:200]}",
            hint=f"in a container: git config --global --add safe.directory {shlex.quote(str(root))}",
        )


def _check_clean(root: Path) -> None:
    """Files that Git tracks, and new ones among the specs, are as their commit has them."""
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
    if status.returncode != 0:
        raise UnsafePlan(f"{root}: Git does not say whether files are committed: {status.stderr.strip()[:200]}")
    prefix = _git(root, "rev-parse", "--show-prefix").stdout.strip()
    entries = [(line[:2], line[3:]) for line in status.stdout.split("\0") if line]
    changed = [path for how, path in entries if how != "??" or path.startswith(f"{prefix}specs/")]
    if changed:
        more = f" and {len(changed) - SHOWN_FILES} more" if len(changed) > SHOWN_FILES else ""
        raise UnsafePlan(
            f"CI is set, and {', '.join(changed[:SHOWN_FILES])}{more} differ from the commit: nobody reviewed that",
            hint="commit them, or let the job leave the checkout as it is",
        )


def _git(root: Path, *arguments: str) -> Completed:
    return run(["git", "-C", root, *arguments], timeout_s=GIT_TIMEOUT_S, check=False)
