"""What deltas save over the air, and what undoing them takes of a core: models and firmwares that changed in four ways.

python benchmarks/bench_deltas.py

Models are MLPerf Tiny's keyword spotting and image classification; what a training changes is simulated: last layer's
or all weights move by a normal deviate of four steps of 128, biases with them. "code" has an instruction more in the
kernels of convolutions. Firmwares are the application of a Nano 33 BLE: linked for the other slot, as it always is, and
with a function more. Beside ours stand the whole image, and detools' own two formats for small devices.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import detools
import numpy as np
from _timing import heading, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fakes.cortexm import FLAGS, HARNESS, MACHINES
from fakes.firmware_edits import as_rendered, replacing
from fakes.reversing import board_spec, build_firmware, contract_of
from tinyops.artifacts import Step
from tinyops.compiler import image, run
from tinyops.images import Kind, build_image, sign_image
from tinyops.images.delta import make_delta
from tinyops.manifest.keys import SigningKey
from tinyops.toolchain import CPU_FLAGS, installed
from tinyops.twin.flashed import firmware_body

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "tinyops/runtime"
MODELS = Path(os.environ.get("TINYOPS_SHARED_DATA", ROOT.parent / "shared/data")) / "models/mlperf_tiny"
NAMES = {"keywords": "kws_ref_model", "images": "pretrainedResnet_quant"}
BOARD, CPU = "nano33ble", "cortex-m4f"
KEY = SigningKey.generate()
GCC, SIZE, QEMU = "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"
STEPS = 4  # a normal deviate of a weight's move
# What the application has more: the least that a release would change.
MORE = {
    "src/app/health.c": (
        "static void describe_memory(const tinyops_app *app, tinyops_health *health) {",
        """static uint32_t average_of(const uint32_t *values, uint32_t count) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    sum += values[i] >> 2;
  }
  return sum;
}

