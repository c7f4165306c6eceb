"""The file of a fleet's chains: CSV in Git, a line a chain, a column a part.

    chain,eye,brain
    doorbell-1,cam-17,pi-17

The first column names the chain, which takes one place in the waves of a rollout; the others are the parts as the fleet
calls them, each with its device. No device stands there twice. Lines that begin with # and empty lines are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from tinyops.device.provision.devices_file import LINE_MAX, Device, DevicesFile, check_id, split
from tinyops.errors import Problem, SpecError

CHAINS_MAX = 50_000
CHAIN = "chain"


@dataclass(frozen=True)
class Member:
    """A device as the part of a chain, and the line that says so."""

    device: str
    part: str
    chain: str
    line: int


@dataclass(frozen=True)
class Members:
    """Which devices form which chain; `where` is the file."""

    where: str
    members: tuple[Member, ...]

    @cached_property
    def _by_device(self) -> Mapping[str, Member]:
        return {member.device: member for member in self.members}

    @property
    def chains(self) -> frozenset[str]:
        return frozenset(member.chain for member in self.members)

    def of(self, device: str) -> Member | None:
        return self._by_device.get(device)


def parse_members(text: str, parts: Sequence[str], *, where: str) -> Members:
    """Raises SpecError with every problem at its line."""
    numbered = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.startswith("#")]
    wanted = (CHAIN, *parts)
    if not numbered or tuple(split(numbered[0][1][:LINE_MAX])) != wanted:
        at = numbered[0][0] if numbered else 1
        raise SpecError([Problem(where, at, 1, f"the first line must be {','.join(wanted)}")])
    if len(numbered) > CHAINS_MAX + 1:
        raise SpecError([Problem(where, numbered[CHAINS_MAX + 1][0], 1, f"more than {CHAINS_MAX:,} chains")])
    members: list[Member] = []
    problems: list[Problem] = []
    for number, line in numbered[1:]:
        found, wrong = _line(line, parts, number)
        members += found
        problems += [Problem(where, number, 1, text) for text in wrong]
    problems += [Problem(where, line, 1, text) for line, text in _twice(members)]
    if problems:
        raise SpecError(sorted(problems, key=lambda one: one.line))
    return Members(where, tuple(members))


def _line(line: str, parts: Sequence[str], number: int) -> tuple[list[Member], list[str]]:
    fields = [field.strip() for field in split(line)] if len(line) <= LINE_MAX else []
    if len(fields) != len(parts) + 1:
        return [], [f"{len(fields)} fields, a chain and its {len(parts)} parts are wanted" if fields else "is too long"]
    wrong = []
    for name, value in zip((CHAIN, *parts), fields, strict=True):
        try:
            check_id(value)
        except ValueError as error:
            wrong.append(f"{name}: {error}" if value else f"{name}: is empty")
    if wrong:
        return [], wrong
    return [Member(device, part, fields[0], number) for part, device in zip(parts, fields[1:], strict=True)], []


def _twice(members: Sequence[Member]) -> Iterator[tuple[int, str]]:
    devices: dict[str, int] = {}
    chains: dict[str, int] = {}
    for member in members:
        if member.device in devices:
            yield member.line, f"device {member.device} stands in line {devices[member.device]} already"
        devices.setdefault(member.device, member.line)
        if chains.setdefault(member.chain, member.line) != member.line and member.part == members[0].part:
            yield member.line, f"chain {member.chain} stands in line {chains[member.chain]} already"


def with_members(listed: DevicesFile, members: Members) -> DevicesFile:
    """The list with each device's chain, as the file of chains says it.

    Raises SpecError, at a line of that file, for a device that the list does not have, or has as another part or in
    another chain.
    """
    problems = []
    for member in members.members:
        device = listed.devices.get(member.device)
        if device is None:
            text = f"{member.part}: no device {member.device} is listed"
        elif device.board != member.part:
            text = f"{member.device} is listed as {device.board}, and stands here as {member.part}"
        elif device.chain not in ("", member.chain):
            text = f"{member.device} is listed in chain {device.chain}, and stands here in {member.chain}"
        else:
            continue
        problems.append(Problem(members.where, member.line, 1, text))
    if problems:
        raise SpecError(problems)
    return replace(listed, lines=tuple(_placed(line, members) for line in listed.lines))


def _placed(line: Device | str, members: Members) -> Device | str:
    member = members.of(line.id) if isinstance(line, Device) else None
    return replace(line, chain=member.chain) if isinstance(line, Device) and member is not None else line
