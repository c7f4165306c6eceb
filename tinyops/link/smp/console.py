"""SMP over a console: messages to lines and back, out of a stream that may hold anything."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from tinyops.link.protocol import ENCODED_MAX
from tinyops.link.smp.definition import CONTINUE, HEADER_BYTES, LINE_MAX, START

MESSAGE_LIMIT_BYTES = 4096  # of an answer; boards have buffers of a tenth of that
LINE_LIMIT_BYTES = 2 * MESSAGE_LIMIT_BYTES
NEWLINE = 0x0A


def crc16(data: bytes) -> int:
    """CRC-16/XMODEM."""
    return binascii.crc_hqx(data, 0)


def encode(message: bytes) -> bytes:
    """A message as lines."""
    body = (len(message) + 2).to_bytes(2, "big") + message + crc16(message).to_bytes(2, "big")
    text = base64.b64encode(body)
    room = (LINE_MAX - len(START) - 1) // 4 * 4
    pieces = [text[at : at + room] for at in range(0, len(text), room)]
    return b"".join((CONTINUE if i else START) + piece + b"\n" for i, piece in enumerate(pieces))


class ConsoleDecoder:
    """Messages out of a stream that arrives in pieces; `bad_messages` counts those that were damaged.

    Frames of the link are stepped over: a line begins nowhere between their two 0x00.
    """

    def __init__(self) -> None:
        self.bad_messages = 0
        self._before = bytearray()  # what may become a line's first two bytes, or a frame of the link
        self._opened = False  # a 0x00 came before that
        self._line: bytearray | None = None
        self._body = bytearray()  # of the message under way

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every whole, checked message that these bytes complete."""
        for byte in data:
            message = self._take(byte)
            if message is not None:
                yield message

    def _take(self, byte: int) -> bytes | None:
        if self._line is None:
            self._look_for_start(byte)
        elif byte == NEWLINE:
            line, self._line = bytes(self._line), None
            return self._end_line(line)
        elif byte == 0:
            self._line, self._opened = None, True
            self._drop()
        elif len(self._line) < LINE_LIMIT_BYTES:
            self._line.append(byte)
            if self._line.endswith(START):  # an earlier line was cut short
                self._drop()
                self._line = bytearray(START)
        return None

    def _look_for_start(self, byte: int) -> None:
        if byte == 0:
            self._opened = not (self._opened and len(self._before) > 2)
            self._before.clear()
            return
        self._before.append(byte)
        if self._opened and len(self._before) > 2:  # within a frame of the link, which has an end
            self._opened = len(self._before) <= ENCODED_MAX
            return
        if bytes(self._before[-2:]) in (START, CONTINUE):
            self._line, self._opened = bytearray(self._before[-2:]), False
            self._before.clear()
        elif not self._opened:
            del self._before[:-1]

    def _end_line(self, line: bytes) -> bytes | None:
        if line.startswith(START):
            self._drop()
        elif not self._body:
            return None  # goes on with a message whose start was lost
        try:
            self._body += base64.b64decode(line[2:].rstrip(b"\r"), validate=True)
        except ValueError:
            self._body.clear()
            self.bad_messages += 1
            return None
        return self._end_message()

    def _end_message(self) -> bytes | None:
        wanted = 2 + int.from_bytes(self._body[:2], "big")
        if len(self._body) < 2 or (len(self._body) < wanted <= MESSAGE_LIMIT_BYTES):
            return None
        message, crc = bytes(self._body[2 : wanted - 2]), bytes(self._body[wanted - 2 : wanted])
        whole = len(self._body) == wanted and len(message) >= HEADER_BYTES
        self._body.clear()
        if whole and crc == crc16(message).to_bytes(2, "big"):
            return message
        self.bad_messages += 1
        return None

    def _drop(self) -> None:
        """A message that was under way."""
        self.bad_messages += bool(self._body)
        self._body.clear()
