"""Fleets of made-up devices: what a release offers them in waves, and what each of them reports."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fakes.models import FakeModel, contract_bytes, golden_bytes
from fakes.releases import FLEET, Publisher, record
from tinyops.device.provision.devices_file import DevicesFile, parse_devices
from tinyops.manifest.document import BoardEntry, FleetBase, FleetRollout, Manifest
from tinyops.manifest.entry import EntryRollout, rollout_for
from tinyops.manifest.fields import time_text
from tinyops.manifest.progress import POSITIONS, Progress, position
from tinyops.manifest.report import DeviceReport, Health, LastUpdate, Running, Slot
from tinyops.reconcile.fleet_status import Status, fleet_statuses
from tinyops.reconcile.needs import Looking, needs_of
from tinyops.reconcile.states import Judging, Observed, judge_reports
from tinyops.reconcile.wanting import Rollout
from tinyops.release.directory import DirectoryStore

NOW = datetime(2027, 3, 4, 12, 0, tzinfo=UTC)
KEY = "ab" * 32
NEW_NANO, OLD_NANO = "sha256:7c41d09e5a" + "3b" * 27, "sha256:b16e8f2290" + "5d" * 27
OTHER = "sha256:" + "cd" * 32
OLD = FakeModel(b"\x7fELF of the model before", golden_bytes(), contract_bytes())
CLASSES = ("Standing", "Running", "Walking", "Badminton")


def ago(**time: float) -> str:
    return time_text(NOW - timedelta(**time))


def report(device: str = "d-1", model: str | None = OTHER, **changes: Any) -> DeviceReport:
    """That of a device which runs a model, confirmed, and is well."""
    fields: dict[str, Any] = {
        "device": device,
        "fleet": FLEET,
        "board": "linux",
        "sequence": 3,
        "time": ago(minutes=5),
        "running": Running(model=model, contract=OTHER, version=1, security_counter=0, since=ago(days=4))
        if model
        else None,
        "slot": Slot(state="confirmed" if model else "empty"),
        "last_update": None,
        "health": Health(inferences=0, classes={}, errors=0, uptime_s=60),
        "problem": None,
        "agent": "tinyops/1.0",
        "public_key": KEY,
    }
    return DeviceReport(**{**fields, **changes})


def gave_up(device: str, wanted: str, reason: str, result: str = "reverted", **changes: Any) -> DeviceReport:
    last = LastUpdate(version=2, digest=wanted, result=result, reason=reason, time=ago(hours=2))
    return report(device, last_update=last, **changes)


def listed(*rows: str) -> DevicesFile:
    """A list of devices: id, board, and where given public_key, enrolled, revoked and silicon."""
    head = "id,board,public_key,enrolled,revoked,silicon"
    return parse_devices("\n".join([head, *rows, ""]), where="devices.csv")


@functools.cache
def published() -> tuple[Manifest, Manifest, DirectoryStore]:
    """Both releases and the store that holds them, made once a session."""
    folder = tempfile.mkdtemp(prefix="tinyops-fleets-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    publisher = Publisher(Path(folder))
    return publisher.publish(OLD).manifest, publisher.publish().manifest, publisher.store


@dataclass
class Released:
    """Two releases of one fleet on one board, the second in waves. `new` and `base` are digests of models."""

    waves: tuple[float, ...] = (0.1, 0.5, 1)
    on_failure: str = "revert"
    progress: Progress | None = None
    manifest: Manifest = field(init=False)

    def __post_init__(self) -> None:
        first, self.manifest, self.store = published()
        had = first.fleets[FLEET]
        self.before = FleetBase(version=1, security_counter=had.security_counter, boards=had.boards)
        self.new, self.base = (m.fleets[FLEET].boards["linux"].model.digest for m in (self.manifest, first))

    @property
    def released(self) -> FleetRollout:
        thresholds = tuple(round(share * POSITIONS) - 1 for share in self.waves)
        return FleetRollout(id=2, waves=thresholds, on_failure=self.on_failure, keys=(KEY,), base=self.before)

    @property
    def rollout(self) -> EntryRollout:
        return rollout_for(self.released, "linux")

    def reach(self, waves: int, state: str = "advancing", **changes: Any) -> Released:
        """The rollout as far as that."""
        fields: dict[str, Any] = {
            "project": "wearables",
            "fleet": FLEET,
            "rollout": 2,
            "sequence": 5,
            "state": state,
            "waves": waves,
            "since": ago(hours=6),
            "time": ago(hours=1),
            "expires": ago(days=-3),
        }
        self.progress = Progress(**{**fields, **changes})
        return self

    def judging(self, lists: Mapping[str, DevicesFile] | None = None, *, in_waves: bool = True) -> Judging:
        boards = {board: rollout_for(self.released, board) for board in self.manifest.fleets[FLEET].boards}
        rollouts = {FLEET: Rollout(boards, self.progress)} if in_waves else {}
        entry = self.manifest.fleets[FLEET].model_copy(update={"rollout": self.released if in_waves else None})
        manifest = self.manifest.model_copy(update={"fleets": {FLEET: entry}})
        return Judging(manifest, NOW, lists or {}, rollouts)

    def judge(self, *reports: DeviceReport, **more: Any) -> list[Observed]:
        return judge_reports(reports, self.judging(**more))


def states(devices: Iterable[Observed]) -> dict[str, str]:
    return {device.device: device.state for device in devices}


REASONS = (
    "self-test: vector 3 differs",
    "signature: key 4fd0aa11 is not trusted",
    "image: 61,200 bytes, the slot holds 57,344",
)


def wearables(production: int = 1200) -> Status:
    """A project in the middle of a rollout, as a person would meet it: most is well, some devices need somebody."""
    released = on_two_boards(Released((0.05, 0.25, 0.6, 1)).reach(2))
    rows = [f"w-{n:04},{_board(n)},,2026-11-01,,{f'{n:016x}'}" for n in range(production)]
    reports = [r for n in range(production) if (r := _wearer(n, released)) is not None]
    staging = [_staged(n, released) for n in range(24)]
    by = released.judging({FLEET: listed(*rows), "porch": listed(*(f"bell-{n},linux" for n in range(40)))})
    assert by.manifest is not None
    fleets = {
        **by.manifest.fleets,
        "bench": published()[1].fleets[FLEET],
        "porch": published()[1].fleets[FLEET],
    }
    by = replace(by, manifest=released.manifest.model_copy(update={"fleets": fleets, "steps": _steps(released)}))
    devices = judge_reports([*reports, *staging], by)
    return Status(
        project="wearables",
        version=2,
        time=time_text(NOW),
        reporting=True,
        fleets=fleet_statuses(devices, [FLEET, "bench", "porch"], by),
        needs=needs_of(devices, Looking(NOW, since={FLEET: NOW - timedelta(days=9)})),
    )


def on_two_boards(released: Released) -> Released:
    """The same releases, for a microcontroller too; its models have digests of their own."""
    released.before = released.before.model_copy(update={"boards": _both(released.before.boards["linux"], OLD_NANO)})
    fleet = released.manifest.fleets[FLEET]
    fleet = fleet.model_copy(update={"boards": _both(fleet.boards["linux"], NEW_NANO)})
    released.manifest = released.manifest.model_copy(update={"fleets": {FLEET: fleet}})
    return released


def _both(linux: BoardEntry, digest: str) -> dict[str, BoardEntry]:
    nano = linux.model_copy(update={"model": linux.model.model_copy(update={"digest": digest, "kind": "image"})})
    return {"linux": linux, "nano33ble": nano}


def _board(number: int) -> str:
    return "linux" if number % 4 == 0 else "nano33ble"


def _steps(released: Released) -> dict[str, Any]:
    """The release's steps and the one that made the model, with what it saw."""
    reference = {
        "classes": dict(zip(CLASSES, (1480, 1510, 1495, 1470), strict=True)),
        "confidence": [0, 0, 2, 9, 21, 44, 72, 118, 264, 970],
    }
    facts = {"classes": list(CLASSES), "reference": reference}
    made = replace(record("squeeze:activity/int8", {"golden.bin": golden_bytes()}), facts=facts)
    return {**released.manifest.steps, "squeeze:activity/int8": made}


