"""`tinyops lock`: pin what builds are made with and from."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of specs/tinyops.lock.yaml")
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 65 when specs or tinyops moved on, 70 when this machine's tools differ",
    )
    parser.add_argument(
        "--install",
        action="store_true",
        help="first let PlatformIO fetch the platforms of boards' makers that are missing here",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.documents import shown_path
    from tinyops.files import write_if_changed
    from tinyops.reconcile import makers
    from tinyops.reconcile.locking import compare, lock_of
    from tinyops.specs.lock import LOCK_FILE, dump_lock

    root = repository_root(arguments)
    found = makers.at_hand(root, output.note if arguments.install else None)
    lacking = makers.lacking(found)
    lock = lock_of(root, makers.pins(found))
    path = arguments.out or root / LOCK_FILE
    if arguments.check:
        compare(root, path, lock)
        output.result(
            {"current": True, "digest": lock.digest},
            f"{shown_path(path)}: agrees with specs, tinyops and this machine.",
        )
        return int(ExitCode.OK)
    changed = write_if_changed(path, dump_lock(lock))
    said = "written; review it like code and commit it" if changed else "no change"
    for board, why in lacking.items():
        output.note(f"{board}: its firmware will be rendered, not built: {why}")
    facts = {"changed": changed, "path": str(path), "digest": lock.digest, "rendered": lacking}
    output.result(facts, f"{shown_path(path)}: {said}.")
    return int(ExitCode.OK)
