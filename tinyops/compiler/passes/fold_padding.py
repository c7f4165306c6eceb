"""PAD before windows: the kernels' own padding reads the same values and needs no memory."""

from __future__ import annotations

from dataclasses import replace

from tinyops.compiler.ops.weighted import dilation_of, out_extent, pads_of
from tinyops.compiler.passes.fold_reshape import VIEWS
from tinyops.compiler.passes.kind import Pass
from tinyops.compiler.passes.rewrite import Rewrite, Uses, pairs, sound, sweep
from tinyops.compiler.view import constant_values
from tinyops.graph import ConvOptions, Graph, NoOptions, Operator, Pads, PoolOptions, Tensor

Amounts = list[tuple[int, int]]  # before and after each dimension
LEAST = {"int8": -128, "int16": -(2**15)}  # the padding of MAX_POOL_2D never wins; these values neither


def run(graph: Graph) -> Graph:
    return sweep(graph, _folded)


def _folded(uses: Uses, pad: Operator) -> Rewrite | None:
    """Only where every reader can take the padding over, so that nothing is kept twice."""
    if pad.name not in ("PAD", "PADV2") or not sound(uses.graph, pad):
        return None
    source, output = uses.tensor(pad, 0), uses.graph.tensors[pad.outputs[0]]
    added = pairs(uses.tensor(pad, 1), len(output.shape))
    if source is None or added is None or output.index in uses.graph.outputs:
        return None
    if source.quantisation != output.quantisation:
        return None
    if len(uses.readers.get(output.index, ())) == 1 and (found := _through_view(uses, pad, source, added)):
        return found
    change = _all_taken(uses, pad, source, output, added)
    return Rewrite(frozenset({pad.index}), change) if change else None


def _through_view(uses: Uses, pad: Operator, source: Tensor, added: Amounts) -> Rewrite | None:
    """PAD of rows, a RESHAPE to an image, a convolution: how one along a line is written. The RESHAPE goes first."""
    padded = uses.graph.tensors[pad.outputs[0]]
    (view,) = uses.readers[padded.index]
    if view.name not in VIEWS or not sound(uses.graph, view):
        return None
    image = uses.graph.tensors[view.outputs[0]]
    moved = _moved(added, padded.shape, image.shape)
    if moved is None or image.quantisation != padded.quantisation or image.index in uses.graph.outputs:
        return None
    shape = tuple(extent - sum(pair) for extent, pair in zip(image.shape, moved, strict=True))
    bare = replace(padded, shape=shape)
    change = _all_taken(uses, replace(pad, outputs=view.outputs), bare, image, moved)
    if not change:
        return None
    first = replace(view, inputs=(source.index,), outputs=pad.outputs, name="RESHAPE", options=NoOptions())
    return Rewrite(frozenset({pad.index}), {**change, view.index: first}, {padded.index: bare})


def _moved(added: Amounts, padded: tuple[int, ...], image: tuple[int, ...]) -> Amounts | None:
    """The amounts by the dimensions of another shape, where the two differ by dimensions of 1 only."""
    if [e for e in padded if e > 1] != [e for e in image if e > 1]:
        return None
    wide = iter([pair for pair, extent in zip(added, padded, strict=True) if extent > 1])
    return [next(wide) if extent > 1 else (0, 0) for extent in image]


def _all_taken(uses: Uses, pad: Operator, source: Tensor, padded: Tensor, added: Amounts) -> dict[int, Operator]:
    """Every reader of `padded`, by index, as it reads `source`; empty where one cannot."""
    if len(added) != 4 or any(added[0]) or any(added[3]):
        return {}
    around, value = (added[1], added[2]), _value(uses, pad)
    readers = uses.readers.get(padded.index, ())
    taken = {r.index: _taken(uses, r, source, padded, around, value) for r in readers}
    found = {index: operator for index, operator in taken.items() if operator is not None}
    return found if len(found) == len(taken) else {}


def _value(uses: Uses, pad: Operator) -> int:
    given = uses.tensor(pad, 2)
    zero_point = uses.graph.tensors[pad.outputs[0]].zero_point
    return zero_point if given is None else int(constant_values(given).reshape(-1)[0])


def _taken(uses: Uses, reader: Operator, source: Tensor, padded: Tensor, added: Pads, value: int) -> Operator | None:
    """A reader with the padding as its own; None where it is not the same."""
    options, weights = reader.options, uses.tensor(reader, 1)
    if reader.inputs.count(padded.index) != 1 or reader.inputs[0] != padded.index:
        return None
    if reader.name in ("CONV_2D", "DEPTHWISE_CONV_2D") and isinstance(options, ConvOptions):
        taps = () if weights is None else weights.shape[1:3]
        same = value == padded.zero_point
    elif reader.name == "MAX_POOL_2D" and isinstance(options, PoolOptions):
        taps, same = options.window, value == LEAST.get(padded.dtype)
    else:
        return None
    if not same or len(taps) != 2 or any(out_extent(options, i, padded.shape[1 + i], taps[i]) < 1 for i in (0, 1)):
        return None
    own = pads_of(options, padded.shape[1:3], taps)
    height, width = ((a[0] + o[0], a[1] + o[1]) for a, o in zip(added, own, strict=True))
    dilation = dilation_of(options)
    within = all(p <= (taps[i] - 1) * dilation[i] for i, pair in enumerate((height, width)) for p in pair)
    if not within:  # windows that see nothing of the image are not what the kernels are made for
        return None
    inputs = (source.index, *reader.inputs[1:])
    return replace(reader, inputs=inputs, options=replace(options, pads=(height, width)))


PASS = Pass(
    "fold_padding",
    "PAD and PADV2 become the padding of the convolutions that read them; of MAX_POOL_2D where they add its least",
    run,
)
