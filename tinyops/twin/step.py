"""The twin step: a board's released files in, the proof that they work and what they cost out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.boards.model import BoardSpec, ModelForm
from tinyops.errors import SpecError, ToolError
from tinyops.files import MIB, JsonObject, digest_file, digest_json, pretty_json, read_bounded
from tinyops.images import read_image, signed_bytes
from tinyops.specs.board_binding import AnySensor, OnboardSensor
from tinyops.twin.flashed import starts_by_bootloader
from tinyops.twin.golden import read_golden, read_stream
from tinyops.twin.kinds import can_boot, files_run, kind_of
from tinyops.twin.machine import Boot, WiredBoard
from tinyops.twin.prove import Expected, Measured, Twin, greet, play, prove
from tinyops.twin.recorded import Replay
from tinyops.twin.released import check_copies, check_slot, check_uf2, elf_bytes
from tinyops.twin.runner import PART
from tinyops.twin.slot_images import slot_images
from tinyops.twin.upstream import unheard

IMAGE_LIMIT_BYTES = 64 * MIB
NOT_BUILT = "flash: what the board's own firmware takes, which is not built here"
REPLAYING = frozenset({"native", "qemu-user"})
WITH_CHIPS = frozenset({"qemu", "rp2040js"})  # of which the board's own drivers read
WITH_BOOTLOADER = frozenset({"simavr"})
# What of a board's files lies in its flash or, with an operating system, on its disk.
STORED: Mapping[ModelForm, tuple[str, ...]] = {
    "image": ("model.bin", "firmware.bin"),
    "linked": ("firmware.bin",),
    "shared-object": ("model.so",),
    "wasm": ("model.wasm", "page.zip"),
}


def check_bootloader(board: str, spec: BoardSpec) -> None:
    """Raises ToolError for a board whose twin has no bootloader to start with."""
    if spec.twin.kind not in WITH_BOOTLOADER:
        raise ToolError(f"{board}: a twin of kind {spec.twin.kind} has no bootloader", hint="leave it out")


def check_replay(board: str, spec: BoardSpec) -> None:
    """Raises ToolError for a board whose twin has no sensor that replays."""
    ported = spec.twin.kind == "qemu" and not spec.twin.same_machine
    if spec.twin.kind in REPLAYING or ported or (spec.twin.kind in WITH_CHIPS and spec.drivers):
        return
    raise ToolError(
        f"{board}: its twin has no sensor to replay frames with",
        hint="feed it over its link, or choose a board whose sensor has a driver, or whose twin is another machine",
    )


def check_reads(board: str, spec: BoardSpec, sensor: AnySensor) -> None:
    """Raises ToolError for a released firmware that reads no chip of its twin's, which alone measures a recording."""
    reads = isinstance(sensor, OnboardSensor) and sensor.name in spec.drivers
    if spec.twin.kind in WITH_CHIPS and spec.twin.same_machine and not reads:
        wanted = ", ".join(spec.drivers)
        raise ToolError(
            f"{board}: its fleet binds no sensor that its firmware reads, so nothing would replay",
            hint=f"sensor: {wanted}; or feed it over its link",
        )


def _check_samples(board: str, replay: Replay, contract: JsonObject) -> None:
    frame_values = int(contract["input"].get("frame_values") or 0)
    if frame_values % replay.values:
        raise SpecError(f"{board}: samples of {replay.values} values make no frame of the model's {frame_values}")


