"""A tree like the kernel's /sys, with devices on USB that tests plug in and out."""

from __future__ import annotations

import shutil
from pathlib import Path


class UsbTree:
    """Below `root`, as below /sys. Devices are at 1-1, 1-2, ..."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.devices = root / "bus/usb/devices"
        self.devices.mkdir(parents=True)
        self._write(self.devices / "usb1", idVendor="1d6b", idProduct="0002", product="xHCI Host Controller")
        self._next = 1

    def plug(self, vid: int, pid: int, *, tty: str = "", bridge: bool = False, disk: str = "", **texts: str) -> str:
        """Returns where it is. `tty` is its serial line, through a bridge's driver or its own; `disk` its drive."""
        at = f"1-{self._next}"
        self._next += 1
        path = self.devices / at
        self._write(path, idVendor=f"{vid:04x}", idProduct=f"{pid:04x}", **texts)
        if tty:
            middle = f"{at}:1.0/{tty}/tty" if bridge else f"{at}:1.0/tty"
            (path / middle / tty).mkdir(parents=True)
        if disk:
            (path / f"{at}:1.0/host2/target2:0:0/2:0:0:0/block" / disk).mkdir(parents=True)
        (self.devices / f"{at}:1.0").mkdir(exist_ok=True)  # interfaces are listed beside devices
        return at

    def unplug(self, at: str) -> None:
        shutil.rmtree(self.devices / at)

    def pci(self, slot: str, vendor: str, device: str, kind: str) -> None:
        self._write(self.root / "bus/pci/devices" / slot, vendor=vendor, device=device, **{"class": kind})

    def camera(self, name: str, text: str, index: str = "0") -> None:
        self._write(self.root / "class/video4linux" / name, name=text, index=index)

    def _write(self, folder: Path, **texts: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text + "\n")
