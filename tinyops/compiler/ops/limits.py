"""Limits that operators share which move values, and which read lists of numbers from the file."""

from __future__ import annotations

from collections.abc import Callable

from tinyops.compiler.constraints import Constraint, constant, describe, listed
from tinyops.compiler.view import OperatorView

# Element types that most of the interpreter's operators move.
PLAIN = ("int8", "int16", "int32", "float32")


def moved(dtypes: tuple[str, ...], position: int = 0) -> Constraint:
    """For operators that move values: the input at `position` and all outputs are of one of these types.

    None of them has several scales, which belong to one dimension of a tensor.
    """

    def check(view: OperatorView) -> str | None:
        source = view.input(position)
        if source is None or source.dtype not in dtypes:
            return f"{source or 'it'} is {describe(source)}"
        for tensor in (source, *view.outputs):
            if tensor.dtype != source.dtype:
                return f"{source} is {source.dtype}, {tensor} is {tensor.dtype}"
            if tensor.quantisation is not None and tensor.quantisation.per_channel:
                return f"{tensor} has {len(tensor.quantisation.scales)} scales"
        return None

    kinds = listed(dtypes)
    return Constraint(f"input and output have the same type, {kinds}, with at most one scale", check)


def numbers(
    position: int, what: str, count: Callable[[OperatorView], int], dtypes: tuple[str, ...] = ("int32", "int64")
) -> Constraint:
    """A list of `count` numbers that is a constant of the file."""

    def check(view: OperatorView) -> str | None:
        found = constant(position, what, dtypes).check(view)
        wanted, tensor = count(view), view.input(position)
        if found is None and tensor is not None and tensor.elements != wanted:
            return f"{tensor} has {tensor.elements} values, wanted {wanted}"
        return found

    kinds = listed(dtypes)
    return Constraint(f"the {what} are a constant of type {kinds}, one value for each dimension", check)


def all_there() -> Constraint:
    def check(view: OperatorView) -> str | None:
        absent = [i for i, index in enumerate(view.operator.inputs) if index is None]
        return f"input {absent[0]} is absent" if absent else None

    return Constraint("no input is absent", check)


def single(position: int, what: str) -> Constraint:
    """One number that is a constant of the file."""

    def check(view: OperatorView) -> str | None:
        found, tensor = constant(position, what, ("int32",)).check(view), view.input(position)
        return f"{tensor} has {tensor.elements} values" if not found and tensor and tensor.elements != 1 else found

    return Constraint(f"the {what} is a constant of type int32", check)
