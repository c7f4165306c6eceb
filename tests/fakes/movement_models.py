"""hypothesis strategies for models of one operator that moves values, alone or between additions.

Additions before and behind let the operator's tensors lie where the compiler likes; alone, the model's edges pin them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fakes.operator_models import ACTIVATIONS, PADDING, _Weighted, activations, scales, zero_points
from fakes.tflite import Tflite

PLAIN = ("int8", "int8", "int16", "int32", "float32")  # int8 more often
extents = st.sampled_from([1, 2, 3, 4, 5, 8, 16])


class Moved:
    """A model in the making, whose tensors are all of one type and one quantisation."""

    def __init__(self, draw: Any, dtypes: Sequence[str] = PLAIN) -> None:
        self.draw, self.model = draw, Tflite()
        self.dtype = draw(st.sampled_from(dtypes))
        self.edge: dict[str, Any] = {}
        if self.dtype in ("int8", "int16", "uint8"):
            zero_point = draw(zero_points) if self.dtype == "int8" else 0
            self.edge = {"scale": draw(scales), "zero_point": zero_point}
        self.inputs: list[int] = []

    def tensor(self, shape: Sequence[int]) -> int:
        return self.model.tensor(shape, self.dtype, **self.edge)

    def numbers(self, values: Any, dtype: str = "int32") -> int:
        data = np.array(values)
        return self.model.tensor(data.shape, dtype, data=data)

    def _added(self, tensor: int, shape: Sequence[int]) -> int:
        if self.dtype != "int8" or len(shape) > 4 or self.draw(st.booleans()):
            return tensor
        result = self.tensor(shape)
        self.model.operator("ADD", [tensor, tensor], [result], table="AddOptions")
        return result

    def source(self, shape: Sequence[int]) -> int:
        if self.dtype != "float32":
            self.inputs.append(self.tensor(shape))
            return self._added(self.inputs[-1], shape)
        self.inputs.append(self.model.tensor(shape, scale=0.125, zero_point=3))  # a model of floats alone is refused
        result = self.tensor(shape)
        self.model.operator("DEQUANTIZE", [self.inputs[-1]], [result], table="DequantizeOptions")
        return result

    def build(self, outputs: Sequence[tuple[int, Sequence[int]]]) -> bytes:
        return self.model.build(self.inputs, [self._added(tensor, shape) for tensor, shape in outputs])


def shapes(least: int, most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(extents, min_size=least, max_size=most)


def _signed(draw: Any, axis: int, rank: int) -> int:
    return axis - rank if draw(st.booleans()) else axis


@st.composite
def split(draw: Any) -> bytes:
    m, rest = Moved(draw), draw(shapes(0, 3))
    axis = draw(st.integers(0, len(rest)))
    by_sizes = draw(st.booleans())
    count = draw(st.integers(1, 4))
    sizes = draw(st.lists(extents, min_size=count, max_size=count)) if by_sizes else [draw(extents)] * count
    source = m.source([*rest[:axis], sum(sizes), *rest[axis:]])
    parts = [[*rest[:axis], size, *rest[axis:]] for size in sizes]
    outputs = [m.tensor(shape) for shape in parts]
    given = _signed(draw, axis, len(rest) + 1)
    if by_sizes:
        said = list(sizes)
        if draw(st.booleans()):
            said[draw(st.integers(0, count - 1))] = -1
        operands = [source, m.numbers(said), m.numbers(given)]
        m.model.operator("SPLIT_V", operands, outputs, table="SplitVOptions", numSplits=count)
    else:
        m.model.operator("SPLIT", [m.numbers(given), source], outputs, table="SplitOptions", numSplits=count)
    return m.build(list(zip(outputs, parts, strict=True)))


@st.composite
def pack(draw: Any) -> bytes:
    """PACK or UNPACK."""
    m, shape, count = Moved(draw), draw(shapes(1, 3)), draw(st.integers(1, 4))
    axis = draw(st.integers(0, len(shape)))
    whole = [*shape[:axis], count, *shape[axis:]]
    given = _signed(draw, axis, len(whole))
    if draw(st.booleans()):
        parts = [m.source(shape) for _ in range(count)]
        output = m.tensor(whole)
        m.model.operator("PACK", parts, [output], table="PackOptions", axis=given, valuesCount=count)
        return m.build([(output, whole)])
    source, outputs = m.source(whole), [m.tensor(shape) for _ in range(count)]
    m.model.operator("UNPACK", [source], outputs, table="UnpackOptions", axis=given, num=count)
    return m.build([(output, shape) for output in outputs])


@st.composite
def concatenation(draw: Any) -> bytes:
    """Along any dimension, of inputs that may be the same tensor."""
    m, rest = Moved(draw), draw(shapes(0, 3))
    axis, widths = draw(st.integers(0, len(rest))), draw(st.lists(extents, min_size=1, max_size=3))
    parts = [m.source([*rest[:axis], width, *rest[axis:]]) for width in widths]
    if draw(st.booleans()):
        parts, widths = [*parts, parts[0]], [*widths, widths[0]]
    total = [*rest[:axis], sum(widths), *rest[axis:]]
    output = m.tensor(total)
    m.model.operator("CONCATENATION", parts, [output], table="ConcatenationOptions", axis=axis)
    return m.build([(output, total)])


@st.composite
def slice_(draw: Any) -> bytes:
    m, shape = Moved(draw), draw(shapes(1, 5))
    begin = [draw(st.integers(0, e - 1)) for e in shape]
    size = [draw(st.integers(1, e - b)) for e, b in zip(shape, begin, strict=True)]
    said = [-1 if e == b + s and draw(st.booleans()) else s for e, b, s in zip(shape, begin, size, strict=True)]
    dtype = draw(st.sampled_from(["int32", "int64"]))
    source, output = m.source(shape), m.tensor(size)
    m.model.operator("SLICE", [source, m.numbers(begin, dtype), m.numbers(said, dtype)], [output], table="SliceOptions")
    return m.build([(output, size)])


@st.composite
def strided_slice(draw: Any) -> bytes:
    m, shape = Moved(draw), draw(shapes(1, 4))
    begin, end, step, shrink, wanted = [], [], [], 0, []
    masks = {name: draw(st.integers(0, 15)) for name in ("beginMask", "endMask")}
    for i, extent in enumerate(shape):
        stride = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        if draw(st.integers(0, 3)) == 0:
            shrink |= 1 << i
            begin.append(draw(st.integers(-extent, extent - 1)))
            end.append(draw(st.integers(-3, 3)))
            step.append(abs(stride))
            continue
        taken = range(0)
        while not len(taken):  # whole and backwards is never empty
            first, last = (draw(st.integers(-extent - 2, extent + 2)) for _ in range(2))
            masked = [None if masks[n] >> i & 1 else v for n, v in (("beginMask", first), ("endMask", last))]
            taken = range(*slice(*masked, stride).indices(extent))
        begin.append(first)
        end.append(last)
        step.append(stride)
        wanted.append(len(taken))
    source, output = m.source(shape), m.tensor(wanted)
    operands = [source, *(m.numbers(values) for values in (begin, end, step))]
    m.model.operator("STRIDED_SLICE", operands, [output], table="StridedSliceOptions", shrinkAxisMask=shrink, **masks)
    return m.build([(output, wanted)])


@st.composite
def transpose(draw: Any) -> bytes:
    m, shape = Moved(draw, ("int8", "int8", "int16", "float32")), draw(shapes(1, 5))
    order = draw(st.permutations(range(len(shape))))
    wanted = [shape[i] for i in order]
    source, output = m.source(shape), m.tensor(wanted)
    m.model.operator("TRANSPOSE", [source, m.numbers(order)], [output], table="TransposeOptions")
    return m.build([(output, wanted)])


@st.composite
def reverse(draw: Any) -> bytes:
    m, shape = Moved(draw, (*PLAIN, "uint8")), draw(shapes(1, 5))
    first = draw(st.integers(0, len(shape) - 1))
    axes = range(first, draw(st.integers(first, len(shape) - 1)) + 1)
    source, output = m.source(shape), m.tensor(shape)
    given = [_signed(draw, axis, len(shape)) for axis in draw(st.permutations(axes))]
    m.model.operator("REVERSE_V2", [source, m.numbers(given)], [output], table="ReverseV2Options")
    return m.build([(output, shape)])


@st.composite
def blocks(draw: Any) -> bytes:
    """DEPTH_TO_SPACE or SPACE_TO_DEPTH."""
    m, block = Moved(draw, ("int8", "float32")), draw(st.integers(1, 3))
    batch, height, width, channels = (draw(st.integers(1, most)) for most in (2, 4, 4, 5))
    deep = [batch, height, width, channels * block * block]
    wide = [batch, height * block, width * block, channels]
    name, given, wanted = draw(st.sampled_from([("DepthToSpace", deep, wide), ("SpaceToDepth", wide, deep)]))
    source, output = m.source(given), m.tensor(wanted)
    operator = {"DepthToSpace": "DEPTH_TO_SPACE", "SpaceToDepth": "SPACE_TO_DEPTH"}[name]
    m.model.operator(operator, [source], [output], table=f"{name}Options", blockSize=block)
    return m.build([(output, wanted)])


@st.composite
def batches(draw: Any) -> bytes:
    """SPACE_TO_BATCH_ND or BATCH_TO_SPACE_ND, with one or two spatial dimensions."""
    m, spatial = Moved(draw, ("int8",)), draw(st.integers(1, 2))
    block = [draw(st.integers(1, 3)) for _ in range(spatial)]
    inner = [draw(st.integers(1, 4)) for _ in range(spatial)]
    batch, channels = draw(st.integers(1, 2)), draw(st.integers(1, 5))
    many = [batch * math.prod(block), *inner, channels]
    to_batch = draw(st.booleans())
    amounts = [[0, 0] for _ in block]
    if not to_batch:
        for i, (b, n) in enumerate(zip(block, inner, strict=True)):
            amounts[i][0] = draw(st.integers(0, b * n - 1))
            amounts[i][1] = draw(st.integers(0, b * n - 1 - amounts[i][0]))
    wide = [batch, *(b * n - sum(a) for b, n, a in zip(block, inner, amounts, strict=True)), channels]
    given, wanted = (wide, many) if to_batch else (many, wide)
    source, output = m.source(given), m.tensor(wanted)
    name, table = ("SPACE_TO_BATCH_ND", "SpaceToBatchND") if to_batch else ("BATCH_TO_SPACE_ND", "BatchToSpaceND")
    m.model.operator(name, [source, m.numbers(block), m.numbers(amounts)], [output], table=f"{table}Options")
    return m.build([(output, wanted)])


@st.composite
def resize_nearest(draw: Any) -> bytes:
    m = Moved(draw, ("int8", "int8", "int16", "float32"))
    return _resized(draw, m, "RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", draw(st.integers(1, 2)))


@st.composite
def resize_bilinear(draw: Any) -> bytes:
    return _resized(draw, Moved(draw, ("int8",)), "RESIZE_BILINEAR", "ResizeBilinearOptions", 1)


def _resized(draw: Any, m: Moved, name: str, table: str, batch: int) -> bytes:
    shape = [batch, draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(1, 5))]
    regular = draw(st.booleans())
    size = [e * draw(st.integers(1, 3)) if regular else draw(st.integers(1, 15)) for e in shape[1:3]]
    corners, centres = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    if name == "RESIZE_NEAREST_NEIGHBOR" and draw(st.integers(0, 5)) == 0:
        corners = centres = True
    wanted = [batch, *size, shape[3]]
    source, output = m.source(shape), m.tensor(wanted)
    flags = {"alignCorners": corners, "halfPixelCenters": centres}
    m.model.operator(name, [source, m.numbers(size)], [output], table=table, **flags)
    return m.build([(output, wanted)])


@st.composite
def gather(draw: Any) -> bytes:
    m, shape = Moved(draw, ("int8", "float32")), draw(shapes(1, 4))
    axis = draw(st.integers(0, len(shape) - 1))
    batch = draw(st.integers(0, axis)) if draw(st.booleans()) else 0
    own = draw(st.lists(st.integers(1, 3), min_size=0 if batch else 1, max_size=2))
    count = math.prod([*shape[:batch], *own])
    indices = np.array(draw(st.lists(st.integers(0, shape[axis] - 1), min_size=count, max_size=count)))
    wanted = [*shape[:axis], *own, *shape[axis + 1 :]]
    source, output = m.source(shape), m.tensor(wanted)
    given = {"axis": _signed(draw, axis, len(shape)), "batchDims": batch}
    operands = [source, m.numbers(indices.reshape([*shape[:batch], *own]))]
    m.model.operator("GATHER", operands, [output], table="GatherOptions", **given)
    return m.build([(output, wanted)])


@st.composite
def mirror_pad(draw: Any) -> bytes:
    m, shape, mode = Moved(draw, ("int8", "float32")), draw(shapes(1, 4)), draw(st.integers(0, 1))
    spared = 1 if mode == 0 else 0  # REFLECT
    amounts = [[draw(st.integers(0, min(e - spared, 3))) for _ in range(2)] for e in shape]
    wanted = [e + sum(a) for e, a in zip(shape, amounts, strict=True)]
    source, output = m.source(shape), m.tensor(wanted)
    dtype = draw(st.sampled_from(["int32", "int64"]))
    m.model.operator("MIRROR_PAD", [source, m.numbers(amounts, dtype)], [output], table="MirrorPadOptions", mode=mode)
    return m.build([(output, wanted)])


@st.composite
def broadcast_to(draw: Any) -> bytes:
    m, wanted = Moved(draw, (*PLAIN, "uint8")), draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    shape = [1 if draw(st.booleans()) else e for e in wanted[draw(st.integers(0, len(wanted) - 1)) :]]
    source, output = m.source(shape), m.tensor(wanted)
    sizes = m.numbers(wanted, draw(st.sampled_from(["int32", "int64"])))
    m.model.operator("BROADCAST_TO", [source, sizes], [output], table="BroadcastToOptions")
    return m.build([(output, wanted)])


@st.composite
def transpose_conv(draw: Any) -> bytes:
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    taps, stride, inner = ([draw(st.integers(1, most)) for _ in range(2)] for most in (9, 3, 5))
    if draw(st.integers(0, 3)) == 0:  # the interpreter takes any
        out = [draw(st.integers(1, 9)), draw(st.integers(1, 9))]
    elif padding == "SAME":
        out = [n * s - draw(st.integers(0, s - 1)) for n, s in zip(inner, stride, strict=True)]
    else:
        out = [n * s + max(t - s, 0) for n, s, t in zip(inner, stride, taps, strict=True)]
    channels, filters = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    w = _Weighted(draw, filters, channels * taps[0] * taps[1])
    model = Tflite()
    shape = model.tensor((4,), "int32", data=[1, *out, filters])
    source, weights, bias = w.tensors(model, (1, *inner, channels), (filters, *taps, channels), 0)
    output = model.tensor((1, *out, filters), scale=w.output_scale, zero_point=w.output_zero)
    model.operator(
        "TRANSPOSE_CONV",
        [shape, weights, source, *([bias] if bias >= 0 else [])],
        [output],
        table="TransposeConvOptions",
        padding=PADDING[padding],
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=ACTIVATIONS[draw(activations)],
    )
    return model.build([source], [output])


@st.composite
def several_edges(draw: Any) -> bytes:
    """Two inputs and two outputs of different sizes: what is added, and what is left of one input."""
    m, shape = Moved(draw, ("int8",)), draw(shapes(1, 3))
    a, b, sum_ = m.source(shape), m.source(shape), m.tensor(shape)
    m.model.operator("ADD", [a, b], [sum_], table="AddOptions")
    size = [draw(st.integers(1, shape[0])), *shape[1:]]
    part = m.tensor(size)
    operands = [draw(st.sampled_from([a, b, sum_])), m.numbers([0] * len(shape)), m.numbers(size)]
    m.model.operator("SLICE", operands, [part], table="SliceOptions")
    return m.build(draw(st.permutations([(sum_, shape), (part, size)])))


@st.composite
def parts(draw: Any) -> bytes:
    """Rows of 16 bytes, added, split, sliced and joined in any order, so that storage is shared in many ways."""
    m = Moved(draw, ("int8",))
    rows = {m.source([n, 16]): n for n in draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))}

    def made(name: str, operands: Sequence[int], counts: Sequence[int], **options: Any) -> None:
        outputs = {m.tensor([n, 16]): n for n in counts}
        m.model.operator(name, operands, list(outputs), **options)
        rows.update(outputs)

    for _ in range(draw(st.integers(2, 9))):
        one = draw(st.sampled_from(sorted(rows)))
        step = draw(st.sampled_from(["add", "split", "slice", "join"]))
        if step == "add":
            other = draw(st.sampled_from([t for t, n in rows.items() if n == rows[one]]))
            made("ADD", [one, other], [rows[one]], table="AddOptions")
        elif step == "split" and rows[one] > 1:
            first = draw(st.integers(1, rows[one] - 1))
            sizes = [first, rows[one] - first]
            made("SPLIT_V", [one, m.numbers(sizes), m.numbers(0)], sizes, table="SplitVOptions", numSplits=2)
        elif step == "slice" and rows[one] > 1:
            begin = draw(st.integers(0, rows[one] - 1))
            count = draw(st.integers(1, rows[one] - begin))
            made("SLICE", [one, m.numbers([begin, 0]), m.numbers([count, 16])], [count], table="SliceOptions")
        else:
            several = [one, *draw(st.lists(st.sampled_from(sorted(rows)), min_size=1, max_size=2))]
            made("CONCATENATION", several, [sum(rows[t] for t in several)], table="ConcatenationOptions", axis=0)
    results = sorted(rows.keys() - set(m.inputs))[::-1]
    kept = [results[0], *(t for t in results[1:] if draw(st.booleans()))]
    return m.model.build(m.inputs, draw(st.permutations(kept)))


MOVERS = {
    "split": split(),
    "pack": pack(),
    "concatenation": concatenation(),
    "slice": slice_(),
    "strided_slice": strided_slice(),
    "transpose": transpose(),
    "reverse": reverse(),
    "blocks": blocks(),
    "batches": batches(),
    "resize_nearest": resize_nearest(),
    "resize_bilinear": resize_bilinear(),
    "gather": gather(),
    "mirror_pad": mirror_pad(),
    "broadcast_to": broadcast_to(),
    "transpose_conv": transpose_conv(),
    "several_edges": several_edges(),
    "parts": parts(),
}
