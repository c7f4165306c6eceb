"""UNIDIRECTIONAL_SEQUENCE_LSTM: int8 with a cell state of int16, as the interpreter has it. Keeps state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import float32, quantise_multiplier
from tinyops.compiler.lowered import Call, Constant, Field, Kernel, Lowered, Read, Update, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.packed import DSP_CPUS, FOUR_ROWS_HEADERS, PACKED_HEADER, packed_weights
from tinyops.compiler.ops.weighted import DOT_HEADER, factors_fit, largest_sum, sums_fit
from tinyops.compiler.view import OperatorView, constant_values, int64_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADERS = ("tinyops/kernels/lstm.h", "tinyops/kernels/lstm_cell.h")
KERNEL = Kernel("kernels/lstm.c", (*HEADERS, PACKED_HEADER, DOT_HEADER), reads_flash=True)
PACKED_KERNEL = Kernel("kernels/lstm_packed.c", (*HEADERS, *FOUR_ROWS_HEADERS))
OPERANDS = 24
HIDDEN, CELL = 18, 19
# In the kernel's order; each gate's inputs are its weights of the input, of the hidden state, and its bias.
GATES = {"forget": (2, 6, 13), "input": (1, 5, 12), "cell": (3, 7, 14), "output": (4, 8, 15)}
WEIGHTS = tuple(position for gate in GATES.values() for position in gate[:2])
BIASES = tuple(gate[2] for gate in GATES.values())
ABSENT = {"peephole weights": range(9, 12), "a projection": range(16, 18), "layer normalisation": range(20, 24)}
GATE_SCALE = 2.0**-12  # of what goes into a gate's curve
CURVE_SCALE = 2.0**-15  # of what comes out of it
TANH_BITS = 12  # behind the point of what the interpreter's tanh takes
LEAST_CELL_POWER, MOST_CELL_POWER = -15, 0


def _operands(view: OperatorView) -> str | None:
    given = len(view.operator.inputs)
    missing = [i for i in (0, *WEIGHTS, *BIASES, HIDDEN, CELL) if view.input(i) is None]
    if given != OPERANDS or len(view.operator.outputs) != 1:
        return f"{given} inputs, {len(view.operator.outputs)} outputs"
    return f"input {min(missing)} is absent" if missing else None


def _variant(view: OperatorView) -> str | None:
    return next((what for what, places in ABSENT.items() if any(view.input(i) is not None for i in places)), None)


def _constants(view: OperatorView) -> str | None:
    for positions, dtype in ((WEIGHTS, "int8"), (BIASES, "int32")):
        for tensor in (view.tensor(i) for i in positions):
            if tensor.data is None or tensor.dtype != dtype:
                return f"{tensor} is {tensor.dtype}" + ("" if tensor.data else " and computed")
    return None


def _extents(view: OperatorView) -> tuple[int, int, int]:
    """Steps, inputs and units."""
    source = view.tensor(0).shape
    return source[0] * source[1], source[2], view.tensor(HIDDEN).elements


def _shapes(view: OperatorView) -> str | None:
    source, output = view.tensor(0).shape, view.output.shape
    batch = 1 if view.options.time_major else 0
    if len(source) != 3 or source[batch] != 1:
        return f"input {source}"
    _, inputs, units = _extents(view)
    wanted: dict[int, tuple[int, ...]]
    wanted = {i: (units, width) for gate in GATES.values() for i, width in zip(gate, (inputs, units), strict=False)}
    wanted |= dict.fromkeys(BIASES, (units,))
    for position, shape in wanted.items():
        if view.tensor(position).shape != shape:
            return f"{view.tensor(position)} is {view.tensor(position).shape}, wanted is {shape}"
    if view.tensor(CELL).elements != units:
        return f"states of {units} and {view.tensor(CELL).elements} values"
    return None if output == (*source[:2], units) else f"output {output}"


def _cell_power(view: OperatorView) -> int | None:
    """The cell's scale as a power of two; None where it is none that is supported."""
    mantissa, exponent = math.frexp(view.tensor(CELL).scale)
    power = exponent - 1
    return power if mantissa == 0.5 and LEAST_CELL_POWER <= power <= MOST_CELL_POWER else None


def _bad_cell(view: OperatorView) -> str | None:
    tensor = view.tensor(CELL)
    good = _cell_power(view) is not None and tensor.zero_point == 0
    return None if good else f"scale {tensor.scale:g}, zero point {tensor.zero_point}"


def _bad_clip(view: OperatorView) -> str | None:
    clip = view.options.cell_clip
    return None if math.isfinite(clip) and clip >= 0 else f"{clip:g}"


def _activation(view: OperatorView) -> str | None:
    found = view.options.activation
    return None if found == "TANH" else str(found)


def _gate_factors(view: OperatorView, gate: tuple[int, int, int]) -> tuple[float, float]:
    """From products with the input, and with the hidden state, to the gate's scale."""
    pairs = ((view.tensor(0), view.tensor(gate[0])), (view.tensor(HIDDEN), view.tensor(gate[1])))
    a, b = (float32(source.scale * weights.scale) / GATE_SCALE for source, weights in pairs)
    return a, b


def _answer_factors(view: OperatorView) -> tuple[float, float]:
    """From products of two curves to the cell and to the hidden state."""
    return CURVE_SCALE**2 / view.tensor(CELL).scale, CURVE_SCALE**2 / view.tensor(HIDDEN).scale