def _wearer(number: int, released: Released) -> DeviceReport | None:
    """A device of a fleet that is being updated: what it reports, if it does."""
    name = f"w-{number:04}"
    reached = released.rollout.wave_of(position(FLEET, name)) < 2
    new, base = (released.new, released.base) if _board(number) == "linux" else (NEW_NANO, OLD_NANO)
    model, kind = (new if reached else base), number % 171
    more: dict[str, Any] = {"board": _board(number), "silicon": f"{number:016x}", "health": _health(number)}
    if kind == 5:
        return None
    if kind == 17 and reached:
        return report(name, base, slot=Slot(state="trial"), **more)
    if kind in (33, 34, 35) and reached:
        return gave_up(name, new, REASONS[kind % 3], model=base, **more)
    if kind in (60, 61):
        return report(name, model, time=ago(days=6, hours=number % 24), **more)
    if number == 700:
        return report(name, model, **{**more, "silicon": f"{701:016x}"})
    if kind == 90:
        more["health"] = _health(number, crashes=11)
    return report(name, model, time=ago(minutes=number % 55), **more)


def _staged(number: int, released: Released) -> DeviceReport:
    return report(
        f"b-{number:02}",
        released.new,
        fleet="bench",
        health=_health(number),
        reporter="hall-gw",
        seen=ago(minutes=number),
    )


def _health(number: int, crashes: int = 0) -> Health:
    """Of people who mostly stand, seen by a model that has become less sure."""
    classes = (5200 + number % 400, 610, 2480 - number % 300, 240)
    confidence = (0, 0, 31, 130, 380, 720, 1040, 1400, 1900)
    return Health(
        inferences=sum(classes),
        classes=dict(zip(CLASSES, classes, strict=True)),
        errors=number % 4,
        uptime_s=340_000,
        crashes=crashes,
        self_test="pass",
        confidence=(*confidence, sum(classes) - sum(confidence)),
    )
