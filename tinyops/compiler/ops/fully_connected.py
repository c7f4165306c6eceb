"""FULLY_CONNECTED: input (..., inputs) seen as rows, weights (outputs, inputs)."""

from __future__ import annotations

from dataclasses import replace

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Constant, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.coded import CODED_HEADERS, coded
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.lanes import LANES_HEADERS, MAX_FILLED_BYTES, lanes, output_eights
from tinyops.compiler.ops.packed import FOUR_ROWS_HEADERS, packed, packed_weights
from tinyops.compiler.ops.weighted import DOT_HEADER, accumulator_fits, activation_range, factors_fit, requantisation
from tinyops.compiler.view import OperatorView, constant_values

KERNEL = Kernel("kernels/fully_connected.c", ("tinyops/kernels/fully_connected.h", DOT_HEADER), reads_flash=True)
PACKED_KERNEL = Kernel(
    "kernels/fully_connected_packed.c", ("tinyops/kernels/fully_connected_packed.h", *FOUR_ROWS_HEADERS)
)
EIGHTS_KERNEL = Kernel(
    "kernels/fully_connected_eights.c", ("tinyops/kernels/fully_connected_eights.h", DOT_HEADER, *LANES_HEADERS)
)
CODED_KERNEL = Kernel(
    "kernels/fully_connected_coded.c", ("tinyops/kernels/fully_connected_coded.h", *CODED_HEADERS), reads_flash=True
)


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
    constants, step = requantisation(view, 0)
    stored = Constant("weights", "int8_t", constant_values(view.tensor(1)).reshape(-1), _note(view))
    return _call(view, "tinyops_fully_connected", KERNEL, (stored, *constants), step)


def _packed(view: OperatorView) -> Lowered | None:
    """With the kernel for cores that multiply two values at a time, where it can serve."""
    found = packed(view, 0)
    if found is None:
        return None
    stored = Constant("weights", "int32_t", packed_weights(found.filters, 4), f"{_note(view)}, by fours of outputs")
    return _call(view, "tinyops_fully_connected_packed", PACKED_KERNEL, (stored, *found.constants), found.step)


def _eights(view: OperatorView) -> Lowered | None:
    """With the kernel for cores without the DSP extension, unless filling up costs too much flash."""
    found = lanes(view, 0)
    values = None if found is None else output_eights(found.filters)
    if found is None or values is None or values.nbytes - found.filters.size > MAX_FILLED_BYTES:
        return None
    stored = Constant("weights", "int32_t", values, f"{_note(view)}, by eights of outputs")
    bias = found.bias - 128 * found.filters.sum(axis=1, dtype="int32")  # inputs are read as 0 to 255
    constants = replace(found, bias=bias).constants
    return _call(view, "tinyops_fully_connected_eights", EIGHTS_KERNEL, (stored, *constants), found.step)


def _coded(view: OperatorView) -> Lowered | None:
    """With the kernel that looks weights up, where these have few values."""
    found = coded(view, 0)
    if found is None:
        return None
    constants, step = requantisation(view, 0)
    stored = found.constants(_note(view))
    return _call(view, "tinyops_fully_connected_coded", CODED_KERNEL, (*stored, *constants), step)


def _note(view: OperatorView) -> str:
    return f"weights {view.tensor(1).shape}"


def _call(view: OperatorView, name: str, kernel: Kernel, constants: tuple[Constant, ...], step: int) -> Lowered:
    output = view.output
    low, high = activation_range(view.options.activation, output)
    outputs, inputs = view.tensor(1).shape
    params = {
        "rows": output.elements // outputs,
        "inputs": inputs,
        "outputs": outputs,
        "output_zero_point": output.zero_point,
        "min": low,
        "max": high,
        "channel_step": step,
    }
    call = Call(name, f"{name}_params", params, (Read(view.tensor(0).index), *constants, Write(output.index)))
    return Lowered((call,), kernel, output.elements * inputs)


SHAPES = (
    c.holds("input, weights (outputs, inputs) and output agree", _shapes_agree),
    c.holds("weights are in the default order", _shuffled),
)

KINDS = (
    OperatorKind(
        "FULLY_CONNECTED",
        (
            c.operands(2, 3),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.constant(1, "weights", ("int8",)),
            *SHAPES,
            c.symmetric_weights(0),
            c.bias(lambda view: view.tensor(1).shape[0]),
            c.activation(),
            factors_fit(),
            accumulator_fits(0),
        ),
        lower,
        (_packed, _eights, _coded),
    ),
)
