"""Operators whose result is known now: of constants, or of a shape, which is fixed.

Files exported with a free batch compute the shape of a RESHAPE with SHAPE, STRIDED_SLICE and PACK.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tinyops.compiler.passes.bytewise import byte_table, float_table
from tinyops.compiler.passes.kind import Pass
from tinyops.compiler.passes.rewrite import Rewrite, Uses, sound, sweep
from tinyops.compiler.view import OperatorView, constant_values
from tinyops.graph import AxisOptions, Graph, Operator, PackOptions, StridedSliceOptions, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 4 << 20  # of one result
MOST_TOTAL_BYTES = 64 << 20  # of all
INTEGERS = ("int8", "uint8", "int16", "int32", "int64", "bool")


@dataclass(frozen=True)
class Known:
    """An operator and its inputs' values; of SHAPE the input itself."""

    graph: Graph
    operator: Operator
    values: tuple[NDArray[Any], ...]
    output: Tensor


Evaluate = Callable[[Known], "NDArray[Any] | None"]


def run(graph: Graph) -> Graph:
    budget = [MOST_TOTAL_BYTES]
    return sweep(graph, lambda uses, operator: _folded(uses, operator, budget))


def _folded(uses: Uses, operator: Operator, budget: list[int]) -> Rewrite | None:
    graph = uses.graph
    evaluate = EVALUATE.get(operator.name)
    if evaluate is None or len(operator.outputs) != 1 or operator.outputs[0] in graph.outputs:
        return None
    output = graph.tensors[operator.outputs[0]]
    inputs = [graph.tensors[i] for i in operator.inputs if i is not None]
    known = operator.name == "SHAPE" or all(t.data is not None and t.bytes <= MOST_BYTES for t in inputs)
    if not known or not inputs or output.bytes > min(MOST_BYTES, budget[0]):
        return None
    values = () if operator.name == "SHAPE" else tuple(map(constant_values, inputs))
    found = evaluate(Known(graph, operator, values, output))
    if found is None or found.shape != output.shape or str(found.dtype) != output.dtype:
        return None
    budget[0] -= output.bytes
    data = found.astype(found.dtype.newbyteorder("<")).tobytes()
    return Rewrite(frozenset({operator.index}), tensors={output.index: replace(output, data=data)})


# -- what operators compute: None where it is something else than is known here -------------------------------


def _same_values(known: Known) -> NDArray[Any] | None:
    """Operators that only give the same values another shape."""
    source = known.values[0]
    return source.reshape(known.output.shape) if source.size == math.prod(known.output.shape) else None


def _shape(known: Known) -> NDArray[Any] | None:
    import numpy as np

    index = known.operator.inputs[0]
    shape = known.graph.tensors[index].shape if index is not None else ()
    return np.array(shape, known.output.dtype) if known.output.dtype in ("int32", "int64") else None


def _transpose(known: Known) -> NDArray[Any] | None:
    import numpy as np

    if len(known.values) != 2 or known.values[1].dtype.kind != "i":
        return None
    order = [int(v) for v in known.values[1].reshape(-1)]
    return np.transpose(known.values[0], order) if sorted(order) == list(range(known.values[0].ndim)) else None


def _pack(known: Known) -> NDArray[Any] | None:
    import numpy as np

    options, first = known.operator.options, known.values[0]
    alike = all((v.shape, v.dtype) == (first.shape, first.dtype) for v in known.values)
    if not isinstance(options, PackOptions) or not alike or not -first.ndim - 1 <= options.axis <= first.ndim:
        return None
    return np.stack(known.values, axis=options.axis)


def _concatenation(known: Known) -> NDArray[Any] | None:
    import numpy as np

    options, first = known.operator.options, known.values[0]
    if not isinstance(options, AxisOptions) or options.activation != "NONE" or not _one_scale(known):
        return None
    if not -first.ndim <= options.axis < first.ndim or any(v.dtype != first.dtype for v in known.values):
        return None
    axis = options.axis % first.ndim
    rest = {(v.ndim, *v.shape[:axis], *v.shape[axis + 1 :]) for v in known.values}
    return np.concatenate(known.values, axis=axis) if len(rest) == 1 else None


def _one_scale(known: Known) -> bool:
    """Whether nothing has to be rescaled."""
    inputs = [known.graph.tensors[i] for i in known.operator.inputs if i is not None]
    return all(t.quantisation == known.output.quantisation for t in inputs)


