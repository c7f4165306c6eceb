"""How each device of a wave does: from what it reports to well, pending, failed or silent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, TypeAlias

from tinyops.manifest.document import BoardEntry, FleetRollout
from tinyops.manifest.fields import read_time
from tinyops.manifest.report import DeviceReport
from tinyops.specs.rollout import Rollout

DAY = timedelta(days=1)
CLOCK_AHEAD = DAY

Standing: TypeAlias = Literal["well", "pending", "failed", "silent"]


@dataclass(frozen=True)
class Seen:
    """A device that counts: listed and not revoked, or where nobody is listed one that reports. `report` is its newest
    one, `doubt` why what is said of it cannot all be true."""

    name: str
    board: str
    position: int
    report: DeviceReport | None = field(default=None, repr=False)
    doubt: str = ""


@dataclass(frozen=True)
class Judged:
    """A device of a wave that is reached. `well`: it reports the new content, confirmed, and nothing is wrong."""

    name: str
    standing: Standing
    why: str = ""


@dataclass(frozen=True)
class Yardstick:
    """What the devices of one wave are judged by: `opened` is when their wave began, `resumed` when a person let the
    rollout go on after a halt, `begun` when it began. Where the wave has soaked and is to pass, who was well once must
    have been heard of since `alive_since`: a device that died of the new content an hour later proves nothing."""

    boards: dict[str, BoardEntry]
    rollout: FleetRollout
    rules: Rollout
    now: datetime
    opened: datetime
    begun: datetime
    resumed: datetime | None = None
    alive_since: datetime | None = None

    @cached_property
    def silent_after(self) -> timedelta:
        return timedelta(hours=self.rules.silent_after_h)

    @cached_property
    def deadline(self) -> datetime:
        """When whoever is still on the way counts as failed: nobody is waited for without an end."""
        return self.opened + max(self.silent_after, timedelta(hours=self.rules.soak_h))


def judge_device(device: Seen, by: Yardstick) -> Judged:
    report = device.report
    if report is None:
        return _late(device, by, "it never reported")
    if device.doubt:  # who lies, or is a clone, can neither halt a rollout at once nor let it go on
        return _late(device, by, device.doubt)
    heard = _heard(report, by)
    if by.now - max(heard, by.opened) > by.silent_after:
        return Judged(device.name, "silent", f"it was last heard of at {report.seen or report.time}")
    runs_new = _runs_new(report, device.board, by)
    wrong = _illness(report, by) if runs_new else ""
    if not wrong and (not runs_new or report.slot.state == "reverted"):  # a part left the new program, not the model
        wrong = _gave_up(report, device.board, by)
    if wrong:
        return Judged(device.name, "failed", wrong)
    if not runs_new:
        return _late(device, by, "it does not run it yet" if heard >= by.opened else "it has not reported since")
    if report.slot.state != "confirmed":
        return _late(device, by, "it is proving it")
    if by.now - heard > by.silent_after:
        return Judged(device.name, "silent", f"it was last heard of at {report.seen or report.time}")
    if by.alive_since is not None and heard < by.alive_since and _said(report) == heard:  # by a clock that can be right
        return Judged(device.name, "pending", "it was not heard of in the second half of its wave's time")
    return Judged(device.name, "well")


def _late(device: Seen, by: Yardstick, why: str) -> Judged:
    return Judged(device.name, "silent" if by.now >= by.deadline else "pending", why)


def _heard(report: DeviceReport, by: Yardstick) -> datetime:
    """When a device was last heard of, never in the future.

    One that knows of a release of this rollout was heard of since it began, whatever its clock says; one whose clock is
    far ahead would never be silent, and counts from its wave's beginning, too.
    """
    said = _said(report)
    if said > by.now + CLOCK_AHEAD:
        return by.opened
    said = min(said, by.now)
    return max(said, by.opened) if said < by.begun and _knows(report, by) else said


def _said(report: DeviceReport) -> datetime:
    return read_time(report.seen or report.time)


def _knows(report: DeviceReport, by: Yardstick) -> bool:
    return report.running is not None and report.running.version >= by.rollout.id


def _runs_new(report: DeviceReport, board: str, by: Yardstick) -> bool:
    running, offered = report.running, by.boards.get(board)
    if running is None or offered is None or running.model != offered.model.digest:
        return False
    before = by.rollout.base.boards.get(board)
    if before is not None and before.model.digest == offered.model.digest:
        return _has_new_firmware(report, before, offered, by)
    # The same model may have run in an earlier release: an old report of it proves nothing.
    return _knows(report, by) or _heard(report, by) >= by.opened


def _has_new_firmware(report: DeviceReport, before: BoardEntry, offered: BoardEntry, by: Yardstick) -> bool:
    """Where the model is not new: what tells the new content from the one before."""
    running = report.running.firmware if report.running else None
    old, new = (
        {file.digest for name, file in one.files() if name.startswith(("firmware", "images"))}
        for one in (before, offered)
    )
    return running in new - old if running in new | old else _knows(report, by)


def _illness(report: DeviceReport, by: Yardstick) -> str:
    """What is wrong with a device that runs the new content."""
    rules, health = by.rules.health, report.health
    if rules.self_test == "pass" and health.self_test == "fail":
        return "its self-test fails"
    if rules.crashes_per_day_max is not None and report.running is not None:
        days = max((read_time(report.time) - read_time(report.running.since)) / DAY, 1.0)
        if health.crashes / days > rules.crashes_per_day_max:
            return f"{health.crashes} crashes in {days:.1f} days"
    return ""


def _gave_up(report: DeviceReport, board: str, by: Yardstick) -> str:
    """Why a device does not run the new content and will not: it refused it, or went back by itself."""
    last, offered = report.last_update, by.boards.get(board)
    if last is None or offered is None or last.result not in ("refused", "reverted"):
        return ""
    of_this = last.version >= by.rollout.id if last.version is not None else last.digest == offered.model.digest
    when = read_time(last.time)
    forgiven = by.resumed is not None and by.begun <= when < by.resumed
    return f"{last.result}: {last.reason}" if of_this and not forgiven else ""
