"""SMP messages both ways, whatever carries them: lines of a console here, other carriers in device/transports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tinyops.link.client import ByteStream
from tinyops.link.smp.console import ConsoleDecoder, encode
from tinyops.link.smp.definition import HEADER_BYTES


class Messages(Protocol):
    """A way to a board on which whole SMP messages travel, each with its header.

    `received` counts all bytes that came and `bad` the messages that came damaged, so that silence is told from noise.
    """

    @property
    def received(self) -> int: ...

    @property
    def bad(self) -> int: ...

    def send(self, message: bytes, timeout_s: float) -> None:
        """Sends all of it. Raises LinkTimeout or LinkClosed."""

    def receive(self, timeout_s: float) -> Sequence[bytes]:
        """Every whole message that has come, waiting at most `timeout_s` for something to come; none is no error.

        Raises LinkClosed when the other end is gone.
        """


class ConsoleMessages:
    """Messages as lines of MCUmgr's console, on any stream of bytes."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream, self._decoder = stream, ConsoleDecoder()
        self.received = 0

    @property
    def bad(self) -> int:
        return self._decoder.bad_messages

    def send(self, message: bytes, timeout_s: float) -> None:
        self._stream.write(encode(message), timeout_s)

    def receive(self, timeout_s: float) -> Sequence[bytes]:
        data = self._stream.read(timeout_s)
        self.received += len(data)
        return tuple(self._decoder.feed(data))


def message_bytes(header: bytes | bytearray) -> int:
    """Length of the message that begins with this header."""
    return HEADER_BYTES + int.from_bytes(header[2:4], "big")
