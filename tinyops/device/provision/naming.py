"""What a device is called: as it is told, else as its chip is known, else after its chip's own number. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tinyops.device.provision.devices_file import Device, who_has
from tinyops.errors import UsageError


def id_of_silicon(board: str, silicon: str) -> str:
    """The id of a device that nobody has named: its board, and its chip's number in hex."""
    return f"{board}-{silicon}"


def choose_id(given: str, found: Device, serial: str, devices: Iterable[Device], *, port: str) -> str:
    """The id for what is `found` at a port: its board, and its chip's number, if it has one; `serial` is what it shows
    on USB. Raises UsageError when there is nothing to name it after.
    """
    if given:
        return given
    if found.silicon:
        known = who_has(found.silicon, devices)
        return known.id if known is not None else id_of_silicon(found.board, found.silicon)
    if not serial:
        raise UsageError(f"{port}: its chip has no number, it shows none on USB", hint="name one with --id")
    return serial
