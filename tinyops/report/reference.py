"""The pages below docs/reference, from the models, the catalogue and the parsers: pure functions that return text."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from tinyops.boards.model import Board, BoardSpec, SensorFacts
from tinyops.errors import ExitCode
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
        "Flash and RAM in bytes. A repository adds boards of its own in `specs/boards/`: [how](../my-board.md).",
        "",
        "| name | board | core | flash | RAM | arena | twin | ran on silicon |",
        "|---|---|---|---|---|---|---|---|",
        *(_summary(board) for board in catalog.values()),
        "",
    ]
    for board in catalog.values():
        lines += _board(board)
    definitions = schemas()["board.json"]["$defs"]
    lines += ["## Fields of a board file", ""]
    for name in reachable("BoardSpec", definitions):
        lines += section(name, definitions[name])
    return _text(lines)


def _summary(board: Board) -> str:
    spec = board.spec
    memory, layout = spec.memory, spec.layout
    flash, ram = (f"{memory.flash_bytes:,}", f"{memory.ram.bytes:,}") if memory else ("-", "-")
    arena = f"{layout.arena_bytes:,}" if layout else "-"
    silicon = "yes" if spec.silicon.run else "**never**"
    name = f"[{board.name}](#{board.name})"
    return f"| {name} | {spec.title} | {spec.cpu} | {flash} | {ram} | {arena} | {_twin(spec)} | {silicon} |"


def _twin(spec: BoardSpec) -> str:
    twin = spec.twin
    places = {
        "qemu": f"QEMU `{twin.machine}`",
        "qemu-user": "QEMU, as a Linux process",
        "browser": "Chromium without a screen",
        "rp2040js": "rp2040js",
    }
    where = places.get(twin.kind, "this machine itself")
    return where if twin.same_machine else f"{where}, same core, other machine"


def _board(board: Board) -> Iterator[str]:
    spec = board.spec
    update = spec.update
    clock = f" at {spec.clock_hz / 1e6:g} MHz" if spec.memory else ""
    yield from (f"## {board.name}", "", f"{spec.title}: {spec.mcu}, {spec.cpu}{clock}.", "")
    yield f"- Twin: {_twin(spec)}. Not covered: {', '.join(spec.twin.not_covered) or 'nothing'}."
    yield f"- On silicon: {'run' if spec.silicon.run else 'never run'}. {_sentence(spec.silicon.note)}"
    yield (
        f"- Update: {update.kind}; reverts: {_word(update.revert)}, "
        f"survives loss of power: {_word(update.power_safe)}, refuses rollback: {_word(update.anti_rollback)}. "
        f"Who polls: {spec.polls}, over {', '.join(spec.transports)}."
    )
    yield f"- Input: {', '.join(_inputs(spec))}."
    yield ""
    if spec.sensors:
        yield from _sensors(spec.sensors)
    if spec.layout and spec.memory:
        yield from _slots(board)


def _word(value: bool) -> str:
    return "yes" if value else "no"


def _inputs(spec: BoardSpec) -> Iterator[str]:
    yield from (f"`{sensor.name}`" for sensor in spec.sensors)
    if spec.stream:
        yield "stream from its host"
    if spec.replay:
        yield "replay of a file"


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


def _slots(board: Board) -> Iterator[str]:
    """The map of flash, gaps included, then RAM."""
    layout, memory = board.spec.layout, board.spec.memory
    assert layout is not None and memory is not None
    yield from ("```", "flash             from         to      bytes")
    for flash in memory.flash:
        at = flash.origin
        for name, region in layout.named():
            begin, end = max(region.origin, flash.origin), min(region.end, flash.end)
            if begin >= end:
                continue
            if begin > at:
                yield _slot("(free)", at, begin)
            yield _slot(name, begin, end)
            at = end
        if at < flash.end:
            yield _slot("(free)", at, flash.end)
    rest = memory.ram.bytes - layout.arena_bytes - layout.stack_bytes
    yield from (
        "",
        f"RAM    {memory.ram.bytes:>9,}: arena {layout.arena_bytes:,}, stack {layout.stack_bytes:,}, rest {rest:,}",
    )
    yield from ("```", "")


def _slot(name: str, begin: int, end: int) -> str:
    return f"{name:<11} {begin:#010x} {end:#010x} {end - begin:>10,}"


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
