"""Operators that become tables of 256 bytes: every value against TensorFlow Lite Micro, for random scales."""

from __future__ import annotations

import numpy as np
import pytest

from fakes.arithmetic_models import ONE_OPERAND, TWO_OPERANDS, model_of, one_operand, two_operands
from fakes.compiled import compile_bytes
from fakes.interpreter import Interpreter

EVERY_VALUE = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 256)
SCALES = 30
ADDERS = {
    **{name: one_operand(name) for name in ONE_OPERAND},
    **{f"{name} of a constant": two_operands(name, one_constant=True) for name in TWO_OPERANDS},
}


@pytest.fixture(scope="module")
def interpreter():
    found = Interpreter()
    yield found
    found.close()


@pytest.mark.parametrize("name", ADDERS)
def test_every_value_is_the_interpreters(name, interpreter):
    model = model_of(ADDERS[name], np.random.default_rng(5), SCALES)
    wanted = interpreter.run(model, [EVERY_VALUE] * SCALES)
    assert wanted is not None
    compiled = compile_bytes(model)
    tables = [constant.values for low in compiled.lowered for constant in low.constants]
    assert len(tables) == SCALES
    index = EVERY_VALUE.view(np.uint8).reshape(-1)
    expected = np.frombuffer(wanted[0], np.uint8).reshape(SCALES, 256)
    for table, values in zip(tables, expected, strict=True):
        np.testing.assert_array_equal(table[index], values)
    assert np.mean([len(set(values)) for values in expected]) > 20, "nearly everything saturates"
