"""`tinyops data add`: files of others become recordings of a dataset."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.data_notes import note_added, note_unpushed
from tinyops.cli.output import Output
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from tinyops.datasets.importing import Wish
    from tinyops.datasets.intake import Intake, Shelf
    from tinyops.specs.model import RecordingsSource
    from tinyops.specs.recorded import Recorded

RULE = "folder, a pattern such as '*_{}.wav' whose {} is the name, or column:NAME"
SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="files, folders of files, and indexes, such as an inbox's"
    )
    label = parser.add_mutually_exclusive_group()
    label.add_argument("--label", default="", help="of all of them; without any they wait for one")
    label.add_argument("--label-from", metavar="RULE", help=f"where each label stands: {RULE}")
    subject = parser.add_mutually_exclusive_group()
    subject.add_argument("--subject", default="", help="who moved or spoke")
    subject.add_argument("--subject-from", metavar="RULE", help="the same, of each")
    parser.add_argument("--take-from", metavar="RULE", help="what was recorded at once and belongs on one side")
    parser.add_argument("--rename", action="append", default=[], metavar="OLD=NEW", help="a label that reads otherwise")
    parser.add_argument("--rate", type=float, metavar="HZ", help="frames a second, where files do not say")
    parser.add_argument("--columns", default="", metavar="CHANNEL=COLUMN,…", help="a table's names of the channels")
    parser.add_argument("--repair", action="store_true", help="keep the whole frames of truncated files")
    parser.add_argument("--in-place", action="store_true", help="leave the files where they are, and name their paths")
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")
    parser.add_argument("--skip-duplicates", action="store_true", help="leave out files that are copies of others")
    parser.add_argument("--commit", action="store_true", help="commit the index and the files, and nothing else")
    parser.add_argument("--dry-run", action="store_true", help="say what would be added, and add nothing")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.cli.working import working
    from tinyops.datasets.intake import Shelf, keep_all, refusal, take_in
    from tinyops.datasets.places import open_objects
    from tinyops.datasets.searching import find_files
    from tinyops.reconcile.world import parse_cache
    from tinyops.specs.recorded import recorded_dataset

    root = repository_root(arguments)
    dataset = recorded_dataset(root, arguments.dataset, cache=parse_cache(root))
    wish = _wish(arguments, dataset.source)
    files, passed = find_files(arguments.paths)
    objects = open_objects(dataset.source, dataset.index, dataset.name)
    shelf = Shelf(dataset.spec, dataset.index, objects)
    if arguments.in_place:
        shelf = _in_place(shelf, arguments.paths)
    with working(output) as report:
        intake = take_in(files, wish, shelf, report)
        error = refusal(intake, skip_bad=arguments.skip_bad, skip_duplicates=arguments.skip_duplicates)
        if error is not None:
            raise error
        if not arguments.dry_run:
            keep_all(intake, wish, shelf, report)
            if arguments.commit:
                _commit(dataset, intake, shelf)
    _say(arguments, output, intake, dataset.index, passed)
    if not intake.lines and not intake.known and not left_out_of(arguments, intake):
        output.note("  there is nothing in a format of datasets: wav, csv, npy, take, png, …")
    if not arguments.dry_run:
        note_unpushed(dataset, intake.entries, output.note)
        note_added(root, dataset, intake.entries, output.note)
    return 0


def _commit(dataset: Recorded, intake: Intake, shelf: Shelf) -> None:
    from tinyops.datasets.objects import Folder
    from tinyops.datasets.versions import commit_files, left_behind

    if not intake.lines:
        return
    place = shelf.objects.place
    beside = {place.root / e.path for e in intake.entries} if isinstance(place, Folder) else set()
    beside |= set(left_behind(dataset.index)) if beside else set()
    here = sorted(path for path in beside if path.is_relative_to(dataset.index.parent))
    labels = Counter(e.label or "no label" for e in intake.entries)
    counts = ", ".join(f"{number:,} {label}" for label, number in sorted(labels.items()))
    recordings, files = _counted(len(intake.entries), "recording"), _counted(len(intake.lines), "file")
    message = f"{dataset.name}: {recordings} of {files} ({counts})"
    commit_files(dataset.index.parent, [dataset.index, *here], message)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _wish(arguments: argparse.Namespace, source: RecordingsSource) -> Wish:
    from tinyops.datasets.importing import Wish
    from tinyops.datasets.naming import COLUMN, name_rule
    from tinyops.datasets.recording import leniency_of

    options = {"label": arguments.label_from, "subject": arguments.subject_from, "take": arguments.take_from}
    columns = {o: t.removeprefix(COLUMN) for o, t in options.items() if t and t.startswith(COLUMN)}
    if "take" in columns:
        raise UsageError("--take-from: a table is one take", hint="folder, or a pattern")
    rules = {o: name_rule(t, f"--{o}-from") for o, t in options.items() if t and o not in columns}
    if arguments.rate is not None and not 0 < arguments.rate < 1e9:
        raise UsageError(f"--rate {arguments.rate:g}: is no rate")
    return Wish(
        label=arguments.label,
        subject=arguments.subject,
        label_rule=rules.get("label"),
        subject_rule=rules.get("subject"),
        take_rule=rules.get("take"),
        label_column=columns.get("label", ""),
        subject_column=columns.get("subject", ""),
        renamed=_pairs(arguments.rename, "--rename"),
        rate_hz=arguments.rate,
        columns=_pairs([p for p in arguments.columns.split(",") if p], "--columns"),
        repair=arguments.repair,
        allowed=leniency_of(source),
    )


def _pairs(texts: list[str], option: str) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in texts]
    for text, (one, _, other) in zip(texts, pairs, strict=True):
        if not one or not other:
            raise UsageError(f"{option} {text[:60]!r}: reads NAME=NAME")
    return {one.strip(): other.strip() for one, _, other in pairs}


def _in_place(shelf: Shelf, paths: list[Path]) -> Shelf:
    """Paths are below the data's folder; of what lies behind a URL, below the one folder that stands for it."""
    from dataclasses import replace

    from tinyops.datasets.objects import Folder

    place = shelf.objects.place
    if isinstance(place, Folder):
        return replace(shelf, base=place.root)
    if len(paths) != 1 or not paths[0].is_dir():
        raise UsageError(
            "--in-place: the data lies behind a URL", hint="name one folder: what the URL's own folder has"
        )
    return replace(shelf, base=paths[0])


