"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of images (N, H, W, C) and (1, H, W, C)."""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.distances import between
from tinyops.compiler.fixed_point import float32, round_half_away
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops import limits
from tinyops.compiler.ops.copying import strides
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.picking import Axis, pick, whole
from tinyops.compiler.view import OperatorView
from tinyops.graph import ResizeOptions

BILINEAR_KERNEL = Kernel("kernels/resize_bilinear.c", ("tinyops/kernels/resize_bilinear.h",))
MOST_EXTENT = 1 << 15
ONE = 1 << 10  # TINYOPS_RESIZE_ONE in resize_bilinear.h


def _resized(view: OperatorView) -> tuple[int, ...] | None:
    source, size = view.tensor(0).shape, c.integers_of(view.tensor(1))
    return (source[0], *size, source[3]) if len(size) == 2 else None


def _too_large(view: OperatorView) -> str | None:
    extents = (*view.tensor(0).shape[1:3], *view.output.shape[1:3])
    return None if max(extents) <= MOST_EXTENT else f"{max(extents):,}"


# -- nearest neighbour ---------------------------------------------------------------------------


def nearest(options: ResizeOptions, extent: int, wanted: int) -> list[int]:
    """For each of `wanted` rows: which of `extent` rows it is, in the interpreter's float32 arithmetic."""
    corners = options.align_corners and wanted > 1
    scale = float32((extent - 1) / (wanted - 1)) if corners else float32(extent / wanted)
    offset = 0.5 if options.half_pixel_centers else 0.0
    at = [float32(float32(i + offset) * scale) for i in range(wanted)]
    return [min(round_half_away(x) if options.align_corners else int(x), extent - 1) for x in at]


def lower_nearest(view: OperatorView) -> Lowered:
    source, output, options = view.tensor(0), view.output, view.options
    assert isinstance(options, ResizeOptions)
    width = strides(source.shape)
    rows, columns = (
        Axis.of(nearest(options, source.shape[i], output.shape[i]), width[i])
        if source.shape[i] != output.shape[i] or options.align_corners
        else whole(source.shape[i], width[i])
        for i in (1, 2)
    )
    return pick(source, output, [whole(source.shape[0], width[0]), rows, columns, whole(source.shape[3], 1)])


# -- bilinear ------------------------------------------------------------------------------------


def _scale(view: OperatorView, axis: int) -> int:
    """Rows of the input from one row of the output to the next, in parts of 1024, rounded as the interpreter does."""
    extent, wanted = view.tensor(0).shape[axis], view.output.shape[axis]
    if view.options.align_corners and wanted > 1:
        extent, wanted = extent - 1, wanted - 1
    return (ONE * extent + wanted // 2) // wanted


def _both(view: OperatorView) -> str | None:
    options = view.options
    return "both are set" if options.align_corners and options.half_pixel_centers else None


def _outside(view: OperatorView) -> str | None:
    """The rounded scale adds up: where it leads out of the image, the interpreter reads what is not there."""
    for axis in (1, 2):
        extent, wanted = view.tensor(0).shape[axis], view.output.shape[axis]
        last = between(wanted, _scale(view, axis), view.options.half_pixel_centers)[-1]
        if last >= extent:
            return f"from {extent} to {wanted}"
    return None


def lower_bilinear(view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    params: dict[str, Field] = {
        **dict(zip(("in_h", "in_w", "channels"), source.shape[1:], strict=True)),
        "out_h": output.shape[1],
        "out_w": output.shape[2],
        "scale_h": _scale(view, 1),
        "scale_w": _scale(view, 2),
        "half_pixel": int(view.options.half_pixel_centers),
    }
    arguments = (Read(source.index), Write(output.index))
    call = Call("tinyops_resize_bilinear", "tinyops_resize_bilinear_params", params, arguments)
    return Lowered((call,), BILINEAR_KERNEL)


_SIZES = (
    c.ranks(4, 4),
    c.constant(1, "height and width", ("int32",)),
    c.shape_is("input, height, width and output agree", _resized),
    c.same_quantisation(),
    c.holds(f"at most {MOST_EXTENT:,} rows and columns", _too_large),
)

KINDS = (
    OperatorKind(
        "RESIZE_NEAREST_NEIGHBOR",
        (c.operands(2, 2), limits.moved(("int8", "int16", "float32")), *_SIZES),
        lower_nearest,
    ),
    OperatorKind(
        "RESIZE_BILINEAR",
        (
            c.operands(2, 2),
            limits.moved(("int8",)),
            *_SIZES,
            c.one_image(),
            c.holds("not both aligned corners and half-pixel centres", _both),
            c.holds("the scale, rounded to 1/1,024, does not lead out of the image", _outside),
        ),
        lower_bilinear,
    ),
)