@contextlib.contextmanager
def open_twin(
    board: str,
    spec: BoardSpec,
    files: Mapping[str, Path],
    *,
    lock: JsonObject | None = None,
    replay: Replay | None = None,
    state: Path | None = None,
    bootloader: bool = False,
    serial: str = "",
    fleet: str = "",
    counter: int = 0,
    slot: int = 0,
    hurried: bool = False,
    upstream: bool = False,
) -> Iterator[Twin]:
    """A live virtual board; talk to it through its `link`. It ends with the context.

    `files` are the board's by name: contract.json, and model.so (native, qemu-user), or model.wasm and page.zip
    (browser), or firmware.elf, or twin.elf where the twin is another machine, with model.bin if the slot is to hold an
    image. `lock` may name `emulator` or `compiler`. `replay` stands in for a sensor, on twins that can: the board
    samples it by itself and reports its results unasked. `bootloader` puts the board's own before the firmware, which
    may then be missing. With a `serial` its chip has a number of its own, always the same, where a twin's chip can have
    one. A Linux board says that it is of `fleet`. Where a bootloader of ours starts the board, its images are bound to
    a security `counter`, and its firmware lies in one `slot`. `hurried`, in QEMU: the board's clock does not wait for
    this machine's while it sleeps, so that a replay takes as long as it computes. `upstream` gives it a second stream,
    of a part of a chain to the one before. Raises ToolError when it cannot be
    started.
    """
    if bootloader:
        check_bootloader(board, spec)
    if replay is not None:
        check_replay(board, spec)
    if hurried and spec.twin.kind != "qemu":
        raise ToolError(f"{board}: a twin of kind {spec.twin.kind} keeps to this machine's clock", hint="leave it out")
    what = Boot(board, spec, files, {}, lock or {})
    contract = read_contract(what.file("contract.json"))
    if replay is not None:
        _check_samples(board, replay, contract)
    with kind_of(board, spec).boot(
        replace(
            what,
            contract=contract,
            replay=replay,
            state=state,
            bootloader=bootloader,
            serial=serial,
            fleet=fleet,
            counter=counter,
            slot=slot,
            hurried=hurried,
            upstream=upstream,
        )
    ) as virtual:
        yield virtual


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Proves one board's images; writes proof.json. See docs/architecture.md for files and facts."""
    board = str(step.settings["board"])
    spec = BoardSpec.model_validate(step.settings["facts"])
    contract = read_contract(inputs["contract.json"])
    counter = int(step.settings.get("security_counter", 0))
    upstream = bool(step.settings.get("chain", {}).get("position"))
    images = _images(board, spec, inputs, counter)
    if not can_boot(spec, inputs):
        facts = _nothing_ran(spec, inputs) | images
        (out / "proof.json").write_bytes(_proof(board, contract, facts, {}, None))
        return facts
    golden = read_golden(inputs["golden.bin"])
    total = len(golden.vectors)
    expected = Expected(
        bytes.fromhex(digest_json(contract).removeprefix("sha256:")), _check_images(board, spec, inputs)
    )
    with open_twin(board, spec, inputs, lock=step.lock, counter=counter, upstream=upstream) as virtual, _alone(virtual):
        hello = greet(virtual, expected)
        measured = prove(virtual, hello, golden, lambda done: report(Progress(done, total, f"{board}: golden vectors")))
        if "stream.bin" in inputs:
            play(virtual, read_stream(inputs["stream.bin"]))
    if starts_by_bootloader(spec, inputs):
        report(Progress(total, total, f"{board}: the firmware of its second slot"))
        with (
            open_twin(board, spec, inputs, lock=step.lock, counter=counter, slot=1, upstream=upstream) as second,
            _alone(second),
        ):
            prove(second, greet(second, expected), replace(golden, vectors=golden.vectors[:1]), lambda _: None)
    facts = _facts(board, spec, inputs, total, measured) | images
    own = (PART,) if PART in inputs else ()
    ran = {name: digest_file(inputs[name]) for name in (*files_run(board, spec), *own)}
    (out / "proof.json").write_bytes(_proof(board, contract, facts, ran, step.lock.get("emulator")))
    return facts


def _alone(virtual: Twin) -> contextlib.AbstractContextManager[None]:
    return unheard(virtual.upstream if isinstance(virtual, WiredBoard) else None)


def _images(board: str, spec: BoardSpec, inputs: Mapping[str, Path], counter: int) -> JsonObject:
    """By name of each image of the board's slots, what its signature will cover, as SHA-256, and its bytes with it."""
    made = slot_images(board, spec, inputs, counter)
    read = {name: read_image(image, where=name) for name, image in made.items()}
    digests = {name: f"sha256:{image.digest.hex()}" for name, image in read.items()}
    sizes = {name: signed_bytes(image) for name, image in read.items()}
    return {"images": digests, "signed_bytes": sizes} if read else {}


def _proof(board: str, contract: JsonObject, facts: JsonObject, ran: Mapping[str, str], emulator: object) -> bytes:
    about = {"board": board, "contract": digest_json(contract), "facts": facts, "ran": dict(ran)}
    return pretty_json({**about, "emulator": emulator})


