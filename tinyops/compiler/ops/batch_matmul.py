"""BATCH_MATMUL of two int8 operands, computed or constant, with broadcasting of the batches."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import float32, quantise_multiplier
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView

KERNEL = Kernel("kernels/batch_matmul.c", ("tinyops/kernels/batch_matmul.h",))
MOST_PRODUCTS = 2**31 // 255**2  # which add up within 32 bits
MOST_BATCHES = 2  # dimensions of them


def _matrix(shape: tuple[int, ...], swapped: bool) -> tuple[int, int]:
    """Rows and columns, as they are multiplied."""
    return (shape[-1], shape[-2]) if swapped else (shape[-2], shape[-1])


def _batches(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (MOST_BATCHES + 2 - len(shape)) + shape[:-2]


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    a, b = view.tensor(0).shape, view.tensor(1).shape
    (rows, inner), (depth, columns) = _matrix(a, view.options.swap_a), _matrix(b, view.options.swap_b)
    pairs = list(zip(_batches(a), _batches(b), strict=True))
    if inner != depth or any(x != y and 1 not in (x, y) for x, y in pairs):
        return None
    batches = tuple(max(x, y) for x, y in pairs)
    return (*batches[MOST_BATCHES + 2 - max(len(a), len(b)) :], rows, columns)


def _bad_ranks(view: OperatorView) -> str | None:
    ranks = (len(view.tensor(0).shape), len(view.tensor(1).shape))
    return None if all(2 <= rank <= MOST_BATCHES + 2 for rank in ranks) else f"{ranks[0]} and {ranks[1]}"


def _depth(view: OperatorView) -> int:
    return _matrix(view.tensor(0).shape, view.options.swap_a)[1]


def _too_deep(view: OperatorView) -> str | None:
    return None if _depth(view) <= MOST_PRODUCTS else f"{_depth(view):,}"


def _factor(view: OperatorView) -> float:
    return float32(view.tensor(0).scale * view.tensor(1).scale) / view.output.scale


def _too_large(view: OperatorView) -> str | None:
    return None if _factor(view) < LARGEST_FACTOR else f"a factor of {_factor(view):g}"


def _side(shape: tuple[int, ...], swapped: bool, offset: int) -> dict[str, Field]:
    """How one operand moves through its batches, along its rows and along its columns."""
    size, width = shape[-2] * shape[-1], shape[-1]
    outer, inner = _batches(shape)
    batch = (0 if outer == 1 else inner * size, 0 if inner == 1 else size)
    row, column = (1, width) if swapped else (width, 1)
    return {"batch_step": batch, "row_step": row, "column_step": column, "offset": offset}


def lower(view: OperatorView) -> Lowered:
    a, b, out = view.tensor(0), view.tensor(1), view.output
    factor = quantise_multiplier(_factor(view))
    rows, columns = out.shape[-2:]
    params: dict[str, Field] = {
        "batches": _batches(out.shape),
        "rows": rows,
        "columns": columns,
        "depth": _depth(view),
        "a": _side(a.shape, view.options.swap_a, -a.zero_point),
        "b": _side(b.shape, view.options.swap_b, -b.zero_point),
        "output_zero_point": out.zero_point,
        "multiplier": factor.multiplier,
        "shift": factor.shift,
    }
    call = Call(
        "tinyops_batch_matmul", "tinyops_batch_matmul_params", params, (Read(a.index), Read(b.index), Write(out.index))
    )
    return Lowered((call,), KERNEL, macs=math.prod(out.shape) * _depth(view))


KINDS = (
    OperatorKind(
        "BATCH_MATMUL",
        (
            c.operands(2, 2),
            c.all_quantised(),
            c.quantised(-1, "output"),
            c.holds("operands have 2 to 4 dimensions", _bad_ranks),
            c.shape_is("matrices fit each other, batches agree or broadcast", _expected),
            c.moderate_scales(),
            c.holds("scales differ by a factor below 2^30", _too_large),
            c.holds(f"a sum has at most {MOST_PRODUCTS:,} products", _too_deep),
        ),
        lower,
    ),
)
