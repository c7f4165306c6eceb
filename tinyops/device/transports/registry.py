"""Every kind of transport, in the order in which an address is tried."""

from __future__ import annotations

from tinyops.device.transports.ble import BleTransport
from tinyops.device.transports.http import HttpTransport
from tinyops.device.transports.kind import Transport
from tinyops.device.transports.serial_line import SerialTransport
from tinyops.device.transports.tcp import TcpTransport
from tinyops.device.transports.udp import UdpTransport
from tinyops.errors import UsageError

KINDS: tuple[Transport, ...] = (SerialTransport(), UdpTransport(), TcpTransport(), BleTransport(), HttpTransport())


def transport_of(address: str) -> Transport:
    """The kind of a well-formed address that something can be sent to. Raises UsageError."""
    kind = next((kind for kind in KINDS if kind.takes(address)), None)
    if kind is None:
        forms = "; ".join(kind.form for kind in KINDS)
        raise UsageError(f"{address}: is no address of a device", hint=forms)
    kind.check(address)
    return kind
