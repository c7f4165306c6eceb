"""One model of most operators that move values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fakes.tflite import PADDING, Tflite


def moving_network() -> bytes:
    """From two inputs to two outputs."""
    model = Tflite()
    edge = {"scale": 0.5, "zero_point": 0}

    def numbers(*values: Any) -> int:
        data = np.array(values)
        return model.tensor(data.shape, "int32", data=data)

    def then(name: str, operands: Sequence[int], *made: Sequence[int], **options: Any) -> list[int]:
        outputs = [model.tensor(shape, **edge) for shape in made]
        model.operator(name, operands, outputs, **options)
        return outputs

    source = model.tensor((1, 4, 4, 8), **edge)
    a, b = then("SPLIT", [numbers(3), source], *[(1, 4, 4, 4)] * 2, table="SplitOptions", numSplits=2)
    other = model.tensor((1, 4, 4, 4), **edge)
    (b,) = then("ADD", [other, b], (1, 4, 4, 4), table="AddOptions")
    (c,) = then("TRANSPOSE", [a, numbers(0, 2, 1, 3)], (1, 4, 4, 4))
    slices = {"table": "StridedSliceOptions", "shrinkAxisMask": 1}
    (d,) = then(
        "STRIDED_SLICE", [b, *(numbers(*n) for n in ([0] * 4, [1, 4, 4, 4], [1, 2, 1, 1]))], (2, 4, 4), **slices
    )
    e, f = then("UNPACK", [d], *[(4, 4)] * 2, table="UnpackOptions", axis=0, num=2)
    (g,) = then("PACK", [f, e, f, e], (4, 4, 4), table="PackOptions", axis=1, valuesCount=4)
    (h,) = then("GATHER", [g, numbers(3, 0, 2)], (3, 4, 4), table="GatherOptions", axis=0)
    (i,) = then("SPACE_TO_DEPTH", [c], (1, 2, 2, 16), table="SpaceToDepthOptions", blockSize=2)
    resize = {"table": "ResizeNearestNeighborOptions", "halfPixelCenters": True}
    (j,) = then("RESIZE_NEAREST_NEIGHBOR", [i, numbers(3, 5)], (1, 3, 5, 16), **resize)
    (k,) = then("RESIZE_BILINEAR", [j, numbers(4, 4)], (1, 4, 4, 16), table="ResizeBilinearOptions")
    (n,) = then("SLICE", [k, numbers(0, 1, 0, 4), numbers(1, 3, -1, 4)], (1, 3, 4, 4), table="SliceOptions")
    weights = model.tensor((4, 2, 2, 4), scale=0.25, data=np.arange(64) % 7 - 3)
    strides = {"table": "TransposeConvOptions", "strideH": 2, "strideW": 2, "padding": PADDING["SAME"]}
    (o,) = then("TRANSPOSE_CONV", [numbers(1, 6, 8, 4), weights, n], (1, 6, 8, 4), **strides)
    blocks, none, cut = numbers(2, 2), numbers([0, 0], [0, 0]), numbers([0, 0], [1, 1])
    (p,) = then("SPACE_TO_BATCH_ND", [o, blocks, none], (4, 3, 4, 4), table="SpaceToBatchNDOptions")
    (q,) = then("BATCH_TO_SPACE_ND", [p, blocks, cut], (1, 6, 6, 4), table="BatchToSpaceNDOptions")
    mirrored = numbers([0, 0], [1, 0], [0, 2], [0, 0])
    (r,) = then("MIRROR_PAD", [q, mirrored], (1, 7, 8, 4), table="MirrorPadOptions", mode=0)
    return model.build([source, other], [h, r])