def _nothing_ran(spec: BoardSpec, inputs: Mapping[str, Path]) -> JsonObject:
    """The facts of a board that nothing here emulates: its model's C and its project are made, and perhaps compiled."""
    unknown = ("bit_exact", "flash_bytes", "ram_bytes", "stack_bytes", "instructions", "resolution")
    proof = dict.fromkeys(("model", "firmware"), _compiled(inputs))  # the model is linked in
    return {**dict.fromkeys(unknown), "vectors": 0, "proof": proof, "not_covered": list(spec.twin.not_covered)}


def read_contract(path: Path) -> JsonObject:
    """A contract.json. Raises SpecError for what is none."""
    try:
        contract = json.loads(read_bounded(path, MIB))
    except ValueError as error:
        raise SpecError(f"{path.name}: not JSON: {error}") from error
    if not isinstance(contract, dict) or not isinstance(contract.get("input"), dict) or not _is_whole(contract):
        raise SpecError(f"{path.name}: not a contract", hint="run the compile step again")
    return contract


def _is_whole(contract: JsonObject) -> bool:
    """A model's contract names an arena, a collector's what it collects."""
    return "arena_bytes" in contract or "collect" in contract


def _check_images(board: str, spec: BoardSpec, inputs: Mapping[str, Path]) -> bytes | None:
    """The model image for the slot, or None. Raises when it or the firmware's files cannot be right."""
    if spec.layout is None:
        return None
    if "firmware.elf" in inputs and _made_here(spec):
        check_copies(inputs["firmware.elf"], inputs["firmware.bin"], inputs.get("firmware.hex"))
    if "firmware.uf2" in inputs and _made_here(spec):
        check_uf2(inputs["firmware.elf"], inputs["firmware.uf2"])
    if not spec.layout.model:
        return None
    image = read_bounded(inputs["model.bin"], IMAGE_LIMIT_BYTES)
    check_slot(board, image, spec.layout.model[0].bytes)
    return image


def _made_here(spec: BoardSpec) -> bool:
    """Else the board's maker's tools made the firmware, in formats of their own, and no twin runs it."""
    return spec.port != "arduino" or spec.twin.same_machine


def proof_levels(spec: BoardSpec, inputs: Mapping[str, Path]) -> JsonObject:
    """Of the model and of the firmware; a model that is linked in is as proven as the firmware."""
    if spec.model_form == "shared-object":
        model = "same-bytes" if spec.twin.same_machine else "same-source"
        return {"model": model, "firmware": model if PART in inputs else "none"}
    firmware = "same-bytes" if spec.twin.same_machine else "same-source"
    model = firmware if spec.model_form == "linked" else "same-bytes"
    if not _made_here(spec):
        return {"model": model, "firmware": _compiled(inputs)}
    built = spec.layout is None or "firmware.elf" in inputs
    return {"model": model, "firmware": firmware if built else "rendered"}


def _compiled(inputs: Mapping[str, Path]) -> str:
    """Of a firmware that never ran."""
    return "built" if "firmware.elf" in inputs else "rendered"


def _flash_bytes(spec: BoardSpec, inputs: Mapping[str, Path]) -> int:
    """What lies in the board's flash of the files that were made; the twin's program where that is all there is."""
    found = [inputs[name].stat().st_size for name in STORED[spec.model_form] if name in inputs]
    return sum(found) if found else len(elf_bytes(inputs["twin.elf"]))


def _facts(board: str, spec: BoardSpec, inputs: Mapping[str, Path], vectors: int, measured: Measured) -> JsonObject:
    uncounted = [kind_of(board, spec).not_counted] if measured.instructions is None else []
    if spec.layout is not None and "firmware.bin" not in inputs:
        uncounted.append(NOT_BUILT)
    return {
        "bit_exact": True,  # a difference ends the step
        "vectors": vectors,
        "flash_bytes": _flash_bytes(spec, inputs),
        "ram_bytes": measured.ram_bytes,
        "stack_bytes": measured.stack_used,
        "instructions": measured.instructions,
        "resolution": measured.resolution,
        "proof": proof_levels(spec, inputs),
        "not_covered": [*spec.twin.not_covered, *uncounted],
    }
