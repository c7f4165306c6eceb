"""Format `take`: what a device recorded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tinyops.datasets.formats.limits import refuse_many
from tinyops.datasets.recording import STRICT, Labelled, Leniency
from tinyops.datasets.take import read_take
from tinyops.errors import SpecError
from tinyops.specs.model import Signal


def read_take_file(data: bytes, signal: Signal, where: str, _: Leniency = STRICT) -> Iterator[Labelled]:
    """The frames of a take, in one piece between two gaps each."""
    take = read_take(data, where)
    refuse_many(take.values.size, where)
    facts = take.facts
    if facts.channels != signal.channels or facts.units != signal.units or facts.size != signal.size:
        raise SpecError(
            f"{where}: has {', '.join(facts.channels)} in {', '.join(facts.units)}, "
            f"the dataset's signal {', '.join(signal.channels)} in {', '.join(signal.units)}"
        )
    values = take.physical()
    edges = [0, *(at for at, _ in facts.gaps), len(values)]
    for begin, end in pairwise(edges):
        if begin < end:
            yield Labelled("", values[begin:end], begin)
