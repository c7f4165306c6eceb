"""Flashing one board from start to end: into its bootloader, through its tool, back, and asked what it runs."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar

from tinyops.boards.model import Board, FlashTool
from tinyops.device.flashing import way_of
from tinyops.device.flashing.choose import Target
from tinyops.device.flashing.drive import copy, mounted
from tinyops.device.flashing.kind import BLANK_BYTES, FLASH_TIMEOUT_S, Job, Report, Way, percent
from tinyops.device.identify.find import Question, ask
from tinyops.device.identify.match import candidates, mode_of
from tinyops.device.identify.usb import UsbDevice, connected
from tinyops.errors import ToolError
from tinyops.link.client import LinkError
from tinyops.link.smp import BoardInfo
from tinyops.process import find_tool, run

WAIT_S = 10.0
STAYS_S = 2.0  # a board that is to vanish has vanished by then
POLL_S = 0.1
SAY_EVERY = 10  # per cent
TOUCH_BAUD = 1200
Found = TypeVar("Found")
Say: TypeAlias = Callable[[str], None]


def touch(port: str) -> None:
    """Opens a port at 1200 baud and closes it: that starts a bootloader. Raises ToolError."""
    try:
        import serial
    except ImportError as error:
        raise ToolError("pyserial is not installed", hint="pip install 'tinyops[serial]'") from error
    try:
        with serial.Serial(port, TOUCH_BAUD) as line:
            line.dtr = False
    except (serial.SerialException, OSError, ValueError) as error:
        raise ToolError(f"{port}: cannot be opened: {error}", hint="close other programs that use it") from error


def port_fault(port: str) -> str:
    """Why a serial line cannot be opened; "" when it can, or when it is no file."""
    if "/" not in port or os.access(port, os.R_OK | os.W_OK):
        return ""
    return "you may not open it: udev rules are missing" if Path(port).exists() else "no such line"


@dataclass(frozen=True)
class Surroundings:
    """The machine as flashing sees it; tests put theirs in its place."""

    devices: Callable[[], Sequence[UsbDevice]] = connected
    touch: Callable[[str], None] = touch
    ask: Question = ask
    port_fault: Callable[[str], str] = port_fault
    drive: Path | None = None  # where the board's drive is mounted, if a person said so
    mounts: Path = Path("/proc/mounts")
    wait_s: float = WAIT_S
    stays_s: float = STAYS_S
    timeout_s: float = FLASH_TIMEOUT_S


@dataclass(frozen=True)
class Expected:
    """What a board must say that it runs afterwards, as far as that is known; digests are SHA-256.

    `bodies` are those of what signed images hold, by name: a firmware may see of itself no more than that.
    """

    firmware: bytes | None = None
    contract: bytes | None = None
    model: bytes | None = None
    bodies: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Flashed:
    """What was done. `verified`: the board itself said that it runs the new firmware; `note` says what it said."""

    board: str
    file: Path
    way: str
    port: str | None
    verified: bool
    note: str
    answer: BoardInfo | None = field(default=None, repr=False)


def flash(
    target: Target, file: Path, expected: Expected, around: Surroundings, say: Say, *, verify_port: str | None = None
) -> Flashed:
    """Brings a file onto a board and asks the board what it runs.

    Raises ToolError: when its program is missing, when the board vanishes (what is left of it, and what to do), when
    it runs something else afterwards.
    """
    tool, way = way_of(target.board)
    if file.suffix != f".{tool.file}":
        raise ToolError(f"{file}: {target.board.name} takes a .{tool.file}", hint=f"{tool.kind} is how it is flashed")
    before = target.usb
    drive = _drive(target, tool, way, around)
    if drive is None:
        target = _into_bootloader(target, tool, way, around, say)
        if tool.volume and shutil.which(way.program) is None:  # without its program there may be a drive by now
            booted = target
            drive = _wait(lambda: _drive(booted, tool, way, around), around.wait_s)
    if drive is not None:
        copy(file, drive, _in_steps(say), after_cut=way.after_cut, volume=tool.volume)
    else:
        _run(target, tool, way, file, around, say)
    port = verify_port or _port_afterwards(before, target, around)
    return _verify(target, file, tool.kind if drive is None else f"copy to {drive}", port, expected, around)


def _drive(target: Target, tool: FlashTool, way: Way, around: Surroundings) -> Path | None:
    """The drive to copy to; None where a program does it."""
    if way.needs != "drive" and not tool.volume:
        return None
    found = around.drive or mounted(target.usb, tool.volume, around.mounts)
    if found is None and way.needs == "drive":
        disks = [f"/dev/{disk}" for disk in target.usb.disks] if target.usb else []
        which = disks[-1] if disks else f"/dev/disk/by-label/{tool.volume}"
        raise ToolError(
            f"{target.board.name}: its drive {tool.volume} is not mounted",
            hint=f"mount it (`udisksctl mount -b {which}`), or name its folder with --drive",
        )
    return found


def _into_bootloader(target: Target, tool: FlashTool, way: Way, around: Surroundings, say: Say) -> Target:
    """The same board with what of it answers now. Raises ToolError when a person must press its button."""
    if target.mode != "application":
        return target
    name = target.board.name
    if tool.touch_1200 and target.port is not None:
        say("starting its bootloader")
        around.touch(target.port)
        found = _bootloader_after_touch(target, around)
        if found is not None:
            return Target(target.board, found.ports[0] if found.ports else target.port, found, "bootloader", False)
    if way.reboots:
        return target
    if way.needs == "usb" and any(usb.mode == "bootloader" for usb in target.board.spec.usb):
        raise ToolError(
            f"{name}: runs its firmware, and cannot be flashed meanwhile",
            hint="hold its BOOT or BOOTSEL button while you plug it in (or press reset twice), then run this again",
        )
    if way.needs == "port" and target.port is None:
        raise ToolError(f"{name}: shows no serial line", hint="name it with --port")
    return target


def _bootloader_after_touch(target: Target, around: Surroundings) -> UsbDevice | None:
    """The bootloader, as soon as it shows. None when it does not, or when nothing of what USB shows changes: on some
    boards, as on a Uno R4, USB ends in a chip beside the board's own, and that one stays.
    """
    left = False

    def look() -> tuple[UsbDevice | None] | None:
        nonlocal left
        found = _bootloader_of(target, around)
        left = left or _vanished(target, around)
        settled = not left and time.monotonic() >= started + around.stays_s
        return (found,) if found is not None or settled else None

    started = time.monotonic()
    seen = _wait(look, around.wait_s)
    return seen[0] if seen is not None else None


def _bootloader_of(target: Target, around: Surroundings) -> UsbDevice | None:
    """The board's bootloader, where the board was plugged in or with its serial number."""
    was = target.usb
    for device in around.devices():
        same = was is None or device.at == was.at or (bool(device.serial) and device.serial == was.serial)
        if same and mode_of(device, target.board) == "bootloader":
            return device
    return None


