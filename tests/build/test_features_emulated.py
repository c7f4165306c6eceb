"""Features in an emulator: the bytes of this machine on Cortex-M4 and in code for Cortex-M0, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes.cortexm import push_in_emulator
from fakes.staged import made_up_sound, staged
from fakes.tflite import dense
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import write_sources
from tinyops.compiler.image.assembly import header_assembly
from tinyops.compiler.image.build import build_image
from tinyops.features.host import extract_rows, quantise_rows
from tinyops.features.stages import STATISTICS, Filter, LogMel, Mfcc, Samples, Spectrum, Stage, Statistics
from tinyops.graph import parse_graph
from tinyops.toolchain import installed

pytestmark = pytest.mark.build
BLOCK, BLOCKS = 320, 50
INSTRUCTIONS, RAM_BYTES = 3_000_000, 8192
ALL: tuple[tuple[Stage, ...], ...] = (
    (LogMel(480, 320, 512),),
    (Filter("band", 2, (100.0, 6000.0)), Mfcc(480, 320, 512)),
    (Spectrum(512, 320, 512, "hamming", high_hz=4000.0, scale="magnitude"),),
    (Spectrum(128, 64, 256, high_hz=2000.0),),
    (Filter("high", 3, (50.0,)), Statistics(480, 320, STATISTICS)),
    (Filter("low", 1, (1000.0,)), Samples()),
)


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m0"])
@pytest.mark.parametrize("stages", ALL, ids=lambda s: s[-1].kind)
def test_a_device_computes_what_this_machine_does(stages: tuple[Stage, ...], cpu: str, tmp_path: Path) -> None:
    seconds = 0.2 if isinstance(stages[-1], Samples) else 1.0
    blocks = int(BLOCKS * seconds)
    plain = staged(*stages, frame_samples=BLOCK, frames=(blocks, blocks))
    features = type(plain)(**{**vars(plain), "offset": (4000,) * plain.row_values, "gain": (0.01,) * plain.row_values})
    graph = parse_graph(dense(2, features.window_values).build([0], [3]), "test.tflite")
    compiled = compile_model(graph, features, CompileOptions(cpu=cpu))
    sources = [p.relative_to(tmp_path).as_posix() for p in write_sources(compiled.sources, tmp_path)]
    tool = installed("arm-none-eabi-gcc")
    image, _ = build_image(sources, header_assembly(compiled.header), cpu, tool, tmp_path)
    rng = np.random.default_rng(4)
    loud = rng.choice([-32768, 32767], (int(16000 * seconds), 1)).astype(np.int16)
    samples = np.concatenate([made_up_sound(seconds), loud])
    found, stack_bytes = push_in_emulator(image, samples.tobytes(), tmp_path)
    rows = quantise_rows(extract_rows(samples, features), features, 0.5, 3)
    wanted = [rows[n * features.hop_rows :][: features.rows].tobytes() for n in range(2)]
    assert [tensor for _, tensor in found] == wanted
    if isinstance(stages[-1], LogMel) and stages == ALL[0] and cpu == "cortex-m4f":
        assert max(instructions for instructions, _ in found) <= INSTRUCTIONS
        ram = compiled.arena.state.bytes + compiled.arena.push_scratch.bytes + stack_bytes
        assert ram <= RAM_BYTES
