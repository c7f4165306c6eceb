"""The operators that can be compiled, one file a family, registered here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tinyops.compiler.ops import (
    concatenation,
    conv_2d,
    depthwise_conv_2d,
    elementwise,
    fully_connected,
    gather,
    mean,
    pad,
    pool_2d,
    quantize,
    reshape,
    resize,
    slices,
    softmax,
    space_to_batch,
    split,
    tables,
    transpose,
    transpose_conv,
)
from tinyops.compiler.ops.kind import OperatorKind

_KINDS: tuple[OperatorKind, ...] = (
    *conv_2d.KINDS,
    *depthwise_conv_2d.KINDS,
    *fully_connected.KINDS,
    *pool_2d.KINDS,
    *elementwise.KINDS,
    *mean.KINDS,
    *pad.KINDS,
    *concatenation.KINDS,
    *reshape.KINDS,
    *softmax.KINDS,
    *tables.KINDS,
    *quantize.KINDS,
    *split.KINDS,
    *slices.KINDS,
    *transpose.KINDS,
    *gather.KINDS,
    *resize.KINDS,
    *space_to_batch.KINDS,
    *transpose_conv.KINDS,
)

OPERATORS: Mapping[str, OperatorKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
