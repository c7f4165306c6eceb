"""The benchmark on a real board, over its serial line: the same files and vectors, cycles instead of instructions."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Progress
from tinyops.boards.model import Board
from tinyops.build.bench import Report, _differences, _run, _tools, build_files, compile_file, input_regions
from tinyops.build.measurements import Measurement, Spread
from tinyops.build.reference import Array, golden_inputs, read_inputs, reference_outputs
from tinyops.compiler.compiled import CompiledModel
from tinyops.errors import ToolError, UsageError
from tinyops.files import digest_bytes, digest_json, write_atomic
from tinyops.firmware.flash_file import Part, blank, flash_file
from tinyops.graph import read_graph
from tinyops.link import LINK_VERSION, Cycles, Hello, Link, LinkTimeout, Status, Timing, describe_status
from tinyops.link.serial_port import SerialStream, serial_number
from tinyops.twin.prove import Measured, exercise
from tinyops.twin.slot_images import slot_files, slot_images

HELLO_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class RealBoard:
    """A board at a serial line, as `exercise` wants it."""

    name: str
    link: Link

    def how_it_ended(self) -> str:
        return "its serial line closed"


@dataclass(frozen=True)
class Wanted:
    """What is to be measured. `flash_files` is where the files go that the board must hold."""

    model: Path
    board: Board
    catalog: Mapping[str, Board]
    prefer: str
    inputs: Path | None
    port: str
    flash_files: Path
    allow_emulated: bool
    date: str


def bench_on_port(wanted: Wanted, report: Report) -> tuple[Measurement, tuple[str, ...]]:
    """Measures a model on the board at a port; and what differs from tflite-micro, a sentence each.

    The board must hold the files of this very build: else ToolError, with these files written to `flash_files`. Raises
    ToolError, naming which, for a line that is not there, silent or talks something else, another board, firmware
    or model image, and an emulator where that is not allowed; SpecError and DoesNotFit as `bench` does.
    """
    if wanted.board.spec.layout is None:
        raise UsageError(f"{wanted.board.name} has no serial line", hint="leave --port away: it is measured here")
    report(Progress(0, 5, f"asking {wanted.port}"))
    stream = SerialStream(wanted.port, wanted.board.spec.settle_s)
    try:
        real = RealBoard(f"{wanted.board.name} at {wanted.port}", Link(stream, name=wanted.port))
        hello, counter = meet(real, stream, wanted)
        return _measure(real, hello, counter, wanted, report)
    finally:
        stream.close()


def meet(real: RealBoard, stream: SerialStream, wanted: Wanted) -> tuple[Hello, Cycles | None]:
    """Who is there, and how it counts. Raises ToolError where that is not the board that is asked for."""
    try:
        hello = real.link.hello(timeout_s=HELLO_TIMEOUT_S)
    except LinkTimeout:
        said = f"sends {stream.received:,} bytes that are no answer" if stream.received else "does not answer"
        raise ToolError(
            f"{wanted.port}: {said} within {HELLO_TIMEOUT_S:g} s",
            hint="is this the board's serial line, and does it run tinyops's firmware?",
        ) from None
    if hello.link != LINK_VERSION:
        raise ToolError(f"{wanted.port}: its firmware speaks version {hello.link} of the link, not {LINK_VERSION}")
    if hello.board != wanted.board.name:
        raise ToolError(f"{wanted.port}: is a {_printable(hello.board)}, not a {wanted.board.name}")
    counter = real.link.cycles()
    if counter is not None and counter.emulated and not wanted.allow_emulated:
        raise ToolError(
            f"{wanted.port}: an emulator answers, whose cycles are not real: nothing is measured",
            hint="to try the command all the same, name another folder with --out",
        )
    return hello, counter


def _measure(
    real: RealBoard, hello: Hello, counter: Cycles | None, wanted: Wanted, report: Report
) -> tuple[Measurement, tuple[str, ...]]:
    graph, board = read_graph(wanted.model), wanted.board
    report(Progress(1, 5, f"compiling {graph.name} for {board.name}"))
    compiled = compile_file(graph, board, wanted.prefer, wanted.catalog)
    given = read_inputs(wanted.inputs, graph) if wanted.inputs else golden_inputs(graph)
    reference = reference_outputs(wanted.model, given, len(graph.outputs))
    with tempfile.TemporaryDirectory(prefix="tinyops-bench-") as folder:
        files, _ = build_files(compiled, board, wanted.catalog, Path(folder), report)
        image = files["model.bin"].read_bytes()
        check_flashed(real, hello, compiled, files, wanted)
        report(Progress(3, 5, f"counting instructions of {len(given[0])} vectors in the board's twin"))
        _, figures = _run(compiled, board, files, given, reference)
    report(Progress(4, 5, f"running {len(given[0])} vectors on {real.name}"))
    measured, counts, outputs, differences = run_vectors(real, hello, compiled, given, reference)
    cycles = unwrapped(measured.timings, counts, board.spec.clock_hz)
    times = [1e6 * t.ticks / t.tick_hz for t in measured.timings]
    compiler = board.spec.compiler
    return Measurement(
        board=board.name,
        cpu=board.spec.cpu,
        clock_hz=board.spec.clock_hz,
        core_hz=round(1e6 * sum(cycles) / max(sum(times), 1)),
        model=graph.name,
        model_digest=graph.digest,
        image_digest=digest_bytes(image),
        compiler=f"{compiler} {_tools(board)[compiler]}",
        prefer=wanted.prefer,
        vectors=len(given[0]),
        bit_exact=not differences,
        cycles=Spread.of(cycles),
        microseconds=Spread.of([round(t, 1) for t in times]),
        instructions=figures["instructions"],
        stack_bytes=measured.stack_used,
        outputs_digest=f"sha256:{hashlib.sha256(b''.join(outputs)).hexdigest()}",
        date=wanted.date,
        serial=serial_number(wanted.port),
        emulated=counter is not None and counter.emulated,
    ), differences


def check_flashed(
    real: RealBoard, hello: Hello, compiled: CompiledModel, files: Mapping[str, Path], wanted: Wanted
) -> None:
    """Raises ToolError, with the files to flash, unless the board runs the firmware and model image of this build."""
    image = files["model.bin"].read_bytes()
    contract = bytes.fromhex(digest_json(compiled.contract).removeprefix("sha256:"))
    wrong = ""
    if hello.contract != contract:
        wrong = f"its firmware was built for contract {hello.contract.hex()[:12]}…, wanted is {contract.hex()[:12]}…"
    elif hello.state != Status.OK:
        wrong = describe_status(hello.state)
    elif (hello.image_bytes, hello.image_crc) != (len(image), zlib.crc32(image)):
        wrong = f"it holds another model image, of {hello.image_bytes:,} bytes"
    elif real.link.cycles() is None:
        wrong = "its firmware cannot tell cycles"
    if wrong:
        raise ToolError(f"{wanted.port}: {wrong}", hint=_flash_hint(files, wanted))


def _flash_hint(files: Mapping[str, Path], wanted: Wanted) -> str:
    spec, folder = wanted.board.spec, wanted.flash_files
    write_atomic(folder / "flash.hex", flash_file("hex", spec, _parts(wanted.board, files)))
    if next(slot_files(spec), None) is not None:
        kind = "its images are not signed: a board that was enrolled does not start them"
        return f"flash {folder / 'flash.hex'} the board's own way ({kind}), then run this again"
    assert spec.layout is not None
    write_atomic(folder / "firmware.hex", files["firmware.hex"].read_bytes())
    write_atomic(folder / "model.bin", files["model.bin"].read_bytes())
    return (
        f"flash {folder / 'flash.hex'} the board's own way (firmware and model image; or firmware.hex beside it, and "
        f"model.bin at {spec.layout.model[0].origin:#x}), then run this again"
    )


def _parts(board: Board, files: Mapping[str, Path]) -> list[Part]:
    """What of this build lies in the board's flash."""
    layout = board.spec.layout
    assert layout is not None
    images = slot_images(board.name, board.spec, files, 0)
    wrapped = images.get("firmware_a.img") if layout.own_bootloader is not None else None
    firmware = wrapped or files["firmware.bin"].read_bytes()
    model = images.get("model.img") or files["model.bin"].read_bytes()
    parts = [Part("firmware", layout.firmware[0], firmware), Part("model", layout.model[0], model)]
    if layout.own_bootloader is not None:
        parts.append(Part("bootloader", layout.own_bootloader, files["bootloader.bin"].read_bytes()))
    return [*parts, blank("state", layout.state)] if layout.state is not None else parts


