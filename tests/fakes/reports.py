"""Reports as devices and gateways sign them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinyops.device.provision.devices_file import DevicesFile, parse_devices
from tinyops.device.reports import SealedReport
from tinyops.device.reports.enrolment import Enrolment
from tinyops.device.reports.reading import believed_reports, folder_files
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import DeviceReport, Health, Slot, UnreadableReport

NOW = "2027-01-02T03:04:05Z"


def report(device: str, key: SigningKey, **changes: Any) -> DeviceReport:
    fields: dict[str, Any] = {
        "device": device,
        "fleet": "wrist",
        "board": "linux",
        "sequence": 1,
        "time": NOW,
        "running": None,
        "slot": Slot(state="empty"),
        "last_update": None,
        "health": Health(inferences=0, classes={}, errors=0, uptime_s=1),
        "problem": None,
        "agent": "tinyops/1.0",
        "public_key": key.public.raw.hex(),
    }
    return DeviceReport(**{**fields, **changes})


def sealed(device: str, key: SigningKey, **changes: Any) -> SealedReport:
    return SealedReport.of(report(device, key, **changes), key)


def devices_list(*lines: str, columns: str = "id,board,public_key,revoked,silicon") -> DevicesFile:
    return parse_devices("\n".join([columns, *lines, ""]), where="wrist.csv")


def read_reports(folder: Path) -> list[DeviceReport | UnreadableReport]:
    """What lies in a folder of reports, read as drift reads it, without lists of devices."""
    reports, unreadable = believed_reports(folder_files(folder), Enrolment({}), root=folder)
    return [*reports, *unreadable]
