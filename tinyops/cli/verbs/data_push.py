"""`tinyops data push`: puts the files of a dataset where others get them."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("url", metavar="URL", nargs="?", help="a URL that fsspec knows (default: the source's url)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.cli.working import working
    from tinyops.datasets.editing import read_index
    from tinyops.datasets.mirrors import push_folder, push_to
    from tinyops.datasets.places import LIMITS, WEB, folder_of, open_files, open_objects, options_of
    from tinyops.reconcile.world import parse_cache
    from tinyops.remote.files import Patience
    from tinyops.specs.recorded import recorded_dataset

    root = repository_root(arguments)
    dataset = recorded_dataset(root, arguments.dataset, cache=parse_cache(root))
    own = arguments.url is None
    url = dataset.source.url if own else arguments.url
    if url is None:
        raise UsageError(f"{dataset.name}: its source names no url", hint=f"tinyops data push {dataset.name} URL")
    if url.partition(":")[0] in WEB:
        raise UsageError(f"{url}: a web server takes no files", hint="push to the storage that it serves")
    entries = read_index(dataset.index)
    objects = open_objects(dataset.source, dataset.index, dataset.name)
    folder = folder_of(url, dataset.index.parent if own else Path.cwd())
    with working(output) as report:
        if folder is not None:
            pushed = push_folder(folder, entries, objects, report)
        else:
            options = options_of(dataset.source, dataset.index) if own else {}  # a secret goes nowhere else
            patience = Patience(LIMITS, list(options.values()))
            pushed = push_to(open_files(url, options), patience, entries, objects, report)
    files, size = len({entry.path for entry in entries}), sum(entry.bytes or 0 for entry in pushed)
    text = f"{dataset.name}: {len(pushed):,} of {files:,} files uploaded to {url}, {size / 1e6:,.1f} MB."
    if not own and dataset.source.url is None:
        text += f"\n`url: {url}` in the dataset's source lets every machine fetch them."
    output.result({"dataset": dataset.name, "url": url, "files": files, "pushed": len(pushed), "bytes": size}, text)
    return 0
