"""UDP: one message a datagram. Datagrams are lost, doubled and overtake each other; requests are sent again."""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence

from tinyops.device.transports.kind import ANSWER_S, WINDOW_MAX, Channel, Closing, Traits, host_and_port
from tinyops.link.client import LinkClosed
from tinyops.link.smp.console import MESSAGE_LIMIT_BYTES
from tinyops.link.smp.definition import HEADER_BYTES
from tinyops.link.smp.messages import message_bytes

MTU = 1500  # of Ethernet and Wi-Fi; a datagram in pieces is lost with any of them
IPV4_UDP_BYTES = 28
IPV6_UDP_BYTES = 48
DATAGRAMS_MAX = 64  # taken in one go


class UdpTransport:
    """By host and port."""

    name = "udp"
    form = "udp://HOST[:PORT], port 1337 unless named"
    about = "one raw message a datagram; what is lost is sent again"

    def __init__(self, resend_s: float = 1.0, resend_min_s: float = 0.2, answer_s: float = ANSWER_S) -> None:
        self._resend_s, self._resend_min_s, self._answer_s = resend_s, resend_min_s, answer_s

    def takes(self, address: str) -> bool:
        return address.startswith("udp://")

    def check(self, address: str) -> None:
        host_and_port(address, self.form)

    def traits(self, address: str) -> Traits:
        host, _ = host_and_port(address, self.form)
        room = MTU - (IPV6_UDP_BYTES if ":" in host else IPV4_UDP_BYTES)
        return Traits(
            framing="raw",
            window=WINDOW_MAX,
            resend_s=self._resend_s,
            resend_min_s=self._resend_min_s,
            connect_s=5.0,
            answer_s=self._answer_s,
            message_max=room,
        )

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:  # noqa: ARG002 nothing is reset by a datagram
        host, port = host_and_port(address, self.form)
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            line = socket.socket(family, kind, protocol)
        except OSError as error:
            raise not_reached(address, error) from error
        try:
            line.connect(place)
        except OSError as error:
            line.close()
            raise not_reached(address, error) from error
        line.setblocking(False)
        return UdpChannel(address, line)


class UdpChannel(Closing):
    """A socket that hears one device only."""

    def __init__(self, name: str, line: socket.socket) -> None:
        self._name, self._line = name, line
        self.received = self.bad = 0

    def send(self, message: bytes, timeout_s: float) -> None:
        try:
            select.select([], [self._line], [], timeout_s)
            self._line.send(message)
        except BlockingIOError:
            pass  # as good as lost
        except OSError as error:
            raise LinkClosed(f"{self._name}: {error.strerror}") from error

    def receive(self, timeout_s: float) -> Sequence[bytes]:
        messages: list[bytes] = []
        try:
            select.select([self._line], [], [], max(timeout_s, 0))
            for _ in range(DATAGRAMS_MAX):
                data = self._line.recv(MESSAGE_LIMIT_BYTES + 1)
                self.received += len(data)
                whole = len(data) >= HEADER_BYTES and message_bytes(data) == len(data)
                messages += [data] if whole else []
                self.bad += not whole
        except BlockingIOError:
            pass
        except (OSError, ValueError) as error:  # nobody listens there now: a device that starts again
            raise LinkClosed(f"{self._name}: nobody listens there: {error}") from error
        return messages

    def close(self) -> None:
        self._line.close()


def not_reached(address: str, error: OSError) -> LinkClosed:
    return LinkClosed(
        f"{address}: cannot be reached: {error.strerror or error}", hint="is the device on, and is this its address?"
    )
