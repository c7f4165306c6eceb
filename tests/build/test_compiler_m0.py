"""The kernels for cores without the DSP extension: under sanitizers against the interpreter, their assembly in QEMU."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_bytes, compile_special, input_vectors, random_inputs, run_compiled
from fakes.cortexm import emulate
from fakes.interpreter import Interpreter
from fakes.operator_models import OPERATORS, depthwise_conv_2d, elementwise
from fakes.tflite import PADDING, Tflite
from tinyops.compiler.ops.lanes import BLOCKS, LARGEST_SUM

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODELS = {
    "conv_2d": (OPERATORS["conv_2d"], "tinyops_conv_2d_lanes"),
    "depthwise_3x3": (depthwise_conv_2d(only_3x3=True), "tinyops_depthwise_3x3_lanes"),
    "fully_connected": (OPERATORS["fully_connected"], "tinyops_fully_connected_eights"),
    "addition": (elementwise(long_addition=True), "tinyops_add_packed"),
}
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
CPU = "cortex-m0plus"
# Instructions an inference may take: a little above the figures in docs/decisions/0033-cortex-m0-kernels.md, and far
# below six tenths of what CMSIS-NN takes.
MLPERF_TINY = {
    "kws_ref_model": 11.6e6,
    "vww_96_int8": 23.5e6,
    "pretrainedResnet_quant": 40e6,
    "ad01_int8": 0.92e6,
}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def functions(compiled):
    return {call.function for low in compiled.lowered for call in low.calls}


@pytest.mark.parametrize("name", MODELS)
def test_operator_equals_the_interpreter(name, interpreter):
    models, kernel = MODELS[name]
    ran = []

    @settings(max_examples=15, **QUIET)
    @given(model=models, seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_special(model, CPU)
        assume(kernel in functions(compiled))
        inputs = random_inputs(compiled, 6, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        ran.append(1)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert ran, "no example used the kernel"


@pytest.mark.parametrize("name", MODELS)
def test_assembly_equals_the_c_beside_it(name, tmp_path_factory):
    models, kernel = MODELS[name]
    ran = []

    @settings(max_examples=8, **QUIET)
    @given(model=models, seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_special(model, CPU)
        assume(kernel in functions(compiled))
        vectors = input_vectors(compiled, random_inputs(compiled, 6, seed))
        ran.append(1)
        found = emulate(compiled, vectors, tmp_path_factory.mktemp("image"))
        assert [output for _, output in found] == run_compiled(compiled, vectors)

    compare()
    assert ran, "no example used the kernel"


def full_block(count: int) -> np.ndarray:
    """So many weights that inputs of -128 fill a lane as far as can be."""
    each, rest = divmod(LARGEST_SUM // 128, count)
    return np.minimum(np.where(np.arange(count) < rest, each + 1, each), 127)


def pointwise(filters: np.ndarray, scale: float) -> bytes:
    """Filters (outputs, inputs) as a 1x1 convolution of six pixels."""
    outputs, inputs = filters.shape
    model = Tflite()
    source = model.tensor((1, 2, 3, inputs), scale=1.0)
    weights = model.tensor((outputs, 1, 1, inputs), scale=np.ones(outputs, np.float32), data=filters)
    output = model.tensor((1, 2, 3, outputs), scale=scale)
    model.operator("CONV_2D", [source, weights], [output], table="Conv2DOptions", **STRIDE_1)
    return model.build([source], [output])


def depthwise(filters: np.ndarray, scale: float) -> bytes:
    """Filters (channels, 9) as a depthwise 3x3 convolution of 5x6 pixels."""
    channels = len(filters)
    model = Tflite()
    source = model.tensor((1, 5, 6, channels), scale=1.0)
    data = filters.T.reshape(1, 3, 3, channels)
    weights = model.tensor(data.shape, scale=np.ones(channels, np.float32), axis=3, data=data)
    output = model.tensor((1, 5, 6, channels), scale=scale)
    model.operator(
        "DEPTHWISE_CONV_2D", [source, weights], [output], table="DepthwiseConv2DOptions", depthMultiplier=1, **STRIDE_1
    )
    return model.build([source], [output])


STRIDE_1 = {"padding": PADDING["SAME"], "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


@pytest.mark.parametrize("build", [pointwise, depthwise])
def test_lanes_that_are_as_full_as_can_be(build, tmp_path, interpreter):
    if build is depthwise:  # all nine, each column, two of each column
        rows = [full_block(9), np.repeat(full_block(3), 3), np.full(9, 127)]
    else:
        rows = [np.tile(full_block(block), 16 // block) for block in BLOCKS]
        rows.append(np.arange(16) - 8)  # weights of no more values than the others have would be looked up
    filters = np.array([sign * row for sign in (1, -1) for row in rows])
    model = build(filters, scale=2.0**9)
    compiled = compile_special(model, CPU)
    codes = next(c for c in compiled.lowered[0].constants if c.name == "shift").values & 7
    assert set(codes.tolist()) == ({1, 2, 3} if build is depthwise else {1, 2, 3, 4})
    inputs = random_inputs(compiled, 6, seed=1)
    found = emulate(compiled, input_vectors(compiled, inputs), tmp_path)
    assert [output for _, output in found] == interpreter.run(model, inputs)


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_model_is_bit_exact_and_within_its_instructions(name, tmp_path, interpreter):
    path = SHARED / "models" / "mlperf_tiny" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the shared data (TINYOPS_SHARED_DATA)")
    compiled = compile_bytes(path.read_bytes(), cpu=CPU)
    inputs = random_inputs(compiled, 4, seed=7)
    found = emulate(compiled, input_vectors(compiled, inputs), tmp_path)
    assert [output for _, output in found] == interpreter.run(path.read_bytes(), inputs)
    assert max(count for count, _ in found) <= MLPERF_TINY[name]
