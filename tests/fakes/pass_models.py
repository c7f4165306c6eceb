"""hypothesis strategies for small models on which a pass of the compiler has something to do, or just not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fakes.operator_models import _conv_options, _geometry, _out_extent, _Weighted, scales, seeds, zero_points
from fakes.tflite import ACTIVATIONS, PADDING, Tflite

small = st.integers(1, 4)


def _window_reader(draw: Any, model: Tflite, source: int, g: dict[str, Any], channels: int, w: _Weighted) -> int:
    """A convolution, a depthwise convolution or a pooling that reads `source`; returns its output."""
    kind = draw(st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"]))
    quantisation = {"scale": w.input_scale, "zero_point": w.zero_point}
    if kind.endswith("POOL_2D"):
        out = tuple(_out_extent(g["extent"][i], g["taps"][i], g["stride"][i], 1, g["padding"]) for i in (0, 1))
        output = model.tensor((1, *out, channels), **quantisation)
        strides = {"strideH": g["stride"][0], "strideW": g["stride"][1], "padding": PADDING[g["padding"]]}
        taps = {"filterHeight": g["taps"][0], "filterWidth": g["taps"][1]}
        model.operator(kind, [source], [output], table="Pool2DOptions", **strides, **taps)
        return output
    shape = (channels, *g["taps"], channels) if kind == "CONV_2D" else (1, *g["taps"], channels)
    inputs = w.tensors(model, (1,), shape, 0 if kind == "CONV_2D" else 3)[1:]
    output = model.tensor((1, *g["out"], channels), scale=w.output_scale, zero_point=w.output_zero)
    table = "Conv2DOptions" if kind == "CONV_2D" else "DepthwiseConv2DOptions"
    more = {} if kind == "CONV_2D" else {"depthMultiplier": 1}
    given = [source, *(i for i in inputs if i >= 0)]
    model.operator(kind, given, [output], table=table, **_conv_options(g, "NONE"), **more)
    return output


@st.composite
def padded(draw: Any) -> bytes:
    """PAD or PADV2, of rows or of an image, before one or two windows."""
    g = _geometry(draw, st.sampled_from([1, 1, 2]), draw(st.sampled_from([None, (3, 3)])))
    channels = draw(st.integers(1, 5))
    w = _Weighted(draw, channels, channels * g["taps"][0] * g["taps"][1])
    added, rng = [], np.random.default_rng(draw(seeds))
    for extent in g["extent"]:  # of the padded image
        before = int(rng.integers(0, min(4, extent)))
        added.append((before, int(rng.integers(0, min(4, extent - before)))))
    inner = tuple(e - sum(a) for e, a in zip(g["extent"], added, strict=True))
    quantisation = {"scale": w.input_scale, "zero_point": w.zero_point}
    model = Tflite()
    as_rows = g["extent"][0] == 1 and draw(st.booleans())  # a convolution along a line
    shape = (1, inner[1], channels) if as_rows else (1, *inner, channels)
    around = [(0, 0), added[1], (0, 0)] if as_rows else [(0, 0), *added, (0, 0)]
    source = model.tensor(shape, **quantisation)
    amounts = model.tensor((len(around), 2), "int32", data=around)
    image = [shape[i] + sum(a) for i, a in enumerate(around)]
    wide = model.tensor(image, **quantisation)
    if draw(st.booleans()):
        value = draw(st.sampled_from([w.zero_point, w.zero_point, -128, 5]))
        constant = model.tensor((1,), data=[value], **quantisation)
        model.operator("PADV2", [source, amounts, constant], [wide], table="PadV2Options")
    else:
        model.operator("PAD", [source, amounts], [wide], table="PadOptions")
    if as_rows:
        wanted = model.tensor((4,), "int32", data=[1, 1, *image[1:]])
        line, wide = wide, model.tensor((1, 1, *image[1:]), **quantisation)
        model.operator("RESHAPE", [line, wanted], [wide], table="ReshapeOptions")
    outputs = [_window_reader(draw, model, wide, g, channels, w) for _ in range(draw(st.integers(1, 2)))]
    return model.build([source], outputs)


@st.composite
def dilated(draw: Any) -> bytes:
    """SPACE_TO_BATCH_ND, a convolution of the images, BATCH_TO_SPACE_ND."""
    taps = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    blocks = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    images = tuple(draw(st.integers(t, t + 3)) for t in taps)
    out = tuple(e - t + 1 for e, t in zip(images, taps, strict=True))
    channels = draw(st.integers(1, 4))
    w = _Weighted(draw, channels, channels * taps[0] * taps[1])
    added, cropped, whole, final = [], [], [], []
    for i in (0, 1):
        span = images[i] * blocks[i]
        before = draw(st.integers(0, min(2, span - 1)))
        after = draw(st.integers(0, min(2, span - 1 - before)))
        front = draw(st.integers(0, min(before, out[i] * blocks[i] - 1)))
        back = draw(st.integers(0, min(after, out[i] * blocks[i] - 1 - front)))
        added.append((before, after))
        cropped.append((front, back))
        whole.append(span - before - after)
        final.append(out[i] * blocks[i] - front - back)
    # The interpreter adds bytes of 0: the same as padding only where that is the zero point.
    source_quantisation = {"scale": w.input_scale, "zero_point": draw(st.sampled_from([0, w.zero_point]))}
    result_quantisation = {"scale": w.output_scale, "zero_point": w.output_zero}
    batch = blocks[0] * blocks[1]
    model = Tflite()
    source = model.tensor((1, *whole, channels), **source_quantisation)
    block = model.tensor((2,), "int32", data=blocks)
    spread = model.tensor((batch, *images, channels), **source_quantisation)
    pads = model.tensor((2, 2), "int32", data=added)
    model.operator("SPACE_TO_BATCH_ND", [source, block, pads], [spread], table="SpaceToBatchNDOptions")
    depthwise = draw(st.booleans())
    shape = (1, *taps, channels) if depthwise else (channels, *taps, channels)
    weights = [i for i in w.tensors(model, (1,), shape, 3 if depthwise else 0)[1:] if i >= 0]
    inner = model.tensor((batch, *out, channels), **result_quantisation)
    table = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    g = {"padding": "VALID", "stride": (1, 1), "dilation": (1, 1)}
    name, more = ("DEPTHWISE_CONV_2D", {"depthMultiplier": 1}) if depthwise else ("CONV_2D", {})
    model.operator(name, [spread, *weights], [inner], table=table, **_conv_options(g, "NONE"), **more)
    result = model.tensor((1, *final, channels), **result_quantisation)
    crops = model.tensor((2, 2), "int32", data=cropped)
    model.operator("BATCH_TO_SPACE_ND", [inner, block, crops], [result], table="BatchToSpaceNDOptions")
    return model.build([source], [result])


@st.composite
def activated(draw: Any) -> bytes:
    """A convolution or an addition, and one or two activations that stand alone."""
    channels, model = draw(st.integers(1, 6)), Tflite()
    w = _Weighted(draw, channels, channels)
    quantisation = {"scale": w.output_scale, "zero_point": w.output_zero}
    shape = (1, draw(small), draw(small), channels)
    source = model.tensor(shape, scale=w.input_scale, zero_point=w.zero_point)
    made = model.tensor(shape, **quantisation)
    own = ACTIVATIONS[draw(st.sampled_from(["NONE", "NONE", "RELU"]))]
    if draw(st.booleans()):
        weights = [i for i in w.tensors(model, (1,), (channels, 1, 1, channels), 0)[1:] if i >= 0]
        options = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        options["fusedActivationFunction"] = own
        model.operator("CONV_2D", [source, *weights], [made], table="Conv2DOptions", **options)
    else:
        model.operator("ADD", [source, source], [made], table="AddOptions", fusedActivationFunction=own)
    for name in draw(st.lists(st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1"]), min_size=1, max_size=2)):
        limited = model.tensor(shape, **quantisation)
        model.operator(name, [made], [limited])
        made = limited
    return model.build([source], [made])


@st.composite
def requantised(draw: Any) -> bytes:
    """QUANTIZE and DEQUANTIZE in a row, between few scales, so that some undo each other."""
    shape, model = (1, draw(st.integers(1, 300))), Tflite()
    choices = [(draw(scales), draw(zero_points)) for _ in range(2)]

    def tensor(dtype: str) -> int:
        if dtype == "float32":
            return model.tensor(shape, dtype)
        scale, zero_point = draw(st.sampled_from(choices))
        return model.tensor(shape, dtype, scale=scale, zero_point=zero_point + (128 if dtype == "uint8" else 0))

    dtypes = ["int8", *draw(st.lists(st.sampled_from(["int8", "int8", "uint8", "float32"]), max_size=3)), "int8"]
    tensors = [tensor(dtypes[0])]
    for before, dtype in pairwise(dtypes):
        if "float32" == before == dtype or {before, dtype} == {"float32", "uint8"} or before == dtype == "uint8":
            continue  # there is no such operator
        tensors.append(tensor(dtype))
        name, table = ("DEQUANTIZE", "DequantizeOptions") if dtype == "float32" else ("QUANTIZE", "QuantizeOptions")
        model.operator(name, tensors[-2:-1], tensors[-1:], table=table)
    return model.build(tensors[:1], tensors[-1:])


@st.composite
def computed_shapes(draw: Any) -> bytes:
    """What a free batch leaves in a file: SHAPE, STRIDED_SLICE and PACK before RESHAPE, then more RESHAPE."""
    height, width = draw(small), draw(small)
    model, edge = Tflite(), {"scale": draw(scales), "zero_point": draw(zero_points)}
    source = model.tensor((1, height, width), **edge)
    doubled = model.tensor((1, height, width), **edge)
    model.operator("ADD", [source, source], [doubled], table="AddOptions")
    shape = model.tensor((3,), "int32")
    model.operator("SHAPE", [doubled], [shape], table="ShapeOptions", outType=2)
    at = [model.tensor((1,), "int32", data=[v]) for v in (0, 1, 1)]
    batch = model.tensor((), "int32")
    model.operator("STRIDED_SLICE", [shape, *at], [batch], table="StridedSliceOptions", shrinkAxisMask=1)
    rest = model.tensor((), "int32", data=height * width)
    wanted = model.tensor((2,), "int32")
    model.operator("PACK", [batch, rest], [wanted], table="PackOptions", valuesCount=2)
    flat = model.tensor((1, height * width), **edge)
    model.operator("RESHAPE", [doubled, wanted], [flat], table="ReshapeOptions")
    for shape_of_next in draw(st.lists(st.sampled_from([(height, width), (1, height * width)]), max_size=3)):
        after = model.tensor(shape_of_next, **edge)
        numbers = model.tensor((2,), "int32", data=shape_of_next)
        model.operator("RESHAPE", [flat, numbers], [after], table="ReshapeOptions")
        flat = after
    final = model.tensor(model.graph.tensors[flat].shape, **edge)
    model.operator("ADD", [flat, flat], [final], table="AddOptions")
    return model.build([source], [final])


@st.composite
def constant_operands(draw: Any) -> bytes:
    """An addition whose operand the file computes from constants, beside a branch that leads nowhere."""
    shape = (draw(small), draw(small))
    model, rng = Tflite(), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    edge = {"scale": draw(scales), "zero_point": draw(zero_points)}
    source = model.tensor((1, *shape), **edge)
    values = rng.integers(-128, 128, shape[::-1])
    turned = model.tensor(shape, **edge)
    order = model.tensor((2,), "int32", data=[1, 0])
    model.operator("TRANSPOSE", [model.tensor(shape[::-1], data=values, **edge), order], [turned])
    if draw(st.booleans()):
        real, again = model.tensor(shape, "float32"), model.tensor(shape, **edge)
        model.operator("DEQUANTIZE", [turned], [real], table="DequantizeOptions")
        model.operator("QUANTIZE", [real], [again], table="QuantizeOptions")
        turned = again
    operand = model.tensor((1, *shape), **edge)
    axis = model.tensor((), "int32", data=0)
    model.operator("EXPAND_DIMS", [turned, axis], [operand], table="ExpandDimsOptions")
    dead = model.tensor((1, *shape), scale=1 / 256, zero_point=-128)
    model.operator("LOGISTIC", [source], [dead])
    output = model.tensor((1, *shape), scale=draw(scales), zero_point=draw(zero_points))
    model.operator("ADD", [source, operand], [output], table="AddOptions")
    return model.build([source], [output])


def cell(branches: int = 3, *, wide: int = 32, extent: int = 8) -> bytes:
    """A cell as a search for networks finds them: branches that widen and narrow again, all widened first."""
    model, rng = Tflite(), np.random.default_rng(5)

    def tensor(channels: int) -> int:
        return model.tensor((1, extent, extent, channels), scale=0.1, zero_point=-1)

    def pointwise(source: int, channels: int, filters: int) -> int:
        scale = rng.uniform(0.002, 0.01, filters).astype(np.float32)
        values = rng.integers(-127, 128, (filters, 1, 1, channels))
        weights = model.tensor((filters, 1, 1, channels), scale=scale, data=values)
        bias_scale = np.float32(0.1) * scale
        bias = model.tensor((filters,), "int32", scale=bias_scale, data=rng.integers(-900, 900, filters))
        output = tensor(filters)
        options = {"padding": 1, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        model.operator("CONV_2D", [source, weights, bias], [output], table="Conv2DOptions", **options)
        return output

    source = tensor(8)
    widened = [pointwise(source, 8, wide) for _ in range(branches)]
    narrowed = [pointwise(one, wide, 4) for one in widened]
    output = tensor(4 * branches)
    model.operator("CONCATENATION", narrowed, [output], table="ConcatenationOptions", axis=3)
    return model.build([source], [output])


# Model, and the passes that must have had something to do in some of the examples.
PASS_MODELS = {
    "padded": (padded(), {"fold_padding"}),
    "dilated": (dilated(), {"fuse_dilation"}),
    "activated": (activated(), {"fuse_activations"}),
    "requantised": (requantised(), {"fold_quantize"}),
    "computed_shapes": (computed_shapes(), {"fold_constants", "fold_reshape"}),
    "cell": (st.builds(cell, st.integers(2, 3), wide=st.sampled_from([16, 32]), extent=st.integers(2, 6)), {"reorder"}),
    "constant_operands": (constant_operands(), {"fold_constants", "drop_dead"}),
}