def run_vectors(
    real: RealBoard, hello: Hello, compiled: CompiledModel, given: Sequence[Array], reference: Sequence[Array]
) -> tuple[Measured, list[Cycles], list[bytes], tuple[str, ...]]:
    """Every vector on the board: what `exercise` measures, cycles and output bytes of each, what differs."""
    counts: list[Cycles] = []
    outputs: list[bytes] = []
    differences: list[str] = []

    def on_output(index: int, got: bytes) -> None:
        found = real.link.cycles()
        counts.extend([found] if found else [])
        outputs.append(got)
        differences.extend(_differences(compiled, index, got, [array[index] for array in reference]))

    measured = exercise(real, hello, input_regions(compiled, given), on_output)
    return measured, counts, outputs, tuple(differences)


def unwrapped(timings: Sequence[Timing], counts: Sequence[Cycles], clock_hz: int) -> list[float]:
    """Cycles of each inference: what the stopwatch says makes a counter of few bits whole, or stands for one."""
    found = []
    for timing, count in zip(timings, counts, strict=True):
        about = clock_hz * timing.ticks / timing.tick_hz
        turns = max(round((about - count.cycles) / 2**count.bits), 0)
        found.append(float(count.cycles + turns * 2**count.bits) if count.bits else about)
    return found


def _printable(name: str) -> str:
    return repr(name) if name and name.isprintable() else "board of no name"
