"""An adapter for Bluetooth Low Energy as a central: what is needed of one, and this machine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed
from tinyops.link.ways import BLE_NOTIFY, BLE_WRITE

NAME_MAX = 64
SMALLEST_ROOM = 20  # bytes in a write at the smallest MTU
NO_RADIO_HINT = "`bluetoothctl show` names adapters and says whether they are on; `systemctl status bluetooth`"


class Radio(Protocol):
    """What is needed of an adapter; each lives in one event loop. `room`: bytes in one write."""

    room: int

    async def connect(self, device: str, timeout_s: float, lost: Callable[[], None]) -> None:
        """Raises TimeoutError where it is not found, ToolError where there is no adapter."""

    async def listen(self, heard: Callable[[bytes], None]) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def disconnect(self) -> None: ...


OpenRadio: TypeAlias = Callable[[], Radio]


class BleakRadio:
    """This machine's adapter, through bleak. Raises ToolError where that is not installed."""

    def __init__(self) -> None:
        try:
            import bleak
        except ImportError as error:
            raise ToolError("bleak is not installed", hint="pip install 'tinyops[ble]'") from error
        self._bleak = bleak
        self._client: Any = None
        self.room = SMALLEST_ROOM

    async def connect(self, device: str, timeout_s: float, lost: Callable[[], None]) -> None:
        wanted = device.casefold()
        try:
            found = await self._bleak.BleakScanner.find_device_by_filter(
                lambda near, said: wanted in (near.address.casefold(), (said.local_name or near.name or "").casefold()),
                timeout=timeout_s,
            )
        except (FileNotFoundError, self._bleak.exc.BleakBluetoothNotAvailableError) as error:  # no D-Bus; no adapter
            raise ToolError(f"this machine has no Bluetooth that works: {said(error)}", hint=NO_RADIO_HINT) from error
        if found is None:
            raise TimeoutError
        self._client = self._bleak.BleakClient(found, lambda _: lost(), timeout=timeout_s)
        await self._client.connect()
        found_write = self._client.services.get_characteristic(BLE_WRITE)
        if found_write is None:
            await self._client.disconnect()
            raise LinkClosed("it does not offer the Nordic UART Service")
        self.room = max(found_write.max_write_without_response_size, self.room)

    async def listen(self, heard: Callable[[bytes], None]) -> None:
        await self._client.start_notify(BLE_NOTIFY, lambda _, data: heard(bytes(data)))

    async def write(self, data: bytes) -> None:
        await self._client.write_gatt_char(BLE_WRITE, data, response=False)

    async def disconnect(self) -> None:
        if self._client is not None:
            await self._client.disconnect()


def said(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it has no system bus (D-Bus)"
    return " ".join(str(error).split()) or type(error).__name__
