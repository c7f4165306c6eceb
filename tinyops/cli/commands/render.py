"""`tinyops render`: write generated/, or check that it is what would be written."""

from __future__ import annotations

import argparse

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import SpecError
from tinyops.files import write_if_changed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 65 when something would change")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.rendering import GENERATED, rendered, stale

    root = repository_root(arguments)
    files = rendered(root)
    old, surplus = stale(root, files)
    if arguments.check:
        if names := sorted([*old, *surplus]):
            raise SpecError(
                "\n".join(f"{GENERATED}/{name}: is not what `tinyops render` writes" for name in names),
                hint="run `tinyops render` and commit the result; generated files are never edited by hand",
            )
    else:
        for name in old:
            write_if_changed(root / GENERATED / name, files[name])
        for name in surplus:
            (root / GENERATED / name).unlink()
    text = f"{GENERATED}/: {len(files)} files, {len(old)} written, {len(surplus)} removed."
    output.result({"files": sorted(files), "written": sorted(old), "removed": sorted(surplus)}, text)
    return 0
