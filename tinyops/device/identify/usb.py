"""What hangs on USB, with the serial lines and drives that each device shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.device.identify.reading import below, hexadecimal, number, text

SYS = Path("/sys")
DEV = Path("/dev")
# Below a device: an interface, and what its driver made of it.
TTY_PATTERNS = ("*:*/tty/tty*", "*:*/tty*/tty/tty*")
DISK_PATTERN = "*:*/host*/target*/*:*:*:*/block/*"


@dataclass(frozen=True)
class UsbDevice:
    """A device on USB. `ports` are its serial lines, `disks` its drives, `at` where it is plugged in, `bus` and
    `address` its numbers until it is plugged in again, 0 where they are not known.
    """

    vid: int
    pid: int
    serial: str = ""
    product: str = ""
    manufacturer: str = ""
    at: str = ""
    ports: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    bus: int = 0
    address: int = 0

    @property
    def ids(self) -> str:
        return f"{self.vid:04x}:{self.pid:04x}"

    @property
    def is_hub(self) -> bool:
        return self.vid == 0x1D6B  # the Linux Foundation's: root hubs, and gadgets that do not say who they are


def connected(sys: Path = SYS) -> tuple[UsbDevice, ...]:
    """Every device in the order in which it is plugged in: by the kernel's tree, elsewhere by pyserial."""
    folder = sys / "bus" / "usb" / "devices"
    if not folder.is_dir():
        return _by_pyserial() if sys == SYS else ()
    devices = (_read(path) for path in below(folder) if ":" not in path.name)
    return tuple(device for device in devices if device is not None and not device.is_hub)


def _read(path: Path) -> UsbDevice | None:
    vid, pid = hexadecimal(path / "idVendor"), hexadecimal(path / "idProduct")
    if vid is None or pid is None:
        return None
    ports = {str(DEV / tty.name) for pattern in TTY_PATTERNS for tty in below(path, pattern)}
    return UsbDevice(
        vid=vid,
        pid=pid,
        serial=text(path / "serial"),
        product=text(path / "product"),
        manufacturer=text(path / "manufacturer"),
        at=path.name,
        ports=tuple(sorted(ports)),
        disks=tuple(disk.name for disk in below(path, DISK_PATTERN)),
        bus=number(path / "busnum"),
        address=number(path / "devnum"),
    )


def _by_pyserial() -> tuple[UsbDevice, ...]:
    try:
        from serial.tools import list_ports
    except ImportError:
        return ()
    found: list[Any] = [port for port in list_ports.comports() if port.vid is not None]
    return tuple(
        UsbDevice(
            port.vid,
            port.pid,
            port.serial_number or "",
            port.product or "",
            port.manufacturer or "",
            port.location or "",
            (port.device,),
        )
        for port in found
    )
