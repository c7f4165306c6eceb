"""A chain of parts and everything that can happen to it while its set is switched, for exploring all of it.

What a part holds outlives a power cut, what it has heard does not. Between any two parts there is a word under way in
each direction: it may be heard late, twice or, once another one was sent, never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache

from tinyops.link.part_sets import NONE, Action, PartWord, SetChoice, SetKnown

A, B = b"A" * 16, b"B" * 16
Choose = Callable[[SetKnown], SetChoice]
READY = ("wished", "able")


@dataclass(frozen=True, slots=True)
class Part:
    """`kind` of its spare: none, wished (asked for and proven), able (ran before), doubted (reset in its trial)."""

    running: bytes = A
    spare: bytes = NONE
    kind: str = "none"
    up: PartWord | None = None
    down: PartWord | None = None

    @property
    def ready(self) -> set[bytes]:
        return {self.running, self.spare if self.kind in READY else NONE} - {NONE}

    def holding(self, spare: bytes, kind: str) -> Part:
        return replace(self, spare=spare if kind != "none" else NONE, kind=kind)

    def switched(self) -> Part:
        return replace(self, running=self.spare, spare=self.running, kind="able" if self.running != NONE else "none")

    def restarted(self) -> Part:
        return replace(self, up=None, down=None)


@dataclass(frozen=True, slots=True)
class World:
    """`sent[i]`: the words under way from part i, up and down."""

    parts: tuple[Part, ...]
    sent: tuple[tuple[PartWord | None, PartWord | None], ...]
    faults: int = 0
    installs: int = 0  # bits: which part was given B
    committed: frozenset[bytes] = frozenset()  # what the last part has run so far

    def with_part(self, index: int, part: Part) -> World:
        ran = self.committed | {part.running} if index == len(self.parts) - 1 else self.committed
        return replace(self, parts=(*self.parts[:index], part, *self.parts[index + 1 :]), committed=ran)

    @property
    def sets(self) -> set[bytes]:
        return {part.running for part in self.parts}

    @property
    def common(self) -> set[bytes]:
        return set.intersection(*(part.ready for part in self.parts))


@dataclass(frozen=True)
class Rules:
    """What may happen beyond the parts' own steps."""

    choose: Choose
    faults: int  # power cuts, proofs that fail, images that are lost
    refusing: int | None = None  # the part that is never given B
    kinds: frozenset[str] = frozenset({"cut", "cut in switch", "loses"})
    words: dict[tuple[int, int, Part], SetChoice] = field(default_factory=dict, compare=False)

    def choice(self, index: int, parts: int, part: Part) -> SetChoice:
        key = (index, parts, part)
        if key not in self.words:
            wished, doubted = part.kind == "wished", part.kind == "doubted"
            known = SetKnown(index, parts, part.running, part.spare, wished, doubted, part.up, part.down)
            self.words[key] = self.choose(known)
        return self.words[key]


def start(parts: int, running: bytes = A) -> World:
    """All parts run one set and know nothing of each other."""
    return World((Part(running=running),) * parts, ((None, None),) * parts, committed=frozenset({running}))


def own_steps(world: World, rules: Rules) -> Iterator[World]:
    """What parts do by themselves, and words that are heard; never what changes nothing."""
    count = len(world.parts)
    for index, part in enumerate(world.parts):
        choice = rules.choice(index, count, part)
        for way, heard in ((0, "down"), (1, "up")):  # up to the part before, which hears it as from `down`
            other = index - 1 if way == 0 else index + 1
            if not 0 <= other < count:
                continue
            word = _told(choice.say, way)
            if world.sent[index][way] != word:
                yield _sending(world, index, way, word)
            under_way = world.sent[index][way]
            listener = world.parts[other]
            if under_way is not None and getattr(listener, heard) != under_way:
                yield world.with_part(other, replace(listener, **{heard: under_way}))
        if choice.action is Action.SWITCH:
            _check_commit(world, index, part)
            yield world.with_part(index, part.switched())


@cache
def _told(word: PartWord, way: int) -> PartWord:
    """Of a word only what its listener looks at: fewer states, no other decision."""
    if way == 0:
        return replace(word, offered=(), wished=False)
    return replace(word, committed=None)


def _sending(world: World, index: int, way: int, word: PartWord) -> World:
    pair = (word, world.sent[index][1]) if way == 0 else (world.sent[index][0], word)
    return replace(world, sent=(*world.sent[:index], pair, *world.sent[index + 1 :]))


def _check_commit(world: World, index: int, part: Part) -> None:
    """A part but the last switches only to what the last one has run; the last to what all had ready or run."""
    if index < len(world.parts) - 1:
        assert part.spare in world.committed, f"part {index} switches without a commit: {world}"


def hosts_steps(world: World, rules: Rules) -> Iterator[World]:
    """Each part is given B, which proves itself and is asked for."""
    for index, part in enumerate(world.parts):
        if not world.installs >> index & 1 and index != rules.refusing:
            given = part if part.running == B else part.holding(B, "wished")
            yield replace(world.with_part(index, given), installs=world.installs | 1 << index)


def faults(world: World, rules: Rules) -> Iterator[World]:
    if world.faults == rules.faults:
        return
    for index, part in enumerate(world.parts):
        spent = replace(world, faults=world.faults + 1)
        if "cut" in rules.kinds:
            yield spent.with_part(index, part.restarted())
        if "cut in switch" in rules.kinds and part.kind != "none":  # in a proof, or before a switch was confirmed
            yield spent.with_part(index, part.restarted().holding(part.spare, "doubted"))
        if "loses" in rules.kinds and part.kind != "none":  # fails its proof, is damaged, or written over
            yield spent.with_part(index, part.holding(NONE, "none"))


def explore(first: World, rules: Rules) -> dict[World, list[World]]:
    """Every world that can come of the first one, each with those that parts make of it by themselves."""
    found: dict[World, list[World]] = {}
    todo = [first]
    while todo:
        world = todo.pop()
        if world in found:
            continue
        found[world] = list(own_steps(world, rules))
        todo += found[world]
        todo += hosts_steps(world, rules)
        todo += faults(world, rules)
    return found


def find_cycle(found: dict[World, list[World]]) -> list[World] | None:
    """Worlds through which parts could go round for ever by themselves, without anything from outside."""
    done: set[World] = set()
    for first in found:
        if first in done:
            continue
        path: dict[World, Iterator[World]] = {first: iter(found[first])}
        while path:
            world = next(reversed(path))
            step = next((one for one in path[world] if one not in done), None)
            if step is None:
                done.add(world)
                path.popitem()
            elif step in path:
                way = list(path)
                return [*way[way.index(step) :], step]
            else:
                path[step] = iter(found[step])
    return None
