"""Where devices are looked for: addresses that a person named, and with `auto` every board of the catalogue on USB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyops.boards.model import Board
from tinyops.device.gateway.timing import Rhythm, Wake
from tinyops.device.identify.match import may_ask, settle_s
from tinyops.device.identify.usb import UsbDevice, connected
from tinyops.device.transports.kind import Transport
from tinyops.device.transports.registry import transport_of

SERIAL = "serial"
SERIAL_PREFIX = "serial:"


@dataclass(frozen=True)
class Named:
    """An address of the settings. `listen`: it is looked at as soon as it says something by itself."""

    address: str
    wake: Wake | None = None
    listen: bool = False


@dataclass
class Place:
    """An address under the gateway's care, and when it is looked at next."""

    named: Named
    transport: Transport
    settle_s: float = 0.0
    found: bool = False  # by itself: it goes when it is unplugged
    rhythm: Rhythm = field(default_factory=Rhythm)
    due_s: float = 0.0
    busy: bool = False
    looked: bool = False  # at least once

    @property
    def address(self) -> str:
        return self.named.address

    @property
    def port(self) -> str | None:
        """The device file of a serial line."""
        if self.transport.name != SERIAL:
            return None
        return self.address.removeprefix(SERIAL_PREFIX).partition("?")[0]


@dataclass(frozen=True)
class Finder:
    """Finds what there is now. `usb` tells what hangs on this machine."""

    named: Sequence[Named]
    auto: bool
    catalog: Mapping[str, Board]
    usb: Callable[[], Sequence[UsbDevice]] = connected
    transport: Callable[[str], Transport] = transport_of

    def __call__(self, before: Mapping[str, Place]) -> dict[str, Place]:
        """Places by address; those of before as they are. Raises UsageError for an address that is none."""
        devices = self.usb() if self.auto or self._has_serial(before) else ()
        at = {port: device for device in devices for port in device.ports}
        found: dict[str, Place] = {}
        for named in self.named:
            place = before.get(named.address) or Place(named, self.transport(named.address))
            if place.port is not None:
                place.settle_s = settle_s(at.get(_real(place.port)), self.catalog)
            found[named.address] = place
        if self.auto:
            taken = {_real(place.port) for place in found.values() if place.port is not None}
            for port, device in at.items():
                if port not in taken and may_ask(device, self.catalog):
                    found[port] = before.get(port) or self._plugged(port, device)
        return found

    def _plugged(self, port: str, device: UsbDevice) -> Place:
        return Place(Named(port), self.transport(port), settle_s(device, self.catalog), found=True)

    def _has_serial(self, before: Mapping[str, Place]) -> bool:
        return not before or any(place.port is not None for place in before.values())


def _real(port: str) -> str:
    return str(Path(port).resolve())
