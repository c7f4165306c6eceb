"""A peripheral with the Nordic UART Service in the radio made of software, and an adapter that finds it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport

from tinyops.link.ways import BLE_NOTIFY, BLE_SERVICE, BLE_WRITE

ATT_HEAD = 3
PACE_S = 0.002


class UartPeripheral:
    """Carries bytes of a device: `hear` gets what is written, `measure` is called all the time, and `say` notifies.

    `break_after`: bytes said, after which the connection is lost.
    """

    def __init__(self, name: str, hear: Callable[[bytes], None], measure: Callable[[], None]) -> None:
        self.name = name
        self.break_after: int | None = None
        self.mtus: list[int] = []
        self._hear = hear
        self._measure = measure
        self._outgoing = bytearray()
        self._connection: Connection | None = None

    def say(self, data: bytes) -> None:
        self._outgoing += data

    async def start(self, link: LocalLink, number: int) -> None:
        controller = Controller(self.name, link=link)
        address = Address(f"F1:F2:F3:F4:F6:{number:02X}")
        self.device = Device(name=self.name, address=address, host=Host(controller, controller))
        value = CharacteristicValue(write=self._written)
        writes = Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE
        rx = Characteristic(UUID(BLE_WRITE), writes, Characteristic.WRITEABLE, value)
        self._tx = Characteristic(UUID(BLE_NOTIFY), Characteristic.Properties.NOTIFY, Characteristic.READABLE, b"")
        self.device.add_service(Service(UUID(BLE_SERVICE), [rx, self._tx]))
        name = (AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode())
        self.device.advertising_data = bytes(AdvertisingData([name]))
        await self.device.power_on()
        self.device.on("connection", self._connected)
        await self.device.start_advertising(auto_restart=True, advertising_interval_min=20, advertising_interval_max=20)
        self._pump = asyncio.create_task(self._talk())

    def _connected(self, connection: Connection) -> None:
        self._connection = connection
        connection.on("disconnection", lambda _: setattr(self, "_connection", None))

    async def _written(self, connection: Connection, data: bytes) -> None:
        self.mtus.append(connection.att_mtu)
        self._hear(data)

    async def _talk(self) -> None:
        said = 0
        while True:
            await asyncio.sleep(PACE_S)
            if self._connection is None:
                continue
            self._measure()
            room = self._connection.att_mtu - ATT_HEAD
            while self._outgoing and self._connection is not None:
                piece = bytes(self._outgoing[:room])
                del self._outgoing[:room]
                await self.device.notify_subscriber(self._connection, self._tx, piece)
                said += len(piece)
                if self.break_after is not None and said >= self.break_after:
                    self._outgoing.clear()
                    await self._connection.disconnect()


class BumbleRadio:
    """An adapter of software: a `Radio` as BleakRadio is one."""

    def __init__(self, hci: str, number: int = 1) -> None:
        self.room, self._number = 20, number
        self._hci = hci
        self._lost = True

    async def connect(self, device: str, timeout_s: float, lost: Callable[[], None]) -> None:
        self._transport = await open_transport(self._hci)
        own = Address(f"F0:5C:81:00:00:{self._number:02X}")
        self._device = Device.with_hci("recorder", own, self._transport.source, self._transport.sink)
        await self._device.power_on()
        async with asyncio.timeout(timeout_s):
            target = await self._find(device)
            self._connection = await self._device.connect(target)
        self._lost = False
        self._connection.on("disconnection", lambda _: self._ended(lost))
        self._peer = Peer(self._connection)
        await self._peer.discover_all()
        self.room = await self._peer.request_mtu(247) - ATT_HEAD

    async def _find(self, device: str) -> Address:
        found: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

        def advertised(advertisement: Any) -> None:
            name = advertisement.data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
            address = str(advertisement.address).split("/")[0]
            if device in (name, address) and not found.done():
                found.set_result(advertisement.address)

        self._device.on("advertisement", advertised)
        await self._device.start_scanning(filter_duplicates=True)
        try:
            return await found
        finally:
            await self._device.stop_scanning()

    async def listen(self, heard: Callable[[bytes], None]) -> None:
        (self._rx,) = self._peer.get_characteristics_by_uuid(UUID(BLE_WRITE))
        (tx,) = self._peer.get_characteristics_by_uuid(UUID(BLE_NOTIFY))
        await tx.subscribe(heard)

    async def write(self, data: bytes) -> None:
        await self._rx.write_value(data)

    def _ended(self, lost: Callable[[], None]) -> None:
        self._lost = True
        lost()

    async def disconnect(self) -> None:
        if not self._lost:
            await self._connection.disconnect()
        if hasattr(self, "_transport"):
            await self._transport.close()