def left_out_of(arguments: argparse.Namespace, intake: Intake) -> list[str]:
    """What was asked to be left out, a sentence each."""
    return [*(intake.refused if arguments.skip_bad else ()), *intake.repeated]


def _say(arguments: argparse.Namespace, output: Output, intake: Intake, index: Path, passed: int) -> None:
    from tinyops.datasets.stats import seconds_text

    entries = intake.entries
    counts = Counter(e.label or "(no label)" for e in entries)
    left_out = left_out_of(arguments, intake)
    for line in [*intake.notes[:SHOWN], *left_out[:SHOWN]]:
        output.note(f"  {line}")
    seconds = sum(e.length / e.rate_hz for e in entries if e.rate_hz and e.length)
    done = "would be added" if arguments.dry_run else "added"
    text = [
        f"{_counted(len(entries), 'recording')} of {_counted(len(intake.lines), 'file')} {done} "
        f"to {os.path.relpath(index)}"
        + (f", {seconds_text(seconds)}" if seconds else "")
        + (f"; {_counted(len(intake.known), 'file')} already there" if intake.known else "")
        + (f"; {len(left_out):,} left out" if left_out else "")
        + (f"; {_counted(passed, 'file')} of no known format passed over" if passed else "")
        + "."
    ]
    if entries:
        rows = [(label, f"{count:,}") for label, count in sorted(counts.items())]
        text += ["", output.table(("label", "recordings"), rows)]
    value = {
        "index": str(index),
        "written": not arguments.dry_run,
        "added": [e.id for e in entries],
        "counts": dict(sorted(counts.items())),
        "known": [str(path) for path in intake.known],
        "left_out": left_out,
        "notes": intake.notes,
        "passed_over": passed,
    }
    output.result(value, "\n".join(text))
