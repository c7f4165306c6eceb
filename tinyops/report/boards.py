"""What tinyops knows of boards, as rows, lines and JSON: for `tinyops boards` and the generated page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from tinyops.boards.layout import Flash
from tinyops.boards.model import BARE_METAL_PORTS, Board, BoardSpec, Update
from tinyops.files import JsonObject

# Columns from the one that a narrow terminal keeps longest to the one that goes first.
HEADERS = ("board", "mcu", "proof", "cpu", "flash", "ram", "slots", "arena", "update", "twin", "reached by", "silicon")
NARROW_COLUMNS = 3
OWN_MARK = "*"
LEGEND = (
    "slots: firmware + model, linked: the model is part of the firmware. proof: the best that a twin here can give, of "
    "the model / of the firmware."
)
NEVER = "never run"
_PLACES = {
    "native": "this machine itself",
    "qemu-user": "QEMU, as a Linux process",
    "browser": "Chromium without a screen",
    "rp2040js": "rp2040js",
    "simavr": "simavr",
    "none": "none: nothing here emulates it",
}
_STOPS = {"stall": "the core waits", "run-from-ram": "code must run from RAM", "dual-bank": "code goes on running"}


def guarantees(update: Update) -> str:
    """`reverts, power-safe`, or `none`."""
    names = {"reverts": update.revert, "power-safe": update.power_safe, "no rollback": update.anti_rollback}
    return ", ".join(name for name, given in names.items() if given) or "none"


def twin_text(spec: BoardSpec) -> str:
    """Where the board is emulated."""
    where = _PLACES.get(spec.twin.kind, f"QEMU {spec.twin.machine}")
    return where if spec.twin.same_machine or spec.twin.kind == "none" else f"{where}, same core, other machine"


def model_proof(spec: BoardSpec) -> str:
    """The best proof level that a model for the board can get here, as docs/proof.md defines them."""
    if spec.twin.kind == "none":
        return "rendered"
    if spec.twin.same_machine or spec.model_form == "image":
        return "same-bytes"
    return "same-source"


def firmware_proof(spec: BoardSpec) -> str:
    """The same for its firmware; `-` with an operating system, where an agent runs the model."""
    if spec.model_form == "shared-object":
        return "-"
    if spec.twin.kind == "none" or (spec.port not in BARE_METAL_PORTS and not spec.twin.same_machine):
        return "rendered"
    return "same-bytes" if spec.twin.same_machine else "same-source"


def _size(count: int) -> str:
    """1 MiB, 253,952: a power of two's multiple when it is one."""
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if count % unit == 0:
            return f"{count // unit} {name}"
    return f"{count:,}"


def _slot_count(spec: BoardSpec) -> str:
    if spec.layout is None:
        return "files"
    models = len(spec.layout.model)
    return f"{len(spec.layout.firmware)} + {models}" if models else f"{len(spec.layout.firmware)}, linked"


def row(board: Board, *, own: bool = False) -> tuple[str, ...]:
    """One board, a cell for each of HEADERS; `own`: it is of the user's repository."""
    spec = board.spec
    memory, layout = spec.memory, spec.layout
    twin = spec.twin.machine or spec.twin.kind
    return (
        board.name + (OWN_MARK if own else ""),
        spec.mcu.partition(",")[0],
        f"{model_proof(spec)} / {firmware_proof(spec)}",
        spec.cpu,
        _size(memory.flash_bytes) if memory else "-",
        _size(memory.ram.bytes) if memory else "-",
        _slot_count(spec),
        _size(layout.arena_bytes) if layout else "-",
        spec.update.kind,
        twin if spec.twin.same_machine or twin == "none" else f"{twin} (core)",
        ", ".join(spec.transports),
        "run" if spec.silicon.run else "never",
    )


def columns_that_fit(rows: Sequence[Sequence[str]], width: int | None) -> int:
    """How many of HEADERS fit into so many characters, at least the first few; all of them without a width."""
    if width is None:
        return len(HEADERS)
    used = 0
    for count, header in enumerate(HEADERS):
        used += max(len(header), *(len(cells[count]) for cells in rows)) + (2 if count else 0)
        if used > width:
            return max(count, NARROW_COLUMNS)
    return len(HEADERS)


def board_json(board: Board, *, own: bool = False) -> JsonObject:
    """The board's facts as its file has them, and what follows from them."""
    spec = board.spec
    return {
        "name": board.name,
        "own": own,
        "extends": board.extends,
        "digest": board.digest,
        "model_form": spec.model_form,
        "frameworks": list(spec.frameworks),
        "proof": {"model": model_proof(spec), "firmware": firmware_proof(spec)},
        "spec": spec.model_dump(mode="json"),
    }


