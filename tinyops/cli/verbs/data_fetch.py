"""`tinyops data fetch`: brings the files that a dataset's index names."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from tinyops.datasets.index import IndexEntry
    from tinyops.datasets.objects import Place

SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--from", dest="mirror", metavar="DIR|URL", help="where they are (default: the source's url)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.cli.working import working
    from tinyops.datasets.editing import read_index
    from tinyops.datasets.mirrors import fetch_from, fetch_own
    from tinyops.datasets.objects import Folder
    from tinyops.datasets.places import open_objects, open_place
    from tinyops.reconcile.world import parse_cache
    from tinyops.specs.recorded import recorded_dataset

    root = repository_root(arguments)
    dataset = recorded_dataset(root, arguments.dataset, cache=parse_cache(root))
    entries = read_index(dataset.index)
    objects = open_objects(dataset.source, dataset.index, dataset.name)
    pointers = objects.pointers(entries)
    absent = objects.absent(entries)
    wanted = [*absent, *pointers]
    with working(output) as report:
        if arguments.mirror is not None:
            mirror = open_place(arguments.mirror, Path.cwd(), {})
            if isinstance(mirror, Folder) and not mirror.root.is_dir():
                raise UsageError(f"{arguments.mirror}: there is no such folder")
            found = fetch_from(mirror, wanted, objects, report)
        else:
            _refuse_pointers(objects.place, pointers)
            found = fetch_own(absent, objects, report)
    files = len({entry.sha256 for entry in entries})
    lines = [f"{dataset.name}: {found.files:,} files fetched, {found.bytes / 1e6:,.1f} MB; {files:,} in the index."]
    lines += [f"  missing: {entry.path}: {why}" for entry, why in found.missing[:SHOWN]]
    if len(found.missing) > SHOWN:
        lines.append(f"  … and {len(found.missing) - SHOWN:,} more are missing")
    missing = [{"path": entry.path, "sha256": entry.sha256, "why": why} for entry, why in found.missing]
    value = {"dataset": dataset.name, "files": files, "fetched": found.files, "bytes": found.bytes, "missing": missing}
    output.result(value, "\n".join(lines))
    return int(ExitCode.REMOTE if missing else ExitCode.OK)


def _refuse_pointers(place: Place, pointers: Sequence[IndexEntry]) -> None:
    from tinyops.datasets.lfs import pull_command
    from tinyops.datasets.objects import Folder
    from tinyops.errors import SpecError

    if pointers and isinstance(place, Folder):
        raise SpecError(
            f"{place.root}: {len(pointers):,} files are Git LFS pointers, their content is not here",
            hint=pull_command(place.root, everything=True),
        )