def _run(target: Target, tool: FlashTool, way: Way, file: Path, around: Surroundings, say: Say) -> None:
    name = target.board.name
    layout = target.board.spec.layout
    origin = layout.cable_origin if layout is not None else 0
    program = find_tool(way.program, hint=way.package)
    if way.needs == "port" and target.port is not None:
        _check_port(name, target.port, around)
    report = _in_steps(say)

    def on_line(line: str) -> None:
        if (done := percent(line)) is not None:
            report(done)

    with tempfile.TemporaryDirectory(prefix="tinyops-flash-") as folder:
        blank = Path(folder) / "blank.bin"
        blank.write_bytes(b"\xff" * BLANK_BYTES)
        job = Job(name, tool, file, origin, target.port, target.usb, target.others, blank)
        command, what = way.command(program, job), f"{name}: {way.program}"
        try:
            run(command, timeout_s=around.timeout_s, on_line=on_line, terminal=way.terminal, what=what)
        except ToolError as error:
            if _vanished(target, around):
                message = f"{name}: vanished while it was flashed\n{error.message}"
                raise ToolError(message, hint=way.after_cut) from error
            raise ToolError(error.message, hint=f"{name} is still connected; its firmware may be incomplete") from error


def _check_port(name: str, port: str, around: Surroundings) -> None:
    """Raises ToolError for a line that cannot be opened, even after a while: avrdude 7.1 goes on without, for ever."""
    fault = around.port_fault(port)
    if fault and _wait(lambda: not around.port_fault(port) or None, around.wait_s) is None:
        raise ToolError(
            f"{name}: {port}: {fault}", hint="`tinyops identify` lists what there is; `tinyops doctor` checks"
        )


