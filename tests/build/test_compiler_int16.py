"""Operators of int16 activations: under sanitizers against TensorFlow Lite Micro, bit for bit."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_bytes, compile_special, input_vectors, random_inputs, run_compiled
from fakes.cortexm import emulate
from fakes.int16_models import MODELS, network
from fakes.interpreter import Interpreter
from fakes.tflite import Tflite

pytestmark = pytest.mark.build
VECTORS = 5
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


@pytest.mark.parametrize("name", MODELS)
def test_operator_equals_the_interpreter(name, interpreter):
    functions = Counter()

    @settings(max_examples=6, **QUIET)
    @given(model=MODELS[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_bytes(model)
        inputs = random_inputs(compiled, VECTORS, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        functions.update(call.function for low in compiled.lowered for call in low.calls)
        functions.update(["compared"])
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert functions["compared"] >= 3, "the interpreter refused most examples"
    if "vast" in name:
        assert functions["tinyops_wide_sums"]


@pytest.mark.parametrize("name", ["int16_conv_2d", "int16_fully_connected"])
def test_packed_kernel_equals_the_interpreter(name, interpreter):
    """In plain C; its assembly runs below."""
    ran = []

    @settings(max_examples=6, **QUIET)
    @given(model=MODELS[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_special(model, "cortex-m4f")
        assume(compiled.lowered[0].calls[0].function.endswith("_packed"))
        inputs = random_inputs(compiled, VECTORS, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        ran.append(1)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert len(ran) >= 3


def test_inputs_that_add_up_to_more_than_32_bits(interpreter):
    """Which they may where most of the weights are zeros."""
    values = 2**16 + 2
    weights = np.zeros((1, values), np.int8)
    weights[0, -3:] = [127, -128, 1]
    model = Tflite()
    source = model.tensor((1, values), "int16", scale=2.0**-12)
    bias = model.tensor((1,), "int64", scale=2.0**-19, data=[5])
    operands = [source, model.tensor(weights.shape, scale=2.0**-7, data=weights), bias]
    output = model.tensor((1, 1), "int16", scale=2.0**-12)
    model.operator("FULLY_CONNECTED", operands, [output], table="FullyConnectedOptions")
    built = model.build([source], [output])
    compiled = compile_bytes(built)
    assert compiled.lowered[0].calls[0].function == "tinyops_conv_2d_int16"
    inputs = [np.full((1, 1, values), value, np.int16) for value in (32767, -32768)]
    for one in inputs:
        assert run_compiled(compiled, input_vectors(compiled, [one]), SANITIZED) == interpreter.run(built, [one])


# What an inference of the network may take: measured, and some.
INSTRUCTIONS = {"cortex-m4f": 200_000, "cortex-m0plus": 430_000}


@pytest.mark.parametrize("cpu", INSTRUCTIONS)
def test_network_on_a_core(cpu, interpreter, tmp_path):
    """All kernels behind each other, with the assembly of the core, from two addresses."""
    model = network()
    compiled = compile_bytes(model, cpu=cpu, prefer="speed")
    functions = {call.function for low in compiled.lowered for call in low.calls}
    assert {"tinyops_depthwise_int16", "tinyops_wide_sums", "tinyops_mean_int16", "tinyops_sum_int16"} <= functions
    assert ("tinyops_conv_2d_int16_packed" in functions) == (cpu == "cortex-m4f")
    inputs = random_inputs(compiled, VECTORS, 5)
    ran = emulate(compiled, input_vectors(compiled, inputs), tmp_path)
    outputs = [output for _, output in ran]
    assert outputs == interpreter.run(model, inputs)
    assert len(set(outputs)) == len(outputs)
    assert max(count for count, _ in ran) < INSTRUCTIONS[cpu]