def full_text(board: Board, *, own: bool = False, width: int = 100) -> str:
    """Everything about one board, for people."""
    spec = board.spec
    clock = f" at {spec.clock_hz / 1e6:g} MHz" if spec.memory else ""
    owner = ", of this repository" if own else ""
    based = f", extends {board.extends}" if board.extends else ""
    parts = [
        [f"{board.name}: {spec.title}{owner}{based}", f"{spec.mcu}, {spec.cpu}{clock}"],
        list(_fields(_about(spec), width)),
        slot_map(spec),
        [f"flash {text}" for text in map(flash_rule, spec.memory.flash)] if spec.memory else [],
        [line for sensor in _sensor_texts(spec) for line in wrap(sensor, width, subsequent_indent="  ")],
        [f"USB {usb.vid:04x}:{usb.pid:04x} {usb.mode}" for usb in spec.usb],
        ["not covered by the twin:", *(f"  {text}" for text in spec.twin.not_covered)] if spec.twin.not_covered else [],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _about(spec: BoardSpec) -> Iterator[tuple[str, str]]:
    yield (
        "model",
        {"image": "an image in a slot", "linked": "linked into the firmware"}.get(
            spec.model_form, f"a {spec.model_form}"
        ),
    )
    yield "firmware", ", ".join(spec.frameworks) or "none: an agent or a page runs the model"
    yield "update", f"{spec.update.kind}; guarantees: {guarantees(spec.update)}"
    yield "polls", f"{spec.polls}, over {', '.join(spec.transports)}"
    if spec.flash_tool:
        yield "flash tool", f"{spec.flash_tool.kind}, takes a .{spec.flash_tool.file}"
    yield "twin", f"{twin_text(spec)}; proof: model {model_proof(spec)}, firmware {firmware_proof(spec)}"
    yield "silicon", f"{'run' if spec.silicon.run else NEVER}; {spec.silicon.note or 'nothing is noted'}"
    yield "input", ", ".join(inputs(spec))
    yield "results", acts(spec)


def acts(spec: BoardSpec) -> str:
    """What its firmware can do with a result; with other frameworks than its default only what that adds."""
    own = spec.acts(None)
    others = [(framework, set(spec.acts(framework)) - set(own)) for framework in spec.frameworks[1:]]
    added = [f"with framework {framework} also {', '.join(sorted(more))}" for framework, more in others if more]
    return "; ".join([", ".join(own), *added])


def _fields(pairs: Iterator[tuple[str, str]], width: int) -> Iterator[str]:
    for name, text in pairs:
        yield from wrap(text, width, initial_indent=f"{name:<12}", subsequent_indent=" " * 12)


def inputs(spec: BoardSpec) -> Iterator[str]:
    yield from (sensor.name for sensor in spec.sensors)
    if spec.stream:
        yield "stream from its host"
    if spec.replay:
        yield "replay of a file"


def _sensor_texts(spec: BoardSpec) -> Iterator[str]:
    for sensor in spec.sensors:
        channels = ", ".join(
            f"{c} ±{r:g} {u}" for c, r, u in zip(sensor.channels, sensor.ranges, sensor.units, strict=True)
        )
        rates = f" at {', '.join(f'{rate:g}' for rate in sensor.rates_hz)} Hz" if sensor.rates_hz else ""
        size = f", {sensor.size[0]}x{sensor.size[1]}" if sensor.size else ""
        part = f" ({sensor.part})" if sensor.part else ""
        yield f"sensor {sensor.name}: {sensor.kind}{part}: {channels}{size}{rates}"


def flash_rule(flash: Flash) -> str:
    """One flash's geometry as a sentence."""
    times = "once" if flash.reprogram == "never" else f"{flash.reprogram} times"
    return (
        f"{flash.name}: erased by {flash.erase_bytes:,} bytes in {flash.erase_ms:g} ms, programmed by "
        f"{flash.program_bytes:,}, each {times} between erases; meanwhile {_STOPS[flash.during_write]}"
    )


def slot_map(spec: BoardSpec) -> list[str]:
    """The map of flash, gaps included, then RAM; [] without a layout."""
    layout, memory = spec.layout, spec.memory
    if layout is None or memory is None:
        return []
    lines = ["flash                from         to      bytes"]
    for flash in memory.flash:
        at = flash.origin
        for name, region in layout.named():
            begin, end = max(region.origin, flash.origin), min(region.end, flash.end)
            if begin >= end:
                continue
            if begin > at:
                lines.append(_slot("(free)", at, begin))
            lines.append(_slot(name, begin, end))
            at = end
        if at < flash.end:
            lines.append(_slot("(free)", at, flash.end))
    rest = memory.ram.bytes - layout.arena_bytes - layout.stack_bytes
    ram = f"RAM    {memory.ram.bytes:>9,}: arena {layout.arena_bytes:,}, stack {layout.stack_bytes:,}, rest {rest:,}"
    return [*lines, "", ram]


def _slot(name: str, begin: int, end: int) -> str:
    return f"{name:<14} {begin:#010x} {end:#010x} {end - begin:>10,}"
