"""Passes: models that they change, compiled, run with sanitizers, compared with the interpreter on the file itself."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_bytes, constants_in_arena, input_vectors, random_inputs, run_compiled
from fakes.interpreter import Interpreter
from fakes.pass_models import PASS_MODELS
from tinyops.errors import SpecError

pytestmark = pytest.mark.build


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


CASES = [
    *((name, "x86-64") for name in PASS_MODELS),
    *(("padded", cpu) for cpu in ("cortex-m4f", "cortex-m0plus")),
    ("dilated", "cortex-m4f"),
]


@pytest.mark.parametrize(("name", "cpu"), CASES)
def test_what_passes_make_equals_the_interpreter_on_the_file(name, cpu, interpreter):
    """The kernels of other cores run in plain C here."""
    models, wanted_passes = PASS_MODELS[name]
    seen = set()

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(model=models, seed=st.integers(0, 2**31))
    def compare(model, seed):
        try:
            compiled = compile_bytes(model, cpu=cpu)
        except SpecError:  # a pass did not apply, and what is left is refused
            assume(False)
        assert not constants_in_arena(compiled)
        inputs = random_inputs(compiled, 4, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        seen.update(applied.name for applied in compiled.applied if str(applied))
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert wanted_passes <= seen
