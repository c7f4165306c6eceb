"""`tinyops collect push`: files of this machine to a receiver, `tinyops collect serve`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.output import Output
from tinyops.cli.receiver_access import add_receiver, open_receiver
from tinyops.errors import UsageError
from tinyops.files import read_bounded

if TYPE_CHECKING:
    from tinyops.collect.wire import Opening


@dataclass(frozen=True)
class _Pushed:
    """A file and what the receiver is told of it."""

    path: Path
    opening: Opening


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="takes, WAV, CSV, … ")
    add("--index", type=Path, metavar="FILE", help="all recordings of this index, with their labels, in place of FILE")
    add_receiver(parser, "--to", required=True)
    add("--dataset", required=True, metavar="NAME", help="the receiver's dataset")
    add("--device", default="", metavar="NAME", help="whose recordings they are (default: as the index says)")
    add("--label", default="", help="of all of them; without any they wait for one")
    add("--subject", default="", metavar="NAME", help="who moved, or spoke")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.collect.pushing import push_file
    from tinyops.collect.wire import TAKE_LIMIT_BYTES

    if bool(arguments.files) == (arguments.index is not None):
        raise UsageError("either FILE … or --index says what is pushed")
    receiver = open_receiver(arguments, arguments.to, output.note)
    pushed = []
    try:
        for one in _of_index(arguments) if arguments.index is not None else _of_files(arguments):
            receipt = push_file(receiver, read_bounded(one.path, TAKE_LIMIT_BYTES), one.opening)
            pushed.append({"file": str(one.path), "sha256": receipt.sha256})
            output.note(f"{one.path}: is there")
    finally:
        receiver.close()
    output.result({"pushed": pushed}, f"{len(pushed):,} recordings are at {arguments.to}")
    return 0


def _of_files(arguments: argparse.Namespace) -> Iterator[_Pushed]:
    from tinyops.collect.pushing import file_opening
    from tinyops.datasets.index import format_of

    if not arguments.device:
        raise UsageError("--device says whose recordings they are")
    facts = {name: getattr(arguments, name) for name in ("dataset", "device", "label", "subject")}
    for path in arguments.files:
        ending = format_of(path.name)
        yield _Pushed(path, file_opening({**facts, "encoding": "file", "ending": ending}, str(path)))


def _of_index(arguments: argparse.Namespace) -> Iterator[_Pushed]:
    """Each file once, with what its line says."""
    from tinyops.collect.pushing import openings
    from tinyops.datasets.editing import read_index
    from tinyops.datasets.objects import data_folder

    if arguments.label or arguments.subject:
        raise UsageError("--index says labels and subjects", hint="leave --label and --subject out")
    entries = read_index(arguments.index)
    for path, opening in openings(entries, arguments.dataset, arguments.device).items():
        yield _Pushed(data_folder(arguments.index) / path, opening)
