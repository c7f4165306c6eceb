"""What a part's image says of the messages that come and go: tinyops_model_part of runtime/include/tinyops."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tinyops.errors import SpecError
from tinyops.graph import Graph
from tinyops.link.parts import MESSAGE_MAX
from tinyops.split.document import Crossing, PartDocument

MAGIC = 0x31504F54
NOWHERE = 0xFFFFFFFF
_HEAD = struct.Struct("<IHH16sIIIHH")
_TENSOR = struct.Struct("<III")


@dataclass(frozen=True)
class Crossed:
    """A tensor of a message: where it lies in the arena and in the memory that invoke leaves alone, if it does."""

    bytes: int
    arena_offset: int = NOWHERE
    held_offset: int = NOWHERE


@dataclass(frozen=True)
class PartTable:
    """The extension of a model's header. `takes` come, `gives` are sent, in the order of the messages' bytes."""

    members: str
    position: int
    parts: int
    held_bytes: int
    takes: tuple[Crossed, ...]
    gives: tuple[Crossed, ...]

    @property
    def takes_bytes(self) -> int:
        return sum(tensor.bytes for tensor in self.takes)

    @property
    def gives_bytes(self) -> int:
        return sum(tensor.bytes for tensor in self.gives)

    def pack(self) -> bytes:
        sizes = self.takes_bytes, self.gives_bytes, self.held_bytes, len(self.takes), len(self.gives)
        head = _HEAD.pack(MAGIC, self.position, self.parts, bytes.fromhex(self.members), *sizes)
        return head + b"".join(_TENSOR.pack(t.bytes, t.arena_offset, t.held_offset) for t in (*self.takes, *self.gives))

    @property
    def words(self) -> tuple[int, ...]:
        """The same, as C and assembly have it."""
        return tuple(word for (word,) in struct.iter_unpack("<I", self.pack()))

    @staticmethod
    def unpack(data: bytes) -> PartTable:
        """Raises ValueError when these bytes are none, or hold less than they say."""
        if len(data) < _HEAD.size:
            raise ValueError(f"{len(data)} bytes are too short for a part")
        magic, position, parts, members, _, _, held, takes, gives = _HEAD.unpack_from(data)
        end = _HEAD.size + (takes + gives) * _TENSOR.size
        if magic != MAGIC or len(data) < end:
            raise ValueError("not a part")
        found = [Crossed(*fields) for fields in _TENSOR.iter_unpack(data[_HEAD.size : end])]
        return PartTable(members.hex(), position, parts, held, tuple(found[:takes]), tuple(found[takes:]))


def part_table(part: PartDocument, graph: Graph, places: Mapping[int, int]) -> PartTable:
    """The table of a part whose graph was placed; `places` maps tensors to offsets in the arena.

    Raises SpecError where part.json and the model are not of one cut, or a message is too long.
    """
    _check(part, graph)
    held = [part.takes[take].bytes for take, _ in part.passed]
    held_at = dict(zip((take for take, _ in part.passed), accumulate(held, initial=0), strict=False))
    sent = {give: held_at[take] for take, give in part.passed}
    into = dict(zip(part.inputs, graph.inputs, strict=True))
    out = dict(zip(part.outputs, graph.outputs, strict=True))
    takes = tuple(
        Crossed(t.bytes, places[into[i]] if i in into else NOWHERE, held_at.get(i, NOWHERE))
        for i, t in enumerate(part.takes)
    )
    gives = tuple(
        Crossed(t.bytes, places[out[i]] if i in out else NOWHERE, sent.get(i, NOWHERE))
        for i, t in enumerate(part.gives)
    )
    return PartTable(part.set, part.position, part.parts, sum(held), takes, gives)


def _check(part: PartDocument, graph: Graph) -> None:
    for what, listed, indices, tensors in (
        ("inputs", part.takes, part.inputs, graph.inputs),
        ("outputs", part.gives, part.outputs, graph.outputs),
    ):
        expected = [listed[i].bytes for i in indices]
        found = [graph.tensors[i].bytes for i in tensors]
        if expected != found:
            raise SpecError(
                f"{graph.name}: its {what} have {found} bytes, part.json of {part.name!r} says {expected}",
                hint="both come from one part step: build again",
            )
    for what, crossing, goes in (("takes", part.takes, not part.first), ("gives", part.gives, not part.last)):
        _check_length(part.name, what, crossing if goes else ())


def _check_length(name: str, what: str, crossing: Sequence[Crossing]) -> None:
    count = sum(tensor.bytes for tensor in crossing)
    if count > MESSAGE_MAX:
        raise SpecError(
            f"part {name!r} {what} {count:,} bytes in one inference, a link between parts carries {MESSAGE_MAX:,}",
            hint="cut the model where less crosses",
        )
