"""The layers that people wrote, in the names that conversion gives to tensors. Pure."""

from __future__ import annotations

import re

# What a layer multiplies with says most of whose tensor it is, then what it adds: a sum may be of the layer before.
_TELLING = (("MatMul", "convolution", "depthwise", "separable_conv"), ("BiasAdd",), ("",))


def layer_name(tensor: str) -> str:
    """Keras's layer in a tensor's name: of `net_1/conv_relu_1/Relu;net_1/conv_1/BiasAdd` it is `conv`.

    A fused operator's tensor names all that went into it; of those that tell as much, the shortest is the layer. An
    export adds `_1` to every name.
    """
    paths = [part.split("/") for part in tensor.split(";") if part.count("/") > 1]
    if not paths:
        return "input" if tensor.startswith("serving_default") else tensor
    for names in _TELLING:
        if found := [path[1] for path in paths if path[2].startswith(names)]:
            break
    return min((re.sub(r"_1$", "", name) for name in found), key=len)
