"""The operators that can be compiled, one file a family, registered here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tinyops.compiler.ops import (
    activations,
    arg_extremes,
    batch_matmul,
    concatenation,
    conv_2d,
    depthwise_conv_2d,
    elementwise,
    extremes,
    fully_connected,
    gather,
    int16_plain,
    int16_softmax,
    int16_weighted,
    l2_normalization,
    lstm,
    pad,
    pool_2d,
    products,
    quantize,
    reduce,
    reshape,
    resize,
    slices,
    softmax,
    space_to_batch,
    split,
    svdf,
    transpose,
    transpose_conv,
    variables,
)
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

_KINDS: tuple[OperatorKind, ...] = (
    *conv_2d.KINDS,
    *depthwise_conv_2d.KINDS,
    *fully_connected.KINDS,
    *pool_2d.KINDS,
    *elementwise.KINDS,
    *products.KINDS,
    *extremes.KINDS,
    *reduce.KINDS,
    *arg_extremes.KINDS,
    *batch_matmul.KINDS,
    *l2_normalization.KINDS,
    *pad.KINDS,
    *concatenation.KINDS,
    *reshape.KINDS,
    *softmax.KINDS,
    *activations.KINDS,
    *quantize.KINDS,
    *variables.KINDS,
    *svdf.KINDS,
    *lstm.KINDS,
    *split.KINDS,
    *slices.KINDS,
    *transpose.KINDS,
    *gather.KINDS,
    *resize.KINDS,
    *space_to_batch.KINDS,
    *transpose_conv.KINDS,
)

OPERATORS: Mapping[str, OperatorKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
# Those of int16 activations, by the name of the operator; the others move int16 like int8, or do not take it.
INT16: Mapping[str, OperatorKind] = MappingProxyType(
    {kind.name: kind for kind in (*int16_weighted.KINDS, *int16_plain.KINDS, *int16_softmax.KINDS, *pad.INT16_KINDS)}
)


def kind_of(view: OperatorView) -> OperatorKind | None:
    """What an operator is here, by its name and the type of its first input."""
    name, first = view.operator.name, view.input(0)
    return INT16[name] if name in INT16 and first is not None and first.dtype == "int16" else OPERATORS.get(name)
