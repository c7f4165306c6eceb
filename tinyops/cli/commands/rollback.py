"""`tinyops rollback`: a fleet goes back to the model of an earlier release, as an edit of its spec."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import repository_root
from tinyops.cli.edits import add_edit, finish
from tinyops.cli.output import Output
from tinyops.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_edit(parser)
    parser.add_argument("fleet", metavar="FLEET", help="the fleet that goes back")
    parser.add_argument("--to", metavar="TAG", help="the release, such as v3 (default: the last with another model)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.verbs import rollback
    from tinyops.reconcile.world import observe

    version = _version(arguments.to) if arguments.to else None
    world = observe(repository_root(arguments), lock_file=arguments.lock)
    return finish(world, rollback(world, arguments.fleet, version), arguments, output)


def _version(tag: str) -> int:
    number = tag.removeprefix("v")
    if not number.isascii() or not number.isdecimal() or not 0 < int(number) < 10**9:
        raise UsageError(f"--to {tag}: is no release's tag", hint="v3, for example; `tinyops history` lists them")
    return int(number)
