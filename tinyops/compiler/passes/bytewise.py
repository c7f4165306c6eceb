"""Functions of one byte as tables: two of them compared, or one after the other, are known for every input."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tinyops.compiler.lowered import Constant
from tinyops.compiler.ops import kind_of
from tinyops.compiler.view import OperatorView

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKS_UP = "cortex-m0plus"  # without a floating point unit: kernels for it look up what others compute


def byte_table(view: OperatorView) -> NDArray[Any] | None:
    """(256) uint8: an operator's output byte by its input byte; None for one that is no such function.

    The operator must be one that compiles.
    """
    return _table_of(view, "tinyops_lookup")


def float_table(view: OperatorView) -> NDArray[Any] | None:
    """(256) float32, as `byte_table`."""
    return _table_of(view, "tinyops_dequantize")


def _table_of(view: OperatorView, function: str) -> NDArray[Any] | None:
    kind = kind_of(view)
    assert kind is not None
    calls = kind.lower(replace(view, cpu=LOOKS_UP)).calls
    if len(calls) != 1 or calls[0].function != function:
        return None
    (table,) = (a for a in calls[0].arguments if isinstance(a, Constant))
    return table.values
