"""Which tensors lie in one storage, so that calls that only copy between them are left out.

A reshape's output lies where its input lies, parts of a split lie inside what was split, and what is concatenated is
written where the whole will be. Two tensors share bytes only where both always hold the same values; with a variable,
which changes, only where each is there whenever it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from tinyops.compiler.lowered import Call, Lowered, Share
from tinyops.compiler.memory import ALIGN_BYTES
from tinyops.compiler.state import keeps_values
from tinyops.graph import Graph, state_of

# Tensor -> the tensor in whose storage it lies, and how many bytes into it. Tensors with storage of their own: absent.
Owner: TypeAlias = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Storage:
    """`lowered` has the calls that are still needed; `has_parts`: a tensor lies in one that is larger."""

    owner: Owner
    lowered: tuple[Lowered, ...]
    has_parts: bool


@dataclass
class _Stores:
    """Tensors by storage, in the making: `home` names each tensor's storage, `members` where in it each lies."""

    graph: Graph
    home: dict[int, int] = field(default_factory=dict)
    members: dict[int, dict[int, int]] = field(default_factory=dict)
    edges: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.edges = {*self.graph.inputs, *self.graph.outputs, *state_of(self.graph)}

    def of(self, tensor: int) -> dict[int, int]:
        home = self.home.setdefault(tensor, tensor)
        return self.members.setdefault(home, {tensor: 0})

    def join(self, share: Share, calls: Sequence[Sequence[Call]]) -> bool:
        """Lets the two tensors lie as asked, where that is possible. `calls` are what each operator then does."""
        graph = self.graph
        if any(graph.tensors[t].data is not None for t in (share.part, share.whole)) or share.offset % ALIGN_BYTES:
            return False
        parts, wholes = self.of(share.part), self.of(share.whole)
        shift = wholes[share.whole] + share.offset - parts[share.part]
        if parts is wholes:
            return shift == 0
        moved = {tensor: at + shift for tensor, at in parts.items()}
        both = {**moved, **wholes}
        if self._clash(moved, wholes, share.part) or self._torn(both) or not keeps_values(graph, both, calls):
            return False
        home = self.home[share.whole]
        wholes.update(moved)
        del self.members[self.home[share.part]]
        self.home.update(dict.fromkeys(moved, home))
        return True

    def _clash(self, moved: Mapping[int, int], others: Mapping[int, int], shared: int) -> bool:
        """Whether the two storages would have more in common than the bytes of the tensor that they share."""
        first, last = moved[shared], moved[shared] + self.graph.tensors[shared].bytes
        for tensor, at in moved.items():
            for other, place in others.items():
                start = max(at, place)
                end = min(at + self.graph.tensors[tensor].bytes, place + self.graph.tensors[other].bytes)
                if start < end and not first <= start <= end <= last:
                    return True
        return False

    def _torn(self, members: Mapping[int, int]) -> bool:
        """Inputs, outputs and variables have places of their own, and there is no room beside them."""
        pinned = [tensor for tensor in members if tensor in self.edges]
        if len(pinned) != 1:
            return bool(pinned)
        first = members[pinned[0]]
        last = first + self.graph.tensors[pinned[0]].bytes
        return any(at < first or at + self.graph.tensors[t].bytes > last for t, at in members.items())

    def owners(self) -> dict[int, tuple[int, int]]:
        """In each storage, the tensor at its start decides: an edge of the graph, or the largest that is made first."""
        edges, found = self.edges, {}
        made = {t: operator.index for operator in self.graph.operators for t in operator.outputs}
        for members in self.members.values():

            def order(tensor: int, places: Mapping[int, int] = members) -> tuple[bool, int, int, int]:
                return tensor not in edges, places[tensor], -self.graph.tensors[tensor].bytes, made.get(tensor, -1)

            root = min(members, key=order)
            found.update({t: (root, at - members[root]) for t, at in members.items() if t != root})
        return found


def share_storage(graph: Graph, lowered: Sequence[Lowered], parts: bool = True) -> Storage:
    """Joins tensors as calls ask for it, in the order of the operators, and leaves those calls out.

    A call stays where its input is a constant, where the graph's inputs, outputs and variables pin both sides to
    different places, where a variable changes too early, where a part would not start at a multiple of 16, and where
    `parts` are not wanted.
    """
    stores, has_parts = _Stores(graph), False
    calls = [list(low.calls) for low in lowered]
    for operator, low in enumerate(lowered):
        for call in low.calls:
            share = call.share
            part = share is not None and graph.tensors[share.part].bytes < graph.tensors[share.whole].bytes
            if share is None or (part and not parts):
                continue
            without = [other for other in calls[operator] if other is not call]
            if stores.join(share, [*calls[:operator], without, *calls[operator + 1 :]]):
                calls[operator], has_parts = without, has_parts or part
    done = (
        replace(low, calls=tuple(c), kernel=low.kernel if c else None) for low, c in zip(lowered, calls, strict=True)
    )
    return Storage(MappingProxyType(stores.owners()), tuple(done), has_parts)
