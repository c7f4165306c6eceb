"""A chain of parts and what can happen to it while its set is switched, for exploring all of it; run_sets.c is larger.

What a part holds outlives a power cut, what it has heard does not. Between any two parts there is a word under way in
each direction: it may be heard late, twice or, once another one was sent, never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tinyops.link.part_sets import SetDecision, SetView
from tinyops.link.parts import NO_SET

A, B = b"A" * 16, b"B" * 16
READY = ("wished", "able")
Decide = Callable[[SetView], SetDecision]


@dataclass(frozen=True, slots=True)
class Offer:
    """What goes downstream; `running` as well, without which nothing is computed."""

    running: bytes
    offered: bytes = NO_SET
    also: bytes = NO_SET
    wished: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """What goes upstream."""

    running: bytes
    committed: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """`kind` of its spare: none, wished (asked for and proven), able (ran before), doubted (reset in its trial)."""

    running: bytes = A
    spare: bytes = NO_SET
    kind: str = "none"
    up: Offer = Offer(NO_SET)
    down: Commit = Commit(NO_SET, NO_SET)

    @property
    def ready(self) -> set[bytes]:
        return {self.running, self.spare if self.kind in READY else NO_SET} - {NO_SET}

    def holding(self, spare: bytes, kind: str) -> Part:
        return replace(self, spare=spare if kind != "none" else NO_SET, kind=kind)

    def switched(self) -> Part:
        return replace(self, running=self.spare, spare=self.running, kind="able" if self.running != NO_SET else "none")

    def restarted(self) -> Part:
        return Part(self.running, self.spare, self.kind)


@dataclass(frozen=True, slots=True)
class World:
    """`offers[i]` and `commits[i]`: what is under way from part i. `ran`: what the last part has run so far."""

    parts: tuple[Part, ...]
    offers: tuple[Offer | None, ...]
    commits: tuple[Commit | None, ...]
    ran: frozenset[bytes]
    faults: int = 0
    given: int = 0  # bits: parts that were given B

    def with_part(self, index: int, part: Part) -> World:
        ran = self.ran | {part.running} if index == len(self.parts) - 1 else self.ran
        return replace(self, parts=_but(self.parts, index, part), ran=ran)

    @property
    def sets(self) -> set[bytes]:
        return {part.running for part in self.parts}

    @property
    def common(self) -> set[bytes]:
        return set.intersection(*(part.ready for part in self.parts))


@dataclass(frozen=True)
class Rules:
    """What may happen: at most so many `faults`, and the part that is never given B."""

    decide: Decide
    faults: int = 0
    refusing: int | None = None
    decided: dict[tuple[int, int, Part], SetDecision] = field(default_factory=dict, compare=False)

    def decision(self, index: int, parts: int, part: Part) -> SetDecision:
        key = (index, parts, part)
        if key not in self.decided:
            view = SetView(
                *(index, parts, part.running, part.spare, part.kind == "wished", part.kind == "doubted"),
                *(part.up.offered, part.up.also, part.up.wished, part.down.committed),
            )
            self.decided[key] = self.decide(view)
        return self.decided[key]


def _but(values: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:index], value, *values[index + 1 :])


def start(parts: int) -> World:
    """All parts run A and know nothing of each other."""
    return World((Part(),) * parts, (None,) * parts, (None,) * parts, frozenset({A}))


def own_steps(world: World, rules: Rules) -> Iterator[World]:
    """What parts do by themselves, and words that are heard; never what changes nothing."""
    last = len(world.parts) - 1
    for index, part in enumerate(world.parts):
        decision = rules.decision(index, last + 1, part)
        offer = Offer(part.running, decision.offered, decision.also, decision.wished)
        commit = Commit(part.running, decision.committed)
        if index < last and world.offers[index] != offer:
            yield replace(world, offers=_but(world.offers, index, offer))
        if index > 0 and world.commits[index] != commit:
            yield replace(world, commits=_but(world.commits, index, commit))
        if index > 0 and (offered := world.offers[index - 1]) is not None and offered != part.up:
            yield world.with_part(index, replace(part, up=offered))
        if index < last and (told := world.commits[index + 1]) is not None and told != part.down:
            yield world.with_part(index, replace(part, down=told))
        if decision.switches:
            assert index == last or part.spare in world.ran, f"part {index} switches without a commit: {world}"
            yield world.with_part(index, part.switched())


def outside_steps(world: World, rules: Rules) -> Iterator[World]:
    """Hosts give each part B, which proves itself and is asked for; faults strike."""
    for index, part in enumerate(world.parts):
        if not world.given >> index & 1 and index != rules.refusing:
            given = part if part.running == B else part.holding(B, "wished")
            yield replace(world.with_part(index, given), given=world.given | 1 << index)
        if world.faults < rules.faults:
            spent = replace(world, faults=world.faults + 1)
            yield spent.with_part(index, part.restarted())
            if part.kind != "none":
                yield spent.with_part(index, part.restarted().holding(part.spare, "doubted"))
                yield spent.with_part(index, part.holding(NO_SET, "none"))


def explore(first: World, rules: Rules) -> dict[World, list[World]]:
    """Every world that can come of the first one, each with those that parts make of it by themselves."""
    found: dict[World, list[World]] = {}
    todo = [first]
    while todo:
        world = todo.pop()
        if world not in found:
            found[world] = list(own_steps(world, rules))
            todo += found[world]
            todo += outside_steps(world, rules)
    return found


def find_cycle(found: dict[World, list[World]]) -> list[World] | None:
    """Worlds through which parts could go round for ever by themselves, without anything from outside."""
    done: set[World] = set()
    for first in found:
        path: dict[World, Iterator[World]] = {} if first in done else {first: iter(found[first])}
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
