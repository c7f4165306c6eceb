"""The layers that people wrote, in the names that conversion gives to tensors. Pure."""

from __future__ import annotations

import re

_WEIGHTED = ("BiasAdd", "MatMul", "convolution", "depthwise", "separable_conv")


def layer_name(tensor: str) -> str:
    """Keras's layer in a tensor's name: of `net_1/conv_relu_1/Relu;net_1/conv_1/BiasAdd` it is `conv`.

    A fused operator's tensor names all that went into it: what has weights is the layer, else the shortest is. An
    export adds `_1` to every name.
    """
    paths = [part.split("/") for part in tensor.split(";") if part.count("/") > 1]
    if not paths:
        return "input" if tensor.startswith("serving_default") else tensor
    weighted = [path for path in paths if path[2].startswith(_WEIGHTED)]
    return min((re.sub(r"_1$", "", path[1]) for path in weighted or paths), key=len)
