"""Bluetooth in software: our peripheral behind a real D-Bus daemon, our central, and what comes between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.bluez import StandInBluez, system_bus
from fakes.radio import on_air
from fakes.streams import joining
from fakes.uart_radio import BumbleRadio
from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed
from tinyops.link.streams import ble, place
from tinyops.link.streams.ble import BleStream
from tinyops.link.streams.ble_serve import BleServeStream
from tinyops.link.streams.bluez import Acquired
from tinyops.link.streams.registry import stream_of

NAME = "hall"
BYTES = b"".join(number.to_bytes(3, "big") for number in range(5000))


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with system_bus(tmp_path, monkeypatch):
        yield


def test_a_peripheral_and_a_central_carry_bytes_both_ways(bus: None) -> None:
    bluez = StandInBluez()
    with on_air(bluez) as hci:
        peripheral, central = BleServeStream(NAME), BleStream(NAME, lambda: BumbleRadio(hci))
        with joining(peripheral) as board, joining(central) as host:
            board.until("connected", peripheral)
            host.until("connected", central)
            host.say(BYTES)
            assert board.hear(len(BYTES)) == BYTES
            board.say(BYTES)
            assert host.hear(len(BYTES)) == BYTES
    assert min(bluez.mtus) > 100
    assert not bluez.disconnected


def test_a_link_that_breaks_comes_back(bus: None) -> None:
    bluez = StandInBluez()
    with on_air(bluez) as hci:
        peripheral, central = BleServeStream(NAME), BleStream(NAME, lambda: BumbleRadio(hci))
        with joining(peripheral) as board, joining(central) as host:
            for _ in range(2):
                board.until("connected", peripheral)
                host.until("connected", central)
                host.say(b"once more")
                assert board.hear(9) == b"once more"
                board.say(b"heard")
                assert host.hear(5) == b"heard"
                bluez.lose()
                board.until("lost", peripheral)
                host.until("lost", central)


class FakeServed:
    """Two centrals at once, which the radio of software cannot have."""

    is_served = True

    def __init__(self, name: str, notified: Acquired, written: Acquired) -> None:
        self.notified, self.written = notified, written
        self.away: list[str] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def disconnect(self, device: str) -> None:
        self.away.append(device)


def test_a_second_central_is_sent_away_until_the_first_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.Place.__init__, "__defaults__", (0.05,))
    made: list[FakeServed] = []

    async def run(stack: contextlib.ExitStack) -> None:
        stream = BleServeStream(NAME, lambda *asked: made.append(FakeServed(*asked)) or made[0])
        await stream.open()
        (served,) = made

        def pair() -> tuple[socket.socket, socket.socket]:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            return ours, stack.enter_context(theirs)

        (notifies, hears), (writes, says) = pair(), pair()
        assert served.written("/org/bluez/hci0/dev_0A", writes, 20)
        assert served.notified("/org/bluez/hci0/dev_0A", notifies, 20)
        first = await stream.connection()
        says.send(b"mine")
        assert (first.peer, await first.read()) == ("0A", b"mine")
        await first.write(b"x" * 30)
        assert (len(hears.recv(99)), len(hears.recv(99))) == (20, 10)
        second, _ = pair()
        assert not served.notified("/org/bluez/hci0/dev_0B", second, 20)
        await asyncio.sleep(0)
        assert served.away == ["/org/bluez/hci0/dev_0B"]
        second.close()
        reading = asyncio.create_task(first.read())
        await asyncio.sleep(0.1)
        assert served.notified("/org/bluez/hci0/dev_0B", pair()[0], 20)
        with pytest.raises(LinkClosed, match="silent, and 0B takes its place"):
            await reading
        assert served.away[1:] == ["/org/bluez/hci0/dev_0A"]
        await first.close()
        assert (await stream.connection()).peer == "0B"
        await stream.close()

    with contextlib.ExitStack() as stack:
        asyncio.run(run(stack))


@pytest.mark.parametrize(
    ("bluez", "said", "hint"),
    [
        (StandInBluez(able=False), "no Bluetooth adapter that can advertise", "bluetoothctl"),
        (StandInBluez(powered=False), "Bluetooth is off: hci0", "bluetoothctl power on"),
        (StandInBluez(refuse="org.bluez.Error.NotPermitted"), "refuses RegisterAdvertisement: org.bluez.Error", ""),
        (None, "BlueZ refuses GetManagedObjects: org.freedesktop.DBus.Error.ServiceUnknown", "bluetooth"),
    ],
    ids=["no adapter", "off", "refused", "no BlueZ"],
)
def test_what_cannot_be_served_is_said_at_once(bus: None, bluez: StandInBluez | None, said: str, hint: str) -> None:
    with on_air(*([bluez] if bluez else [])), joining(stream := BleServeStream(NAME)) as board:
        with pytest.raises(ToolError, match=said) as caught:
            board.until("connected", stream)
        assert hint in caught.value.hint


def test_a_machine_without_a_system_bus_has_no_bluetooth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    for stream in (BleServeStream(NAME), BleStream(NAME)):
        with joining(stream) as end, pytest.raises(ToolError, match="no Bluetooth that works: it has no system bus"):
            end.until("connected", stream)


def test_a_central_that_finds_nobody_says_so_and_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble, "CONNECT_S", 0.1)
    monkeypatch.setattr(ble, "CLOSE_S", 0.1)
    with on_air() as hci, joining(stream := BleStream(NAME, lambda: BumbleRadio(hci))) as end:
        assert "not found within 0.1 s" in end.until("waits", stream).why


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("bleak", "dbus_fast", "websockets.asyncio.server", "serial"):
        monkeypatch.setitem(sys.modules, package, None)
    for name, package in (
        ("ble:hall", "bleak"),
        ("ble-serve:hall", "dbus-fast"),
        ("ws-listen:127.0.0.1:1", "websockets"),
        ("/dev/ttyACM0", "pyserial"),
    ):
        with pytest.raises(ToolError, match=f"{package} is not installed") as caught:
            asyncio.run(stream_of(name).open())
        assert "pip install 'tinyops[" in caught.value.hint
