"""The kernels on buffers that overlap by every byte that they allow, under sanitizers: same bytes as the interpreter.

A planned arena rounds distances up to 16 bytes; here nothing is rounded.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fakes.arithmetic_models import STRATEGIES as ARITHMETIC
from fakes.compiled import SANITIZED, compile_special, input_vectors, random_inputs, run_compiled
from fakes.int16_models import MODELS as WIDE
from fakes.interpreter import Interpreter
from fakes.movement_models import MOVERS
from fakes.operator_models import OPERATORS
from tinyops.compiler import arena
from tinyops.compiler.memory import MemoryPlan
from tinyops.compiler.moves import Layout

pytestmark = pytest.mark.build
ONE_INPUT = ("conv_2d", "depthwise_conv_2d", "fully_connected", "mean", "pad", "pool_2d", "softmax", "elementwise")
MOVES = ("blocks", "gather", "mirror_pad", "resize_bilinear", "resize_nearest", "slice", "strided_slice", "transpose")
CASES = [(name, cpu) for cpu in ("x86-64", "cortex-m4f") for name in ONE_INPUT]  # the latter's kernels, in plain C
CASES += [(name, "cortex-m0plus") for name in ("conv_2d", "depthwise_conv_2d", "fully_connected")]
CASES += [(name, "x86-64") for name in (*ARITHMETIC, *MOVES, "batches", "broadcast_to", "transpose_conv")]
CASES += [(f"int16_{name}", "x86-64") for name in ("conv_2d", "conv_2d_vast", "depthwise_conv_2d")]
CASES += [("int16_conv_2d", "cortex-m4f")]


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def layout_with(missing: int, used: list[int]):
    """Instead of the planner: the output `missing` bytes nearer to the input than its kernel allows."""

    def layout(buffers, overs, _prefer):
        assume(len(overs) == 1)
        size = {b.name: b.bytes for b in buffers}
        (over,) = overs
        ahead = arena.aligned(over.distance, over.step) - missing
        assume(0 <= ahead < size[over.upon])
        used.append(ahead)
        end = max(ahead + size[over.below], size[over.upon])
        offsets = {over.upon: 0, over.below: ahead}
        for name in size.keys() - offsets.keys():  # scratch
            offsets[name] = arena.aligned(end)
            end = offsets[name] + size[name]
        plan = MemoryPlan(offsets, arena.aligned(end), 0)
        return Layout(tuple(buffers), tuple(overs), plan)

    return layout


def outputs_differ(interpreter, model: bytes, seed: int, cpu: str = "x86-64") -> bool:
    compiled = compile_special(model, cpu)
    inputs = random_inputs(compiled, 3, seed)
    wanted = interpreter.run(model, inputs)
    assume(wanted is not None)
    return run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) != wanted


@pytest.mark.parametrize(("name", "cpu"), CASES)
def test_kernel_on_buffers_that_overlap_as_far_as_it_allows(name, cpu, interpreter, monkeypatch):
    used: list[int] = []
    monkeypatch.setattr(arena, "best_layout", layout_with(0, used))

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(model={**OPERATORS, **MOVERS, **ARITHMETIC, **WIDE}[name], seed=st.integers(0, 2**31))
    def compare(model, seed):
        assert not outputs_differ(interpreter, model, seed, cpu)

    compare()
    assert len(used) >= 5


def test_buffers_that_overlap_too_far_are_noticed(interpreter, monkeypatch):
    """Otherwise the test above would prove nothing."""
    monkeypatch.setattr(arena, "best_layout", layout_with(8, []))
    seen = []

    @settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(model=OPERATORS["depthwise_conv_2d"], seed=st.integers(0, 2**31))
    def compare(model, seed):
        seen.append(outputs_differ(interpreter, model, seed))

    compare()
    assert any(seen)
