"""TCP: raw messages back to back, as each has its length in its header. TCP itself sees to integrity and order."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator, Sequence

from tinyops.device.transports.kind import WINDOW_MAX, Channel, Closing, Traits, host_and_port
from tinyops.device.transports.udp import not_reached
from tinyops.link.client import LinkClosed, LinkTimeout
from tinyops.link.smp.console import MESSAGE_LIMIT_BYTES
from tinyops.link.smp.definition import HEADER_BYTES
from tinyops.link.smp.messages import message_bytes

PIECE_BYTES = 1 << 16


class TcpTransport:
    """By host and port."""

    name = "tcp"
    form = "tcp://HOST[:PORT], port 1337 unless named"
    about = "raw messages back to back"

    def takes(self, address: str) -> bool:
        return address.startswith("tcp://")

    def check(self, address: str) -> None:
        host_and_port(address, self.form)

    def traits(self, address: str) -> Traits:  # noqa: ARG002
        return Traits(framing="raw", window=WINDOW_MAX, resend_s=None, connect_s=5.0)

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:  # noqa: ARG002 nothing is reset by a connection
        host, port = host_and_port(address, self.form)
        try:
            line = socket.create_connection((host, port), timeout=self.traits(address).connect_s)
        except OSError as error:
            raise not_reached(address, error) from error
        line.setblocking(False)
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a request waits for nothing
        return TcpChannel(address, line)


class TcpChannel(Closing):
    """One connection."""

    def __init__(self, name: str, line: socket.socket) -> None:
        self._name, self._line = name, line
        self._pending = bytearray()
        self.received = self.bad = 0

    def send(self, message: bytes, timeout_s: float) -> None:
        deadline, left = time.monotonic() + timeout_s, memoryview(message)
        try:
            while left:
                try:
                    left = left[self._line.send(left) :]
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise LinkTimeout(f"{self._name}: takes no more bytes") from None
                    select.select([], [self._line], [], deadline - time.monotonic())
        except (OSError, ValueError) as error:
            raise self._gone(error) from error

    def receive(self, timeout_s: float) -> Sequence[bytes]:
        try:
            select.select([self._line], [], [], max(timeout_s, 0))
            data = self._line.recv(PIECE_BYTES)
        except BlockingIOError:
            return ()
        except (OSError, ValueError) as error:
            raise self._gone(error) from error
        if not data:
            raise LinkClosed(f"{self._name}: the device closed the connection")
        self.received += len(data)
        self._pending += data
        return tuple(self._whole())

    def _whole(self) -> Iterator[bytes]:
        """Raises LinkClosed for what can be no message: after it, nothing else is found in this stream."""
        while len(self._pending) >= HEADER_BYTES:
            length = message_bytes(bytes(self._pending[:HEADER_BYTES]))
            if length > MESSAGE_LIMIT_BYTES:
                self.bad += 1
                raise LinkClosed(f"{self._name}: sends what is no SMP", hint="is this the port of its management?")
            if len(self._pending) < length:
                return
            yield bytes(self._pending[:length])
            del self._pending[:length]

    def close(self) -> None:
        self._line.close()

    def _gone(self, error: Exception) -> LinkClosed:
        return LinkClosed(f"{self._name}: the connection is lost: {error}")
