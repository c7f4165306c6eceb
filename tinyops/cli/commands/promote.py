"""`tinyops promote`: what one fleet runs becomes the pin of another, as an edit of its spec."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import repository_root
from tinyops.cli.edits import add_edit, finish
from tinyops.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_edit(parser)
    parser.add_argument("source", metavar="FROM", help="the fleet whose released model goes on, such as wrist-staging")
    parser.add_argument("target", metavar="TO", help="the fleet that gets it, such as wrist-production")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.verbs import promote
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments), lock_file=arguments.lock)
    return finish(world, promote(world, arguments.source, arguments.target, clock()), arguments, output)