def _in_steps(say: Say) -> Report:
    """Says a progress whenever it has come to another ten per cent."""
    said = -1

    def report(done: int) -> None:
        nonlocal said
        if done // SAY_EVERY != said:
            said = done // SAY_EVERY
            say(f"{done} %")

    return report


def _vanished(target: Target, around: Surroundings) -> bool:
    if target.usb is None:
        return target.port is not None and not Path(target.port).exists()
    was = target.usb
    return not any((d.at, d.vid, d.pid) == (was.at, was.vid, was.pid) for d in around.devices())


def _port_afterwards(before: UsbDevice | None, target: Target, around: Surroundings) -> str | None:
    """The serial line on which the new firmware may be asked; None where the board shows none.

    Raises ToolError when it showed one before and stays away.
    """
    if target.usb is None:
        return target.port
    places = {device.at for device in (before, target.usb) if device is not None}
    catalog = {target.board.name: target.board}

    def back() -> str | None:
        for device in around.devices():
            modes = {c.mode for c in candidates(device, catalog)}
            if device.at in places and device.ports and modes - {"bootloader"}:
                return device.ports[0]
        return None

    found = _wait(back, around.wait_s) if _shows_a_line(target, before) else None
    if found is None and before is not None and before.ports:
        raise ToolError(
            f"{target.board.name}: was flashed, and its serial line did not come back",
            hint="unplug it and plug it in again, then `tinyops identify`; flash it again if it stays away",
        )
    return found


def _shows_a_line(target: Target, before: UsbDevice | None) -> bool:
    """Whether it is worth the wait: its firmware has a line on USB, as far as the catalogue or the past tells."""
    if before is not None and before.ports:
        return True
    return any(usb.mode == "application" for usb in target.board.spec.usb)


def _wait(look: Callable[[], Found | None], wait_s: float) -> Found | None:
    deadline = time.monotonic() + wait_s
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return found


def _verify(
    target: Target, file: Path, way: str, port: str | None, expected: Expected, around: Surroundings
) -> Flashed:
    name = target.board.name
    if port is None:
        note = "not verified: it shows no serial line; name the one it talks on with --verify-port"
        return Flashed(name, file, way, None, False, note)
    try:
        answer = _ask_patiently(port, target.board, around)
    except LinkError as error:
        raise ToolError(
            f"{name}: was flashed, but does not answer as ours: {error.message}",
            hint="unplug it and plug it in again, then `tinyops identify`; flash it again if it stays silent",
        ) from error
    verified, note = judge(name, answer, expected)
    return Flashed(name, file, way, port, verified, note, answer)


def _ask_patiently(port: str, board: Board, around: Surroundings) -> BoardInfo:
    """Asks until it answers: a board that has just started may miss the first question."""
    deadline = time.monotonic() + around.wait_s
    while True:
        try:
            return around.ask(port, board.spec.settle_s)
        except (LinkError, ToolError):
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_S)


def judge(name: str, answer: BoardInfo, expected: Expected) -> tuple[bool, str]:
    """Whether an answer proves the new firmware, and in which words. Raises ToolError when it disproves it."""
    if answer.board != name:
        raise ToolError(
            f"{name}: what answers now is a {answer.board}", hint="the file is for another board: flash the right one"
        )
    for what, found, wanted in (
        ("firmware", answer.firmware, expected.firmware),
        ("contract", answer.contract, expected.contract),
        ("model", answer.model, expected.model),
    ):
        if found is not None and wanted is not None and found not in (wanted, expected.bodies.get(what)):
            raise ToolError(
                f"{name}: was flashed with {what} {wanted.hex()[:12]}, but runs {found.hex()[:12]}",
                hint="flash it again; if that stays so, its flash or the cable is bad",
            )
    if answer.firmware is not None and expected.firmware is not None:
        return True, f"it runs firmware {answer.firmware.hex()[:12]}, as flashed"
    if expected.contract is not None:
        return False, "it answers with the right contract; it cannot read its own firmware"
    return False, "it answers; what it should run is not known"
