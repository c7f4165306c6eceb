"""`tinyops data stats`: what a dataset's indexes hold, by class, subject and device."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, only_one, repository_root
from tinyops.cli.output import Output

if TYPE_CHECKING:
    from tinyops.datasets.stats import GroupStats

SHOWN = 30
HEADERS = ("recordings", "length", "rate Hz", "lost", "clipped")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("dataset", metavar="DATASET", nargs="?", help="where there is more than one")
    parser.add_argument("--all", action="store_true", help="list every subject and device")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.datasets.editing import read_index
    from tinyops.datasets.stats import all_stats, group_stats
    from tinyops.reconcile.world import parse_cache
    from tinyops.specs.recorded import recorded_dataset, recorded_names

    root = repository_root(arguments)
    cache = parse_cache(root)
    name = arguments.dataset or only_one(recorded_names(root, cache=cache), "dataset with a source of recordings")
    dataset = recorded_dataset(root, name, cache=cache)
    signal = dataset.spec.signal
    entries = read_index(dataset.index)
    total = group_stats("all", entries, signal.rate_hz)
    groups = all_stats(entries, signal.rate_hz)
    value = {
        "dataset": dataset.name,
        "index": dataset.index.relative_to(root).as_posix(),
        "all": total.to_json(signal.channels),
        **{field: [g.to_json(signal.channels) for g in found] for field, found in groups.items()},
    }
    most = max(len(entries), 1) if arguments.all else SHOWN
    tables = [_table(output, "class" if f == "label" else f, found, most) for f, found in groups.items()]
    values = [(n, *_figures(c), u) for n, c, u in zip(signal.channels, total.channels, signal.units, strict=False)]
    if values:
        tables.append(output.table(("channel", "low", "high", "mean", "spread", "unit"), values))
    head = f"{dataset.name}: {total.recordings:,} recordings of {total.files:,} files, {total.bytes / 1e6:,.1f} MB."
    output.result(value, "\n\n".join([head, *(tables if entries else ())]))
    return 0


def _table(output: Output, what: str, groups: list[GroupStats], most: int) -> str:
    from tinyops.datasets.stats import rates_text, seconds_text

    rows = [
        (
            g.name,
            f"{g.recordings:,}",
            seconds_text(g.seconds) if g.seconds else "-",
            rates_text(g.rates),
            f"{g.lost:,}",
            f"{g.clipped:,}",
        )
        for g in groups[:most]
    ]
    more = f"\n… and {len(groups) - most:,} more; --all lists them" if len(groups) > most else ""
    return output.table((what, *HEADERS), rows) + more


def _figures(channel: object) -> tuple[str, ...]:
    return tuple(f"{getattr(channel, name):.6g}" for name in ("low", "high", "mean", "spread"))
