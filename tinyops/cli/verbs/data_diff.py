"""`tinyops data diff`: what changed in datasets between two commits, or two indexes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from tinyops.datasets.difference import Difference
    from tinyops.datasets.index import IndexEntry
    from tinyops.specs.recorded import Recorded

SHOWN = 20
COLUMNS = ("before", "after", "added", "removed", "moved_in", "moved_out")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("old", metavar="A", nargs="?", default="HEAD", help="a commit, or an index (default: HEAD)")
    parser.add_argument("new", metavar="B", nargs="?", default=".", help="the same (default: . for the working tree)")
    parser.add_argument("--dataset", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--all", action="store_true", help="list every recording")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when something differs")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.datasets.difference import difference, tally

    value, texts, differ = {}, [], False
    for name, recorded, old, new in _versions(arguments):
        found = difference(old, new, recorded.spec if recorded else None)
        differ = differ or not found.empty
        tallies = {field: tally(found, old, new, field) for field in ("label", "subject")}
        value[name] = {**found.to_json(), "before": len(old), "after": len(new), **tallies}
        head = f"{name}: {len(old):,} → {len(new):,} recordings: {found.summary() or 'the same'}."
        tables = [_table(output, field, rows) for field, rows in tallies.items() if not found.empty]
        texts.append("\n\n".join([head, *filter(None, tables), *_listed(found, arguments.all)]))
    output.result({"old": arguments.old, "new": arguments.new, "datasets": value}, "\n\n".join(texts))
    return int(ExitCode.CHANGES if differ and arguments.detailed_exitcode else ExitCode.OK)


def _versions(
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, Recorded | None, Sequence[IndexEntry], Sequence[IndexEntry]]]:
    """The datasets to compare, with both versions of their indexes."""
    from tinyops.datasets.editing import read_index
    from tinyops.datasets.versions import index_at
    from tinyops.reconcile.world import parse_cache
    from tinyops.specs.recorded import recorded_dataset, recorded_names

    files = [Path(arguments.old), Path(arguments.new)]
    if all(path.is_file() for path in files):
        yield files[1].name, None, read_index(files[0]), read_index(files[1])
        return
    root = repository_root(arguments)
    cache = parse_cache(root)
    names = arguments.dataset or recorded_names(root, cache=cache)
    if not names:
        raise UsageError("no dataset here has one source of kind recordings", hint="or name two index files")
    for name in names:
        recorded = recorded_dataset(root, name, cache=cache)
        yield name, recorded, index_at(recorded.index, arguments.old), index_at(recorded.index, arguments.new)


def _table(output: Output, field: str, rows: Sequence[dict[str, object]]) -> str:
    """The lines in which something moved."""
    moved = [row for row in rows if any(row[column] for column in COLUMNS[2:])]
    if not moved:
        return ""
    headers = ("class" if field == "label" else field, *(column.replace("_", " ") for column in COLUMNS))
    return output.table(headers, [(str(row["name"]), *(f"{row[c]:,}" for c in COLUMNS)) for row in moved])


def _listed(found: Difference, whole: bool) -> list[str]:
    lines = [
        *(f"  + {e.id}  {e.label}" for e in found.added),
        *(f"  - {e.id}  {e.label}" for e in found.removed),
        *(f"  ~ {c.id}  {c.field} {c.old or '(none)'} → {c.new or '(none)'}" for c in found.changed),
        *(f"  ~ {c.id}  {c.old} → {c.new}" for c in found.resplit),
    ]
    if len(lines) > SHOWN and not whole:
        lines = [*lines[:SHOWN], f"  … and {len(lines) - SHOWN:,} more; --all lists them"]
    return ["\n".join(lines)] if lines else []
