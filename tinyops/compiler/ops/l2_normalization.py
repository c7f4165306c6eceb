"""L2_NORMALIZATION over the last dimension."""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.softmax import EXPONENTIAL_HEADER
from tinyops.compiler.view import OperatorView

KERNEL = Kernel("kernels/l2_normalization.c", ("tinyops/kernels/l2_normalization.h", EXPONENTIAL_HEADER))
MOST_VALUES = 2**31 // 255**2  # whose squares add up within 32 bits


def _too_deep(view: OperatorView) -> str | None:
    depth = view.tensor(0).shape[-1]
    return None if depth <= MOST_VALUES else f"{depth:,}"


def _bad_output(view: OperatorView) -> str | None:
    output = view.output
    good = output.scale == 1 / 128 and output.zero_point == 0
    return None if good else f"scale {output.scale:g}, zero point {output.zero_point}"


def _activation(view: OperatorView) -> str | None:
    found = view.options.activation
    return None if found == "NONE" else str(found)


def lower(view: OperatorView) -> Lowered:
    source = view.tensor(0)
    depth = source.shape[-1]
    params = {"rows": source.elements // depth, "depth": depth, "input_offset": -source.zero_point}
    arguments = (Read(source.index), Write(view.output.index))
    return Lowered((Call("tinyops_l2_normalization", "tinyops_l2_normalization_params", params, arguments),), KERNEL)


KINDS = (
    OperatorKind(
        "L2_NORMALIZATION",
        (
            c.operands(1, 1),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.ranks(1, 4),
            c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
            c.holds("no fused activation", _activation),
            c.holds("the output has scale 1/128 and zero point 0", _bad_output),
            c.holds(f"the last dimension has at most {MOST_VALUES:,} values", _too_deep),
        ),
        lower,
    ),
)
