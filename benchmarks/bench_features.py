"""What features cost on a Cortex-M4, counted in QEMU, and how far their integers are from double precision.

python benchmarks/bench_features.py

A second of 16 kHz sound is pushed into model images in frames of 20 ms. Instructions are those of all pushes and of
prepare; RAM is what features keep, their scratch (which lies where activations do later) and the stack; flash is the
image less the same image without features. Errors are those of the bands and bins within 60 dB of a recording's
loudest; of speech commands where they are there (`../shared/data` or TINYOPS_SHARED_DATA), else of made-up sound.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _repository import ROOT
from _timing import heading, table

sys.path.insert(0, str(ROOT / "tests"))  # the emulator's harness and the float reference are those of the tests

from fakes.cortexm import push_in_emulator
from fakes.staged import log_mel_db, made_up_sound, speech, staged
from fakes.tflite import dense
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import write_sources
from tinyops.compiler.image.assembly import header_assembly
from tinyops.compiler.image.build import build_image
from tinyops.features import Features, StagedFeatures, TensorFeatures
from tinyops.features.host import extract_rows, quantise_rows
from tinyops.features.stages import STATISTICS, Filter, LogMel, Mfcc, Spectrum, Stage, Statistics
from tinyops.graph import parse_graph
from tinyops.toolchain import installed

DB = 10 * np.log10(2) / 512  # of a unit of the device's logarithms
LOG_MEL = LogMel(480, 320, 512)
ALL: tuple[tuple[str, tuple[Stage, ...]], ...] = (
    ("log_mel, 40 bands of 30 ms every 20 ms", (LOG_MEL,)),
    ("the same after a high-pass of order 2", (Filter("high", 2, (100.0,)), LOG_MEL)),
    ("mfcc, 13 of 40 bands", (Mfcc(480, 320, 512),)),
    ("spectrum, log of 129 bins", (Spectrum(480, 320, 512, high_hz=4000.0),)),
    ("spectrum, magnitude of 129 bins", (Spectrum(480, 320, 512, high_hz=4000.0, scale="magnitude"),)),
    ("statistics, all 7", (Statistics(480, 320, STATISTICS),)),
)
LIMITS = (3_000_000, 8192)  # instructions and bytes of RAM of log-mel


@dataclass(frozen=True)
class Cost:
    instructions: int
    kept: int
    scratch: int
    stack: int
    flash: int

    @property
    def ram(self) -> int:
        return self.kept + self.scratch + self.stack


def main() -> None:
    sounds = speech(6) or [made_up_sound()]
    heading("Features: a second of 16 kHz sound")
    rows = []
    for name, stages in ALL:
        for cpu in ("cortex-m4f", "cortex-m0"):
            cost = measure(stages, cpu)
            columns = (cost.instructions, cost.kept, cost.scratch, cost.stack, cost.ram, cost.flash)
            rows.append([name, cpu, *(f"{n:,}" for n in columns)])
            if stages == (LOG_MEL,) and cpu == "cortex-m4f":
                assert cost.instructions <= LIMITS[0] and cost.ram <= LIMITS[1], cost
    table(("features", "code for", "instructions", "kept", "scratch", "stack", "RAM", "flash"), rows)
    print(
        "every image ran on a Cortex-M4 and gave the bytes that this machine gives; bytes, instructions of one second"
    )
    heading(f"log_mel beside double precision, {len(sounds)} recordings")
    table(("down to", "values", "rms", "largest"), [*_errors(sounds)])


def measure(stages: tuple[Stage, ...], cpu: str) -> Cost:
    plain = staged(*stages, frame_samples=320, frames=(50, 50))
    values = plain.row_values
    features = replace(plain, offset=(4000,) * values, gain=(0.01,) * values)
    samples = made_up_sound()
    with tempfile.TemporaryDirectory() as folder:
        image, compiled = _image(features, features, cpu, Path(folder) / "with")
        without, _ = _image(features, TensorFeatures(), cpu, Path(folder) / "without")
        found, stack = push_in_emulator(image, samples.tobytes(), Path(folder) / "with")
    wanted = quantise_rows(extract_rows(samples, features), features, 0.5, 3).tobytes()
    assert [tensor for _, tensor in found] == [wanted], "the device's bytes are not those of this machine"
    arena = compiled.arena
    flash = len(image) - len(without)
    return Cost(found[0][0], arena.state.bytes, arena.push_scratch.bytes, stack, flash)


def _image(shape: StagedFeatures, features: Features, cpu: str, folder: Path):
    graph = parse_graph(dense(2, shape.window_values).build([0], [3]), "bench.tflite")
    compiled = compile_model(graph, features, CompileOptions(cpu=cpu))
    sources = [p.relative_to(folder).as_posix() for p in write_sources(compiled.sources, folder)]
    image, _ = build_image(sources, header_assembly(compiled.header), cpu, installed("arm-none-eabi-gcc"), folder)
    return image, compiled


def _errors(sounds: list[np.ndarray]) -> Iterator[list[str]]:
    wanted = [log_mel_db(samples, LOG_MEL) for samples in sounds]
    found = [extract_rows(samples, staged(LOG_MEL)) * DB for samples in sounds]
    errors = np.concatenate([f - w for f, w in zip(found, wanted, strict=True)])
    below = np.concatenate([w - w.max() for w in wanted])
    for floor in (-20, -40, -60, -80):
        chosen = errors[below > floor]
        rms, largest = np.sqrt((chosen**2).mean()), np.abs(chosen).max()
        yield [f"{floor} dB", f"{chosen.size:,}", f"{rms:.4f} dB", f"{largest:.3f} dB"]


if __name__ == "__main__":
    main()
