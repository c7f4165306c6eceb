"""Chooses among the ways in which operators can be lowered: by flash, RAM and instructions, as the user prefers.

A kernel's code is paid once, however many operators call it, so the choice is one for the model as a whole: every set
of kernels that leaves each operator a way is looked at, and with it each operator takes the way that suits best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tinyops.compiler.costs import INSTRUCTIONS, KERNEL_BYTES, STACK_BYTES, UNKNOWN, UNKNOWN_BYTES, core_of
from tinyops.compiler.lowered import Call, Field, Lowered
from tinyops.compiler.ops.coded import is_coded
from tinyops.compiler.passes.reorder import problem_of
from tinyops.compiler.sharing import share_storage
from tinyops.compiler.work import counts_of, elements_of
from tinyops.graph import Graph

MOST_KERNELS = 10  # that are left out in turn: 1,024 sets
CALL_BYTES, FIELD_BYTES = 24, 4  # of the code around a call, and of a field of its parameters

Chosen = tuple[Lowered, ...]


@dataclass(frozen=True)
class Way:
    """One way to lower an operator: bytes of constants and of the call, instructions, bytes live while it runs."""

    lowered: Lowered
    flash: int
    instructions: int
    live: int

    @property
    def kernels(self) -> frozenset[str]:
        return frozenset(kernel.source for kernel in self.lowered.kernels)


@dataclass(frozen=True)
class Total:
    """A whole choice: bytes of flash, bytes of arena (what is live at once) and stack, instructions."""

    ways: tuple[Way, ...]
    flash: int
    ram: int
    instructions: int

    @property
    def lowered(self) -> Chosen:
        return tuple(way.lowered for way in self.ways)


Better = Callable[[Total], tuple[float, ...]]


def predicted_instructions(graph: Graph, lowered: Lowered, cpu: str) -> int:
    """What an operator's calls take on a core, by the table of costs."""
    return round(sum(call_instructions(graph, call, cpu) for call in lowered.calls))


def stack_bytes(lowered: Sequence[Lowered], cpu: str) -> int:
    """The stack of the hungriest kernel."""
    table = STACK_BYTES[core_of(cpu)]
    return max((table.get(k.source, 0) for low in lowered for k in low.kernels), default=0)


def choices(graph: Graph, candidates: Sequence[Sequence[Lowered]], cpu: str, prefer: str) -> tuple[Chosen, ...]:
    """The best choice for a preference. For `ram`, where only the planner knows the arena, all that may be it."""
    if prefer in ("balanced", "ram"):
        candidates = coded_where_it_pays(graph, candidates, cpu)
    if all(len(ways) == 1 for ways in candidates):
        return (tuple(ways[0] for ways in candidates),)
    sets = list(_sets(_ways(graph, candidates, cpu), cpu))
    fastest = min((picked(_by_speed) for picked in sets), key=_speed)
    found = {"speed": fastest, "size": min((picked(_by_size) for picked in sets), key=_size)}
    if prefer in ("balanced", "ram"):
        by_shares, shares = _shares_of(fastest)
        found["balanced"] = min((picked(by_shares) for picked in sets), key=shares)
    if prefer == "ram":
        found["ram"] = min((picked(None) for picked in sets), key=lambda total: (total.ram, total.instructions))
        lean = sets[0](None)  # every kernel is there, which costs stack and little else
        totals = (found["ram"], lean, *found.values())
        return tuple({tuple(map(id, total.ways)): total.lowered for total in totals}.values())
    return (found[prefer].lowered,)


def coded_where_it_pays(
    graph: Graph, candidates: Sequence[Sequence[Lowered]], cpu: str
) -> tuple[tuple[Lowered, ...], ...]:
    """The ways that store weights of few values as codes, or those that do not: whichever need less flash.

    Nobody's weights have so few values by chance. Who made them so wants them small, and knows that looking them up
    takes time: that time is no part of a balance.
    """
    coded = tuple(tuple(way for way in ways if is_coded(way)) or tuple(ways) for ways in candidates)
    plain = tuple(tuple(way for way in ways if not is_coded(way)) for ways in candidates)
    if coded == plain:
        return plain
    least = [min(picked(_by_size).flash for picked in _sets(_ways(graph, one, cpu), cpu)) for one in (coded, plain)]
    return coded if least[0] < least[1] else plain