def _strided_slice(known: Known) -> NDArray[Any] | None:
    options, values = known.operator.options, known.values
    if not isinstance(options, StridedSliceOptions) or len(values) != 4 or options.offset:
        return None
    if options.ellipsis_mask or options.new_axis_mask or not _one_scale_if_quantised(known):
        return None
    ranges = [[int(v) for v in part.reshape(-1)] for part in values[1:]]
    if any(len(part) != values[0].ndim for part in ranges) or 0 in ranges[2]:
        return None
    picked: list[slice | int] = []
    for i, (begin, end, step) in enumerate(zip(*ranges, strict=True)):
        if options.shrink_mask >> i & 1:
            if not -values[0].shape[i] <= begin < values[0].shape[i]:
                return None
            picked.append(begin)
            continue
        start = None if options.begin_mask >> i & 1 else begin
        picked.append(slice(start, None if options.end_mask >> i & 1 else end, step))
    return values[0][tuple(picked)].reshape(known.output.shape) if _fits(values[0], picked, known) else None


def _one_scale_if_quantised(known: Known) -> bool:
    index = known.operator.inputs[0]
    return index is not None and known.graph.tensors[index].quantisation == known.output.quantisation


def _fits(source: NDArray[Any], picked: list[slice | int], known: Known) -> bool:
    return source[tuple(picked)].size == math.prod(known.output.shape)


def _cast(known: Known) -> NDArray[Any] | None:
    """Between integers that hold the values: what else there is differs from core to core."""
    import numpy as np

    wanted, source = known.output.dtype, known.values[0]
    if wanted not in INTEGERS or str(source.dtype) not in INTEGERS:
        return None
    found = source.astype(wanted)
    return found if np.array_equal(found.astype(np.int64), source.astype(np.int64)) else None


def _table(known: Known) -> NDArray[Any] | None:
    """Functions of one byte, by the table that the kernel would read."""
    import numpy as np

    if not sound(known.graph, known.operator):
        return None
    view = OperatorView(known.graph, known.operator)
    found = byte_table(view) if known.output.dtype != "float32" else float_table(view)
    if found is None:
        return None
    return np.asarray(found[known.values[0].view(np.uint8)].view(known.output.dtype)).reshape(known.output.shape)


def _quantize(known: Known) -> NDArray[Any] | None:
    import numpy as np

    source = known.values[0]
    if known.output.dtype != "int8" or str(source.dtype) != "float32":
        return _table(known) if source.itemsize == 1 else None
    if not sound(known.graph, known.operator) or not np.isfinite(source).all():
        return None
    from tinyops.compiler.ops.quantize import quantised

    return quantised(source, known.output.scale, known.output.zero_point).clip(-128, 127).astype(np.int8)


def _arithmetic(function: Callable[[int, int], int]) -> Evaluate:
    """Of shapes: int32 of the same shape or one value, as long as nothing overflows."""

    def evaluate(known: Known) -> NDArray[Any] | None:
        import numpy as np

        if len(known.values) != 2 or any(str(v.dtype) != "int32" for v in known.values):
            return None
        if getattr(known.operator.options, "activation", "") != "NONE" or max(v.size for v in known.values) > 64:
            return None
        if known.values[0].shape != known.values[1].shape and 1 not in (v.size for v in known.values):
            return None
        a, b = np.broadcast_arrays(*known.values)
        found = [function(int(x), int(y)) for x, y in zip(a.reshape(-1), b.reshape(-1), strict=True)]
        fits = all(-(2**31) <= v < 2**31 for v in found) and a.size == math.prod(known.output.shape)
        return np.array(found, np.int32).reshape(known.output.shape) if fits else None

    return evaluate


EVALUATE: Mapping[str, Evaluate] = {
    "RESHAPE": _same_values,
    "EXPAND_DIMS": _same_values,
    "SQUEEZE": _same_values,
    "SHAPE": _shape,
    "TRANSPOSE": _transpose,
    "PACK": _pack,
    "CONCATENATION": _concatenation,
    "STRIDED_SLICE": _strided_slice,
    "CAST": _cast,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _table,
    "ADD": _arithmetic(lambda a, b: a + b),
    "SUB": _arithmetic(lambda a, b: a - b),
    "MUL": _arithmetic(lambda a, b: a * b),
}

PASS = Pass(
    "fold_constants",
    "operators on constants, and those that compute shapes, become constants in flash",
    run,
)
