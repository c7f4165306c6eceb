"""`tinyops collect`: recordings from sensors. `collect DATASET` is short for `collect record DATASET`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tinyops.cli.output import Output
from tinyops.cli.verbs import add_verbs, run_verb

# record: from one device; serve: from many at once; firmware: for a board that has none yet
VERBS: dict[str, str] = {
    "firmware": "a program for a board that sends what its sensor measures",
    "record": "record from one device: by a line, the network, a radio, or this machine's own microphone or camera",
    "serve": "take in recordings that many devices push at once",
    "push": "bring recordings of this machine to a receiver, over lines that break",
}


def complete(argv: Sequence[str]) -> list[str]:
    """The words of a command line with the verb that was left out."""
    words = list(argv)
    after = words.index("collect") + 1
    verb = next((word for word in words[after:] if not word.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        words.insert(after, "record")
    return words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_verbs(parser, "collect", VERBS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    return run_verb("collect", arguments, output)
