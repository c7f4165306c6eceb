"""The pages below docs/reference, from the models, the catalogue and the parsers: pure functions that return text."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from tinyops.boards.model import Board, SensorFacts
from tinyops.errors import ExitCode
from tinyops.report.boards import acts, firmware_proof, guarantees, inputs, model_proof, slot_map, twin_text
from tinyops.report.fields import cell, one_line, reachable, section
from tinyops.specs.model import KINDS
from tinyops.specs.not_yet import NOT_YET
from tinyops.specs.schema import schemas

WRITTEN = "<!-- Written by `python -m tinyops.cli.reference`, never by hand. -->"
_MEANINGS = {
    ExitCode.OK: "done, or nothing to do",
    ExitCode.UNFORESEEN: "a defect of tinyops",
    ExitCode.CHANGES: "there are changes (only with `--detailed-exitcode`)",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.SPEC: "a spec, a board file, the lock or data is wrong",
    ExitCode.DOES_NOT_FIT: "an image is larger than its slot, or an arena than the board's",
    ExitCode.GATE: "a model is not as good as its spec demands",
    ExitCode.UNSAFE: "the plan is stale, or does more harm than its limits allow",
    ExitCode.REMOTE: "a store or a server failed, or what it sent cannot be trusted",
    ExitCode.TOOL: "a compiler, an emulator or the machine failed or is missing",
    ExitCode.LEASED: "another apply runs",
    ExitCode.INTERRUPTED: "Ctrl-C; finished steps are kept",
}


def specs_page() -> str:
    """Every kind of spec, with the models that its fields lead to below it; each model once."""
    definitions = schemas()["spec.json"]["$defs"]
    lines = [
        "# Specs",
        "",
        WRITTEN,
        "",
        "Files are `specs/*.yaml`, one or more documents each. A field that is not listed here is refused. Paths are",
        "relative to the file that names them. `generated/schema/spec.json` says the same to editors.",
        "",
    ]
    seen: set[str] = set()
    for kind in KINDS:
        lines += [f"## {kind}", ""]
        names = [name for name in reachable(kind, definitions) if name not in seen and name != kind]
        for name in names:
            lines += section(name, definitions[name])
        seen |= {kind, *names}
    lines += [*_not_yet()]
    return _text(lines)


def _not_yet() -> Iterator[str]:
    yield from ("## Not in this version", "", "Known to the format, refused with this sentence:", "")
    yield from ("| where | field or value | refused because |", "|---|---|---|")
    for (where, name), sentence in NOT_YET.items():
        yield f"| {where} | `{name}` | {cell(sentence)} |"


def boards_page(catalog: Mapping[str, Board]) -> str:
    """The catalogue: what each board is, what its twin leaves unproven, and the fields of a board file."""
    lines = [
        "# Boards",
        "",
        WRITTEN,
        "",
        "Flash and RAM in bytes. A repository adds or extends boards in `specs/boards/`: [how](../my-board.md).",
        "`tinyops boards` prints this table, `tinyops boards NAME` one board in full.",
        "",
        "| name | board | core | flash | RAM | arena | twin | ran on silicon |",
        "|---|---|---|---|---|---|---|---|",
        *(_summary(board) for board in catalog.values()),
        "",
        *_proof_and_updates(catalog),
        *_flash_rules(catalog),
    ]
    for board in catalog.values():
        lines += _board(board)
    definitions = schemas()["board.json"]["$defs"]
    lines += ["## Fields of a board file", ""]
    for name in reachable("BoardSpec", definitions):
        lines += section(name, definitions[name])
    return _text(lines)


def _proof_and_updates(catalog: Mapping[str, Board]) -> Iterator[str]:
    """What the best proof is, and what an update guarantees; says first what was never run."""
    never = [f"`{name}`" for name, board in catalog.items() if not board.spec.silicon.run]
    yield from (
        "## Proof and updates",
        "",
        f"**Never run on silicon: {', '.join(never) or 'none'}.**",
        "For these, proof ends at the twin: [levels](../proof.md).",
        "Guarantees are those of the board's way to be updated: goes back by itself (reverts), loss of power at any",
        "moment leaves something that runs (power-safe), refuses what is older (no rollback).",
        "",
        "| board | proof of a model | of the firmware | update | guarantees | who polls | reached by |",
        "|---|---|---|---|---|---|---|",
    )
    for name, board in catalog.items():
        spec = board.spec
        proof = f"{model_proof(spec)} | {firmware_proof(spec)}"
        update = f"{spec.update.kind} | {guarantees(spec.update)}"
        yield f"| `{name}` | {proof} | {update} | {spec.polls} | {', '.join(spec.transports)} |"
    yield ""


def _flash_rules(catalog: Mapping[str, Board]) -> Iterator[str]:
    yield from (
        "## Flash",
        "",
        "Bytes; a unit may be programmed so many times between two erases; what the core does while flash is written.",
        "",
        "| board | flash | at | size | erased by | programmed by | times | meanwhile | erase ms |",
        "|---|---|---|---|---|---|---|---|---|",
    )
    for name, board in catalog.items():
        for f in board.spec.memory.flash if board.spec.memory else ():
            times = "1" if f.reprogram == "never" else f.reprogram
            sizes = f"{f.origin:#x} | {f.bytes:,} | {f.erase_bytes:,} | {f.program_bytes:,}"
            yield f"| `{name}` | {f.name} | {sizes} | {times} | {f.during_write} | {f.erase_ms:g} |"
    yield ""


def _summary(board: Board) -> str:
    spec = board.spec
    memory, layout = spec.memory, spec.layout
    flash, ram = (f"{memory.flash_bytes:,}", f"{memory.ram.bytes:,}") if memory else ("-", "-")
    arena = f"{layout.arena_bytes:,}" if layout else "-"
    silicon = "yes" if spec.silicon.run else "**never**"
    name = f"[{board.name}](#{board.name})"
    return f"| {name} | {spec.title} | {spec.cpu} | {flash} | {ram} | {arena} | {twin_text(spec)} | {silicon} |"


def _board(board: Board) -> Iterator[str]:
    spec = board.spec
    update = spec.update
    clock = f" at {spec.clock_hz / 1e6:g} MHz" if spec.memory else ""
    based = f" Extends `{board.extends}`." if board.extends else ""
    yield from (f"## {board.name}", "", f"{spec.title}: {spec.mcu}, {spec.cpu}{clock}.{based}", "")
    yield f"- Twin: {twin_text(spec)}. Not covered: {', '.join(spec.twin.not_covered) or 'nothing'}."
    yield f"- On silicon: {'run' if spec.silicon.run else 'never run'}. {_sentence(spec.silicon.note)}"
    if spec.silicon.unsourced:
        yield f"- **Without a source: {', '.join(spec.silicon.unsourced)}.**"
    yield (
        f"- Update: {update.kind}; reverts: {_word(update.revert)}, "
        f"survives loss of power: {_word(update.power_safe)}, refuses rollback: {_word(update.anti_rollback)}. "
        f"Who polls: {spec.polls}, over {', '.join(spec.transports)}."
    )
    if spec.usb:
        ids = ", ".join(f"`{usb.vid:04x}:{usb.pid:04x}` {usb.mode}" for usb in spec.usb)
        yield f"- USB: {ids}."
    own = {sensor.name for sensor in spec.sensors}
    yield f"- Input: {', '.join(f'`{name}`' if name in own else name for name in inputs(spec))}."
    yield f"- Results: {acts(spec)}."
    yield ""
    if spec.sensors:
        yield from _sensors(spec.sensors)
    if spec.layout and spec.memory:
        yield from ("```", *slot_map(spec), "```", "")


def _word(value: bool) -> str:
    return "yes" if value else "no"


def _sensors(sensors: tuple[SensorFacts, ...]) -> Iterator[str]:
    yield from (
        "| sensor | kind | part | channels | units | full scale | rates in Hz |",
        "|---|---|---|---|---|---|---|",
    )
    for s in sensors:
        ranges, rates = (", ".join(f"{v:g}" for v in values) for values in (s.ranges, s.rates_hz))
        channels, units = ", ".join(s.channels), ", ".join(s.units)
        yield f"| `{s.name}` | {s.kind} | {s.part} | {channels} | {units} | {ranges} | {rates} |"
    yield ""


def commands_page(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    """Every command with its arguments, and what exit statuses mean. `parsers` are by name, in a user's order."""
    lines = ["# Commands", "", WRITTEN, "", "| command | what it does |", "|---|---|"]
    lines += [f"| [`tinyops {name}`](#tinyops-{name}) | {parser.description} |" for name, parser in parsers.items()]
    lines += [
        "",
        "Results go to standard output, progress and remarks to standard error. `--json` prints the result, or the",
        "error, as JSON.",
        "",
    ]
    for name, parser in parsers.items():
        lines += _command(f"tinyops {name}", parser, level=2)
    lines += ["## Exit status", "", "The same for every command: [examples](../errors.md).", "", "| status | meaning |"]
    lines += ["|---|---|", *(f"| {int(code)} | {_MEANINGS[code]} |" for code in ExitCode)]
    return _text(lines)


def _command(title: str, parser: argparse.ArgumentParser, *, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {title}", "", f"{parser.description}", "")
    actions = [a for a in parser._actions if a.help != argparse.SUPPRESS and not isinstance(a, argparse._HelpAction)]
    verbs = [a for a in actions if isinstance(a, argparse._SubParsersAction)]
    rows = [a for a in actions if a not in verbs]
    if rows:
        yield from ("| argument | what it does |", "|---|---|")
        yield from (f"| `{_argument(a)}` | {cell(one_line(a.help or ''))}{_needed(a)} |" for a in rows)
        yield ""
    for verb in verbs:
        texts = {choice.dest: choice.help for choice in verb._choices_actions}
        for name, parser_of_verb in verb.choices.items():
            parser_of_verb.description = _sentence(texts.get(name) or "")
            yield from _command(f"{title} {name}", parser_of_verb, level=level + 1)


def _argument(action: argparse.Action) -> str:
    value = action.metavar or action.dest.upper()
    if not action.option_strings:
        return f"[{value}]" if action.nargs == "?" else str(value)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _needed(action: argparse.Action) -> str:
    return " **Required.**" if action.option_strings and action.required else ""


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else ""


def _text(lines: list[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"
