"""`tinyops gc`: drop from the artifact store what neither specs nor releases need."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinyops.cli.arguments import add_lock, add_repository, repository_root
from tinyops.cli.output import Output, log
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from tinyops.store.garbage import Waste

KEEP_DAYS = 14
MOST_DAYS = 36_500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be dropped, and drop nothing")
    parser.add_argument(
        "--keep-days",
        type=_days,
        default=KEEP_DAYS,
        metavar="N",
        help=f"keep whatever is younger, needed or not (default: {KEEP_DAYS})",
    )
    parser.add_argument("--remote", action="store_true", help="collect the store behind artifacts.url, too")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.reconcile.garbage import collect
    from tinyops.reconcile.world import load_world_catalog, observe
    from tinyops.specs.loader import load_repository
    from tinyops.specs.store_rules import is_url

    root = repository_root(arguments)
    url = load_repository(root, catalog=load_world_catalog(root)).project.document.spec.artifacts.url
    if arguments.remote and not is_url(url):
        raise UsageError("--remote: artifacts.url is a folder", hint="without --remote that folder is collected")
    if arguments.remote and arguments.keep_days < 1:
        raise UsageError(
            "--remote: others may be using that store this very day", hint="--keep-days 1, or more, leaves them theirs"
        )
    dry_run, keep_days = arguments.dry_run, arguments.keep_days
    found = collect(
        lambda: observe(root, lock_file=arguments.lock),
        keep_days=keep_days,
        dry_run=dry_run,
        remote=arguments.remote,
        warn=_warn,
    )
    value = {"dry_run": dry_run, "keep_days": keep_days, "here": _value(found.here)}
    text = _text(output, "this machine", found.here, dry_run)
    if found.remote is not None:
        value["remote"] = _value(found.remote)
        text += "\n\n" + _text(output, url, found.remote, dry_run)
    output.result(value, text)
    return 0


def _warn(text: str) -> None:
    log(f"warning: {text}")


def _value(waste: Sequence[Waste]) -> dict[str, Any]:
    from tinyops.store.garbage import sums

    kinds = {kind: {"files": files, "bytes": size} for kind, (files, size) in sums(waste).items()}
    return {"files": len(waste), "bytes": sum(w.file.bytes for w in waste), "kinds": kinds}


def _text(output: Output, where: str, waste: Sequence[Waste], dry_run: bool) -> str:
    from tinyops.store.garbage import sums

    if not waste:
        return f"{where}: nothing to drop."
    rows = [(kind, f"{files:,}", f"{size:,}") for kind, (files, size) in sums(waste).items()]
    total = sum(w.file.bytes for w in waste)
    done = "would be dropped" if dry_run else "dropped"
    head = f"{where}: {len(waste):,} files, {total:,} bytes {done}."
    return "\n".join([head, "", output.table(("of", "files", "bytes"), rows)])


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 0 to {MOST_DAYS:,}")
    return int(text)
