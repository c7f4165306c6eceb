"""Arithmetic operators and edges: emit, compile with sanitizers, run, compare with the interpreter bit for bit."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fakes.arithmetic_models import (
    EDGES,
    ONE_OPERAND,
    TWO_OPERANDS,
    arg_extreme,
    batch_matmul,
    model_of,
    one_operand,
    quantize,
    real_softmax,
    reduction,
    rows,
    two_operands,
)
from fakes.compiled import SANITIZED, compile_bytes, compile_special, input_vectors, random_inputs, run_compiled
from fakes.interpreter import Interpreter
from fakes.tflite import Tflite
from tinyops.errors import DoesNotFit, SpecError

pytestmark = pytest.mark.build
OPERATORS_A_MODEL, MODELS, VECTORS = 12, 3, 5
ADDERS = {
    **{name: two_operands(name) for name in TWO_OPERANDS},
    **{name: reduction(name) for name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")},
    **{name: arg_extreme(name) for name in ("ARG_MAX", "ARG_MIN")},
    **{name: rows(name) for name in ("LOG_SOFTMAX", "L2_NORMALIZATION")},
    "BATCH_MATMUL": batch_matmul,
}
PACKED = ("ADD", "SUB", "MUL")
SPECIAL_BITS = (
    *(0x7FC00000, 0xFFC00000, 0x7F800001, 0x7F800000, 0xFF800000),  # NaN, infinities
    *(0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x7F7FFFFF, 0xFF7FFFFF),
)


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


def check(model: bytes, interpreter: Interpreter, inputs=None, cpu: str = "x86-64", plain: bool = False) -> set[str]:
    """Compares; returns the kernels that ran."""
    compiled = compile_special(model, cpu, plain=plain)
    inputs = inputs or random_inputs(compiled, VECTORS, seed=3)
    wanted = interpreter.run(model, inputs)
    assert wanted is not None
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted
    return {call.function for low in compiled.lowered for call in low.calls}


@pytest.mark.parametrize("name", ADDERS)
def test_operator_equals_the_interpreter(name, interpreter):
    rng = np.random.default_rng(11)
    for _ in range(MODELS):
        check(model_of(ADDERS[name], rng, OPERATORS_A_MODEL), interpreter)


@pytest.mark.parametrize("name", PACKED)
def test_operator_for_the_dsp_extension_equals_the_interpreter(name, interpreter):
    model = model_of(two_operands(name, same_shape=True), np.random.default_rng(12), OPERATORS_A_MODEL)
    assert f"tinyops_{name.lower()}_packed" in check(model, interpreter, cpu="cortex-m4f")


@pytest.mark.parametrize("plain", [True, False])
def test_softmax_with_and_without_a_table_equals_the_interpreter(plain, interpreter):
    model = model_of(rows("SOFTMAX"), np.random.default_rng(16), 2 * OPERATORS_A_MODEL)
    assert check(model, interpreter, plain=plain) == {"tinyops_softmax" if plain else "tinyops_softmax_table"}


@pytest.mark.parametrize("cpu", ["x86-64", "cortex-m0plus"])  # with and without a floating point unit
@pytest.mark.parametrize("pair", EDGES, ids=" to ".join)
def test_edge_equals_the_interpreter(pair, cpu, interpreter):
    check(model_of(quantize(*pair), np.random.default_rng(13), OPERATORS_A_MODEL), interpreter, cpu=cpu)


@pytest.mark.parametrize("cpu", ["x86-64", "cortex-m0plus"])
@pytest.mark.parametrize("zero_point", [-128, -1, 0, 1, 127])
@pytest.mark.parametrize("scale", [2.0**-30, 0.0371, 1.0, 3.0e30])
def test_any_float32_is_quantised_as_by_the_interpreter(scale, zero_point, cpu, interpreter):
    """NaN, infinities, what an int32 does not hold and its neighbours, steps and their neighbours."""
    levels = np.concatenate([np.arange(-140, 141) + 0.5, [2.0**31, -(2.0**31)]])
    with np.errstate(over="ignore"):
        steps = (levels * scale).astype(np.float32)
    around = steps.view(np.uint32)[None] + np.array([[-1], [0], [1]])
    noise = np.random.default_rng(14).integers(0, 2**32, 500)
    bits = np.concatenate([around.reshape(-1), noise, SPECIAL_BITS]).astype(np.uint32)
    model = Tflite()
    source = model.tensor((1, bits.size), "float32")
    output = model.tensor((1, bits.size), scale=scale, zero_point=zero_point)
    model.operator("QUANTIZE", [source], [output], table="QuantizeOptions")
    check(model.build([source], [output]), interpreter, [bits.view(np.float32).reshape(1, 1, -1)], cpu)


@pytest.mark.parametrize("name", ["SOFTMAX", "LOG_SOFTMAX"])
def test_float32_softmax_is_the_nearest(name, interpreter):
    """The interpreter's C library misses the nearest exponential or logarithm by one step, once in a thousand times."""
    model = model_of(real_softmax(name), np.random.default_rng(15), OPERATORS_A_MODEL)
    compiled = compile_bytes(model)
    inputs = random_inputs(compiled, VECTORS, seed=3)
    found = run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED)
    wanted = interpreter.run(model, inputs)
    assert wanted is not None
    values, expected = (np.frombuffer(b"".join(parts), np.float32) for parts in (found, wanted))
    np.testing.assert_array_max_ulp(values, expected, maxulp=2)
    assert (values == expected).mean() > 0.9


def one_of_each() -> bytes:
    """A model of every operator here, side by side."""
    adders = [*ADDERS.values(), *map(one_operand, ONE_OPERAND), *(quantize(*pair) for pair in EDGES)]
    order = iter(adders)
    return model_of(lambda model, rng: next(order)(model, rng), np.random.default_rng(17), len(adders))


def test_damaged_models_never_crash_the_compiler_nor_the_compiled_code():
    from test_compiler_hostile import damaged

    model, rng, ran, refused = one_of_each(), random.Random(18), 0, 0  # noqa: S311
    for _ in range(400):
        try:
            compiled = compile_bytes(damaged(model, rng), arena_bytes=1 << 20, board="test")
        except (SpecError, DoesNotFit):
            refused += 1
            continue
        if ran < 15 and rng.random() < 0.2:
            run_compiled(compiled, input_vectors(compiled, random_inputs(compiled, 2, seed=1)), SANITIZED)
            ran += 1
    assert refused > 20
    assert ran > 5
