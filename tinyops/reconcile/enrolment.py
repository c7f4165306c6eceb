"""Enrolment against a repository: the fleet, the keys it trusts, and the file of its devices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from tinyops.boards.model import Board
from tinyops.build.trust import TRUSTED_FILES, find_trust
from tinyops.device.identify.match import settle_s
from tinyops.device.identify.usb import UsbDevice
from tinyops.device.provision import devices_file
from tinyops.device.provision.bulk import Row
from tinyops.device.provision.devices_file import FILE_LIMIT_BYTES, Device, DevicesFile, parse_devices
from tinyops.device.provision.enrolling import (
    Enrolment,
    Network,
    check_board,
    check_keys,
    check_network,
    checked_id,
    enrol,
    part_of,
)
from tinyops.device.provision.members_file import Members
from tinyops.device.provision.naming import choose_id
from tinyops.documents import closest, shown_path
from tinyops.errors import SpecError, UsageError
from tinyops.files import read_bounded, write_atomic
from tinyops.link.smp import BoardManager
from tinyops.reconcile.device_lists import members_of
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.specs.loader import load_repository

_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FleetFile:
    """A fleet as enrolment needs it, and where its devices stand."""

    fleet: str
    boards: tuple[str, ...]
    path: Path
    parts: Mapping[str, str] = field(default_factory=dict)  # of a chain: their boards by their names
    members: Members | None = None

    def read(self) -> DevicesFile:
        where = shown_path(self.path)
        try:
            return parse_devices(read_bounded(self.path, FILE_LIMIT_BYTES).decode(), where=where)
        except UnicodeDecodeError:
            raise SpecError(f"{where}: is not UTF-8") from None

    def write(self, file: DevicesFile) -> None:
        write_atomic(self.path, file.to_text().encode())


def find_fleet(root: Path, name: str) -> FleetFile:
    """Raises UsageError for no such fleet, SpecError at the fleet that names no file of devices."""
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    if name not in repository.fleets:
        raise UsageError(f"no fleet {name}", hint=f"fleets: {', '.join(repository.fleets)}")
    entry = repository.fleets[name]
    spec = entry.document.spec
    if spec.devices.file is None:
        hint = f"make an empty {name}.csv beside it, and say `devices: {{file: {name}.csv}}`"
        message = f"fleet {name} names no file for its devices"
        raise SpecError([repository.problem_at("Fleet", name, ("spec", "devices"), message, hint)])
    parts = {part.name: part.board for part in spec.chain.parts} if spec.chain is not None else {}
    path = (entry.path.parent / spec.devices.file).resolve()
    return FleetFile(name, tuple(spec.targets), path, parts, members_of(repository, entry))


def prepare(root: Path, fleet: FleetFile, network: Network) -> Enrolment:
    """What every device of the fleet is told. Raises UsageError before a device is touched."""
    trust = find_trust(root)
    if trust is None:
        raise UsageError("no image key is trusted here", hint=f"`tinyops keys new NAME`; commit {TRUSTED_FILES[0]}")
    keys = tuple(trust.keys.values())
    check_keys(keys)
    check_network(network)
    boards = tuple(fleet.parts.values()) or fleet.boards
    return Enrolment(fleet.fleet, boards, keys, network, fleet.parts)


def port_of(row: Row, usb: Sequence[UsbDevice]) -> str:
    """The serial line of a device that is named by it or by its serial number on USB. Raises UsageError."""
    if row.port:
        return row.port
    ports = [device.ports[0] for device in usb if device.serial == row.serial and device.ports]
    if len(ports) != 1:
        what = f"{len(ports)} devices have" if ports else "no device with a serial line has"
        raise UsageError(f"{what} serial number {row.serial}", hint="`tinyops identify` lists what is connected")
    return ports[0]


def enrol_one(
    board: BoardManager, fleet: FleetFile, wanted: Enrolment, row: Row, usb: Sequence[UsbDevice], today: date
) -> Device:
    """Enrols a device and writes its public half into the fleet's file. Raises UsageError before anything is written to
    it when it is not the fleet's, its id is taken, or its chip is known under another.
    """
    before, instead_of = fleet.read(), row.replace or None
    info = board.info()
    check_board(board.name, info, wanted)
    part = part_of(board.name, info, wanted, _part_named(fleet, row))
    found = Device("", part, row.labels, silicon=info.silicon.hex() if info.silicon else "", chain=row.chain)
    serial = next((device.serial for device in usb if board.name in device.ports), "")
    name = checked_id(choose_id(row.id, found, serial, before.devices.values(), port=board.name))
    found = in_its_chain(fleet, replace(found, id=name))
    devices_file.enrolled(before, found, instead_of=instead_of, today=today)
    device = enrol(board, found, wanted, today)
    fleet.write(devices_file.enrolled(before, device, instead_of=instead_of, today=today))
    return device


def _part_named(fleet: FleetFile, row: Row) -> str:
    """By whoever enrols it, else by the file of the chains."""
    member = fleet.members.of(row.id) if fleet.members is not None else None
    return row.part or (member.part if member is not None else "")


def in_its_chain(fleet: FleetFile, device: Device) -> Device:
    """With the chain that the file of chains names. Raises UsageError where that says another thing."""
    member = fleet.members.of(device.id) if fleet.members is not None else None
    if fleet.members is None:
        return device
    if member is None:
        raise UsageError(f"{fleet.members.where}: no chain has {device.id}", hint="add it there; or another --id")
    if device.board != member.part or device.chain not in ("", member.chain):
        raise UsageError(f"{fleet.members.where}: {device.id} is {member.part} of chain {member.chain}")
    return replace(device, chain=member.chain)


def enrol_row(
    row: Row, fleet: FleetFile, wanted: Enrolment, usb: Sequence[UsbDevice], catalog: Mapping[str, Board], today: date
) -> tuple[Device, str]:
    """The device that was enrolled, and its port."""
    port = port_of(row, usb)
    settle = settle_s(next((device for device in usb if port in device.ports), None), catalog)
    with BoardManager.open(port, settle_s=settle) as manager:
        return enrol_one(manager, fleet, wanted, row, usb, today), port


@dataclass(frozen=True)
class Machine:
    """A machine with Linux, whose agent made its key: what its owner read there."""

    id: str | None
    board: str
    public_key: str
    labels: str = ""
    chain: str = ""


def enrol_machine(root: Path, fleet: FleetFile, machine: Machine, instead_of: str | None, today: date) -> Device:
    """Writes a machine's key into the fleet's file: its own reports count from then on, and those that it signs for
    devices behind it. Raises UsageError, before anything is written.
    """
    if machine.id is None:
        raise UsageError("--id is missing", hint="the name that the machine's agent goes by")
    if not _PUBLIC_KEY.fullmatch(machine.public_key):
        raise UsageError("--public-key: wants 64 lower-case hex digits", hint="`tinyops agent --identity` prints them")
    known = (*load_world_catalog(root), *fleet.parts)
    if machine.board not in known:
        raise UsageError(f"no board {machine.board}", hint=closest(machine.board, known))
    before = fleet.read()
    holder = next((d for d in before.devices.values() if d.public_key == machine.public_key and not d.revoked), None)
    if holder is not None and holder.id not in (machine.id, instead_of):
        raise UsageError(f"this key is {holder.id}'s already", hint="each machine has a key of its own")
    name = checked_id(machine.id)
    device = Device(name, machine.board, machine.labels, machine.public_key, today.isoformat(), chain=machine.chain)
    device = in_its_chain(fleet, device) if machine.board in fleet.parts else device
    fleet.write(devices_file.enrolled(before, device, instead_of=instead_of, today=today))
    return device


def revoke(fleet: FleetFile, name: str, today: date) -> Device:
    """Raises UsageError for a device that is not there."""
    file = devices_file.revoked(fleet.read(), name, today)
    fleet.write(file)
    return file.devices[name]
