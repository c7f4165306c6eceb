"""Who answered where: devices that moved, boards that were swapped, ids that two boards have. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tinyops.device.gateway.who import Identity, Trouble


@dataclass(frozen=True)
class Sighting:
    """Who answered at an address when it was last looked at."""

    address: str
    identity: Identity


@dataclass(frozen=True)
class Clash:
    """Why a device is left alone, and at which addresses it answers."""

    trouble: Trouble
    text: str
    addresses: tuple[str, ...]


class Roster:
    """Every address at which a device answered at its last look. Not for several threads."""

    def __init__(self) -> None:
        self._at: dict[str, Identity] = {}
        self._of: dict[str, list[str]] = {}  # addresses by device, in the order in which it answered there

    def saw(self, address: str, identity: Identity) -> Identity | None:
        """Notes who answered; returns who did there before, if that was somebody else."""
        before = self._at.get(address)
        if before is not None and before.device != identity.device:
            self.gone(address)
        self._at[address] = identity
        addresses = self._of.setdefault(identity.device, [])
        if address not in addresses:
            addresses.append(address)
        return before if before is not None and not before.same_board(identity) else None

    def gone(self, address: str) -> Identity | None:
        """Nobody answers there now."""
        identity = self._at.pop(address, None)
        if identity is not None:
            left = [one for one in self._of.get(identity.device, []) if one != address]
            if left:
                self._of[identity.device] = left
            else:
                self._of.pop(identity.device, None)
        return identity

    def at(self, address: str) -> Identity | None:
        return self._at.get(address)

    def clash(self, device: str) -> Clash | None:
        """Whether a device's id is that of several boards, or it is reached in two ways."""
        seen = list(self._sightings(device))
        if len(seen) < 2:
            return None
        addresses = tuple(one.address for one in seen)
        silicon = {one.identity.silicon for one in seen}
        places = " and ".join(f"{one.address} (chip {one.identity.silicon or 'without a number'})" for one in seen)
        if len(silicon) == 1 and "" not in silicon:
            return Clash("twice", f"{device} is reached in two ways: {places}; {addresses[0]} is used", addresses)
        text = f"two boards answer as {device}: {places}; neither is touched until one of them is enrolled anew"
        return Clash("cloned", text, addresses)

    def _sightings(self, device: str) -> Iterator[Sighting]:
        for address in self._of.get(device, []):
            yield Sighting(address, self._at[address])
