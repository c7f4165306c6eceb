"""The lists of devices that fleets name, read: apart from whatever builds, so that looking at fleets stays quick."""

from __future__ import annotations

from pathlib import Path

from tinyops.device.provision.devices_file import DevicesFile, parse_devices
from tinyops.device.provision.members_file import Members, parse_members, with_members
from tinyops.documents import shown_path
from tinyops.files import MIB, read_bounded
from tinyops.reconcile.world import World
from tinyops.specs.loader import Loaded, Repository
from tinyops.specs.model import Fleet

DEVICES_LIMIT_BYTES = 64 * MIB


def read_list(path: Path) -> DevicesFile:
    """A list of devices. Raises SpecError with what is wrong in it."""
    return parse_devices(read_bounded(path, DEVICES_LIMIT_BYTES).decode(errors="replace"), where=shown_path(path))


def devices_of(world: World, entry: Loaded[Fleet]) -> DevicesFile | None:
    """The list of a fleet's devices, of a chain with the chain of each; None where it has none. Raises SpecError with
    what is wrong in it.
    """
    file = entry.document.spec.devices.file
    if file is None:
        return None
    listed, members = read_list(world.repository.resolve(entry, file)), members_of(world.repository, entry)
    return with_members(listed, members) if members is not None else listed


def members_of(repository: Repository, entry: Loaded[Fleet]) -> Members | None:
    """Which devices form which chain; None where no file says it. Raises SpecError with what is wrong in it."""
    chain = entry.document.spec.chain
    if chain is None or chain.members is None:
        return None
    path = repository.resolve(entry, chain.members.file)
    text = read_bounded(path, DEVICES_LIMIT_BYTES).decode(errors="replace")
    return parse_members(text, tuple(part.name for part in chain.parts), where=shown_path(path))


def listed_devices(world: World) -> dict[str, DevicesFile]:
    """By fleet, those that have a list. Raises SpecError with what is wrong in one."""
    lists = {name: devices_of(world, entry) for name, entry in world.repository.fleets.items()}
    return {name: listed for name, listed in lists.items() if listed is not None}
