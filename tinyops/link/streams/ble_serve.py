"""Bluetooth Low Energy as a peripheral: this machine offers the Nordic UART Service under a name."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol, TypeAlias

from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkClosed
from tinyops.link.streams.bluez import Acquired, UartService
from tinyops.link.streams.kind import SLOW_BYTES, Connection, Kind, Wishes
from tinyops.link.streams.place import Place
from tinyops.link.streams.sockets import connection_of
from tinyops.link.streams.waiting import FileConnection

NAME_BYTES_MAX = 26  # what is left for it of an answer to a scan
LOOK_S = 1.0


class Served(Protocol):
    """What is needed of an adapter that advertises."""

    @property
    def is_served(self) -> bool: ...

    async def start(self) -> None: ...

    async def disconnect(self, device: str) -> None: ...

    async def stop(self) -> None: ...


Serve: TypeAlias = Callable[[str, Acquired, Acquired], Served]


class BleServeStream:
    """One central at a time; another one is sent away."""

    def __init__(self, place: str, serve: Serve = UartService) -> None:
        self.name = f"ble-serve:{place}"
        if not place.isprintable() or not 0 < len(place.encode()) <= NAME_BYTES_MAX:
            raise UsageError(
                f"{self.name[:80]}: is no name for a radio", hint=f"a name has 1 to {NAME_BYTES_MAX} bytes"
            )
        self._service = serve(place, self._notified, self._written)
        self._place = Place()
        self._central: _Central | None = None
        self._writes: dict[str, FileConnection] = {}  # of who has written, and not subscribed yet
        self._started = False
        self._away: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        await self._service.start()
        self._started = True

    async def connection(self) -> Connection:
        while True:
            await self._start_again()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    return await self._place.next()

    async def close(self) -> None:
        await self._place.close()
        self._forget_writes()
        await self._service.stop()

    async def _start_again(self) -> None:
        """Where BlueZ went, and took what it knew with it."""
        if self._service.is_served:
            return
        await self._service.stop()
        try:
            await self._service.start()
        except ToolError as error:
            raise LinkClosed(error.message, hint=error.hint) from error

    def _notified(self, device: str, end: socket.socket, room: int) -> bool:
        if not self._place.is_free():
            self._send_away(device)
            return False
        peer = peer_of(device)
        before = self._central
        if before is not None and before.device != device and not before.is_closed:
            self._send_away(before.device)
        self._central = _Central(device, peer, connection_of(end, peer, piece=room), self._writes.pop(device, None))
        self._place.give(self._central)
        return True

    def _written(self, device: str, end: socket.socket, room: int) -> bool:  # noqa: ARG002 a write has any size
        connection = connection_of(end, peer_of(device))
        if self._central is not None and self._central.device == device and not self._central.is_closed:
            self._central.writes_to(connection)
        else:
            self._forget_writes()
            self._writes[device] = connection
        return True

    def _forget_writes(self) -> None:
        for connection in self._writes.values():
            connection.give_back()
        self._writes.clear()

    def _send_away(self, device: str) -> None:
        task = asyncio.create_task(self._service.disconnect(device))
        self._away.add(task)
        task.add_done_callback(self._away.discard)


class _Central:
    """Who has subscribed: what is notified goes through one socket, what it writes comes through another."""

    stride = SLOW_BYTES

    def __init__(self, device: str, peer: str, notifies: FileConnection, writes: FileConnection | None) -> None:
        self.device, self.peer = device, peer
        self._notifies, self._writes = notifies, writes
        self._has_writes = asyncio.Event()
        self.is_closed = False
        if writes is not None:
            self._has_writes.set()
        self._watch = asyncio.create_task(self._until_gone())

    def writes_to(self, connection: FileConnection) -> None:
        if self._writes is not None:
            self._writes.abort()
        self._writes = connection
        self._has_writes.set()

    async def _until_gone(self) -> None:
        """Nothing comes through the socket of notifications but its end."""
        with contextlib.suppress(LinkClosed):
            await self._notifies.read()
        self.abort()

    async def read(self) -> bytes:
        while not self.is_closed:
            await self._has_writes.wait()
            if (writes := self._writes) is None:
                break
            try:
                return await writes.read()
            except LinkClosed:
                await writes.close()
            if writes is self._writes:  # and no newer one came for it
                break
        raise LinkClosed("the central is gone")

    async def write(self, data: bytes) -> None:
        await self._notifies.write(data)

    def abort(self) -> None:
        self.is_closed = True
        self._notifies.abort()
        if self._writes is not None:
            self._writes.abort()
        self._has_writes.set()

    async def close(self) -> None:
        self.abort()
        self._watch.cancel()
        await self._notifies.close()
        if self._writes is not None:
            await self._writes.close()


def peer_of(device: str) -> str:
    """The address in the path of a device's object."""
    return device.rpartition("/dev_")[2].replace("_", ":")


def _open(place: str, wishes: Wishes) -> BleServeStream:  # noqa: ARG001
    return BleServeStream(place)


BLE_SERVE = Kind("ble-serve:", "ble-serve:NAME", "offers the Nordic UART Service under that name (Linux)", _open)
