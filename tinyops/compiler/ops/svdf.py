"""SVDF: filters over the input's values, each with a memory that is weighted over time. Keeps state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import float32, quantise_multiplier
from tinyops.compiler.lowered import Call, Constant, Field, Kernel, Lowered, Read, Update, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.weighted import DOT_HEADER, factors_fit, largest_sum, sums_fit
from tinyops.compiler.view import OperatorView, constant_values, int64_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KERNEL = Kernel("kernels/svdf.c", ("tinyops/kernels/svdf.h", DOT_HEADER), reads_flash=True)
INPUT, FEATURE, TIME, BIAS, STATE = range(5)
ACTIVATIONS = ("NONE", "RELU")  # neither changes what the interpreter computes: it only keeps to int8


def _shapes(view: OperatorView) -> str | None:
    feature, time, rank = view.tensor(FEATURE).shape, view.tensor(TIME).shape, view.options.rank
    if len(feature) != 2 or len(time) != 2 or rank < 1:
        return f"weights {feature}, weights over time {time}, rank {rank}"
    (filters, inputs), memory = feature, time[1]
    wanted = {
        INPUT: (1, inputs),
        FEATURE: (filters, inputs),
        TIME: (filters, memory),
        BIAS: (filters // rank,),
        STATE: (1, filters * memory),
    }
    for position, shape in wanted.items():
        if view.tensor(position).shape != shape:
            return f"{view.tensor(position)} is {view.tensor(position).shape}, wanted is {shape}"
    good = filters % rank == 0 and view.output.shape == (1, filters // rank)
    return None if good else f"output {view.output.shape} of {filters} filters by {rank}"


def _activation(view: OperatorView) -> str | None:
    found = view.options.activation
    return None if found in ACTIVATIONS else str(found)


def _one_type(view: OperatorView) -> str | None:
    time, state = view.tensor(TIME), view.tensor(STATE)
    return None if time.dtype == state.dtype else f"{time.dtype} and {state.dtype}"


def _factors(view: OperatorView) -> tuple[float, float]:
    """From products with the input to the state, and from products with it to the output; in float32 throughout."""
    source, feature, time, state = (view.tensor(i).scale for i in (INPUT, FEATURE, TIME, STATE))
    return float32(float32(source * feature) / state), float32(float32(state * time) / view.output.scale)


def _feature_bias(view: OperatorView) -> NDArray[np.int64]:
    sums: NDArray[np.int64] = int64_values(view.tensor(FEATURE)).sum(axis=1)
    return -view.tensor(INPUT).zero_point * sums


def _bias(view: OperatorView) -> NDArray[np.int64]:
    """With the state's zero point folded in."""
    sums = int64_values(view.tensor(TIME)).sum(axis=1).reshape(-1, view.options.rank).sum(axis=1)
    folded: NDArray[np.int64] = int64_values(view.tensor(BIAS)) - view.tensor(STATE).zero_point * sums
    return folded


def _largest_sum(view: OperatorView) -> int:
    """Of features; and of outputs, unless the state is int16: those sums wrap, as the interpreter's do."""
    found = largest_sum(int64_values(view.tensor(FEATURE)), _feature_bias(view))
    bias = _bias(view)
    if view.tensor(STATE).dtype == "int16":
        return max(found, int(abs(bias).max()))
    return max(found, largest_sum(int64_values(view.tensor(TIME)).reshape(len(bias), -1), bias))


def lower(view: OperatorView) -> Lowered:
    feature, time, state = view.tensor(FEATURE), view.tensor(TIME), view.tensor(STATE)
    to_state, to_output = map(quantise_multiplier, _factors(view))
    params: dict[str, Field] = {
        "inputs": feature.shape[1],
        "units": view.output.shape[1],
        "rank": view.options.rank,
        "memory": time.shape[1],
        "feature_multiplier": to_state.multiplier,
        "feature_shift": to_state.shift,
        "state_zero_point": state.zero_point,
        "output_multiplier": to_output.multiplier,
        "output_shift": to_output.shift,
        "output_zero_point": view.output.zero_point,
    }
    arguments = (
        Read(view.tensor(INPUT).index),
        Constant("feature", "int8_t", constant_values(feature).reshape(-1), f"weights {feature.shape}"),
        Constant("feature_bias", "int32_t", _feature_bias(view).astype("int32"), "input zero point times weights"),
        Constant("time", f"{time.dtype}_t", constant_values(time).reshape(-1), f"weights over time {time.shape}"),
        Constant("bias", "int32_t", _bias(view).astype("int32"), "bias, state's zero point folded in"),
        Update(state.index),
        Write(view.output.index),
    )
    call = Call(f"tinyops_svdf_{state.dtype}", "tinyops_svdf_params", params, arguments)
    return Lowered((call,), KERNEL, feature.elements + time.elements)


KINDS = (
    OperatorKind(
        "SVDF",
        (
            c.operands(5, 5),
            c.quantised(INPUT, "input"),
            c.quantised(-1, "output"),
            c.constant(FEATURE, "weights", ("int8",)),
            c.constant(TIME, "weights over time", ("int16", "int8")),
            c.constant(BIAS, "biases", ("int32",)),
            c.symmetric((FEATURE, TIME), "weights and weights over time"),
            c.variable(STATE, "state", ("int16", "int8")),
            c.holds("the state has the type of the weights over time", _one_type),
            c.holds(
                "input (1, inputs), weights (filters, inputs), weights over time (filters, memory), biases (units), "
                "state (1, filters x memory) and output (1, units) agree; filters are units times rank",
                _shapes,
            ),
            c.holds(f"the fused activation is one of {', '.join(ACTIVATIONS)}", _activation),
            factors_fit(_factors),
            sums_fit(_largest_sum),
        ),
        lower,
    ),
)