static void describe_memory(const tinyops_app *app, tinyops_health *health) {
  health->missed_frames = average_of(health->histogram, TINYOPS_HEALTH_CLASSES_MAX);""",
    )
}


@dataclass(frozen=True)
class Case:
    """A change: signed images before and after."""

    what: str
    old: bytes
    new: bytes


def main() -> int:
    heading("Deltas: bytes, and a Cortex-M4's instructions")
    with tempfile.TemporaryDirectory() as folder:
        cases = [*models(Path(folder)), *firmwares(Path(folder))]
        rows = [row(case, Path(folder)) for case in cases]
    names = ("change", "image", "delta", "of it", "heatshrink", "crle", "instructions", "a byte", "stack")
    table(names, rows)
    print()
    sizes()
    return 0


def row(case: Case, folder: Path) -> tuple[str, ...]:
    delta = make_delta(case.old, case.new, where=case.what)
    instructions, stack = undo(case, delta, folder)
    others = [f"{theirs(case, kind):,}" for kind in ("heatshrink", "crle")]
    share, cost = f"{len(delta) / len(case.new):.1%}", f"{instructions / len(case.new):.0f}"
    return (case.what, f"{len(case.new):,}", f"{len(delta):,}", share, *others, f"{instructions:,}", cost, str(stack))


def theirs(case: Case, compression: str) -> int:
    made = io.BytesIO()
    detools.create_patch(io.BytesIO(case.old), io.BytesIO(case.new), made, compression=compression, use_mmap=False)
    return len(made.getvalue())


def undo(case: Case, delta: bytes, folder: Path) -> tuple[int, int]:
    """Instructions and stack of the decoder, which must make the image."""
    for name, data in (("base", case.old), ("new", case.new), ("delta", delta)):
        (folder / f"{name}.bin").write_bytes(data)
    machine = MACHINES[CPU]
    symbols = {"code_at": machine.code_at, "data_at": machine.data_at, "timer": machine.timer_at}
    link = ["-T", f"{HARNESS}.ld", *(f"-Wl,--defsym={name}={value:#x}" for name, value in symbols.items())]
    sources = [ROOT / "benchmarks/delta_device.c", RUNTIME / "delta/delta.c"]
    flags = [*CPU_FLAGS[CPU], *(flag if flag != "-O2" else "-Os" for flag in FLAGS), "-I", RUNTIME / "include"]
    command = [GCC, *flags, *link, *sources, "-o", "undo.elf", "-lc", "-lgcc"]
    subprocess.run(command, check=True, cwd=folder, timeout=60)
    options = ["-M", machine.name, "-display", "none", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    options += ["-semihosting-config", "enable=on,target=native", "-kernel", "undo.elf"]
    subprocess.run([QEMU, *options], check=True, cwd=folder, timeout=300)
    ticks, taken, stack = struct.unpack("<IiI", (folder / "output.bin").read_bytes())
    assert taken == len(delta), f"{case.what}: {taken}"
    return ticks * machine.step, stack


def signed(body: bytes, origin: int | None = None) -> bytes:
    kind = Kind.MODEL if origin is None else Kind.FIRMWARE
    return sign_image(
        build_image(body, kind=kind, board=BOARD, contract=bytes(32), counter=1, load_address=origin), KEY
    )


def models(folder: Path) -> Iterator[Case]:
    if not MODELS.is_dir():
        print(f"{MODELS} is not there: firmwares alone")
        return
    for name, file in NAMES.items():
        data = (MODELS / f"{file}.tflite").read_bytes()
        base = signed(compiled(data, folder / f"{name}-base"))
        changes: dict[str, Callable[[], bytes]] = {
            "code": lambda d=data, n=name: compiled(d, folder / f"{n}-code", other_code=True),  # type: ignore[misc]
            "last layer": lambda d=data, n=name: compiled(retrained(d, last=True), folder / f"{n}-last"),  # type: ignore[misc]
            "all weights": lambda d=data, n=name: compiled(retrained(d, last=False), folder / f"{n}-all"),  # type: ignore[misc]
        }
        for change, make in changes.items():
            yield Case(f"{name}: {change}", base, signed(make()))


def _quietly(_: object) -> None:
    pass


def compiled(model: bytes, folder: Path, *, other_code: bool = False) -> bytes:
    """A model's image, as both steps make it."""
    for name in ("c", "i"):
        (folder / name).mkdir(parents=True)
    (folder / "in.tflite").write_bytes(model)
    settings = {"cpu": CPU, "board": BOARD, "arena_bytes": None, "prefer": "balanced"}
    run(Step("compile", "m", settings), {"int8.tflite": folder / "in.tflite"}, folder / "c", _quietly)
    files = {p.relative_to(folder / "c").as_posix(): p for p in (folder / "c").rglob("*") if p.is_file()}
    if other_code:
        for path in (path for name, path in files.items() if name.endswith(".c") and "conv_2d" in name):
            path.write_text(path.read_text().replace("\n  for (", '\n  __asm__ volatile("nop");\n  for ('))
    tool = installed("arm-none-eabi-gcc")
    lock = {"compiler": {"name": tool.name, "version": tool.version}}
    step = Step("image", "m", {"cpu": CPU, "board": BOARD, "slot_bytes": None}, lock)
    image.run(step, files, folder / "i", _quietly)
    return (folder / "i/model.bin").read_bytes()


def retrained(model: bytes, *, last: bool) -> bytes:
    """The model with weights and biases that moved, of the last layer or of all."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    found = schema.ModelT.InitFromPackedBuf(model, 0)
    graph, rng = found.subgraphs[0], np.random.default_rng(1)
    layers = [op for op in graph.operators if len(op.inputs) > 2 and op.inputs[2] >= 0]
    for layer in layers[-1:] if last else layers:
        weights, bias = (found.buffers[graph.tensors[layer.inputs[at]].buffer] for at in (1, 2))
        values = np.frombuffer(bytes(weights.data), np.int8).astype(int)
        moved = np.clip(np.rint(values + rng.normal(0, STEPS, values.shape)), -127, 127)
        weights.data = np.frombuffer(moved.astype(np.int8).tobytes(), np.uint8)
        old = np.frombuffer(bytes(bias.data), np.int32)
        bias.data = np.frombuffer((old + rng.integers(-50, 50, old.shape)).astype(np.int32).tobytes(), np.uint8)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(found.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def firmwares(folder: Path) -> Iterator[Case]:
    layout = board_spec(BOARD).layout
    made = {}
    for name, edit in (("old", as_rendered), ("new", replacing(MORE))):
        (folder / name).mkdir()
        made[name] = build_firmware(BOARD, folder / name, contract_of(BOARD), edit=edit)
    a, b = (slot.origin for slot in layout.firmware)
    old = signed(firmware_body(made["old"]["firmware.elf"], a), a)
    yield Case("firmware: the other slot", old, signed(firmware_body(made["old"]["firmware_b.elf"], b), b))
    yield Case("firmware: a function more", old, signed(firmware_body(made["new"]["firmware_b.elf"], b), b))


def sizes() -> None:
    """The decoder's code and state."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "state.c"
        probe.write_text('#include "tinyops/delta.h"\nchar state[sizeof(tinyops_app_deltas)];\n')
        for cpu in ("cortex-m0", "cortex-m4f"):
            flags = [*CPU_FLAGS[cpu], "-std=c99", "-Os", "-ffreestanding", "-I", RUNTIME / "include", "-c"]
            found = []
            for source in (RUNTIME / "delta/delta.c", RUNTIME / "delta/updates.c", probe):
                made = Path(folder) / "made.o"
                subprocess.run([GCC, *flags, source, "-o", made], check=True, timeout=60)
                said = subprocess.run([SIZE, made], check=True, capture_output=True, text=True).stdout
                text, _, bss = (int(word) for word in said.splitlines()[1].split()[:3])
                found.append(bss if source == probe else text)
            rows.append((cpu, *(f"{number:,}" for number in found)))
    table(("core", "decoder", "its calls", "state"), rows)


if __name__ == "__main__":
    sys.exit(main())
