"""Boards that show a drive and flash what is copied onto it."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from tinyops.device.flashing.kind import Report
from tinyops.device.identify.reading import text
from tinyops.device.identify.usb import UsbDevice
from tinyops.errors import ToolError

MOUNTS = Path("/proc/mounts")
CHUNK_BYTES = 32 * 1024
INFO_BYTES = 4096
LABELS = Path("/dev/disk/by-label")
# What such a drive holds beside what is copied there; one of them is enough.
MARKS = ("INFO_UF2.TXT", "DETAILS.TXT", "MICROBIT.HTM", "MBED.HTM")
FAILED = "FAIL.TXT"
# Which board's boot ROM it is, as UF2's specification has it; RP2040 and RP2350 put their drive's label there.
BOARD_ID = re.compile(r"^Board-ID: *(\S+)", re.MULTILINE)
# A micro:bit that was plugged in with its reset button held: the drive MAINTENANCE takes its interface chip's firmware.
MAINTENANCE = re.compile(r"^DAPLink Mode: *Bootloader", re.MULTILINE | re.IGNORECASE)
GONE = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ENOTCONN)


def mounted(device: UsbDevice | None, volume: str, mounts: Path = MOUNTS, labels: Path = LABELS) -> Path | None:
    """Where the drive of a device, or with a label, is mounted; None where it is not."""
    disks = {f"/dev/{disk}" for disk in device.disks} if device is not None else set()
    if device is None and volume and (labels / volume).is_symlink():
        disks.add(str((labels / volume).resolve()))
    for line in text(mounts, 256 * 1024).splitlines():
        source, _, rest = line.partition(" ")
        if any(source.startswith(disk) for disk in disks):
            return Path(rest.split(" ")[0].replace("\\040", " "))
    return None


def copy(file: Path, drive: Path, report: Report, *, after_cut: str, volume: str = "") -> None:
    """Copies a file onto a drive. Raises ToolError when it is no such drive, or another board's than the one with
    drives labelled `volume`, or goes away before the last byte.

    A board starts as soon as it has the last byte, and its drive may be gone before the file is closed.
    """
    if not any((drive / mark).exists() for mark in MARKS):
        raise ToolError(
            f"{drive}: is no drive of a board: none of {', '.join(MARKS)} is there", hint="name the board's own drive"
        )
    _check_board(drive, volume)
    data, done = file.read_bytes(), 0
    try:
        descriptor = os.open(drive / file.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            while done < len(data):
                done += os.write(descriptor, data[done : done + CHUNK_BYTES])
                os.fsync(descriptor)
                report(done * 100 // len(data))
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in GONE or done < len(data):
            raise _failed(drive, error, done, len(data), after_cut) from error
    if reason := text(drive / FAILED, 1024):
        raise ToolError(f"{drive}: the board refused {file.name}: {reason.splitlines()[0]}")


def _check_board(drive: Path, volume: str) -> None:
    """Raises ToolError for a drive that says that it is another board's, or that of no board but its interface chip."""
    found = BOARD_ID.search(text(drive / MARKS[0], INFO_BYTES))
    if found and volume and found[1] != volume:
        raise ToolError(f"{drive}: is the drive of a {found[1]}, not of a {volume}", hint="name the board's own drive")
    if MAINTENANCE.search(text(drive / MARKS[1], INFO_BYTES)):
        raise ToolError(
            f"{drive}: takes the firmware of the interface chip, not the board's",
            hint="unplug the board and plug it in again without holding its reset button",
        )


def _failed(drive: Path, error: OSError, done: int, total: int, after_cut: str) -> ToolError:
    if error.errno in GONE:
        return ToolError(f"{drive}: the board vanished after {done:,} of {total:,} bytes", hint=after_cut)
    return ToolError(f"{drive}: cannot be written: {error.strerror}", hint="mount it so that you may write to it")
