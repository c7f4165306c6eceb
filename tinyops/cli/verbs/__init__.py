"""Commands with verbs: each is a module here, `<command>_<verb>.py`, with `add_arguments` and `run` as a command has.

Only verbs that exist as modules are listed; only the chosen one's heavy imports happen, in its `run`.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping

from tinyops.cli.output import Output


def add_verbs(parser: argparse.ArgumentParser, command: str, verbs: Mapping[str, str]) -> None:
    """Gives a command its verbs: what each does, by its name."""
    chosen = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in verbs.items():
        sub = chosen.add_parser(verb, help=text, description=f"{text[0].upper()}{text[1:]}.")
        sub.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        importlib.import_module(f"tinyops.cli.verbs.{command}_{verb}").add_arguments(sub)


def run_verb(command: str, arguments: argparse.Namespace, output: Output) -> int:
    """Runs the verb that was chosen."""
    return int(importlib.import_module(f"tinyops.cli.verbs.{command}_{arguments.verb}").run(arguments, output))
