"""AVERAGE_POOL_2D and MAX_POOL_2D: input and output (1, H, W, C)."""

from __future__ import annotations

from functools import partial

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.packed import DSP_CPUS, PACKED_HEADER
from tinyops.compiler.ops.weighted import WINDOW_HEADER, activation_range, out_extent, window
from tinyops.compiler.view import OperatorView

HEADERS = ("tinyops/kernels/pool_2d.h", WINDOW_HEADER)
WINDOWS_HEADERS = (*HEADERS, "tinyops/kernels/pool_2d_windows.h")
KERNEL = Kernel("kernels/pool_2d.c", WINDOWS_HEADERS)
PACKED_KERNEL = Kernel("kernels/pool_2d_packed.c", ("tinyops/kernels/pool_2d_packed.h", *HEADERS, PACKED_HEADER))
MOST_COLUMNS = 255  # of a window, whose sum stays within 16 bits


def _expected(view: OperatorView) -> tuple[int, ...] | None:
    source, taps = view.tensor(0).shape, view.options.window
    return (1, *(out_extent(view.options, axis, source[1 + axis], taps[axis]) for axis in (0, 1)), source[3])


def _lower(function: str, kernel: Kernel, view: OperatorView) -> Lowered:
    low, high = activation_range(view.options.activation, view.output)
    params: dict[str, Field] = {"window": window(view, view.options.window), "min": low, "max": high}
    arguments = (Read(view.tensor(0).index), Write(view.output.index))
    return Lowered((Call(function, "tinyops_pool_2d_params", params, arguments),), kernel)


def _packed(function: str, view: OperatorView) -> Lowered | None:
    """With the kernel for cores with the DSP extension, where it can serve."""
    serves = view.cpu in DSP_CPUS and view.output.shape[3] >= 4 and view.options.window[1] <= MOST_COLUMNS
    return _lower(f"{function}_packed", PACKED_KERNEL, view) if serves else None


SHAPES = c.shape_is("input, window and output agree", _expected)


def _kind(name: str, function: str) -> OperatorKind:
    limits = (
        c.operands(1, 1),
        c.quantised(0, "input"),
        c.quantised(-1, "output"),
        c.ranks(4, 4),
        c.one_image(),
        SHAPES,
        c.same_quantisation(),
        c.activation(),
    )
    return OperatorKind(name, limits, partial(_lower, function, KERNEL), (partial(_packed, function),))


KINDS = (_kind("AVERAGE_POOL_2D", "tinyops_average_pool_2d"), _kind("MAX_POOL_2D", "tinyops_max_pool_2d"))
