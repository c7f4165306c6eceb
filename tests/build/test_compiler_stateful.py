"""Models that keep state, over sequences of inferences: bit-exact with TensorFlow Lite Micro from init on."""

from __future__ import annotations

import os
import random
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.cortexm import run_in_emulator
from fakes.interpreter import Interpreter
from fakes.state_models import STATEFUL, delay_line, lstm_model, svdf_model, wake_word
from tinyops.compiler.host import HostModel, build_host
from tinyops.errors import DoesNotFit, SpecError
from tinyops.features import RawFeatures

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "models" / "tflm"
VECTORS = 10
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
MODELS = {"keyword_scrambled": (10_432, 10_240), "mnist_lstm_int8": (896, 72), "dtln_noise_suppression": (1_168, 768)}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def read(name: str) -> bytes:
    path = SHARED / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the shared data (TINYOPS_SHARED_DATA)")
    return path.read_bytes()


def showing_more(model: bytes, tensors: list[int]) -> bytes:
    """The model with other outputs."""
    found = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    found.subgraphs[0].outputs = np.array(tensors, np.int32)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(found.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("name", sorted(STATEFUL))
def test_sequences_equal_the_interpreters(name, interpreter):
    seen = []

    @settings(max_examples=12, **QUIET)
    @given(
        model=STATEFUL[name],
        seed=st.integers(0, 2**31),
        prefer=st.sampled_from(["balanced", "ram", "speed"]),
        cpu=st.sampled_from(["x86-64", "cortex-m4f"]),
    )
    def compare(model, seed, prefer, cpu):
        compiled = compile_bytes(model, prefer=prefer, cpu=cpu)
        inputs = random_inputs(compiled, VECTORS, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        seen.append(1)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert len(seen) >= 8, "the interpreter refused most examples"


@pytest.mark.parametrize("name", MODELS)
def test_models_from_the_wild_equal_the_interpreter_over_a_sequence(name, interpreter):
    model = read(name)
    compiled = compile_bytes(model)
    assert (compiled.arena.bytes, compiled.arena.variables.bytes) == MODELS[name]
    inputs = random_inputs(compiled, 16, seed=7)
    wanted = interpreter.run(model, inputs)
    assert wanted is not None
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted


def test_each_layer_of_the_scrambled_model_equals_the_interpreters(interpreter):
    """Its weights are scrambled such that both its outputs are always a half: the filters' outputs tell more."""
    model = showing_more(read("keyword_scrambled"), [5, 13, 21, 29, 37, 42, 47, 53])
    compiled = compile_bytes(model)
    inputs = [np.random.default_rng(1).integers(-12000, 24000, (40, 1, 96)).astype(np.int16)]
    wanted = interpreter.run(model, inputs)
    assert wanted is not None
    assert len(set(wanted)) == 40
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted


@pytest.mark.parametrize(("made", "remembers", "copies"), [(delay_line, 5, 0), (wake_word, 9, 0)])
def test_a_streaming_network_equals_the_interpreter(made, remembers, copies, interpreter):
    model = made()
    compiled = compile_bytes(model)
    inputs = random_inputs(compiled, 30, seed=3)
    inputs[0][8:] = inputs[0][8]  # from here on only what is remembered changes
    wanted = interpreter.run(model, inputs)
    assert wanted is not None
    assert len(set(wanted[:8])) > 4
    assert len(set(wanted[8:12])) > 1
    assert len(set(wanted[8 + remembers :])) == 1
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted
    kept = [o.name for o, low in zip(compiled.graph.operators, compiled.lowered, strict=True) if low.calls]
    assert kept.count("READ_VARIABLE") == copies


def test_init_starts_a_sequence_again(tmp_path):
    compiled = compile_bytes(wake_word())
    model = HostModel(build_host(compiled.sources, tmp_path))
    vectors = np.frombuffer(b"".join(input_vectors(compiled, random_inputs(compiled, 6, 1))), np.uint8)
    vectors = vectors.reshape(6, -1)
    first, on = model.infer(vectors), model.infer(vectors)
    model.init()
    assert first.tolist() == model.infer(vectors).tolist() != on.tolist()


def test_state_outlives_the_frames_between_inferences(tmp_path):
    """Frames that are pushed lie beside what the model remembers; fed as tensors, the windows give the same."""
    model = wake_word()
    compiled = compile_bytes(model, RawFeatures(10, 3, 3, (0,) * 10, (0.01,) * 10))
    device = HostModel(build_host(compiled.sources, tmp_path / "frames"))
    counts = np.random.default_rng(2).integers(-1500, 1500, (30, 10)).astype(np.int16)
    answers, windows = [], []
    for frame in counts:
        if device.push(frame) == 1:
            assert device.prepare() == 0
            windows.append(np.frombuffer(device.input(), np.uint8))
            assert device.invoke() == 0
            answers.append(device.output())
    plain = HostModel(build_host(compile_bytes(model).sources, tmp_path / "tensors"))
    assert answers == [row.tobytes() for row in plain.infer(np.stack(windows))]
    assert len(set(answers)) > 5


@pytest.mark.parametrize("name", ["svdf", "lstm"])
def test_assembly_equals_the_c_beside_it(name, tmp_path_factory):
    """The harness fills the arena with something else than 0 before it calls init."""

    @settings(max_examples=4, **QUIET)
    @given(model=STATEFUL[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        emulate_and_compare(model, tmp_path_factory.mktemp("image"), seed)

    compare()


@pytest.mark.parametrize("name", ["keyword_scrambled", "mnist_lstm_int8"])
def test_models_in_the_emulator_equal_this_machine(name, tmp_path):
    emulate_and_compare(read(name), tmp_path, 11)


@pytest.mark.parametrize("made", [delay_line, wake_word])
def test_a_streaming_network_in_the_emulator_equals_this_machine(made, tmp_path):
    emulate_and_compare(made(), tmp_path, 11)


def emulate_and_compare(model: bytes, folder: Path, seed: int) -> None:
    from test_compiler_image import build

    image = (build(folder, "cortex-m4f", model) / "model.bin").read_bytes()
    compiled = compile_bytes(model, cpu="cortex-m4f")
    vectors = input_vectors(compiled, random_inputs(compiled, VECTORS, seed))
    for found in run_in_emulator(image, vectors, folder):
        assert [output for _, output in found] == run_compiled(compiled, vectors)


def test_damaged_models_with_state_never_crash_the_compiler_nor_the_compiled_code():
    from test_compiler_hostile import damaged

    rng, ran, refused = random.Random(9), 0, 0  # noqa: S311
    for source in (wake_word(), svdf_model().build([0], [5]), lstm_model().build([0], [15])):
        for _ in range(250):
            try:
                compiled = compile_bytes(damaged(source, rng), arena_bytes=1 << 20, board="test")
            except (SpecError, DoesNotFit):
                refused += 1
                continue
            if rng.random() < 0.1:
                run_compiled(compiled, input_vectors(compiled, random_inputs(compiled, 3, seed=1)), SANITIZED)
                ran += 1
    assert refused > 80
    assert ran > 4
