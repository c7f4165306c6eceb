"""Operators that move values: emit, compile with sanitizers, run, compare with TensorFlow Lite Micro bit for bit."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_compiler_hostile import damaged

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.interpreter import Interpreter
from fakes.movement_models import MOVERS
from fakes.moving_network import moving_network
from fakes.tflite import Tflite
from tinyops.errors import DoesNotFit, SpecError

pytestmark = pytest.mark.build
VECTORS = 4


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


@pytest.mark.parametrize("name", sorted(MOVERS))
def test_operator_equals_the_interpreter(name, interpreter):
    seen = []

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(model=MOVERS[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_bytes(model)
        inputs = random_inputs(compiled, VECTORS, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        seen.append(1)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert len(seen) >= 8, "the interpreter refused most examples"


def test_constants_are_moved_and_outputs_may_go_unused(interpreter):
    model, edge = Tflite(), {"scale": 0.5, "zero_point": 3}
    source, fixed = model.tensor((3, 16), **edge), model.tensor((16, 3), data=np.arange(48).reshape(16, 3), **edge)
    turned, total, made = (model.tensor((3, 16), **edge) for _ in range(3))
    rows = [model.tensor((16,), **edge) for _ in range(3)]
    model.operator("TRANSPOSE", [fixed, model.tensor((2,), "int32", data=[1, 0])], [turned])
    model.operator("ADD", [source, turned], [total], table="AddOptions")
    model.operator("UNPACK", [total], rows, table="UnpackOptions", axis=0, num=3)
    model.operator("PACK", [rows[2], rows[0], rows[2]], [made], table="PackOptions", axis=0, valuesCount=3)
    data = model.build([source], [made])
    compiled = compile_bytes(data)
    inputs = random_inputs(compiled, VECTORS, seed=1)
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == interpreter.run(data, inputs)


def test_damaged_models_never_crash_the_compiler_nor_the_compiled_code(interpreter):
    model, rng, ran, refused = moving_network(), random.Random(5), 0, 0  # noqa: S311
    compiled = compile_bytes(model)
    inputs = random_inputs(compiled, 4, seed=3)
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == interpreter.run(model, inputs)
    for _ in range(2000):
        try:
            compiled = compile_bytes(damaged(model, rng), arena_bytes=1 << 20, board="test")
        except (SpecError, DoesNotFit):
            refused += 1
            continue
        if ran < 25 and rng.random() < 0.2:
            inputs = random_inputs(compiled, 2, seed=1)
            run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED)
            ran += 1
    assert refused > 100
    assert ran > 10
