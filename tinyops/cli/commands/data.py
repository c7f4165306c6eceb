"""`tinyops data`: what datasets hold, and how that changes."""

from __future__ import annotations

import argparse

from tinyops.cli.output import Output
from tinyops.cli.verbs import add_verbs, run_verb

VERBS: dict[str, str] = {
    "add": "add files to a dataset: sound, images, tables, arrays, takes",
    "stats": "what a dataset holds, by class, subject and device",
    "check": "what is wrong with datasets, by their indexes or their files",
    "diff": "what changed in datasets between two commits",
    "card": "a page of what a dataset is, whence, how much, and what is wrong with it",
    "push": "put a dataset's files where others get them",
    "fetch": "bring the files that a dataset's index names",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_verbs(parser, "data", VERBS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    return run_verb("data", arguments, output)
