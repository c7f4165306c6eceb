"""Bluetooth Low Energy as a central: connects to what offers the Nordic UART Service."""

from __future__ import annotations

import asyncio
from collections import deque

from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkClosed
from tinyops.link.streams.kind import PIECE_BYTES, SLOW_BYTES, Connection, Kind, Wishes
from tinyops.link.streams.radio import NAME_MAX, BleakRadio, OpenRadio, Radio, said

CONNECT_S, CLOSE_S = 20.0, 5.0
LOST = "the connection is lost"


class BleStream:
    """By name or address. `radio` makes an adapter; tests give one that is made of software."""

    def __init__(self, place: str, radio: OpenRadio = BleakRadio) -> None:
        self.name = f"ble:{place}"
        if not 0 < len(place) <= NAME_MAX or not place.isprintable():
            raise UsageError(f"ble:{place[:40]!r} is no device's name or address", hint="write ble:NAME or ble:ADDRESS")
        self._device, self._radio = place, radio

    async def open(self) -> None:
        self._radio()

    async def connection(self) -> Connection:
        radio = self._radio()
        connection = BleConnection(self._device, radio)
        try:
            async with asyncio.timeout(CONNECT_S + CLOSE_S):
                await radio.connect(self._device, CONNECT_S, connection.abort)
                await radio.listen(connection.hear)
        except BaseException as error:
            await connection.close()
            if isinstance(error, TimeoutError):
                raise LinkClosed(f"not found within {CONNECT_S:g} s", hint="is it on, near, and free?") from error
            if isinstance(error, ToolError) or not isinstance(error, Exception):
                raise
            raise LinkClosed(f"cannot be reached: {said(error)}") from error  # each package has classes of its own
        return connection

    async def close(self) -> None:
        """Holds nothing."""


class BleConnection:
    """What is notified waits until it is read: of more than a piece the oldest is dropped, as a radio does it."""

    stride = SLOW_BYTES

    def __init__(self, peer: str, radio: Radio) -> None:
        self.peer, self._radio = peer, radio
        self._heard: deque[bytes] = deque()
        self._held = 0
        self._something = asyncio.Event()
        self._lost = False

    def hear(self, data: bytes) -> None:
        self._heard.append(bytes(data))
        self._held += len(data)
        while self._held > PIECE_BYTES:
            self._held -= len(self._heard.popleft())
        self._something.set()

    async def read(self) -> bytes:
        while not self._heard:
            if self._lost:
                raise LinkClosed(LOST)
            self._something.clear()
            await self._something.wait()
        data = b"".join(self._heard)
        self._heard.clear()
        self._held = 0
        return data

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), self._radio.room):
            if self._lost:
                raise LinkClosed(LOST)
            try:
                await self._radio.write(data[at : at + self._radio.room])
            except Exception as error:
                raise LinkClosed(f"{LOST}: {said(error)}") from error

    def abort(self) -> None:
        self._lost = True
        self._something.set()

    async def close(self) -> None:
        self.abort()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._radio.disconnect()
        except Exception:  # it is gone either way
            return


def _open(place: str, wishes: Wishes) -> BleStream:  # noqa: ARG001
    return BleStream(place)


BLE = Kind("ble:", "ble:NAME-OR-ADDRESS", "connects to a device that offers the Nordic UART Service", _open)
