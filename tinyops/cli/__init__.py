"""The command line: arguments, exit codes, output. No logic.

Each command is a module below `commands` with `add_arguments(parser)` and `run(arguments, output)`;
only the chosen one is imported, so that starting stays cheap.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
from collections.abc import Sequence
from typing import Any, NoReturn

from tinyops import __version__
from tinyops.cli.output import Output
from tinyops.errors import ExitCode, TinyopsError, ToolError, UsageError

# name: what it does, in the order in which a user meets them
COMMANDS = {
    "init": "make a repository of specs that works at once",
    "doctor": "list what each step needs and what is missing here",
    "boards": "list the boards that fleets may name, or show one in full",
    "validate": "check every spec and report all errors together",
    "lock": "pin compilers, packages, boards and data in specs/tinyops.lock.yaml",
    "render": "write generated/: firmware projects, JSON Schema",
    "collect": "record from sensors: one device at a time, or from many that push",
    "data": "what datasets hold: add recordings, check, compare, describe, fetch",
    "label": "label a dataset's recordings on a page of this machine: seen, heard, with the model's suggestions",
    "features": "show recordings, the rows that devices make of them, and how training varies them",
    "plan": "show what would change and why, without building",
    "apply": "build what changed, prove it in twins, publish one signed release",
    "diff": "compare two releases, commits or the working tree",
    "promote": "pin a fleet to the model that another one runs",
    "rollback": "pin a fleet to the model of an earlier release",
    "suspend": "make a fleet stay as it is released",
    "resume": "let a suspended fleet move again",
    "rollout": "let new content reach devices in waves: the next step, where it stands, hold, resume, halt",
    "drift": "compare what devices report with what is released",
    "fleet": "show where fleets and devices stand: waves, health, who needs a person; as text, JSON or a page",
    "history": "list releases: who made them, from which commit and plan, what was overridden",
    "ci": "what workflows run: the pull request's comment, a matrix of builds, what jobs hand on, the issue of drift",
    "approve": "sign a plan that moves protected fleets",
    "show": "show the last release: every model on every board",
    "squeeze": "show which variant of its model each board has, what the others cost, and why they lost",
    "compile": "compile a .tflite to a small C library",
    "bench": "measure a .tflite on a board's twin, against tflite-micro",
    "inspect": "show a .tflite: its graph, live ranges and memory plan",
    "identify": "list what is connected and what it can do",
    "flash": "bring firmware onto a board over its cable, and check that it runs",
    "update": "bring new firmware or models onto devices that run, over their line, network or radio",
    "enrol": "give a device its identity, its keys and its network",
    "crash": "map a device's last fault to a line of source",
    "twin": "boot a virtual board: a console, and a serial port that other programs open",
    "bridge": "join two streams byte for byte: serial lines, TCP, UDP, WebSockets, Bluetooth Low Energy",
    "agent": "poll a release store and keep this device's model up to date",
    "receive": "take in signed reports over the web, and keep the newest of each device",
    "keys": "make and list signing keys",
    "trust": "who may offer releases to gateways and Linux devices: keys, signatures, metadata",
    "gc": "drop from the artifact store what neither specs nor releases need",
}

# What tinyops itself needs not, and whose absence no command names itself: an extra that brings it.
EXTRAS_OF = {"numpy": "data", "ai_edge_litert": "build", "tensorflow": "train", "serial": "serial", "elftools": "build"}


class _Parser(argparse.ArgumentParser):
    """Raises UsageError instead of exiting with argparse's own status. Options are never abbreviated."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        if "argument COMMAND: invalid choice: " in message:
            word = message.partition("invalid choice: ")[2].partition(" (choose")[0].strip("'\"")
            near = difflib.get_close_matches(word, COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else "`tinyops --help` lists them; options stand behind a command"
            raise UsageError(f"no command {word!r}", hint=hint)
        raise UsageError(message, hint=f"`{self.prog} --help` shows what it takes")


def main(argv: Sequence[str]) -> int:
    """Runs one command and returns its exit status."""
    output = Output(json="--json" in argv)
    try:
        return _run(argv, output)
    except TinyopsError as error:
        output.error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        output.note("interrupted; finished steps are kept")
        return int(ExitCode.INTERRUPTED)
    except ModuleNotFoundError as error:
        extra = EXTRAS_OF.get((error.name or "").partition(".")[0])
        if extra is None:
            output.defect(error)
            return int(ExitCode.UNFORESEEN)
        output.error(ToolError(f"this needs {error.name}", hint=f"pip install 'tinyops[{extra}]'"))
        return int(ExitCode.TOOL)
    except Exception as error:  # whatever was foreseen is a TinyopsError by now
        output.defect(error)
        return int(ExitCode.UNFORESEEN)


def _run(argv: Sequence[str], output: Output) -> int:
    name = next((a for a in argv if not a.startswith("-")), None)
    parser = _Parser(prog="tinyops", description="A Git repository of YAML specs is the whole truth about a fleet.")
    parser.add_argument("--version", action="version", version=f"tinyops {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for command, text in COMMANDS.items():
        sub = commands.add_parser(command, help=text, description=text[0].upper() + text[1:] + ".")
        sub.add_argument("--json", action="store_true", help="print JSON instead of text")
        if command == name:
            module = importlib.import_module(f"tinyops.cli.commands.{command}")
            module.add_arguments(sub)
            argv = module.complete(argv) if hasattr(module, "complete") else argv
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        raise UsageError("no command given", hint="`tinyops --help` lists the commands")
    return int(module.run(arguments, output))
