"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import UsageError

if TYPE_CHECKING:
    from tinyops.build.runners import Runner

JOBS_LIMIT = 1024


def add_repository(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-C",
        "--repository",
        type=Path,
        metavar="DIR",
        help="the repository of specs (default: found upwards from here)",
    )


def add_lock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lock", type=Path, metavar="FILE", help="use this lock instead of specs/tinyops.lock.yaml (to try things out)"
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=up_to(JOBS_LIMIT), default=os.cpu_count() or 1, metavar="N", help="steps that run at once"
    )


def add_build(parser: argparse.ArgumentParser) -> None:
    add_jobs(parser)
    parser.add_argument(
        "--executor", choices=("local", "dask"), default="local", help="where steps run: here, or on a Dask cluster"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="with --executor dask: its scheduler, as tcp://HOST:8786 (default: N workers on this machine)",
    )
    parser.add_argument(
        "--replace", action="append", default=[], metavar="STEP", help="run this step again, for example train:activity"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="move this fleet and no other; model:NAME and dataset:NAME stand for the fleets that use them",
    )


def runner_of(arguments: argparse.Namespace) -> Runner:
    """Where steps run, as the command line says. Raises UsageError."""
    from tinyops.build.runners import open_runner

    if arguments.cluster is not None and arguments.executor != "dask":
        raise UsageError("--cluster names a Dask cluster", hint="add --executor dask")
    return open_runner(arguments.executor, jobs=arguments.jobs, cluster=arguments.cluster)


def up_to(most: int, of: str = "") -> Callable[[str], int]:
    """What reads a whole number from 1 to `most`; `of` says of what."""

    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number{of and f' of {of}'} from 1 to {most:,}")
        return int(text)

    return read


def only_one(names: Collection[str], what: str) -> str:
    """The name of the only one there is, where the command line names none. Raises UsageError."""
    if len(names) != 1:
        raise UsageError(f"which {what}? there are {len(names) or 'none'}", hint=", ".join(sorted(names)[:20]))
    return next(iter(names))


def repository_root(arguments: argparse.Namespace) -> Path:
    """The repository that was named, or the nearest folder upwards with specs/. Raises UsageError."""
    if arguments.repository is not None:
        root: Path = arguments.repository.resolve()
        if not (root / "specs").is_dir():
            raise UsageError(f"{arguments.repository}: has no specs folder", hint="`tinyops init DIR` makes one")
        return root
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "specs").is_dir():
            return folder
    raise UsageError(f"{here}: no specs folder here or above", hint="`tinyops init DIR` makes a repository that works")
