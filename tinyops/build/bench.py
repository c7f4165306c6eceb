"""One .tflite on one board, measured: compiled, built, booted in the board's twin, compared with tflite-micro.

The same code as the steps of a release, without a repository of specs and without a store.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tinyops.artifacts import Progress, Step
from tinyops.boards.model import Board
from tinyops.build.fits import boards_that_hold, model_room
from tinyops.build.reference import Array, golden_inputs, read_inputs, reference_outputs
from tinyops.compiler.compiled import CompiledModel, compile_model
from tinyops.compiler.host import write_sources
from tinyops.compiler.options import CompileOptions
from tinyops.compiler.step import describe
from tinyops.errors import DoesNotFit, ToolError, UsageError
from tinyops.features import TensorFeatures
from tinyops.files import JsonObject, digest_json, pretty_json
from tinyops.graph import Graph, read_graph
from tinyops.specs.lock import WASM_LINKER
from tinyops.toolchain import installed

FLEET = "bench"  # names the folder in which PlatformIO builds the firmware
OTHER_EMULATORS = {"simavr": "simavr", "rp2040js": "rp2040js"}  # and what people call them
SENSOR = {"kind": "stream", "port": "serial"}

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Flash:
    """Bytes of the model image: `weights` are weights, biases, requantisation and tables; `code` is the rest,
    header, small constants and what it pulls from libgcc; all of the firmware, where the model is linked in."""

    code: int
    weights: int

    @property
    def total(self) -> int:
        return self.code + self.weights


@dataclass(frozen=True)
class Ram:
    """Bytes: the model's own .data and .bss, its arena, and the painted stack's high-water mark, the way into it
    included."""

    static: int
    arena: int
    stack: int

    @property
    def total(self) -> int:
        return self.static + self.arena + self.stack


@dataclass(frozen=True)
class Bench:
    """What a model costs on a board. `instructions` is the most of any vector, counted in steps of `resolution`;
    both are None where the machine does not let a program count them."""

    model: str
    model_digest: str
    model_bytes: int
    board: str
    twin: str
    prefer: str
    tools: Mapping[str, str]
    vectors: int
    differences: tuple[str, ...]
    flash: Flash
    ram: Ram
    instructions: int | None
    resolution: float | None
    macs: int
    operators: tuple[JsonObject, ...]
    not_covered: tuple[str, ...]
    predicted_instructions: int | None = None  # by the compiler's table of costs
    linked: bool = False  # into the firmware, which `flash` is of, too

    @property
    def bit_exact(self) -> bool:
        return not self.differences

    @property
    def instructions_per_mac(self) -> float | None:
        return self.instructions / self.macs if self.instructions and self.macs else None


def compile_file(
    graph: Graph, board: Board, prefer: str, catalog: Mapping[str, Board], *, stream_rows: bool = False
) -> CompiledModel:
    """A model compiled for a board. Raises SpecError for what is not supported, and DoesNotFit, naming the boards
    of the catalogue that would hold it. `stream_rows`: its input comes row by row."""
    layout = board.spec.layout
    arena_bytes = layout.arena_bytes if layout else None
    options = CompileOptions(
        cpu=board.spec.cpu, prefer=prefer, board=board.name, arena_bytes=arena_bytes, stream_rows=stream_rows
    )
    try:
        return compile_model(graph, TensorFeatures(), options)
    except DoesNotFit as error:
        unlimited = compile_model(graph, TensorFeatures(), replace(options, arena_bytes=None))
        raise _naming_boards(error, unlimited, board, catalog) from None


def compile_for(graph: Graph, cpu: str, prefer: str, *, stream_rows: bool = False) -> CompiledModel:
    """A model compiled for a core, whatever memory is beside it. Raises as `compile_file`."""
    options = CompileOptions(cpu=cpu, prefer=prefer, board="any board", stream_rows=stream_rows)
    return compile_model(graph, TensorFeatures(), options)


def _naming_boards(
    error: DoesNotFit, compiled: CompiledModel, board: Board, catalog: Mapping[str, Board]
) -> DoesNotFit:
    """With the other boards that would do. Where an image was not built, its weights stand for it: they are nearly
    all of it."""
    image_bytes = error.image_bytes or compiled.weights_bytes
    arena_bytes = error.arena_bytes or compiled.arena.bytes
    firmware_bytes = (error.firmware_bytes or 0) if board.spec.model_form != "linked" else 0
    others = {name: other for name, other in catalog.items() if name != board.name}
    held = boards_that_hold(others, image_bytes, arena_bytes, firmware_bytes)
    said = f"boards that would hold it: {', '.join(held)}" if held else "no board of the catalogue would hold it"
    return DoesNotFit(error.message, hint=f"{error.hint}\n  {said}", image_bytes=image_bytes, arena_bytes=arena_bytes)


def bench(
    model: Path,
    board: Board,
    catalog: Mapping[str, Board],
    *,
    prefer: str,
    inputs: Path | None,
    report: Report,
    per_operator: bool = False,
    stream_rows: bool = False,
) -> Bench:
    """Measures a model on a board's twin, on the golden vectors or on the rows of a .npy file.

    A wrong output byte is a result (`differences`), not an error. Raises SpecError (refused, by name), DoesNotFit
    (with bytes, and the boards that would hold it) and ToolError. `per_operator` counts the instructions of each
    operator, too, on the last vector: an image is built and booted for each.
    """
    if per_operator and board.spec.model_form == "linked":
        raise UsageError(f"{board.name}: operators are counted one by one only where a model has a slot of its own")
    graph = read_graph(model)
    report(Progress(0, 5, f"compiling {graph.name} for {board.name}"))
    compiled = compile_file(graph, board, prefer, catalog, stream_rows=stream_rows)
    given = read_inputs(inputs, graph) if inputs else golden_inputs(graph)
    report(Progress(1, 5, "asking tflite-micro"))
    wanted = reference_outputs(model, given, len(graph.outputs))
    with tempfile.TemporaryDirectory(prefix="tinyops-bench-") as folder:
        files, built = build_files(compiled, board, catalog, Path(folder), report)
        report(Progress(3, 5, f"running {len(given[0])} vectors in {twin_of(board)}"))
        differences, figures = _run(compiled, board, files, given, wanted)
        counted = {}
        if per_operator:
            report(Progress(4, 5, "counting the instructions of each operator"))
            counted = _count_operators(compiled, board, files, given)
    image = built["image_bytes"]
    return Bench(
        model=graph.name,
        model_digest=graph.digest,
        model_bytes=model.stat().st_size,
        board=board.name,
        twin=twin_of(board),
        prefer=prefer,
        tools=_tools(board),
        vectors=len(given[0]),
        differences=differences,
        flash=Flash(image - built["weights_bytes"], built["weights_bytes"]),
        ram=Ram(built["static_bytes"], compiled.arena.bytes, figures["stack_bytes"]),
        instructions=figures["instructions"],
        resolution=figures["resolution"],
        macs=compiled.macs,
        operators=_operators(compiled, counted),
        not_covered=tuple(board.spec.twin.not_covered),
        predicted_instructions=_sum(compiled.predicted_instructions),
        linked=board.spec.model_form == "linked",
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _operators(compiled: CompiledModel, counted: Mapping[int, int]) -> tuple[JsonObject, ...]:
    return tuple(
        {**{k: v for k, v in layer.items() if k != "inputs"}, "instructions": counted.get(layer["number"])}
        for layer in describe(compiled)["layers"]
    )


def _count_operators(
    compiled: CompiledModel, board: Board, files: Mapping[str, Path], given: Sequence[Array]
) -> dict[int, int]:
    from tinyops.build.profile import count_operators

    beside = {name: path for name, path in files.items() if not name.startswith(("model.", "image."))}
    return count_operators(compiled, board, beside, input_regions(compiled, given)[-1])


def twin_of(board: Board) -> str:
    """What a board's figures are taken in, in a few words."""
    twin = board.spec.twin
    if twin.kind == "native":
        return f"this machine ({board.spec.cpu})"
    if twin.kind == "browser":
        return f"Chromium ({board.spec.cpu})"
    if twin.kind in OTHER_EMULATORS:
        return f"{OTHER_EMULATORS[twin.kind]} ({board.spec.mcu})"
    return f"QEMU {twin.machine or 'as a process'} ({board.spec.cpu})"


