"""Where a plan cuts the models of chains: as released, as wanted, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tinyops.artifacts import Record
from tinyops.files import JsonObject
from tinyops.plan.changes import CONTROL, REASON_LIMIT, Action, Change, Plan
from tinyops.specs.model import Fleet

AS_RELEASED = (Action.KEEP, Action.MOVE)


@dataclass(frozen=True)
class Sent:
    """What a part sends to the next for one inference: bytes of tensors, and bytes on the link."""

    part: str
    tensor_bytes: int
    sent_bytes: int


@dataclass(frozen=True)
class ChainCuts:
    """The cuts of one fleet's chain, before and after.

    `was` is None before its first release, `now` where it is known after apply only; then `links` and `lines`, which
    say why, are those of what was released, or empty.
    """

    fleet: str
    parts: tuple[str, ...]
    was: tuple[int, ...] | None
    now: tuple[int, ...] | None
    links: tuple[Sent, ...] = ()
    lines: tuple[str, ...] = ()
    anew: bool = False  # it was asked for that nothing is kept
    firmware: tuple[str, ...] = ()  # parts that ran before, and get another one

    @property
    def pause(self) -> str:
        """Why there are no answers for a while, where that is to be expected; "" else."""
        if not self.firmware:
            return ""
        who = f"{', '.join(self.firmware)} get{'' if len(self.firmware) > 1 else 's'} other firmware"
        until = "while it starts; where the contract changes with it, until the last part has its own"
        return f"{who}: the chain is unavailable {until}"

    @property
    def replaced(self) -> bool:
        """Whether all its parts change at once: parts of two sets never work together."""
        return self.was is not None and self.now is not None and self.was != self.now

    @property
    def sentence(self) -> str:
        chain = f"{self.fleet} ({' → '.join(self.parts)})"
        if self.now is None:
            if self.was is None:
                return f"{chain}: cuts are known after apply"
            how = "which is looked at anew" if self.anew else "which stays while it fits"
            return f"{chain}: cut at {_text(self.was)} as released, {how}: known after apply"
        if self.replaced:
            return f"{chain}: cut at {_text(self.was)} → {_text(self.now)}: a replace, all its parts switch together"
        return f"{chain}: cut at {_text(self.now)}{', as released' if self.was else ''}{self._sent()}"

    def _sent(self) -> str:
        sent = ", ".join(f"{s.part} sends {s.tensor_bytes:,} B in {s.sent_bytes:,}" for s in self.links)
        return f"; {sent} an inference" if sent else ""

    def to_json(self) -> JsonObject:
        return asdict(self)


def chain_cuts(
    plan: Plan, fleets: Mapping[str, Fleet], released: Mapping[str, Record], built: Mapping[str, JsonObject]
) -> tuple[ChainCuts, ...]:
    """Of every chain whose fleet does not stay as it is. `built` are facts of split steps that were run, by step."""
    changes = {change.id: change for change in plan.changes}
    chained = {name: fleet for name, fleet in sorted(fleets.items()) if fleet.spec.chain is not None}
    moving = {c.subject for c in plan.changes if c.kind == "fleet" and c.action is not Action.KEEP}
    return tuple(_of_fleet(fleet, changes, released, built) for name, fleet in chained.items() if name in moving)


def _of_fleet(
    fleet: Fleet, changes: Mapping[str, Change], released: Mapping[str, Record], built: Mapping[str, JsonObject]
) -> ChainCuts:
    step = f"split:{fleet.name}"
    before = released[step].facts if step in released else None
    facts = built.get(step)
    if facts is None and step in changes and changes[step].action in AS_RELEASED:
        facts = before
    now = _cuts(facts) if facts is not None else _given(fleet)
    assert fleet.spec.chain is not None  # of a chain's fleet
    parts = tuple(part.name for part in fleet.spec.chain.parts)
    was = _cuts(before) if before is not None else None
    anew = step in changes and changes[step].action is Action.REPLACE
    firmware = tuple(part for part in parts if was is not None and _is_other(changes, f"firmware:{fleet.name}/{part}"))
    return ChainCuts(fleet.name, parts, was, now, *_why(facts), anew, firmware)


def _is_other(changes: Mapping[str, Change], step: str) -> bool:
    return step in changes and changes[step].action in (Action.UPDATE, Action.REPLACE)


def _given(fleet: Fleet) -> tuple[int, ...] | None:
    split = fleet.spec.split
    return split.cuts if split is not None and split.cuts != "auto" else None


def _cuts(facts: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(map(int, facts["cuts"]))


def _why(facts: Mapping[str, Any] | None) -> tuple[tuple[Sent, ...], tuple[str, ...]]:
    if facts is None:
        return (), ()
    links = tuple(Sent(str(n["from"]), int(n["tensor_bytes"]), int(n["sent_bytes"])) for n in facts["links"])
    return links, tuple(CONTROL.sub(" ", str(line))[:REASON_LIMIT] for line in facts["explanation"])


def together(facts: Mapping[str, Any]) -> str:
    """What a chain's own step found: whether its parts ran with each other, from its facts."""
    silent = [CONTROL.sub(" ", str(name))[:REASON_LIMIT] for name in facts.get("not_booted") or ()]
    if silent:
        return f"its parts never ran together: nothing here boots {', '.join(silent)}"
    overhead = facts.get("overhead")
    cost = "" if overhead is None else f"; links carry {float(overhead):.2f} % more than tensors"
    return f"its parts ran together: {int(facts['vectors']):,} golden vectors, bit for bit{cost}"


def chain_lines(chains: Sequence[ChainCuts]) -> Iterator[str]:
    """Each chain, and below it why."""
    for chain in chains:
        yield f"  {chain.sentence}"
        if chain.pause:
            yield f"      {chain.pause}"
        yield from (f"      {line}" for line in chain.lines)


def _text(cuts: Sequence[int] | None) -> str:
    return ", ".join(map(str, cuts or ()))
