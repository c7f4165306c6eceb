"""A compiled model's memory plan as text: what lies where in the arena while each operator runs."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

from tinyops.files import JsonObject
from tinyops.graph import Graph
from tinyops.report.bench import shortened

LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits
ROWS = 16
COLUMNS_MAX = 100
FREE, MANY = "·", "#"


@dataclass(frozen=True)
class Placed:
    """A buffer of the arena: bytes from `offset` on, live from operator `first` to `last`, both included.

    -1 is before the first operator, the number of operators after the last.
    """

    name: str
    label: str
    offset: int
    bytes: int
    first: int
    last: int

    @property
    def end(self) -> int:
        return self.offset + self.bytes

    @property
    def live(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True)
class Plan:
    """The arena: `arena_bytes` is its peak, `lower_bound` what these buffers need at least in this order."""

    operators: tuple[str, ...]
    buffers: tuple[Placed, ...]
    arena_bytes: int
    lower_bound: int

    @property
    def times(self) -> range:
        """Before the first operator, each operator, after the last."""
        return range(-1, len(self.operators) + 1)


def memory_plan(described: JsonObject, graph: Graph) -> Plan:
    """The plan in a compile step's compile.json; buffers are labelled with the names of the graph's tensors."""
    arena = described["arena"]
    buffers = [
        Placed(b["name"], _label(b["name"], graph), b["offset"], b["bytes"], b["first"], b["last"])
        for b in arena["buffers"]
    ]
    return Plan(
        tuple(layer["operator"] for layer in described["layers"]),
        tuple(sorted(buffers, key=lambda b: (b.first, b.offset, b.name))),
        arena["bytes"],
        arena["lower_bound"],
    )


def _label(name: str, graph: Graph) -> str:
    """`tensor 12` says less than what the model's author called it."""
    found = re.fullmatch(r"tensor (\d+)", name)
    if found is None or int(found[1]) >= len(graph.tensors):
        return name
    name = "/".join(shortened(graph.tensors[int(found[1])].name, 1000).split("/")[-2:])
    return f"{found[1]} {shortened(name, 40)}"


def chart(plan: Plan) -> str:
    """Operators from left to right, the arena from bottom to top, a letter for each buffer; and what they stand for."""
    marks = {b.name: LETTERS[i] if i < len(LETTERS) else MANY for i, b in enumerate(plan.buffers)}
    step = max(-(-plan.arena_bytes // ROWS), 1)
    width = 1 if len(plan.times) * 2 > COLUMNS_MAX else 2
    lines = []
    for row in reversed(range(-(-plan.arena_bytes // step))):
        bytes_of = (row * step, (row + 1) * step)
        cells = "".join(_cell(plan, marks, time, *bytes_of) * width for time in plan.times[:COLUMNS_MAX])
        lines.append(f"{row * step:>9,} ┤{cells}")
    met = plan.arena_bytes == plan.lower_bound
    head = f"arena {plan.arena_bytes:,} bytes; " + (
        "equal to the lower bound" if met else f"lower bound {plan.lower_bound:,}"
    )
    axis = f"{'':>9} └{'─' * width * len(plan.times[:COLUMNS_MAX])} operators, with the time before and after"
    legend = [
        f"  {marks[b.name]}  {b.offset:>9,} to {b.end:>9,}  {b.bytes:>9,} bytes  live {b.live:>9}  {b.label}"
        for b in plan.buffers
    ]
    return "\n".join([head, "", *lines, axis, "", *legend])


def _cell(plan: Plan, marks: dict[str, str], time: int, start: int, end: int) -> str:
    """The buffer that has the most of these bytes then."""
    shares = {
        buffer.name: min(buffer.end, end) - max(buffer.offset, start)
        for buffer in plan.buffers
        if buffer.first <= time <= buffer.last
    }
    name = max(shares, key=lambda n: shares[n], default=None)
    return marks[name] if name is not None and shares[name] > 0 else FREE
