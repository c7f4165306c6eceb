"""FULLY_CONNECTED: input (..., inputs) seen as rows, weights (outputs, inputs)."""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Constant, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.packed import PACKED_HEADER, packed, packed_weights
from tinyops.compiler.ops.weighted import DOT_HEADER, accumulator_fits, activation_range, factors_fit, requantisation
from tinyops.compiler.view import OperatorView, constant_values

KERNEL = Kernel("kernels/fully_connected.c", ("tinyops/kernels/fully_connected.h", DOT_HEADER), reads_flash=True)
PACKED_KERNEL = Kernel("kernels/fully_connected_packed.c", ("tinyops/kernels/fully_connected_packed.h", PACKED_HEADER))


def _shapes_agree(view: OperatorView) -> str | None:
    source, weights, output = view.tensor(0), view.tensor(1), view.output
    found = f"input {source.shape}, weights {weights.shape}, output {output.shape}"
    if len(weights.shape) != 2 or source.elements % weights.shape[1]:
        return found
    rows = source.elements // weights.shape[1]
    return None if output.elements == rows * weights.shape[0] and output.shape[-1:] == weights.shape[:1] else found


def _shuffled(view: OperatorView) -> str | None:
    return "shuffled weights" if view.options.shuffled_weights else None


def lower(view: OperatorView) -> Lowered:
    weights, output = view.tensor(1), view.output
    found = packed(view, 0)
    constants, step = (found.constants, found.step) if found else requantisation(view, 0)
    low, high = activation_range(view.options.activation, output)
    outputs, inputs = weights.shape
    params = {
        "rows": output.elements // outputs,
        "inputs": inputs,
        "outputs": outputs,
        "output_zero_point": output.zero_point,
        "min": low,
        "max": high,
        "channel_step": step,
    }
    if found:
        values = packed_weights(found.filters, 4)
        stored = Constant("weights", "int32_t", values, f"weights {weights.shape}, by fours of outputs")
    else:
        stored = Constant("weights", "int8_t", constant_values(weights).reshape(-1), f"weights {weights.shape}")
    name = "tinyops_fully_connected_packed" if found else "tinyops_fully_connected"
    call = Call(name, f"{name}_params", params, (Read(view.tensor(0).index), stored, *constants, Write(output.index)))
    return Lowered((call,), PACKED_KERNEL if found else KERNEL, output.elements * inputs)


KINDS = (
    OperatorKind(
        "FULLY_CONNECTED",
        (
            c.operands(2, 3),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.constant(1, "weights", ("int8",)),
            c.holds("input, weights (outputs, inputs) and output agree", _shapes_agree),
            c.holds("weights are in the default order", _shuffled),
            c.symmetric_weights(0),
            c.bias(lambda view: view.tensor(1).shape[0]),
            c.activation(),
            factors_fit(),
            accumulator_fits(0),
        ),
        lower,
    ),
)
