"""A network whose layers with weights have few different values of them, or many."""

from __future__ import annotations

import itertools

import numpy as np

from fakes.tflite import Tflite
from tinyops.graph import Graph, parse_graph


def network(few: bool) -> Graph:
    """A convolution, a depthwise one and a dense layer, with weights of fifteen values or of all."""
    model, rng = Tflite(), np.random.default_rng(2)
    edge = {"scale": 0.1, "zero_point": -1}
    steps = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}

    def weights(shape: tuple[int, ...], axis: int) -> int:
        values = rng.integers(-7, 8, shape) * 18 if few else rng.integers(-127, 128, shape)
        return model.tensor(shape, scale=np.full(shape[axis], 0.004), axis=axis, data=values)

    image = model.tensor((1, 6, 5, 12), **edge)
    first, second = (model.tensor((1, 6, 5, 12), **edge) for _ in range(2))
    result = model.tensor((1, 40), scale=0.5)
    model.operator("CONV_2D", [image, weights((12, 3, 3, 12), 0)], [first], table="Conv2DOptions", **steps)
    depthwise = {"table": "DepthwiseConv2DOptions", "depthMultiplier": 1, **steps}
    model.operator("DEPTHWISE_CONV_2D", [first, weights((1, 3, 3, 12), 3)], [second], **depthwise)
    model.operator("FULLY_CONNECTED", [second, weights((40, 360), 0)], [result], table="FullyConnectedOptions")
    return parse_graph(model.build([image], [result]), "few" if few else "many")


def int4_network() -> bytes:
    """Three convolutions whose weights have four bits in the file."""
    model, rng = Tflite(), np.random.default_rng(2)
    steps = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    images = [model.tensor((1, 6, 5, 9), scale=0.1, zero_point=-1) for _ in range(4)]
    for before, after in itertools.pairwise(images):
        values = rng.integers(-8, 8, (9, 3, 3, 9))
        weights = model.tensor(values.shape, "int4", scale=np.full(9, 0.02), data=values)
        model.operator("CONV_2D", [before, weights], [after], table="Conv2DOptions", **steps)
    return model.build([images[0]], [images[-1]])
