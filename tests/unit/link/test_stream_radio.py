"""Bluetooth in software: our peripheral behind a real D-Bus daemon, our central, and what comes between them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.bluez import StandInBluez, system_bus
from fakes.radio import on_air
from fakes.streams import WAIT_S, joining
from fakes.uart_radio import BumbleRadio
from tinyops.errors import ToolError
from tinyops.link.streams import ble, place
from tinyops.link.streams.ble import BleStream
from tinyops.link.streams.ble_serve import BleServeStream
from tinyops.link.streams.registry import stream_of

NAME = "hall"
SILENT_S = 0.4
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


def test_a_second_central_is_sent_away_while_the_first_speaks(bus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.Place.__init__, "__defaults__", (SILENT_S,))
    bluez = StandInBluez()
    with on_air(bluez) as hci:
        peripheral = BleServeStream(NAME)
        first, second = (BleStream(NAME, lambda n=n: BumbleRadio(hci, n)) for n in (1, 2))
        with joining(peripheral) as board, joining(first) as host:
            board.until("connected", peripheral)
            host.say(b".")
            assert board.hear(1) == b"."
            with joining(second) as other:
                other.until("connected", second)
                until = time.monotonic() + WAIT_S
                while not bluez.disconnected and time.monotonic() < until:
                    host.say(b".")
                    time.sleep(SILENT_S / 10)
                assert [path.rpartition("_")[2] for path in bluez.disconnected] == ["02"]
                assert "the connection is lost" in other.until("lost", second).why
                assert "it was silent" in board.until("lost", peripheral).why  # and the second comes again
                board.until("connected", peripheral)
                other.until("connected", second)
                other.say(b"mine")
                assert board.hear_until(b"mine")


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