def _factors(view: OperatorView) -> list[float]:
    return [*_answer_factors(view), *(f for gate in GATES.values() for f in _gate_factors(view, gate))]


def _folded(view: OperatorView, gate: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What sums of products start from (units): with the input, and with the hidden state."""
    of_input, of_hidden, bias = (int64_values(view.tensor(i)) for i in gate)
    first: NDArray[np.int64] = bias - view.tensor(0).zero_point * of_input.sum(axis=1)
    second: NDArray[np.int64] = -view.tensor(HIDDEN).zero_point * of_hidden.sum(axis=1)
    return first, second


def _largest_sum(view: OperatorView) -> int:
    return max(
        largest_sum(int64_values(view.tensor(position)), folded)
        for gate in GATES.values()
        for position, folded in zip(gate, _folded(view, gate), strict=False)
    )


def _gate_params(view: OperatorView, gate: tuple[int, int, int]) -> dict[str, Field]:
    of_input, of_hidden = map(quantise_multiplier, _gate_factors(view, gate))
    return {
        "input_multiplier": of_input.multiplier,
        "input_shift": of_input.shift,
        "hidden_multiplier": of_hidden.multiplier,
        "hidden_shift": of_hidden.shift,
    }


def _cell_params(view: OperatorView) -> dict[str, Field]:
    """The limits of the cell, and what makes of it an argument of tanh."""
    clip, power = view.options.cell_clip, _cell_power(view)
    assert power is not None
    most = int(min(clip / view.tensor(CELL).scale, 32767.0))
    left = TANH_BITS + power
    return {
        "cell_min": -most if clip > 0 else -32768,
        "cell_max": most if clip > 0 else 32767,
        "cell_multiplier": 3 << max(left, 0),
        "cell_shift": max(-left, 0),
    }


def _biases(view: OperatorView) -> Constant:
    """(units, 2, 4): of the input and of the hidden state, by gates."""
    import numpy as np

    biases = np.stack([np.stack(_folded(view, gate), axis=1) for gate in GATES.values()], axis=2)
    return Constant("bias", "int32_t", biases.astype(np.int32).reshape(-1), "bias, zero points folded in")


def _rows(view: OperatorView) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Weights (units, 4, inputs) and (units, 4, units)."""
    import numpy as np

    gates = list(GATES.values())
    first, second = (np.stack([constant_values(view.tensor(g[side])) for g in gates], axis=1) for side in (0, 1))
    return first, second


def lower(view: OperatorView) -> Lowered:
    import numpy as np

    values = np.concatenate([rows.reshape(len(rows), -1) for rows in _rows(view)], axis=1)
    weights = Constant("weights", "int8_t", values.reshape(-1), "weights by units: of the input, of the hidden state")
    return _lowered(view, "tinyops_lstm", KERNEL, weights)


def _packed(view: OperatorView) -> Lowered | None:
    """With the kernel for cores that multiply two values at a time: four gates at once."""
    import numpy as np

    if view.cpu not in DSP_CPUS:
        return None
    sides = [packed_weights(rows.reshape(-1, rows.shape[2]), 4).reshape(len(rows), -1) for rows in _rows(view)]
    values = np.concatenate(sides, axis=1).reshape(-1)
    weights = Constant(
        "weights", "int32_t", values, "weights by units: of the input, of the hidden state; gate by gate"
    )
    return _lowered(view, "tinyops_lstm_packed", PACKED_KERNEL, weights)


def _lowered(view: OperatorView, function: str, kernel: Kernel, weights: Constant) -> Lowered:
    steps, inputs, units = _extents(view)
    update, answer = map(quantise_multiplier, _answer_factors(view))
    params: dict[str, Field] = {
        "steps": steps,
        "inputs": inputs,
        "units": units,
        **{name: _gate_params(view, gate) for name, gate in GATES.items()},
        "update_multiplier": update.multiplier,
        "update_shift": update.shift,
        **_cell_params(view),
        "hidden_multiplier": answer.multiplier,
        "hidden_shift": answer.shift,
        "hidden_zero_point": view.tensor(HIDDEN).zero_point,
    }
    states = (Update(view.tensor(HIDDEN).index), Update(view.tensor(CELL).index))
    arguments = (Read(view.tensor(0).index), weights, _biases(view), *states, Write(view.output.index))
    call = Call(function, "tinyops_lstm_params", params, arguments)
    return Lowered((call,), kernel, steps * units * 4 * (inputs + units))


KINDS = (
    OperatorKind(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        (
            c.holds(
                "it has 24 inputs, with weights and biases of all four gates and two states, and one output", _operands
            ),
            c.holds("no peephole weights, projection or layer normalisation", _variant),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.holds("weights are int8 constants, biases int32 constants", _constants),
            c.symmetric(WEIGHTS, "weights"),
            c.variable(HIDDEN, "hidden state", ("int8",)),
            c.variable(CELL, "cell state", ("int16",)),
            c.holds(
                "a batch of 1; input (steps, inputs), weights (units, inputs) and (units, units), biases (units), "
                "states (units) and output (steps, units) agree",
                _shapes,
            ),
            c.holds("the cell's scale is a power of two from 2^-15 to 1, its zero point 0", _bad_cell),
            c.holds("the cell's clip is finite and not below 0", _bad_clip),
            c.holds("the activation is TANH", _activation),
            factors_fit(_factors),
            sums_fit(_largest_sum),
        ),
        lower,
        (_packed,),
    ),
)
