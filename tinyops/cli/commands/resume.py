"""`tinyops resume`: a suspended fleet moves again, as an edit of its spec."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import repository_root
from tinyops.cli.edits import add_edit, finish
from tinyops.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_edit(parser)
    parser.add_argument("fleet", metavar="FLEET", help="the fleet that may move again")
    parser.add_argument("--unpin", action="store_true", help="take its pin away too: it follows its model's spec again")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.verbs import resume
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    return finish(world, resume(world, arguments.fleet, unpin=arguments.unpin), arguments, output)
