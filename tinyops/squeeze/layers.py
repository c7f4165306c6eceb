"""What int8 costs in each layer: signal against error, measured against the float model's own values. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyops.files import JsonObject
from tinyops.graph import Graph, Tensor
from tinyops.squeeze.naming import layer_name

WORST = 5
SQNR_LIMIT_DB = 99.0  # an error of nothing, and a signal of nothing
DB_DIGITS, SHARE_DIGITS = 1, 6
LOST_DB_MIN = 0.1  # less is no loss
# A step beyond the range is rounding: a softmax's one is 256 of 255 steps.
_RANGES = {"int8": (-129.5, 128.5), "int16": (-32769.5, 32768.5)}


@dataclass(frozen=True)
class LayerError:
    """One operator's output in the int8 model.

    `sqnr_db` is how far the signal stands above the error that has come together so far; `lost_db` how much of that
    was lost in this operator, against the worst of its inputs; `clipped_share` of the float values lie beyond the
    range.
    """

    layer: str
    operator: str
    tensor: str
    sqnr_db: float
    lost_db: float
    clipped_share: float

    def to_json(self) -> JsonObject:
        return {**self.__dict__}


@dataclass
class Tally:
    """Sums over windows of one tensor."""

    signal: float = 0.0
    error: float = 0.0
    clipped: int = 0
    values: int = 0

    def add(self, wanted: NDArray[np.float32], found: NDArray[np.int8 | np.int16], tensor: Tensor) -> None:
        """`wanted` is the float model's tensor, `found` the quantised model's."""
        assert tensor.quantisation is not None
        scale, zero = tensor.quantisation.scales[0], tensor.quantisation.zero_points[0]
        lowest, highest = _RANGES[tensor.dtype]
        exact = wanted.astype(np.float64).reshape(-1)
        steps = exact / scale + zero
        self.signal += float((exact**2).sum())
        self.error += float(((exact - (found.astype(np.float64).reshape(-1) - zero) * scale) ** 2).sum())
        self.clipped += int(((steps < lowest) | (steps > highest)).sum())
        self.values += exact.size

    @property
    def sqnr_db(self) -> float:
        if not self.error or not self.signal:
            return SQNR_LIMIT_DB
        return min(max(10 * math.log10(self.signal / self.error), -SQNR_LIMIT_DB), SQNR_LIMIT_DB)


def comparable(float_graph: Graph, graph: Graph) -> dict[int, int]:
    """The int8 graph's computed tensors with one scale, by index, and which of the float graph's each stands for.

    The quantiser keeps names. A name that several have, as names are cut off, is matched in the order of operators.
    """
    wanted, found = _computed(float_graph), _computed(graph)
    return {
        index: wanted[key]
        for key, index in found.items()
        if key in wanted and graph.tensors[index].dtype in _RANGES and graph.tensors[index].quantisation is not None
    }


def _computed(graph: Graph) -> dict[tuple[str, int], int]:
    """Inputs and outputs of operators, by name and how many before have the same."""
    seen: Counter[str] = Counter()
    found = {}
    for index in dict.fromkeys([*graph.inputs, *(i for operator in graph.operators for i in operator.outputs)]):
        name = graph.tensors[index].name
        found[name, seen[name]] = index
        seen[name] += 1
    return found


def layer_errors(graph: Graph, tallies: Mapping[int, Tally]) -> tuple[LayerError, ...]:
    """One for each operator whose output was compared, in the graph's order."""
    found = []
    tallies = _through_conversions(graph, tallies)
    for operator in graph.operators:
        output = operator.outputs[0]
        if output not in tallies or (operator.name == "QUANTIZE" and output not in graph.outputs):
            continue
        before = [tallies[i].sqnr_db for i in operator.inputs if i is not None and i in tallies]
        its = tallies[output]
        lost = max(min(before, default=SQNR_LIMIT_DB) - its.sqnr_db, 0.0)
        name = graph.tensors[output].name
        last = output in graph.outputs
        found.append(
            LayerError(
                "output" if last else layer_name(name),
                operator.name,
                name,
                round(its.sqnr_db, DB_DIGITS),
                round(lost, DB_DIGITS),
                round(its.clipped / max(its.values, 1), SHARE_DIGITS),
            )
        )
    return tuple(found)


def _through_conversions(graph: Graph, tallies: Mapping[int, Tally]) -> Mapping[int, Tally]:
    """What another type or scale is made of has no float tensor of its own: it stands where its source stands."""
    found = dict(tallies)
    for operator in graph.operators:
        source, output = operator.inputs[0], operator.outputs[0]
        if operator.name == "QUANTIZE" and output not in found and source in found:
            found[output] = found[source]
    return found


def worst(errors: Sequence[LayerError]) -> list[JsonObject]:
    """Where most is lost, most first; as facts."""
    losing = sorted((e for e in errors if e.lost_db >= LOST_DB_MIN), key=lambda e: -e.lost_db)
    shown = ("layer", "operator", "sqnr_db", "lost_db", "clipped_share")
    return [{name: getattr(error, name) for name in shown} for error in losing[:WORST]]