def _tools(board: Board) -> dict[str, str]:
    names = [board.spec.compiler, board.spec.emulator]
    return {name: installed(name).version for name in names if name}


def build_files(
    compiled: CompiledModel, board: Board, catalog: Mapping[str, Board], folder: Path, report: Report
) -> tuple[dict[str, Path], JsonObject]:
    """The board's files by name, as a twin wants them, and the image's figures."""
    report(Progress(2, 5, f"building the image and the firmware of {board.name}"))
    linked = board.spec.model_form == "linked"
    try:
        if linked:
            sources = _write_compiled(compiled, folder / "compiled")
        else:
            sources, files, built = build_image(compiled, board, folder)
        firmware, facts = _build_firmware(board, sources, folder / "firmware")
    except DoesNotFit as error:
        raise _naming_boards(error, compiled, board, catalog) from None
    described = {name: sources[name] for name in ("contract.json", "compile.json")}
    if linked:  # what there is of an image is the whole firmware
        built = {"image_bytes": facts["flash_bytes"], "weights_bytes": compiled.weights_bytes, "static_bytes": 0}
        return described | firmware, built
    return described | files | firmware, built


def build_image(
    compiled: CompiledModel, board: Board, folder: Path
) -> tuple[dict[str, Path], dict[str, Path], JsonObject]:
    """The compiled model's files, the image's files, and the image's figures; all below `folder`."""
    from tinyops.compiler import image
    from tinyops.compiler.image.elf import section_bytes

    sources = _write_compiled(compiled, folder / "compiled")
    out = folder / "image"
    out.mkdir()
    settings = {"cpu": board.spec.cpu, "board": board.name, "slot_bytes": model_room(board)}
    lock = {"compiler": _pin(board.spec.compiler)}
    if board.spec.cpu == "wasm32":
        lock["linker"] = _pin(WASM_LINKER)
    built = image.run(Step("image", compiled.graph.name, settings, lock), sources, out, _quiet)
    elf = next((out / name for name in ("model.elf", "model.so") if (out / name).exists()), None)
    linked = section_bytes(elf.read_bytes()) if elf else {}
    return sources, _files(out), {**built, "static_bytes": linked.get(".data", 0) + linked.get(".bss", 0)}


