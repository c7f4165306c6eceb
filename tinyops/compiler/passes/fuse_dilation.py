"""SPACE_TO_BATCH_ND, a convolution, BATCH_TO_SPACE_ND: how converters write a dilated convolution.

Each image of the batch holds every n-th row and column, so that a plain window on it is a dilated window on the whole.
"""

from __future__ import annotations

from dataclasses import replace

from tinyops.compiler.passes.kind import Pass
from tinyops.compiler.passes.rewrite import Rewrite, Uses, integers, pairs, sweep
from tinyops.graph import ConvOptions, Graph, Operator, Pads, Tensor

CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def run(graph: Graph) -> Graph:
    return sweep(graph, _fused)


def _fused(uses: Uses, last: Operator) -> Rewrite | None:
    inner = uses.tensor(last, 0)
    conv = uses.made_by(inner, *CONVOLUTIONS) if last.name == "BATCH_TO_SPACE_ND" and len(last.outputs) == 1 else None
    if conv is None or inner is None or not uses.only_for(inner.index, last):
        return None
    spread = uses.tensor(conv, 0)
    first = uses.made_by(spread, "SPACE_TO_BATCH_ND")
    if first is None or spread is None or not uses.only_for(spread.index, conv):
        return None
    options = _dilated(uses, first, conv, last)
    if options is None:
        return None
    fused = replace(conv, inputs=(first.inputs[0], *conv.inputs[1:]), outputs=last.outputs, options=options)
    return Rewrite(frozenset({first.index, last.index}), {conv.index: fused})


def _dilated(uses: Uses, first: Operator, conv: Operator, last: Operator) -> ConvOptions | None:
    """The convolution's options without the two around it; None where that is not the same."""
    given, weights = conv.options, uses.tensor(conv, 1)
    blocks, again = (integers(uses.tensor(o, 1)) for o in (first, last))
    added, cropped = (pairs(uses.tensor(o, 2), 2) for o in (first, last))
    if not isinstance(given, ConvOptions) or weights is None or len(weights.shape) != 4:
        return None
    if given.padding != "VALID" or given.pads is not None or given.stride != (1, 1):
        return None
    if blocks is None or blocks != again or added is None or cropped is None:
        return None
    if not _splits(uses, first, blocks, added) or not _splits(uses, last, blocks, cropped):
        return None
    dilation = (given.dilation[0] * blocks[0], given.dilation[1] * blocks[1])
    pads = tuple((a[0] - c[0], a[1] - c[1]) for a, c in zip(added, cropped, strict=True))
    within = all(0 <= p <= (weights.shape[1 + i] - 1) * dilation[i] for i, pair in enumerate(pads) for p in pair)
    same = not any(map(any, pads)) or _pads_with_zero_point(uses, first)
    return replace(given, dilation=dilation, pads=_both(pads)) if within and same else None


def _pads_with_zero_point(uses: Uses, spread: Operator) -> bool:
    """The interpreter adds a byte that it never sets, 0 in practice; a convolution its zero point."""
    quantisation = uses.graph.tensors[spread.outputs[0]].quantisation
    return quantisation is not None and not any(quantisation.zero_points)


def _both(pads: tuple[tuple[int, int], ...]) -> Pads:
    return pads[0], pads[1]


def _splits(uses: Uses, operator: Operator, blocks: list[int], edges: list[tuple[int, int]]) -> bool:
    """Whether the whole image, with edges that are added or cropped, is the batch's images put together.

    Files exported with a free batch say 1 for the batch in between: what they compute is not defined by their shapes.
    """
    if len(blocks) != 2 or min(blocks) < 1:
        return False
    source, output = uses.tensor(operator, 0), uses.graph.tensors[operator.outputs[0]]
    if source is None or source.quantisation != output.quantisation or source.dtype != output.dtype:
        return False
    whole, images = (source, output) if operator.name == "SPACE_TO_BATCH_ND" else (output, source)
    return _agrees(whole, images, blocks, edges)


def _agrees(whole: Tensor, images: Tensor, blocks: list[int], edges: list[tuple[int, int]]) -> bool:
    if len(whole.shape) != 4 or len(images.shape) != 4 or whole.shape[0] != 1 or whole.shape[3] != images.shape[3]:
        return False
    spans = [whole.shape[1 + i] + sum(edges[i]) for i in (0, 1)]
    wanted = (blocks[0] * blocks[1], *(images.shape[1 + i] * blocks[i] for i in (0, 1)))
    return wanted == (images.shape[0], *spans)


PASS = Pass(
    "fuse_dilation",
    "SPACE_TO_BATCH_ND, a convolution and BATCH_TO_SPACE_ND become one dilated convolution",
    run,
)
