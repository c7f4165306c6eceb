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
    lstm,
    mean,
    pad,
    pool_2d,
    quantize,
    reshape,
    softmax,
    svdf,
    tables,
    variables,
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
    *variables.KINDS,
    *svdf.KINDS,
    *lstm.KINDS,
)

OPERATORS: Mapping[str, OperatorKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
