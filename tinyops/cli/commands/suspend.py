"""`tinyops suspend`: a fleet stays as it is released, as an edit of its spec."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import repository_root
from tinyops.cli.edits import add_edit, finish
from tinyops.cli.output import Output
from tinyops.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_edit(parser)
    parser.add_argument("fleet", metavar="FLEET", help="the fleet that must not move")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it stands in the spec and in every plan")
    parser.add_argument("--author", metavar="NAME", help="who says so (default: Git's user.name)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.edits import author_of
    from tinyops.reconcile.verbs import suspend
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    author = arguments.author or author_of(world)
    if author is None:
        raise UsageError("nobody is named who suspends the fleet", hint="--author NAME, or `git config user.name NAME`")
    return finish(world, suspend(world, arguments.fleet, arguments.reason, author), arguments, output)
