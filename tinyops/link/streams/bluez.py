"""The Nordic UART Service as a peripheral of this machine's adapter: what BlueZ asks for over D-Bus, and its answers.

BlueZ asks an application for its objects, and for the two ends of its bytes as sockets that keep messages apart: one
when a central subscribes (AcquireNotify), one at its first write (AcquireWrite). A message is a notification or a
write. Whoever is disconnected finds both closed. So there is no D-Bus message for each of them, and no
StartNotify or WriteValue: BlueZ has had sockets for them since 5.48.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from tinyops.errors import ToolError
from tinyops.link.streams.radio import NO_RADIO_HINT, said
from tinyops.link.ways import BLE_NOTIFY, BLE_SERVICE, BLE_WRITE

BLUEZ = "org.bluez"
ADAPTER, DEVICE = f"{BLUEZ}.Adapter1", f"{BLUEZ}.Device1"
GATT_MANAGER, ADVERTISING_MANAGER = f"{BLUEZ}.GattManager1", f"{BLUEZ}.LEAdvertisingManager1"
SERVICE, CHARACTERISTIC = f"{BLUEZ}.GattService1", f"{BLUEZ}.GattCharacteristic1"
ADVERTISEMENT = f"{BLUEZ}.LEAdvertisement1"
OBJECTS, PROPERTIES = "org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties"
ROOT = "/tinyops"
ADVERTISED, SERVED, WRITE, NOTIFY = f"{ROOT}/advertised", f"{ROOT}/uart", f"{ROOT}/uart/rx", f"{ROOT}/uart/tx"
ASK_S = 10.0
HEAD_BYTES = 3  # of ATT, in each notification
MTU_MIN, MTU_MAX = 23, 517

# Who, by the path of its object; its end of the pair; bytes in a message. False: it is not wanted.
Acquired = Callable[[str, socket.socket, int], bool]


class UartService:
    """On the system's bus. `notified` gets the end whose messages become notifications, `written` that whose messages
    are writes."""

    def __init__(self, name: str, notified: Acquired, written: Acquired) -> None:
        self._name = name
        self._dbus: Any = None
        self._acquired = {NOTIFY: notified, WRITE: written}
        self._bus: Any = None
        self._adapter = ""
        self._replies: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Advertises. Raises ToolError."""
        try:
            import dbus_fast
            import dbus_fast.aio
        except ImportError as error:
            raise ToolError("dbus-fast is not installed", hint="pip install 'tinyops[bridge]'") from error
        self._dbus = dbus_fast
        bus = dbus_fast.aio.MessageBus(bus_type=self._dbus.BusType.SYSTEM, negotiate_unix_fd=True)
        try:
            self._bus = await bus.connect()
        except (OSError, self._dbus.errors.DBusFastError) as error:
            raise ToolError(f"this machine has no Bluetooth that works: {said(error)}", hint=NO_RADIO_HINT) from error
        bus.add_message_handler(self._handle)
        try:
            self._adapter = await self._adapter_that_is_on()
            await self._ask(self._adapter, GATT_MANAGER, "RegisterApplication", "oa{sv}", [ROOT, {}])
            await self._ask(self._adapter, ADVERTISING_MANAGER, "RegisterAdvertisement", "oa{sv}", [ADVERTISED, {}])
        except ToolError:
            self._bus.disconnect()
            self._bus = None
            raise

    @property
    def is_served(self) -> bool:
        """Whether BlueZ still knows of it: one that starts again has forgotten."""
        return self._bus is not None and bool(self._bus.connected)

    async def disconnect(self, device: str) -> None:
        """A central that is not wanted any more."""
        with contextlib.suppress(ToolError):
            await self._ask(device, DEVICE, "Disconnect", "", [])

    async def stop(self) -> None:
        if self._bus is None:
            return
        with contextlib.suppress(ToolError):
            await self._ask(self._adapter, ADVERTISING_MANAGER, "UnregisterAdvertisement", "o", [ADVERTISED])
            await self._ask(self._adapter, GATT_MANAGER, "UnregisterApplication", "o", [ROOT])
        self._bus.disconnect()
        self._bus = None

    async def _adapter_that_is_on(self) -> str:
        (objects,) = await self._ask("/", OBJECTS, "GetManagedObjects", "", [])
        able = {path: has for path, has in objects.items() if GATT_MANAGER in has and ADVERTISING_MANAGER in has}
        if not able:
            raise ToolError("this machine has no Bluetooth adapter that can advertise", hint=NO_RADIO_HINT)
        powered = sorted(path for path, has in able.items() if has[ADAPTER]["Powered"].value)
        if not powered:
            names = ", ".join(sorted(path.rpartition("/")[2] for path in able))
            raise ToolError(f"this machine's Bluetooth is off: {names}", hint="bluetoothctl power on")
        return str(powered[0])

    async def _ask(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> list[Any]:
        """Raises ToolError."""
        message = self._dbus.Message(
            destination=BLUEZ, path=path, interface=interface, member=member, signature=signature, body=body
        )
        try:
            async with asyncio.timeout(ASK_S):
                reply = await self._bus.call(message)
        except TimeoutError:
            raise ToolError(f"BlueZ does not answer {member}", hint=NO_RADIO_HINT) from None
        except (OSError, EOFError, self._dbus.errors.DBusFastError) as error:
            raise ToolError(f"the system bus is gone: {said(error)}", hint=NO_RADIO_HINT) from error
        if reply.message_type == self._dbus.MessageType.ERROR:
            why = str(reply.body[0]) if reply.body else ""
            raise ToolError(f"BlueZ refuses {member}: {reply.error_name}: {why}"[:300], hint=NO_RADIO_HINT)
        return list(reply.body)

    def _handle(self, message: Any) -> Any:
        """What BlueZ asks of us; None where the bus itself is to answer."""
        if message.message_type != self._dbus.MessageType.METHOD_CALL or not str(message.path).startswith(ROOT):
            return None
        asked = (message.interface, message.member)
        if asked == (OBJECTS, "GetManagedObjects"):
            return self._dbus.Message.new_method_return(message, "a{oa{sa{sv}}}", [self._objects()])
        if asked == (PROPERTIES, "GetAll") and message.path == ADVERTISED:
            return self._dbus.Message.new_method_return(message, "a{sv}", [self._advertisement()])
        if message.interface == CHARACTERISTIC and message.member in ("AcquireNotify", "AcquireWrite"):
            return self._acquire(message)
        if asked == (ADVERTISEMENT, "Release"):
            return self._dbus.Message.new_method_return(message)
        return None

    def _acquire(self, message: Any) -> Any:
        """A pair of sockets; the caller's end must stay open until it is sent, and not longer."""
        options = message.body[0]
        device, mtu = str(options["device"].value), int(options["mtu"].value)
        mtu = min(max(mtu, MTU_MIN), MTU_MAX)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if not self._acquired[message.path](device, ours, mtu - HEAD_BYTES):
            ours.close()
            theirs.close()
            return self._dbus.Message.new_error(message, f"{BLUEZ}.Error.Failed", "another central is there")
        reply = self._dbus.Message.new_method_return(message, "hq", [0, mtu], unix_fds=[theirs.fileno()])
        task = asyncio.create_task(self._reply(reply, theirs))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)
        return True

    async def _reply(self, reply: Any, theirs: socket.socket) -> None:
        with theirs, contextlib.suppress(OSError, EOFError):
            await self._bus.send(reply)

    def _objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        v = self._dbus.Variant
        closed = v("b", False)
        service = {"UUID": v("s", BLE_SERVICE), "Primary": v("b", True)}
        rx = {"UUID": v("s", BLE_WRITE), "Service": v("o", SERVED), "WriteAcquired": closed}
        tx = {"UUID": v("s", BLE_NOTIFY), "Service": v("o", SERVED), "NotifyAcquired": closed}
        rx["Flags"] = v("as", ["write", "write-without-response"])
        tx["Flags"] = v("as", ["notify"])
        return {SERVED: {SERVICE: service}, WRITE: {CHARACTERISTIC: rx}, NOTIFY: {CHARACTERISTIC: tx}}

    def _advertisement(self) -> dict[str, Any]:
        v = self._dbus.Variant
        return {"Type": v("s", "peripheral"), "ServiceUUIDs": v("as", [BLE_SERVICE]), "LocalName": v("s", self._name)}
