"""Operators by rows: the same bytes as the interpreter, whatever runs together, under sanitizers and in QEMU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from test_compiler_image import build
from test_compiler_models import read

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.cortexm import run_in_emulator
from fakes.interpreter import Interpreter
from fakes.row_models import camera_network, image_networks
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler import compiled as compiling
from tinyops.compiler.host import HostModel, build_host
from tinyops.compiler.rows import memory, search
from tinyops.compiler.rows.stretch import geometries
from tinyops.compiler.sharing import share_storage
from tinyops.features import RawFeatures
from tinyops.graph import parse_graph

pytestmark = pytest.mark.build
VWW = "mlperf_tiny/vww_96_int8"
DUE, ERR_STATE = 1, -2
RAM = CompileOptions(arena_bytes=4096, prefer="ram")
QUIET = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.generate,),  # to make a failing network smaller takes minutes
}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def any_stretch(seed: int, rows: int, *, streamed: bool, used: list | None = None):
    """Instead of the compiler's choice: operators that may run by rows, chosen by lot."""

    def choose(graph, lowered, features, options, _whole):
        storage = share_storage(graph, lowered)
        task = search._Task(graph, storage, features, options.cpu, geometries(graph, storage.lowered))
        ends = [(a, b) for a in range(len(lowered)) for b in range(a + 1, len(lowered)) if a == 0 or not streamed]
        for place in np.random.default_rng(seed).permutation(len(ends)):
            found = task.candidate(*ends[place], rows, streamed=streamed)
            if found is not None:
                (used if used is not None else []).append(found.stretch)
                return task.plan(found.stretch)
        return assume(False)

    return choose


def outputs_agree(interpreter, model: bytes, seed: int, cpu: str) -> bool:
    compiled = compile_bytes(model, cpu=cpu)
    inputs = random_inputs(compiled, 3, seed)
    wanted = interpreter.run(model, inputs)
    assume(wanted is not None)
    return run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("cpu", ["x86-64", "cortex-m4f", "cortex-m0plus"])  # kernels of each, in plain C
def test_any_stretch_by_rows_equals_the_interpreter(cpu, streamed, interpreter, monkeypatch):
    @settings(max_examples=12, **QUIET)
    @given(model=image_networks(), seed=st.integers(0, 2**31), rows=st.integers(1, 4))
    def compare(model, seed, rows):
        monkeypatch.setattr(compiling, "choose_stretch", any_stretch(seed, rows, streamed=streamed))
        assert outputs_agree(interpreter, model, seed, cpu)

    compare()


def test_the_networks_have_what_rows_can_meet(monkeypatch):
    """Otherwise the test above would prove little."""
    used: list = []

    @settings(max_examples=25, derandomize=True, **QUIET)
    @given(model=image_networks(), seed=st.integers(0, 2**31))
    def collect(model, seed):
        monkeypatch.setattr(compiling, "choose_stretch", any_stretch(seed, 2, streamed=False, used=used))
        compile_bytes(model)

    collect()
    assert sum(len(s.steps) > 2 for s in used) >= 5
    assert any(len(step.inputs) > 1 for s in used for step in s.steps), "no branches"
    assert any(len(s.outputs) > 1 for s in used), "nothing in between is read behind"
    assert any(line.kept for s in used for line in s.lines), "no rows are kept"
    assert any(step.geometry.pad for s in used for step in s.steps), "no padding"
    assert any(step.geometry.reach < step.geometry.stride for s in used for step in s.steps), "no rows are skipped"
    assert any(line.height % 2 for s in used for line in s.lines), "no odd height"


def test_kept_rows_that_are_forgotten_are_noticed(interpreter, monkeypatch):
    """Otherwise the test above would prove nothing: rows are restored over what the operator is about to read."""
    honest = memory._over_rows

    def careless(stretch, step, between, low):
        line = between[step.output]
        for over in honest(stretch, step, between, low):
            yield replace(over, distance=max(over.distance - line.kept_bytes, 0))

    monkeypatch.setattr(memory, "_over_rows", careless)
    seen = []

    @settings(max_examples=40, derandomize=True, **QUIET)
    @given(model=image_networks(), seed=st.integers(0, 2**31))
    def compare(model, seed):
        monkeypatch.setattr(compiling, "choose_stretch", any_stretch(seed, 1, streamed=False))
        if all(seen):
            seen.append(outputs_agree(interpreter, model, seed, "x86-64"))

    compare()
    assert not all(seen)


