"""A few examples of each operator, compiled and compared with TensorFlow Lite Micro; tests/build has many more."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, given, settings

from fakes.compiled import compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.int16_models import MODELS as WIDE
from fakes.interpreter import Interpreter
from fakes.operator_models import OPERATORS

SOME = OPERATORS | {f"int16_{n}": WIDE[f"int16_{n}"] for n in ("conv_2d", "depthwise_conv_2d", "elementwise", "mean")}
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


@pytest.mark.parametrize("name", sorted(SOME))
def test_operator(name, interpreter):
    compared = []

    @settings(max_examples=2, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(model=SOME[name])
    def compare(model):
        compiled = compile_bytes(model)
        inputs = random_inputs(compiled, 4, seed=11)
        wanted = interpreter.run(model, inputs)
        if wanted is not None:
            compared.append(run_compiled(compiled, input_vectors(compiled, inputs)) == wanted)

    compare()
    assert compared
    assert all(compared)
