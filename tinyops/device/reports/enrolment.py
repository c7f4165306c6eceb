"""Who may report whom, by the lists of devices: a device for itself, an enrolled gateway for those behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tinyops.device.provision.devices_file import Device, DevicesFile
from tinyops.manifest.report import DeviceReport

GATEWAY_COLUMN = "gateway"  # of the list: ids of the gateways that may speak for the device, separated by spaces


@dataclass(frozen=True)
class Enrolment:
    """The project's lists of devices, by fleet. A fleet without one takes whoever reports.

    A device of a list whose line has a public key is believed with that key only. A gateway speaks for it when it is on
    a list of the project itself, with a key, and not revoked; where the list has a column `gateway`, when that names
    it, too: an empty field there means that the device speaks for itself.
    """

    lists: Mapping[str, DevicesFile]

    @cached_property
    def _devices(self) -> Mapping[str, Mapping[str, Device]]:
        return {fleet: dict(listed.devices) for fleet, listed in self.lists.items()}

    @cached_property
    def _by_id(self) -> Mapping[str, list[Device]]:
        found: dict[str, list[Device]] = {}
        for device in (device for devices in self._devices.values() for device in devices.values()):
            found.setdefault(device.id, []).append(device)
        return found

    def device(self, fleet: str, name: str) -> Device | None:
        """Its line; None where there is none, or no list."""
        return self._devices.get(fleet, {}).get(name)

    def names_key(self, name: str, public_key: str) -> bool:
        """Whether a list names this key for a device or gateway."""
        return any(line.public_key == public_key for line in self._by_id.get(name, []))

    def objection(self, report: DeviceReport) -> str:
        """Why the key that a report names does not count for its device; empty where it does."""
        device = self.device(report.fleet, report.device)
        if report.reporter is None or report.reporter == report.device:
            return _other_key(report, device) if device is not None and device.public_key else ""
        return self._gateway_objection(report, report.reporter, device)

    def _gateway_objection(self, report: DeviceReport, gateway: str, device: Device | None) -> str:
        lines = self._by_id.get(gateway, [])
        if not lines:
            listed = report.fleet in self.lists
            return f"{gateway} speaks for it, and no list of devices names that" if listed else ""
        if not any(line.public_key == report.public_key for line in lines):
            return _other_key(report, next((line for line in lines if line.public_key), lines[0]))
        if revoked := max(line.revoked for line in lines if line.public_key == report.public_key):  # on any list
            return f"{gateway} speaks for it, and was revoked on {revoked}"
        if device is not None and GATEWAY_COLUMN in self.lists[report.fleet].columns:
            allowed = device.value(GATEWAY_COLUMN).split()
            if gateway not in allowed:
                named = f"the list names {' and '.join(allowed)}" if allowed else "the list names no gateway for it"
                return f"{gateway} speaks for it; {named}"
        return ""


def _other_key(report: DeviceReport, line: Device | None) -> str:
    if line is None or line.public_key == report.public_key:
        return ""
    if not line.public_key:
        return f"{line.id} speaks for it, and the list has no public key of that"
    return f"signed with key {report.public_key[:8]}…, the list of devices has {line.public_key[:8]}… of {line.id}"
