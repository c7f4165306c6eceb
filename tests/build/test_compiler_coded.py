"""Weights of few values, stored as codes of four bits: the interpreter's bytes on every core, whole and by rows."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from test_compiler_rows import any_stretch

from fakes.compiled import SANITIZED, compile_special, input_vectors, random_inputs, run_compiled
from fakes.cortexm import emulate
from fakes.few_values import network
from fakes.interpreter import Interpreter
from fakes.operator_models import OPERATORS
from fakes.row_models import image_networks
from tinyops.compiler import CompileOptions
from tinyops.compiler import compiled as compiling
from tinyops.compiler.lowering import lower_graph
from tinyops.compiler.ops.coded import is_coded
from tinyops.features import TensorFeatures

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

    @settings(max_examples=8, **QUIET)
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
    assert len(ran) > 3


@pytest.mark.parametrize("cpu", ["x86-64", "cortex-m4f"])
def test_any_stretch_by_rows_equals_the_interpreter(cpu, interpreter, monkeypatch):
    ran = []

    @settings(max_examples=8, phases=(Phase.generate,), **QUIET)
    @given(model=image_networks(few=True), seed=st.integers(0, 2**31), rows=st.integers(1, 4))
    def compare(model, seed, rows):
        monkeypatch.setattr(compiling, "choose_stretch", any_stretch(seed, rows, streamed=False))
        compiled = compile_special(model, cpu)
        assert compiled.stretch is not None
        steps = compiled.lowered[compiled.stretch.first : compiled.stretch.last + 1]
        ran.append(any(is_coded(low) for low in steps))
        inputs = random_inputs(compiled, 3, seed)
        wanted = interpreter.run(model, inputs)
        assume(wanted is not None)
        assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted

    compare()
    assert sum(ran) >= 2, "hardly any stretch looks weights up"


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m0plus"])
def test_in_the_emulator_it_is_what_this_machine_computes(cpu, tmp_path):
    """The assembly that plain C stands for elsewhere, and decoded weights beside buffers that overlap."""
    graph = network(few=True)
    special = tuple(ways[-1] for ways in lower_graph(graph, cpu))
    compiled = compiling.compile_lowered(graph, (), (special,), TensorFeatures(), CompileOptions(cpu=cpu))
    assert sum(map(is_coded, compiled.lowered)) == 3
    vectors = input_vectors(compiled, random_inputs(compiled, 4, seed=3))
    assert [output for _, output in emulate(compiled, vectors, tmp_path)] == run_compiled(compiled, vectors)
