"""A BLE peripheral with the Nordic UART Service, as Chromium emulates one: chooser, connection, GATT and errors are the
browser's own, through its DevTools. Notifications are not emulated there; a read of the same characteristic is, and
tells the same event: so a script in the page reads again and again once it has subscribed."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
from typing import Any

from tinyops.link.ways import BLE_NOTIFY, BLE_SERVICE, BLE_WRITE

ADDRESS = "09:09:09:09:09:09"
SUBSCRIPTION = "00002902-0000-1000-8000-00805f9b34fb"
MTU_BYTES = 244
LOOK_S = 0.005
QUIET_MS = 200
TIMED_OUT = 0x08  # of HCI: connection timeout
READS = """
  const { prototype } = BluetoothRemoteGATTCharacteristic;
  const subscribe = prototype.startNotifications;
  prototype.startNotifications = async function () {
    await subscribe.call(this);
    (async () => {
      while (this.service.device.gatt.connected) {
        if (window.quiet) await new Promise((resolve) => setTimeout(resolve, 10));
        else await this.readValue();
      }
    })().catch(() => {});
    return this;
  };
"""


class Peripheral:
    """What it sends and takes are the bytes of a socket. `longest` is the longest piece that it was written."""

    def __init__(self, browser: Any, page: Any, line: socket.socket) -> None:
        self._page, self._line, self._session = page, line, browser.new_browser_cdp_session()
        self._device = page.context.new_cdp_session(page)
        self._is_here = True
        self.connections, self.longest = 0, 0
        page.add_init_script(READS)
        self._ask("enable", state="powered-on", leSupported=True)
        facts = {"name": "near", "manufacturerData": [], "knownServiceUuids": [BLE_SERVICE]}
        self._ask("simulatePreconnectedPeripheral", address=ADDRESS, **facts)
        self._session.on("BluetoothEmulation.gattOperationReceived", self._take_operation)
        self._session.on("BluetoothEmulation.characteristicOperationReceived", self._take_access)
        self._device.send("DeviceAccess.enable")
        self._device.once("DeviceAccess.deviceRequestPrompted", self._choose)

    def leave(self) -> None:
        """It is out of reach, between two accesses: of one in the middle of an access Chromium tells nothing."""
        self._page.evaluate("window.quiet = true")
        self._page.wait_for_timeout(QUIET_MS)
        self._is_here = False
        self._ask("simulateGATTDisconnection", address=ADDRESS)

    def come_back(self) -> None:
        self._page.evaluate("window.quiet = false")
        self._is_here = True

    def close(self) -> None:
        """Chromium crashes where the emulation ends before the page that is connected to it."""
        self._page.close()
        self._ask("disable")

    def _ask(self, call: str, **given: Any) -> Any:
        return self._session.send(f"BluetoothEmulation.{call}", given)

    def _choose(self, prompt: Any) -> None:
        """What a person would."""
        self._device.send("DeviceAccess.selectPrompt", {"id": prompt["id"], "deviceId": prompt["devices"][0]["id"]})

    def _take_operation(self, operation: Any) -> None:
        if operation["type"] == "connection":
            self.connections += 1
        elif operation["type"] == "discovery":  # a connection that ends takes its services along
            self._make_services()
        code = 0 if self._is_here else TIMED_OUT
        self._ask("simulateGATTOperationResponse", address=ADDRESS, type=operation["type"], code=code)

    def _make_services(self) -> None:
        service = self._ask("addService", address=ADDRESS, serviceUuid=BLE_SERVICE)["serviceId"]
        sends, takes = {"notify": True, "read": True}, {"writeWithoutResponse": True}
        for uuid, properties in ((BLE_NOTIFY, sends), (BLE_WRITE, takes)):
            given = {"serviceId": service, "characteristicUuid": uuid, "properties": properties}
            made = self._ask("addCharacteristic", **given)["characteristicId"]
            if uuid == BLE_NOTIFY:
                self._ask("addDescriptor", characteristicId=made, descriptorUuid=SUBSCRIPTION)

    def _take_access(self, access: Any) -> None:
        answer = {"characteristicId": access["characteristicId"], "type": access["type"], "code": 0}
        if access["type"] == "write":
            data = base64.b64decode(access["data"])
            self.longest = max(self.longest, len(data))
            self._line.sendall(data)
        elif access["type"] == "read":
            answer["data"] = base64.b64encode(self._read()).decode()
        with contextlib.suppress(Exception):  # the connection has ended meanwhile
            self._ask("simulateCharacteristicOperationResponse", **answer)

    def _read(self) -> bytes:
        ready, _, _ = select.select([self._line], [], [], LOOK_S)
        return self._line.recv(MTU_BYTES) if ready else b""
