"""A radio made of software, and a peripheral in it with MCUmgr's GATT service: Bluetooth without an adapter.

Whoever connects to its controller, which speaks HCI over TCP on this machine, gets a controller of his own.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSink, StreamPacketSource
from smpclient.transport import SMP_CHARACTERISTIC_UUID, SMP_SERVICE_UUID
from smpclient.transport.bumble import Connected, SMPBumbleTransport
from smpclient.transport.bumble.keystore import InMemory

HEADER_BYTES = 8
ATT_HEAD = 3
STARTING_S = 20.0


@dataclass
class Peripheral:
    """A board behind a radio. `break_after`: bytes after which the connection is lost, once for each number."""

    name: str
    answer: Callable[[bytes], bytes]
    break_after: list[int] = field(default_factory=list)
    mtus: list[int] = field(default_factory=list)
    received: int = 0
    breaks: int = 0
    _pending: dict[Connection, bytearray] = field(default_factory=dict)

    async def start(self, link: LocalLink, number: int) -> None:
        controller = Controller(self.name, link=link)
        address = Address(f"F1:F2:F3:F4:F5:{number:02X}")
        self.device = Device(name=self.name, address=address, host=Host(controller, controller))
        value = CharacteristicValue(write=self._written)
        self._characteristic = Characteristic(
            UUID(str(SMP_CHARACTERISTIC_UUID)),
            Characteristic.Properties.WRITE_WITHOUT_RESPONSE | Characteristic.Properties.NOTIFY,
            Characteristic.WRITEABLE,
            value,
        )
        self.device.add_service(Service(UUID(str(SMP_SERVICE_UUID)), [self._characteristic]))
        self.device.advertising_data = bytes(
            AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode())])
        )
        await self.device.power_on()
        await self.device.start_advertising(auto_restart=True, advertising_interval_min=20, advertising_interval_max=20)

    async def _written(self, connection: Connection, data: bytes) -> None:
        self.received += len(data)
        if self.break_after and self.received >= self.break_after[0]:
            self.break_after.pop(0)
            self.breaks += 1
            await connection.disconnect()
            return
        self.mtus.append(connection.att_mtu)
        pending = self._pending.setdefault(connection, bytearray())
        pending += data
        length = HEADER_BYTES + int.from_bytes(pending[2:4], "big")
        if len(pending) < HEADER_BYTES or len(pending) < length:
            return
        message = bytes(pending[:length])
        pending.clear()
        reply = self.answer(message)
        room = connection.att_mtu - ATT_HEAD
        for at in range(0, len(reply), room):
            await self.device.notify_subscriber(connection, self._characteristic, reply[at : at + room])


class OnAir(Protocol):
    """What joins the radio."""

    async def start(self, link: LocalLink, number: int) -> None: ...


class _Central(StreamPacketSource):
    """One client of the radio."""

    def __init__(self, link: LocalLink, open_ones: set[asyncio.Transport]) -> None:
        super().__init__()
        self._link, self._open_ones = link, open_ones
        self._controller: Controller | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._open_ones.add(transport)
        self._controller = Controller("central", self, StreamPacketSink(transport), self._link)

    def connection_lost(self, error: Exception | None) -> None:
        self._open_ones.discard(self._transport)
        if self._controller is not None:
            self._link.remove_controller(self._controller)


@contextlib.contextmanager
def on_air(*peripherals: OnAir) -> Iterator[str]:
    """The peripherals advertise; yields where the radio's controller listens, as bumble writes it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    open_ones: set[asyncio.Transport] = set()
    server = asyncio.run_coroutine_threadsafe(_start(peripherals, open_ones), loop).result(STARTING_S)
    try:
        yield f"tcp-client:127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server, peripherals, open_ones), loop).result(STARTING_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STARTING_S)
        loop.close()


async def _start(peripherals: tuple[OnAir, ...], open_ones: set[asyncio.Transport]) -> asyncio.Server:
    link = LocalLink()
    for number, peripheral in enumerate(peripherals):
        await peripheral.start(link, number)
    return await asyncio.get_running_loop().create_server(lambda: _Central(link, open_ones), "127.0.0.1", 0)


async def _end(server: asyncio.Server, peripherals: tuple[OnAir, ...], open_ones: set[asyncio.Transport]) -> None:
    server.close()
    for transport in open_ones:
        transport.abort()
    await asyncio.sleep(0)
    for peripheral in peripherals:
        if (stop := getattr(peripheral, "stop", None)) is not None:
            await stop()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Carrier(SMPBumbleTransport):
    """Of a connection that is lost it asks nothing more: that takes as long as an answer would."""

    async def disconnect(self) -> None:
        if self._disconnected_event.is_set() and isinstance(self._state, Connected):
            self._state = self._state._replace(connection=None, smp_characteristic=None)
        await super().disconnect()


def carrier(hci: str, mtu: int) -> Callable[[], Carrier]:
    """What makes smpclient's transport for the virtual radio, each with an address of its own."""
    made = iter(range(0x100))

    def make() -> Carrier:
        own = Address(f"F0:5C:81:00:{mtu & 0xFF:02X}:{next(made):02X}")
        return Carrier(hci=hci, host_address=own, keystore=InMemory(), preferred_mtu=mtu)

    return make
