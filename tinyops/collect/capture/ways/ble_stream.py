"""Bluetooth Low Energy: the Nordic UART Service, a serial line by notifications and writes."""

from __future__ import annotations

import contextlib
import queue

from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed, LinkTimeout
from tinyops.link.own_loop import OwnLoop
from tinyops.link.streams.radio import OpenRadio, Radio, said

CONNECT_S, CLOSE_S = 20.0, 5.0
HINT = "is it on, near, not connected to something else, and does it offer the Nordic UART Service?"


class BleStream:
    """A connection, in an event loop and a thread of its own."""

    finite = False

    def __init__(self, device: str, radio: OpenRadio) -> None:
        self.name = f"ble {device}"
        self._heard: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()  # None: the connection is lost
        self._loop = OwnLoop(self.name)
        try:
            self._radio = self._loop.run(_made(radio), CONNECT_S)
            self._loop.run(self._begin(device), CONNECT_S + CLOSE_S)
        except TimeoutError as error:
            self._loop.end()
            raise LinkClosed(f"{self.name}: not found within {CONNECT_S:g} s", hint=HINT) from error
        except ToolError:
            self._loop.end()
            raise
        except Exception as error:  # a package, an adapter, a device: each with classes of its own
            self._loop.end()
            raise LinkClosed(f"{self.name}: cannot be reached: {said(error)}", hint=HINT) from error

    def read(self, timeout_s: float) -> bytes:
        try:
            data = self._heard.get(timeout=max(timeout_s, 0.001))
        except queue.Empty:
            return b""
        if data is None:
            self._heard.put(None)
            raise LinkClosed(f"{self.name}: the connection is lost")
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        try:
            self._loop.run(self._send(data), timeout_s)
        except TimeoutError:
            raise LinkTimeout(f"{self.name}: takes no more bytes") from None
        except Exception as error:
            raise LinkClosed(f"{self.name}: the connection is lost: {said(error)}") from error

    def retune(self) -> bool:
        return False

    def speeds_left(self) -> int:
        return 0

    def close(self) -> None:
        if self._loop.is_ended:
            return
        with contextlib.suppress(Exception):  # it is gone either way
            self._loop.run(self._radio.disconnect(), CLOSE_S)
        self._loop.end()

    async def _begin(self, device: str) -> None:
        await self._radio.connect(device, CONNECT_S, lambda: self._heard.put(None))
        await self._radio.listen(lambda data: self._heard.put(bytes(data)))

    async def _send(self, data: bytes) -> None:
        for at in range(0, len(data), self._radio.room):
            await self._radio.write(data[at : at + self._radio.room])


async def _made(radio: OpenRadio) -> Radio:
    """Some of its parts belong to the loop in which it is made."""
    return radio()
