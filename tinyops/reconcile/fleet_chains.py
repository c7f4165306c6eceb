"""How the chains of a fleet stand: which part of one is missing, or runs another set than the others. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tinyops.device.provision.devices_file import DevicesFile
from tinyops.reconcile.states import Observed

ChainState: TypeAlias = Literal["whole", "behind", "mixed", "missing"]
MISSING = frozenset({"unreported", "silent"})
RIGHT = frozenset({"converged", "waiting"})


@dataclass(frozen=True)
class ChainStatus:
    """`missing`: a part does not report; `mixed`: some run what they should and some do not, and a chain of two sets
    answers `unavailable`; `behind`: none does. `parts` are those that it is about, and why.
    """

    name: str
    state: ChainState
    parts: tuple[str, ...] = ()


def chain_statuses(devices: Iterable[Observed], listed: DevicesFile | None) -> Iterator[ChainStatus]:
    """Of the chains that a fleet's list names, in order."""
    chains: defaultdict[str, list[Observed]] = defaultdict(list)
    for device in devices:
        known = listed.devices.get(device.device) if listed is not None else None
        if known is not None and known.chain and not known.revoked:
            chains[known.chain].append(device)
    for name in sorted(chains):
        yield _status(name, chains[name])


def _status(name: str, parts: list[Observed]) -> ChainStatus:
    missing = [part for part in parts if part.state in MISSING]
    others = [part for part in parts if part.state not in MISSING | RIGHT]
    if missing:
        return ChainStatus(name, "missing", tuple(map(_said, [*missing, *others])))
    if not others:
        return ChainStatus(name, "whole")
    return ChainStatus(name, "behind" if len(others) == len(parts) else "mixed", tuple(map(_said, others)))


def _said(part: Observed) -> str:
    why = f": {part.why}" if part.why else ""
    return f"{part.board} ({part.device}) {part.state}{why}"
