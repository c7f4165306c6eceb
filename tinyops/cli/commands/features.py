"""`tinyops features`: recordings, what devices make of them, how training varies them; as a page or as text."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output

PER_CLASS_MAX = 50
VARIATIONS_MAX = 12
FOLDER = Path(".tinyops") / "features"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--model", metavar="NAME", help="whose features (default: the one model of the dataset)")
    parser.add_argument("--recording", metavar="ID", help="this recording alone, of either side")
    parser.add_argument("--per-class", type=int, default=2, metavar="N", help="recordings of each class (default: 2)")
    parser.add_argument("--variations", type=int, default=3, metavar="N", help="of each recording (default: 3)")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"gets NAME.html (default: {FOLDER})")
    parser.add_argument("--text", action="store_true", help="draw in this terminal instead of a page")
    add_repository(parser)
    add_lock(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.boards.loader import load_catalog
    from tinyops.files import write_atomic
    from tinyops.reconcile.previewing import previewed
    from tinyops.report.features_page import features_json, features_page, features_text
    from tinyops.specs.loader import load_repository
    from tinyops.specs.lock import LOCK_FILE, load_lock
    from tinyops.train.preview import Wanted

    root = repository_root(arguments)
    repository = load_repository(root, catalog=load_catalog())
    lock_file = arguments.lock or root / LOCK_FILE
    lock = load_lock(lock_file) if lock_file.exists() else None
    per_class = min(max(arguments.per_class, 1), PER_CLASS_MAX)
    wanted = Wanted(per_class, arguments.recording, min(max(arguments.variations, 0), VARIATIONS_MAX))
    preview, about = previewed(repository, arguments.dataset, arguments.model, wanted, lock, output.note)
    value = {"dataset": about.dataset, "model": about.model or None, **features_json(preview)}
    if arguments.text:
        output.result(value, features_text(preview))
        return 0
    page = (arguments.out or root / FOLDER) / f"{about.model or about.dataset}.html"
    write_atomic(page, features_page(preview, about).encode())
    output.result({**value, "file": str(page)}, f"Written: {page}")
    return 0
