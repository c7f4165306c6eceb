"""`tinyops validate`: every error of every spec, at once."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.cut_faults import check_cuts
    from tinyops.reconcile.data_findings import judge_indexes
    from tinyops.reconcile.world import load_world_catalog, parse_cache
    from tinyops.specs.loader import load_repository

    root = repository_root(arguments)
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    check_cuts(repository)
    judge_indexes(repository, {}, parse_cache(root))  # an index that cannot be read is as wrong as a spec
    counts = {kind: len(getattr(repository, kind)) for kind in ("datasets", "models", "fleets")}
    text = ", ".join(f"{n} {kind if n != 1 else kind[:-1]}" for kind, n in counts.items())
    output.result({"valid": True, **counts, "digest": repository.digest}, f"All specs are valid: {text}.")
    return 0
