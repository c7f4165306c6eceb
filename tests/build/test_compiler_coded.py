"""Weights of few values, stored as codes of four bits: the interpreter's bytes on every core, whole and by rows."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_special, input_vectors, random_inputs, run_compiled
from fakes.interpreter import Interpreter
from fakes.operator_models import OPERATORS

pytestmark = pytest.mark.build
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
CODED = {
    "conv_2d_coded": {"tinyops_conv_2d_coded", "tinyops_conv_2d_packed_coded"},
    "depthwise_conv_2d_coded": {"tinyops_decode"},
    "depthwise_3x3_coded": {"tinyops_decode"},
    "fully_connected_coded": {"tinyops_fully_connected_coded"},
}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def functions(compiled):
    return {call.function for low in compiled.lowered for call in low.calls}


@pytest.mark.parametrize("cpu", ["x86-64", "cortex-m4f", "cortex-m0plus"])
@pytest.mark.parametrize("name", CODED)
def test_operator_equals_the_interpreter(name, cpu, interpreter):
    ran = []

    @settings(max_examples=12, **QUIET)
    @given(model=OPERATORS[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_special(model, cpu)
        assert CODED[name] & functions(compiled)
        inputs = random_inputs(compiled, 6, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        ran.append(1)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert len(ran) > 5
