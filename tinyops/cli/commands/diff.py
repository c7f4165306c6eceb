"""`tinyops diff`: what differs between two releases, two commits, or one of each."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import ExitCode
from tinyops.plan import Action
from tinyops.plan.render import changes_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument(
        "old", metavar="A", help="a release (v3), a commit by any of Git's names, or . for the working tree"
    )
    parser.add_argument("new", metavar="B", nargs="?", default=".", help="the same (default: the working tree)")
    parser.add_argument("--all", action="store_true", help="list what is the same, too")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when something differs")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from dataclasses import asdict

    from tinyops.reconcile.comparing import compare

    changes = compare(repository_root(arguments), arguments.old, arguments.new)
    differ = sum(change.action is not Action.KEEP for change in changes)
    head = f"{arguments.old} → {arguments.new}: {differ:,} of {len(changes):,} steps and fleets differ."
    text = "\n\n".join(part for part in (changes_text(changes, verbose=arguments.all), head) if part)
    value = {"old": arguments.old, "new": arguments.new, "changes": [asdict(change) for change in changes]}
    output.result(value, text)
    return int(ExitCode.CHANGES if differ and arguments.detailed_exitcode else ExitCode.OK)