def _pin(name: str) -> JsonObject:
    tool = installed(name)
    return {"name": tool.name, "version": tool.version}


def _write_compiled(compiled: CompiledModel, folder: Path) -> dict[str, Path]:
    write_sources(compiled.sources, folder)
    (folder / "contract.json").write_bytes(pretty_json(compiled.contract))
    (folder / "compile.json").write_bytes(pretty_json(describe(compiled)))
    return _files(folder)


def _build_firmware(board: Board, sources: Mapping[str, Path], folder: Path) -> tuple[dict[str, Path], JsonObject]:
    """What boots beside the model, or with it linked in, and its figures; nothing for Linux."""
    if board.spec.model_form == "shared-object":
        return {}, {}
    from tinyops import firmware
    from tinyops.specs.lock import wanted_sources
    from tinyops.specs.locking import own_pins, package_version

    lock = {
        "compiler": _pin(board.spec.compiler),
        "platformio": package_version("platformio"),
        "scons": package_version("scons"),
        "firmware": own_pins().firmware,
        "sources": wanted_sources({board.name: board}),
    }
    facts = board.spec.model_dump(mode="json")
    settings = {"board": board.name, "fleet": FLEET, "sensor": SENSOR, "facts": facts}
    folder.mkdir()
    step = Step("firmware", f"{FLEET}/{board.name}", settings, lock)
    linked = sources if board.spec.model_form == "linked" else {"contract.json": sources["contract.json"]}
    facts = firmware.run(step, linked, folder, _quiet)
    return _files(folder), facts


def _run(
    compiled: CompiledModel, board: Board, files: Mapping[str, Path], given: Sequence[Array], wanted: Sequence[Array]
) -> tuple[tuple[str, ...], JsonObject]:
    """What differs from the reference, and the figures."""
    from tinyops.twin import open_twin
    from tinyops.twin.prove import Expected, exercise, greet

    image = files["model.bin"].read_bytes() if "model.bin" in files else None
    contract = bytes.fromhex(digest_json(compiled.contract).removeprefix("sha256:"))
    differences: list[str] = []

    def on_output(index: int, got: bytes) -> None:
        differences.extend(_differences(compiled, index, got, [array[index] for array in wanted]))

    with open_twin(board.name, board.spec, files) as virtual:
        hello = greet(virtual, Expected(contract, image))
        measured = exercise(virtual, hello, input_regions(compiled, given), on_output)
    return tuple(differences), {
        "instructions": measured.instructions,
        "resolution": measured.resolution,
        "stack_bytes": measured.stack_used,
    }


def input_regions(compiled: CompiledModel, inputs: Sequence[Array]) -> list[bytes]:
    """Each vector as it lies in the arena: every tensor at its place. Where rows are streamed: all of them."""
    header, spans = compiled.header, compiled.arena.tensors
    if header.input_rows > 1:
        return [np.ascontiguousarray(row).tobytes() for row in inputs[0]]
    region = np.zeros((len(inputs[0]), header.input_bytes), dtype=np.uint8)
    for tensor, values in zip(compiled.graph.inputs, inputs, strict=True):
        start = spans[tensor].offset - header.input_offset
        raw = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
        region[:, start : start + spans[tensor].bytes] = raw
    return [row.tobytes() for row in region]


def _differences(compiled: CompiledModel, index: int, got: bytes, wanted: Sequence[Array]) -> list[str]:
    """A sentence for each output tensor of a vector that is not as the reference has it."""
    found = []
    for tensor, row in zip(compiled.graph.outputs, wanted, strict=True):
        span, expected = compiled.arena.tensors[tensor], row.tobytes()
        start = span.offset - compiled.header.output_offset
        mine = got[start : start + span.bytes]
        if len(mine) != len(expected):
            name = compiled.graph.tensors[tensor].name
            raise ToolError(f"output {name!r} has {len(mine)} bytes here and {len(expected)} in tflite-micro")
        if mine != expected:
            wrong = sum(a != b for a, b in zip(mine, expected, strict=True))
            name = compiled.graph.tensors[tensor].name
            found.append(f"vector {index}: {wrong} of {len(mine)} bytes of output {name!r} differ")
    return found


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _quiet(_: Progress) -> None:
    pass