# -- totals --------------------------------------------------------------------------------------

Key = Callable[[Way], tuple[float, ...]]


def _by_speed(way: Way) -> tuple[float, ...]:
    return way.instructions, way.flash


def _by_size(way: Way) -> tuple[float, ...]:
    return way.flash, way.instructions


def _speed(total: Total) -> tuple[float, ...]:
    return total.instructions, total.flash


def _size(total: Total) -> tuple[float, ...]:
    return total.flash, total.instructions


def _shares_of(fastest: Total) -> tuple[Key, Better]:
    """Balanced: the least sum of flash, RAM and instructions, each as a share of what the fastest choice takes."""
    flash, ram, instructions = max(fastest.flash, 1), max(fastest.ram, 1), max(fastest.instructions, 1)

    def of_way(way: Way) -> tuple[float, ...]:
        return (way.flash / flash + way.instructions / instructions,)

    def of_total(total: Total) -> tuple[float, ...]:
        return (total.flash / flash + total.ram / ram + total.instructions / instructions,)

    return of_way, of_total


def _sets(ways: Sequence[Sequence[Way]], cpu: str) -> Iterator[Callable[[Key | None], Total]]:
    """For each set of kernels: what gives its best total, from how ways are compared."""
    named = sorted({kernel for one in ways if len(one) > 1 for way in one for kernel in way.kernels})
    optional = named[:MOST_KERNELS]
    for count in range(len(optional) + 1):
        for left_out in map(frozenset, combinations(optional, count)):
            allowed = [[way for way in one if not way.kernels & left_out] for one in ways]
            if all(allowed):
                yield lambda key, allowed=allowed: _total(allowed, key, cpu)  # type: ignore[misc]


def _total(allowed: Sequence[Sequence[Way]], key: Key | None, cpu: str) -> Total:
    """Without a key: the fastest of the ways that do not raise the peak of live bytes."""
    peak = max(min(way.live for way in one) for one in allowed)
    if key is None:
        picked = tuple(min((w for w in one if w.live <= peak), key=_by_speed) for one in allowed)
    else:
        picked = tuple(min(one, key=key) for one in allowed)
    table = KERNEL_BYTES[core_of(cpu)]
    kernels = {kernel for way in picked for kernel in way.kernels}
    flash = sum(way.flash for way in picked) + sum(table.get(kernel, UNKNOWN_BYTES) for kernel in kernels)
    ram = max(way.live for way in picked) + stack_bytes([way.lowered for way in picked], cpu)
    return Total(picked, flash, ram, sum(way.instructions for way in picked))


# -- ways ----------------------------------------------------------------------------------------


def _ways(graph: Graph, candidates: Sequence[Sequence[Lowered]], cpu: str) -> list[list[Way]]:
    """Each operator's ways. Bytes live while one runs depend on no other operator's way, so each is tried once."""
    depth = max(map(len, candidates))
    live = [_live(graph, [ways[min(k, len(ways) - 1)] for ways in candidates]) for k in range(depth)]
    return [
        [
            Way(low, flash_bytes(low), predicted_instructions(graph, low, cpu), live[k][index])
            for k, low in enumerate(ways)
        ]
        for index, ways in enumerate(candidates)
    ]


def _live(graph: Graph, lowered: Sequence[Lowered]) -> list[int]:
    storage = share_storage(graph, lowered)
    return problem_of(graph, storage.lowered, storage.owner).needed()


def flash_bytes(lowered: Lowered) -> int:
    """Constants and calls, without kernels."""
    calls = sum(CALL_BYTES + FIELD_BYTES * _fields(call.params) for call in lowered.calls)
    return calls + sum(constant.bytes for constant in lowered.constants)


def _fields(value: Mapping[str, Field] | Field) -> int:
    if isinstance(value, Mapping):
        return sum(map(_fields, value.values()))
    return len(value) if isinstance(value, tuple) else 1


def call_instructions(graph: Graph, call: Call, cpu: str) -> float:
    """What one call takes, by the table of costs."""
    costs = INSTRUCTIONS[core_of(cpu)].get(call.function)
    counts = counts_of(graph, call) if costs else (1, *elements_of(graph, call))
    return sum(cost * count for cost, count in zip(costs or UNKNOWN, counts, strict=True))
