"""Operators of int16 activations: under sanitizers against TensorFlow Lite Micro, bit for bit."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.int16_models import MODELS
from fakes.interpreter import Interpreter

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
