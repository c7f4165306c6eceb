"""Operators that run by rows: the same bytes as the interpreter, whatever runs together, under sanitizers and in QEMU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.cortexm import run_in_emulator
from fakes.interpreter import Interpreter
from fakes.row_models import image_networks
from test_compiler_image import build
from test_compiler_models import read
from tinyops.compiler import compiled as compiling
from tinyops.compiler.host import HostModel, build_host
from tinyops.compiler.rows import memory, search
from tinyops.compiler.rows.stretch import geometries
from tinyops.compiler.sharing import share_storage
from tinyops.features import RawFeatures

pytestmark = pytest.mark.build
VWW = "mlperf_tiny/vww_96_int8"
QUIET = {
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.generate,),  # to make a failing network smaller takes minutes
}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def any_stretch(seed: int, rows: int, *, streamed: bool, used: list | None = None):
    """Instead of the compiler's choice: operators that may run by rows, chosen by lot."""

    def choose(graph, lowered, features, _options, _whole):
        storage = share_storage(graph, lowered)
        task = search._Task(graph, storage, features, geometries(graph, storage.lowered))
        ends = [(a, b) for a in range(len(lowered)) for b in range(a + 1, len(lowered)) if a == 0 or not streamed]
        for place in np.random.default_rng(seed).permutation(len(ends)):
            found = task.candidate(*ends[place], rows, streamed=streamed)
            if found is not None:
                (used if used is not None else []).append(found.stretch)
                return task.plan(found.stretch)
        assume(False)

    return choose


def outputs_agree(interpreter, model: bytes, seed: int, cpu: str) -> bool:
    compiled = compile_bytes(model, cpu=cpu)
    inputs = random_inputs(compiled, 3, seed)
    wanted = interpreter.run(model, inputs)
    assume(wanted is not None)
    return run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted


@pytest.mark.parametrize("cpu", ["x86-64", "cortex-m4f"])  # the latter's kernels, in plain C
def test_any_stretch_by_rows_equals_the_interpreter(cpu, interpreter, monkeypatch):
    used: list = []

    @settings(max_examples=25, **QUIET)
    @given(model=image_networks(), seed=st.integers(0, 2**31), rows=st.integers(1, 4), streamed=st.booleans())
    def compare(model, seed, rows, streamed):
        choose = any_stretch(seed, rows, streamed=streamed, used=used)
        monkeypatch.setattr(compiling, "choose_stretch", choose)
        assert outputs_agree(interpreter, model, seed, cpu)

    compare()
    assert sum(s.streamed for s in used) >= 3
    assert sum(len(s.steps) > 2 for s in used) >= 5
    assert any(len(step.inputs) > 1 for s in used for step in s.steps), "no branches"
    assert any(line.kept for s in used for line in s.lines), "no rows were kept"



def test_kept_rows_that_are_forgotten_are_noticed(interpreter, monkeypatch):
    """Otherwise the test above would prove nothing: rows are restored over what the operator is about to read."""
    honest = memory._over_rows

    def careless(stretch, step, between, low):
        line = between[step.output]
        for over in honest(stretch, step, between, low):
            yield replace(over, distance=max(over.distance - line.kept_bytes, 0))

    monkeypatch.setattr(memory, "_over_rows", careless)
    seen = []

    @settings(max_examples=40, derandomize=True, **QUIET)
    @given(model=image_networks(), seed=st.integers(0, 2**31))
    def compare(model, seed):
        monkeypatch.setattr(compiling, "choose_stretch", any_stretch(seed, 1, streamed=False))
        if all(seen):
            seen.append(outputs_agree(interpreter, model, seed, "x86-64"))

    compare()
    assert not all(seen)
