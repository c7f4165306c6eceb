"""`tinyops history`: releases with their commit, plan and what was overridden, newest first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output

if TYPE_CHECKING:
    from tinyops.reconcile.history import Entry

HEADERS = ("release", "created", "commit", "by", "plan", "fleets that moved")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="releases to list (default: 20)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from dataclasses import asdict

    from tinyops.reconcile.history import history

    entries = [*history(repository_root(arguments), max(arguments.limit, 1))]
    if not entries:
        output.result({"releases": []}, "Nothing released yet. `tinyops apply` makes the first release.")
        return 0
    lines = [output.table(HEADERS, [_row(entry) for entry in entries])]
    lines += [line for entry in entries for line in _notes(entry)]
    output.result({"releases": [asdict(entry) for entry in entries]}, "\n".join(lines))
    return 0


def _row(entry: Entry) -> tuple[str, ...]:
    commit, plan = (entry.commit or "-")[:12], entry.plan.removeprefix("sha256:")[:12]
    return (entry.tag, entry.created, commit, entry.author or "-", plan, ", ".join(entry.moved) or "-")


def _notes(entry: Entry) -> list[str]:
    lines = [f"{entry.tag}: {o.fleet} moved without {o.gate}, by {o.author}: {o.reason}" for o in entry.overridden]
    return lines + [f"{entry.tag}: {held}" for held in entry.held]