# At most these arenas: by rows, and with rows that are streamed.
ARENAS = {
    VWW: (27_904, 16_816),
    "mlperf_tiny/pretrainedResnet_quant": (19_088, 19_472),
    "tflm/person_detect": (18_832, 15_088),
}


@pytest.mark.parametrize("name", ARENAS)
def test_models_by_rows(name, interpreter):
    model = read(name)
    by_rows = {"cpu": "cortex-m4f", "prefer": "ram"}
    ways = [compile_bytes(model, **options) for options in (by_rows, {**by_rows, "stream_rows": True})]
    assert all(way.stretch and way.arena.bytes <= most for way, most in zip(ways, ARENAS[name], strict=True))
    inputs = random_inputs(ways[0], 3, seed=7)
    wanted = interpreter.run(model, inputs)
    for way in ways:
        assert run_compiled(way, input_vectors(way, inputs), SANITIZED) == wanted


@pytest.mark.parametrize("options", [{"prefer": "ram"}, {"stream_rows": True}])
def test_rows_in_the_emulator_equal_this_machine(tmp_path, options):
    """Assembly on strips, with rows kept beside buffers that overlap."""
    model = read(VWW)
    image = (build(tmp_path, "cortex-m4f", model, **options) / "model.bin").read_bytes()
    whole = compile_bytes(model, cpu="cortex-m4f", prefer="speed")
    inputs = random_inputs(whole, 2, seed=11)
    wanted = run_compiled(whole, input_vectors(whole, inputs))
    for found in run_in_emulator(image, [values.tobytes() for values in inputs[0]], tmp_path):
        assert [output for _, output in found] == wanted


ROWS = 24  # of fewer, a window takes less than what rows keep
CAMERA = RawFeatures(10, ROWS, ROWS, (100, -50), (0.01, 0.005))  # of 5 pixels with 2 channels


def test_a_camera_whose_frames_are_rows(tmp_path):
    """Each row goes into the first line as it comes; the same bytes as with a window in memory."""
    graph = parse_graph(camera_network(ROWS), "camera")
    compiled = [compile_model(graph, CAMERA, way) for way in (replace(RAM, prefer="speed"), RAM)]
    assert [way.header.input_rows for way in compiled] == [1, ROWS]
    assert compiled[1].arena.bytes < compiled[0].arena.bytes
    assert compiled[1].header.contract == compiled[0].header.contract
    whole, rows = (HostModel(build_host(way.sources, tmp_path / str(i))) for i, way in enumerate(compiled))
    frames = np.random.default_rng(3).integers(-3000, 3000, (3 * ROWS, 10)).astype(np.int16)
    for number, frame in enumerate(frames):
        due = [model.push(frame) for model in (whole, rows)]
        assert due == ([DUE, DUE] if number % ROWS == ROWS - 1 else [0, 0])
        assert rows.prepare() == (0 if due[0] else ERR_STATE)
        if due[0] == DUE:
            whole.prepare()
            window = whole.input()
            assert [model.invoke() for model in (whole, rows)] == [0, 0]
            assert whole.output() == rows.output()
            assert rows.infer(np.frombuffer(window, np.int8)[None]).tobytes() == whole.output()


def test_rows_that_nobody_asked_for_are_forgotten(tmp_path):
    """A window that is complete and not used gives way to the next, and a row too many writes nowhere else."""
    compiled = compile_model(parse_graph(camera_network(ROWS), "camera"), CAMERA, RAM)
    model = HostModel(build_host(compiled.sources, tmp_path))
    first, second = np.random.default_rng(4).integers(-3000, 3000, (2, ROWS, 10)).astype(np.int16)
    outputs = []
    for frames in ((second,), (first, second), (first[:5], None, second)):
        model.init()
        for part in frames:
            if part is None:
                model.init()
                continue
            for frame in part:
                model.push(frame)
        assert model.invoke() == 0
        outputs.append(model.output())
    assert len(set(outputs)) == 1
