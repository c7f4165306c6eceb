"""`tinyops data card`: a dataset's card, as `tinyops render` writes it to generated/data/."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import add_repository, only_one, repository_root
from tinyops.cli.output import Output
from tinyops.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("dataset", metavar="DATASET", nargs="?", help="where there is more than one")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.documents import closest
    from tinyops.reconcile.rendering import card_of
    from tinyops.reconcile.world import load_world_catalog, parse_cache
    from tinyops.specs.loader import load_repository

    root = repository_root(arguments)
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    name = arguments.dataset or only_one(repository.datasets, "dataset")
    if name not in repository.datasets:
        raise UsageError(f"there is no dataset {name!r}"[:100], hint=closest(name, repository.datasets))
    card = card_of(repository, name)
    output.result({"dataset": name, "markdown": card}, card.rstrip("\n"))
    return 0
