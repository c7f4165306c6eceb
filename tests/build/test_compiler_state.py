"""Models that keep state, over sequences of inferences: bit-exact with TensorFlow Lite Micro from init on."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.interpreter import Interpreter
from fakes.state_models import STATEFUL

pytestmark = pytest.mark.build
VECTORS = 10


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


@pytest.mark.parametrize("name", sorted(STATEFUL))
def test_sequences_equal_the_interpreters(name, interpreter):
    seen = []

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(model=STATEFUL[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        compiled = compile_bytes(model)
        inputs = random_inputs(compiled, VECTORS, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        seen.append(1)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert len(seen) >= 10, "the interpreter refused most examples"
