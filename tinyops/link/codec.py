"""Frames to bytes and back: COBS, CRC-16, and a decoder for a line that may carry anything."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import NamedTuple

from tinyops.link.protocol import CRC_START, ENCODED_MAX, FRAME_MAX, PAYLOAD_MAX


class Frame(NamedTuple):
    """One message: `type` as on the line (answers carry the bit 0x80)."""

    type: int
    sequence: int
    payload: bytes


def crc16(data: bytes) -> int:
    return binascii.crc_hqx(data, CRC_START)


def encode(frame: Frame) -> bytes:
    """A frame as it goes over the line, delimiters included. Raises ValueError for one that is too long."""
    if len(frame.payload) > PAYLOAD_MAX:
        raise ValueError(f"a payload of {len(frame.payload)} bytes is longer than {PAYLOAD_MAX}")
    body = bytes((frame.type, frame.sequence)) + frame.payload
    return b"\0" + _stuff(body + crc16(body).to_bytes(2, "little")) + b"\0"


class Decoder:
    """Frames out of a stream that arrives in pieces and may hold anything. `bad_frames` counts what was dropped."""

    def __init__(self) -> None:
        self.bad_frames = 0
        self._pending = bytearray()
        self._too_long = False

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Every frame that these bytes complete, in order. Keeps at most ENCODED_MAX bytes."""
        *ended, rest = data.split(b"\0")
        for piece in ended:
            self._keep(piece)
            frame = self._finish()
            if frame is not None:
                yield frame
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        self._too_long = self._too_long or len(self._pending) + len(piece) > ENCODED_MAX
        if self._too_long:
            self._pending.clear()
        else:
            self._pending += piece

    def _finish(self) -> Frame | None:
        segment, too_long = bytes(self._pending), self._too_long
        self._pending.clear()
        self._too_long = False
        if not segment and not too_long:
            return None
        body = None if too_long else _unstuff(segment)
        if body is None or not 4 <= len(body) <= FRAME_MAX or crc16(body[:-2]) != int.from_bytes(body[-2:], "little"):
            self.bad_frames += 1
            return None
        return Frame(body[0], body[1], body[2:-2])


def _stuff(data: bytes) -> bytes:
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]
        out.append(len(run) + 1)
        out += run
    return bytes(out)


def _unstuff(segment: bytes) -> bytes | None:
    """None when the last run is cut short. `segment` holds no 0x00."""
    out = bytearray()
    at, previous = 0, 0xFF
    while at < len(segment):
        if previous != 0xFF:
            out.append(0)
        previous = segment[at]
        run = segment[at + 1 : at + previous]
        if len(run) != previous - 1:
            return None
        out += run
        at += previous
    return bytes(out)
