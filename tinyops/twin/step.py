"""The twin step: a board's released files in, the proof that they work and what they cost out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.boards.model import BoardSpec
from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, digest_file, digest_json, pretty_json, read_bounded
from tinyops.twin import native, qemu, simavr
from tinyops.twin.golden import read_golden, read_stream
from tinyops.twin.machine import Boot, VirtualBoard
from tinyops.twin.prove import Expected, Measured, greet, play, prove
from tinyops.twin.released import check_copies, check_slot

BOOTS: Mapping[str, Callable[[Boot], AbstractContextManager[VirtualBoard]]] = {
    "native": native.boot,
    "qemu": qemu.boot,
    "simavr": simavr.boot,
}
IMAGE_LIMIT_BYTES = 64 * MIB
NOT_COUNTED = "instructions: this machine does not let a program count them"
CYCLES_ONLY = "instructions: the twin counts core cycles"


@contextlib.contextmanager
def open_twin(
    board: str, spec: BoardSpec, files: Mapping[str, Path], *, lock: JsonObject | None = None
) -> Iterator[VirtualBoard]:
    """A live virtual board; talk to it through its `link`. It ends with the context.

    `files` are the board's by name: contract.json, and model.so (native), or firmware.elf, or twin.elf
    where the twin is another machine, with model.bin if the slot is to hold an image. `lock` may name
    `emulator` or `compiler`. Raises ToolError when it cannot be started.
    """
    what = Boot(board, spec, files, {}, lock or {})
    contract = _read_contract(what.file("contract.json"))
    with BOOTS[spec.twin.kind](Boot(board, spec, files, contract, lock or {})) as virtual:
        yield virtual


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Proves one board's images; writes proof.json. See docs/architecture.md for files and facts."""
    board = str(step.settings["board"])
    spec = BoardSpec.model_validate(step.settings["facts"])
    contract = _read_contract(inputs["contract.json"])
    golden = read_golden(inputs["golden.bin"])
    total = len(golden.vectors)
    expected = Expected(
        bytes.fromhex(digest_json(contract).removeprefix("sha256:")), _check_images(board, spec, inputs)
    )
    with open_twin(board, spec, inputs, lock=step.lock) as virtual:
        hello = greet(virtual, expected)
        measured = prove(virtual, hello, golden, lambda done: report(Progress(done, total, f"{board}: golden vectors")))
        if "stream.bin" in inputs:
            play(virtual, read_stream(inputs["stream.bin"]))
    facts = _facts(spec, inputs, total, measured)
    proof = {"board": board, "contract": digest_json(contract), "facts": facts, "ran": _ran(spec, inputs)}
    (out / "proof.json").write_bytes(pretty_json({**proof, "emulator": step.lock.get("emulator")}))
    return facts


def _read_contract(path: Path) -> JsonObject:
    try:
        contract = json.loads(read_bounded(path, MIB))
    except ValueError as error:
        raise SpecError(f"{path.name}: not JSON: {error}") from error
    if not isinstance(contract, dict) or not isinstance(contract.get("input"), dict) or "arena_bytes" not in contract:
        raise SpecError(f"{path.name}: not a contract", hint="run the compile step again")
    return contract


def _check_images(board: str, spec: BoardSpec, inputs: Mapping[str, Path]) -> bytes | None:
    """The model image for the slot, None without model slots. Raises when it or the firmware's files cannot be right."""
    if spec.layout is None:
        return None
    check_copies(*(inputs[f"firmware.{suffix}"] for suffix in ("elf", "bin", "hex")))
    if not spec.layout.model:
        return None
    image = read_bounded(inputs["model.bin"], IMAGE_LIMIT_BYTES)
    check_slot(board, image, spec.layout.model[0].bytes)
    return image


def _ran(spec: BoardSpec, inputs: Mapping[str, Path]) -> JsonObject:
    """Digests of the very files that were booted."""
    if spec.twin.kind == "native":
        names = ["model.so"]
    else:
        names = ["firmware.elf" if spec.twin.same_machine else "twin.elf"]
        names += ["model.bin"] if spec.model_form == "image" else []
    return {name: digest_file(inputs[name]) for name in names}


def _proof_levels(spec: BoardSpec) -> JsonObject:
    if spec.layout is None:
        return {"model": "same-bytes", "firmware": "none"}
    firmware = "same-bytes" if spec.twin.same_machine else "same-source"
    return {"model": "same-bytes" if spec.layout.model else firmware, "firmware": firmware}


def _flash_bytes(spec: BoardSpec, inputs: Mapping[str, Path]) -> int:
    """What the images take on the board: the model's and, without an operating system, the firmware's."""
    names = {"shared-object": ["model.so"], "image": ["model.bin", "firmware.bin"]}.get(spec.model_form, ["firmware.bin"])
    return sum(inputs[name].stat().st_size for name in names)


def _facts(spec: BoardSpec, inputs: Mapping[str, Path], vectors: int, measured: Measured) -> JsonObject:
    why = CYCLES_ONLY if spec.twin.kind == "simavr" else NOT_COUNTED
    uncounted = [why] if measured.instructions is None else []
    return {
        "bit_exact": True,  # a difference ends the step
        "vectors": vectors,
        "flash_bytes": _flash_bytes(spec, inputs),
        "ram_bytes": measured.ram_bytes,
        "stack_bytes": measured.stack_used,
        "instructions": measured.instructions,
        "resolution": measured.resolution,
        "proof": _proof_levels(spec),
        "not_covered": [*spec.twin.not_covered, *uncounted],
    }
