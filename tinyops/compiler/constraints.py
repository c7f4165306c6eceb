"""Limits of the compiler as small predicates: the sentence is the error and the line in the documentation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tinyops.compiler.view import OperatorView, constant_values
from tinyops.graph import Tensor

# Says what the operator has instead, or None when the limit is kept.
Check = Callable[[OperatorView], str | None]
# What the output's shape must be; None where the inputs do not agree with each other.
Shape = Callable[[OperatorView], tuple[int, ...] | None]

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-30, 2.0**30


@dataclass(frozen=True)
class Constraint:
    """`sentence` says what is supported; `advice` what to do about a model that has something else."""

    sentence: str
    check: Check
    advice: str = ""


def first_broken(view: OperatorView, constraints: Iterable[Constraint]) -> tuple[Constraint, str] | None:
    """The first constraint that does not hold, and what there is instead. Later ones may rely on earlier ones."""
    for constraint in constraints:
        found = constraint.check(view)
        if found is not None:
            return constraint, found
    return None


def listed(names: Sequence[str]) -> str:
    """a, b or c"""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def describe(tensor: Tensor | None) -> str:
    return "none" if tensor is None else f"{tensor.dtype} {tensor.shape}"


def operands(least: int, most: int, outputs: int = 1) -> Constraint:
    """Inputs that must be there, inputs that may be, and one output or up to `outputs`."""

    def check(view: OperatorView) -> str | None:
        given = len(view.operator.inputs)
        missing = [i for i in range(min(least, given)) if view.input(i) is None]
        if not least <= given <= most or missing:
            return f"{given} inputs" + (f", input {missing[0]} absent" if missing else "")
        return None if len(view.outputs) <= outputs else f"{len(view.outputs)} outputs"

    many = "one input" if most == 1 else f"{least} inputs" if least == most else f"{least} to {most} inputs"
    return Constraint(f"it has {many} and {'one output' if outputs == 1 else f'1 to {outputs} outputs'}", check)


def quantised(position: int, what: str, dtypes: tuple[str, ...] = ("int8",)) -> Constraint:
    """An input (or the output, at -1) of a type, quantised as a whole."""

    def check(view: OperatorView) -> str | None:
        tensor = view.output if position < 0 else view.input(position)
        if tensor is None or tensor.dtype not in dtypes:
            return f"{tensor or 'it'} is {describe(tensor)}"
        if tensor.quantisation is None:
            return f"{tensor} is not quantised"
        return f"{tensor} has {len(tensor.quantisation.scales)} scales" if tensor.quantisation.per_channel else None

    wanted = listed(dtypes)
    return Constraint(
        f"the {what} is {wanted} with one scale", check, "quantise the model to int8 throughout (TFLITE_BUILTINS_INT8)"
    )


def typed(position: int, what: str, dtypes: tuple[str, ...]) -> Constraint:
    def check(view: OperatorView) -> str | None:
        tensor = view.output if position < 0 else view.input(position)
        return None if tensor is not None and tensor.dtype in dtypes else f"it is {describe(tensor)}"

    return Constraint(f"the {what} is {listed(dtypes)}", check)


def all_quantised() -> Constraint:
    def check(view: OperatorView) -> str | None:
        for i in range(len(view.operator.inputs)):
            found = quantised(i, "input").check(view)
            if found:
                return found
        return None

    return Constraint("every input is int8 with one scale", check)


def constant(position: int, what: str, dtypes: tuple[str, ...]) -> Constraint:
    """An input that is a constant of a type."""

    def check(view: OperatorView) -> str | None:
        tensor = view.input(position)
        if tensor is None or tensor.dtype not in dtypes:
            return f"{tensor or 'it'} is {describe(tensor)}"
        return None if tensor.data is not None else f"{tensor} is computed by the graph"

    return Constraint(f"the {what} are a constant of type {listed(dtypes)}", check)


def symmetric_weights(axis: int) -> Constraint:
    """Weights at input 1: int8, zero point 0, one scale or one per output channel."""

    def check(view: OperatorView) -> str | None:
        weights = view.tensor(1)
        quantisation = weights.quantisation
        if quantisation is None:
            return f"{weights} has no scale"
        if any(quantisation.zero_points):
            return f"{weights} has zero point {next(z for z in quantisation.zero_points if z)}"
        if quantisation.per_channel and quantisation.axis != axis:
            return f"{weights} has a scale for each index of dimension {quantisation.axis}"
        return None

    return Constraint("weights have zero point 0 and one scale, or one scale for each output channel", check)


def symmetric(positions: Sequence[int], what: str) -> Constraint:
    """Inputs that are quantised as a whole, around 0."""

    def check(view: OperatorView) -> str | None:
        for tensor in (view.tensor(position) for position in positions):
            found = tensor.quantisation
            if found is None or found.per_channel or any(found.zero_points):
                return f"{tensor} has " + (
                    f"{len(found.scales)} scales, zero point {found.zero_points[0]}" if found else "no scale"
                )
        return None

    return Constraint(f"{what} have one scale each, and zero point 0", check)


def variable(position: int, what: str, dtypes: tuple[str, ...]) -> Constraint:
    """An input that the operator keeps its state in: quantised as a whole, and no other input."""

    def check(view: OperatorView) -> str | None:
        tensor = view.tensor(position)
        if not tensor.variable or tensor.dtype not in dtypes:
            return f"{tensor} is {'a variable' if tensor.variable else 'no variable'}, {describe(tensor)}"
        if tensor.quantisation is None or tensor.quantisation.per_channel:
            return f"{tensor} has {len(tensor.quantisation.scales) if tensor.quantisation else 'no'} scales"
        return f"{tensor} is another input, too" if view.operator.inputs.count(tensor.index) > 1 else None

    return Constraint(f"the {what} is a variable of its own, {listed(dtypes)} with one scale", check)


def bias(channels: Callable[[OperatorView], int]) -> Constraint:
    """An optional int32 constant at input 2, one for each output channel."""

    def check(view: OperatorView) -> str | None:
        found = view.input(2)
        if found is None:
            return None
        if found.dtype != "int32" or found.data is None:
            return f"{found} is {describe(found)}" + (" and computed" if found.data is None else "")
        return None if found.elements == channels(view) else f"{found} has {found.elements} values"

    return Constraint("the bias is an int32 constant with one value for each output channel", check)


def activation() -> Constraint:
    def check(view: OperatorView) -> str | None:
        found = view.options.activation
        return None if found in ACTIVATIONS else str(found)

    return Constraint(f"the fused activation is one of {', '.join(ACTIVATIONS)}", check)


def ranks(least: int, most: int) -> Constraint:
    """Dimensions of every input that is not a list of numbers, and of the output."""

    def check(view: OperatorView) -> str | None:
        for tensor in (view.tensor(0), view.output):
            if not least <= len(tensor.shape) <= most:
                return f"{tensor} has shape {tensor.shape}"
        return None

    return Constraint(f"input and output have {least if least == most else f'{least} to {most}'} dimensions", check)


def one_image() -> Constraint:
    def check(view: OperatorView) -> str | None:
        batches = (view.tensor(0).shape[0], view.output.shape[0])
        return None if batches == (1, 1) else f"batches {batches[0]} and {batches[1]}"

    return Constraint("the batch is 1", check, "export the model with a batch of 1")


def same_quantisation() -> Constraint:
    """Kernels that only move or compare values do not rescale, on the device as in the interpreter."""

    def check(view: OperatorView) -> str | None:
        for out, tensor in itertools.product(view.outputs, view.inputs):
            if tensor.dtype == out.dtype and tensor.quantisation and out.quantisation:
                a, b = tensor.quantisation, out.quantisation
                near = abs(a.scales[0] - b.scales[0]) <= 1e-6 * max(a.scales[0], b.scales[0])
                if not near or a.zero_points[0] != b.zero_points[0]:
                    return f"{a.scales[0]:g}, {a.zero_points[0]} and {b.scales[0]:g}, {b.zero_points[0]}"
        return None

    return Constraint("inputs and output share scale and zero point", check)


def shape_is(what: str, expected: Shape, advice: str = "") -> Constraint:
    """The output's shape follows from the inputs; anything else would read or write outside a buffer."""

    def check(view: OperatorView) -> str | None:
        wanted = expected(view)
        if wanted is None:
            return f"inputs of shapes {', '.join(str(t.shape) for t in view.inputs)}"
        return None if view.output.shape == wanted else f"{view.output.shape}, the inputs give {wanted}"

    return Constraint(what, check, advice)


def moderate_scales() -> Constraint:
    """So that no float32 of the interpreter's own arithmetic overflows or vanishes."""

    def check(view: OperatorView) -> str | None:
        for tensor in (*view.inputs, view.output):
            found = tensor.quantisation
            if found is not None and not all(SMALLEST_SCALE <= scale <= LARGEST_SCALE for scale in found.scales):
                return f"{tensor} has {found.scales[0]:g}"
        return None

    return Constraint("scales lie between 2^-30 and 2^30", check)


def holds(sentence: str, check: Check, advice: str = "") -> Constraint:
    return Constraint(sentence, check, advice)


def probabilities() -> Constraint:
    def check(view: OperatorView) -> str | None:
        output = view.output
        good = output.scale == 1 / 256 and output.zero_point == -128
        return None if good else f"scale {output.scale:g}, zero point {output.zero_point}"

    return Constraint("the output has scale 1/256 and zero point -128", check)


def integers_of(tensor: Tensor) -> list[int]:
    return [int(v) for v in constant_values(tensor).reshape(-1)]
