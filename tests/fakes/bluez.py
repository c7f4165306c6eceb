"""A stand-in for BlueZ on a real bus: what it does with an application's GATT service, over the radio made of software.

It asks for the objects as bluetoothd does, advertises what it is told, and gives each central that subscribes, and each
that writes, the sockets that the application hands out. dbus-daemon carries all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

BLUEZ = "org.bluez"
ADAPTER = "/org/bluez/hci0"
MESSAGE_MAX = 512
CONFIG = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"""


@contextlib.contextmanager
def system_bus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A dbus-daemon of one's own in the place of the system's."""
    path, config = folder / "bus", folder / "bus.conf"
    config.write_text(CONFIG.format(path=path))
    command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as daemon:
        assert daemon.stdout is not None and daemon.stdout.readline().startswith("unix:")
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
        try:
            yield
        finally:
            daemon.kill()


class StandInBluez:
    """One adapter. `answers` of `RegisterAdvertisement` may be an error's name; `disconnected`: centrals sent away."""

    def __init__(self, *, powered: bool = True, able: bool = True, refuse: str = "") -> None:
        self._powered, self._able, self._refuse = powered, able, refuse
        self.disconnected: list[str] = []
        self.mtus: list[int] = []
        self._notifies: dict[Connection, tuple[socket.socket, asyncio.Task[None]]] = {}
        self._writes: dict[Connection, socket.socket] = {}
        self._connections: dict[str, Connection] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, link: LocalLink, number: int) -> None:
        self._link, self._writing, self._loop = link, asyncio.Lock(), asyncio.get_running_loop()
        self._bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
        self._bus.add_message_handler(self._handle)
        await self._bus.request_name(BLUEZ)

    async def stop(self) -> None:
        """As when the daemon ends: what was handed out is closed."""
        for connection in list(self._connections.values()):
            self._disconnected(connection)
        self._bus.disconnect()

    def lose(self) -> None:
        """Every connection breaks. From any thread."""
        for connection in list(self._connections.values()):
            asyncio.run_coroutine_threadsafe(connection.disconnect(), self._loop)

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _handle(self, message: Message) -> Message | bool | None:
        if message.message_type != MessageType.METHOD_CALL:
            return None
        match message.member:
            case "GetManagedObjects":
                return Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects()])
            case "RegisterApplication":
                self._later(self._registered(message))
                return True
            case "RegisterAdvertisement" if self._refuse:
                return Message.new_error(message, self._refuse, "no")
            case "RegisterAdvertisement":
                self._later(self._advertised(message))
                return True
            case "Disconnect":
                self.disconnected.append(message.path)
                if message.path in self._connections:
                    self._later(self._connections[message.path].disconnect())
                return Message.new_method_return(message)
            case "UnregisterAdvertisement" | "UnregisterApplication":
                return Message.new_method_return(message)
        return None

    def _objects(self) -> dict[str, Any]:
        able = {f"{BLUEZ}.GattManager1": {}, f"{BLUEZ}.LEAdvertisingManager1": {}} if self._able else {}
        return {ADAPTER: {f"{BLUEZ}.Adapter1": {"Powered": Variant("b", self._powered)}, **able}}

    async def _ask(self, to: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Message:
        message = Message(
            destination=to, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        reply = await self._bus.call(message)
        assert reply is not None
        return reply

    async def _registered(self, message: Message) -> None:
        reply = await self._ask(
            message.sender, message.body[0], "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""
        )
        self._app = message.sender
        (objects,) = reply.body
        controller = Controller("bluez", link=self._link)
        self._device = Device(name="bluez", address=Address("F1:F2:F3:F4:F7:00"), host=Host(controller, controller))
        made, service_uuid = [], ""
        for path, interfaces in objects.items():
            if (facts := interfaces.get(f"{BLUEZ}.GattCharacteristic1")) is not None:
                made.append(self._characteristic(path, facts))
            else:
                service_uuid = interfaces[f"{BLUEZ}.GattService1"]["UUID"].value
        self._device.add_service(Service(UUID(service_uuid), made))
        self._device.on("connection", self._connected)
        await self._device.power_on()
        await self._bus.send(Message.new_method_return(message))

    def _characteristic(self, path: str, facts: dict[str, Variant]) -> Characteristic[bytes]:
        flags = {"write": 0x08, "write-without-response": 0x04, "notify": 0x10}
        properties = Characteristic.Properties(sum(flags[flag] for flag in facts["Flags"].value))
        if "NotifyAcquired" in facts:
            made = Characteristic(UUID(facts["UUID"].value), properties, Characteristic.READABLE, b"")
            made.on("subscription", lambda link, notify, _: self._later(self._subscribed(path, made, link, notify)))
            return made
        assert "WriteAcquired" in facts

        async def written(connection: Connection, value: bytes) -> None:
            async with self._writing:  # one asks, the others wait for its answer
                if connection not in self._writes:
                    self._writes[connection] = await self._acquire(path, "AcquireWrite", connection)
                await asyncio.get_running_loop().sock_sendall(self._writes[connection], value)

        return Characteristic(
            UUID(facts["UUID"].value), properties, Characteristic.WRITEABLE, CharacteristicValue(write=written)
        )

    async def _acquire(self, path: str, member: str, connection: Connection) -> socket.socket:
        options = {"device": Variant("o", path_of(connection)), "mtu": Variant("q", connection.att_mtu)}
        self.mtus.append(connection.att_mtu)
        reply = await self._ask(self._app, path, f"{BLUEZ}.GattCharacteristic1", member, "a{sv}", options)
        if reply.message_type == MessageType.ERROR:
            raise PermissionError(reply.error_name)
        end = socket.socket(fileno=reply.unix_fds[reply.body[0]])
        end.setblocking(False)
        return end

    async def _subscribed(self, path: str, tx: Any, connection: Connection, notify: bool) -> None:
        if not notify or connection in self._notifies:
            return
        with contextlib.suppress(PermissionError):
            end = await self._acquire(path, "AcquireNotify", connection)
            self._notifies[connection] = (end, asyncio.create_task(self._notify(end, tx, connection)))

    async def _notify(self, end: socket.socket, tx: Any, connection: Connection) -> None:
        while value := await asyncio.get_running_loop().sock_recv(end, MESSAGE_MAX):
            assert len(value) <= connection.att_mtu - 3
            await self._device.notify_subscriber(connection, tx, value)

    def _connected(self, connection: Connection) -> None:
        self._connections[path_of(connection)] = connection
        connection.on("disconnection", lambda _: self._disconnected(connection))

    def _disconnected(self, connection: Connection) -> None:
        self._connections.pop(path_of(connection), None)
        if connection in self._notifies:
            end, task = self._notifies.pop(connection)
            task.cancel()
            end.close()
        if connection in self._writes:
            self._writes.pop(connection).close()

    async def _advertised(self, message: Message) -> None:
        body = [f"{BLUEZ}.LEAdvertisement1"]
        reply = await self._ask(
            message.sender, message.body[0], "org.freedesktop.DBus.Properties", "GetAll", "s", *body
        )
        facts = reply.body[0]
        assert facts["Type"].value == "peripheral" and facts["ServiceUUIDs"].value
        name = (AdvertisingData.COMPLETE_LOCAL_NAME, facts["LocalName"].value.encode())
        self._device.advertising_data = bytes(AdvertisingData([name]))
        await self._device.start_advertising(
            auto_restart=True, advertising_interval_min=20, advertising_interval_max=20
        )
        await self._bus.send(Message.new_method_return(message))


def path_of(connection: Connection) -> str:
    return f"{ADAPTER}/dev_{str(connection.peer_address).split('/')[0].replace(':', '_')}"
