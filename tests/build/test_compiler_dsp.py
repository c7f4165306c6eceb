"""The kernels for cores with the DSP extension: under sanitizers against the interpreter, their assembly in QEMU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.arithmetic_models import any_of, two_operands
from fakes.compiled import SANITIZED, compile_bytes, compile_special, input_vectors, random_inputs, run_compiled
from fakes.cortexm import emulate
from fakes.interpreter import Interpreter
from fakes.operator_models import OPERATORS, depthwise_conv_2d

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODELS = {
    "conv_2d": OPERATORS["conv_2d"],
    "depthwise_3x3": depthwise_conv_2d(only_3x3=True),
    "fully_connected": OPERATORS["fully_connected"],
    "elementwise": OPERATORS["elementwise"],
    "sub": any_of([two_operands("SUB")]),
    "pool_2d": OPERATORS["pool_2d"],
}
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
CPU = "cortex-m4f"
# Instructions an inference may take, of which the figures in
# docs/decisions/0030-packed-kernels.md are a little below.
MLPERF_TINY = {
    "kws_ref_model": 4.6e6,
    "vww_96_int8": 14.5e6,
    "pretrainedResnet_quant": 18e6,
    "ad01_int8": 0.42e6,
}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def is_packed(compiled):
    names = [call.function for low in compiled.lowered for call in low.calls]
    return any(name.endswith(("_packed", "_3x3")) for name in names)


@pytest.mark.parametrize("name", MODELS)
def test_packed_operator_equals_the_interpreter(name, interpreter):
    ran = []

    @settings(max_examples=25, **QUIET)
    @given(model=MODELS[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_special(model, CPU)
        assume(is_packed(compiled))
        inputs = random_inputs(compiled, 6, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        ran.append(1)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert ran, "no example used the packed kernel"


@pytest.mark.parametrize("name", MODELS)
def test_assembly_equals_the_c_beside_it(name, tmp_path_factory):
    ran = []

    @settings(max_examples=12, **QUIET)
    @given(model=MODELS[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_special(model, CPU)
        assume(is_packed(compiled))
        vectors = input_vectors(compiled, random_inputs(compiled, 6, seed))
        ran.append(1)
        found = emulate(compiled, vectors, tmp_path_factory.mktemp("image"))
        assert [output for _, output in found] == run_compiled(compiled, vectors)

    compare()
    assert ran, "no example used the packed kernel"


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_model_is_bit_exact_and_within_its_instructions(name, tmp_path, interpreter):
    path = SHARED / "models" / "mlperf_tiny" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the shared data (TINYOPS_SHARED_DATA)")
    compiled = compile_bytes(path.read_bytes(), cpu=CPU)
    inputs = random_inputs(compiled, 4, seed=7)
    found = emulate(compiled, input_vectors(compiled, inputs), tmp_path)
    assert [output for _, output in found] == interpreter.run(path.read_bytes(), inputs)
    counted = max(count for count, _ in found)
    assert counted <= MLPERF_TINY[name]
    assert sum(compiled.predicted_instructions) == pytest.approx(counted, rel=0.04)
