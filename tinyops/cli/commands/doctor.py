"""`tinyops doctor`: what each step needs, what is here, what is missing."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tinyops.boards.model import Board
    from tinyops.doctor import Check
    from tinyops.specs.lock import Lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.doctor import checks, missing
    from tinyops.reconcile.makers import checks as platform_checks

    lock = _lock(arguments)
    locked = {**lock.python, **lock.compilers, **lock.emulators} if lock else {}
    found = checks(locked) + platform_checks(_catalog(arguments), list(lock.platforms) if lock else [])
    lacking = missing(found)
    rows = [(_mark(c), c.name, c.found or "-", c.wanted or "any", ", ".join(c.needed_for)) for c in found]
    text = [output.table(("", "what", "here", "wanted", "needed for"), rows), ""]
    text += [f"{c.name}: {c.advice}" for c in found if not c.ok]
    text.append("Everything that is needed is here." if not lacking else f"{len(lacking)} missing.")
    output.result({"ok": not lacking, "checks": [asdict(c) for c in found]}, "\n".join(text))
    return int(ExitCode.TOOL if lacking else ExitCode.OK)


def _mark(check: Check) -> str:
    if check.ok:
        return "ok"
    return "-" if check.optional else "MISSING"


def _lock(arguments: argparse.Namespace) -> Lock | None:
    """None outside a repository, for doctor also serves before the first."""
    from tinyops.specs.lock import LOCK_FILE, load_lock

    try:
        path: Path = arguments.lock or repository_root(arguments) / LOCK_FILE
    except UsageError:
        return None
    return load_lock(path) if path.exists() else None


def _catalog(arguments: argparse.Namespace) -> Mapping[str, Board]:
    """With the repository's own boards, where there is one."""
    from tinyops.boards import load_catalog
    from tinyops.reconcile.world import load_world_catalog

    try:
        return load_world_catalog(repository_root(arguments))
    except UsageError:
        return load_catalog()
