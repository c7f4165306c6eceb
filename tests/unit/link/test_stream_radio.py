"""Bluetooth in software: our peripheral behind a real D-Bus daemon, our central, and what comes between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.bluez import StandInBluez, system_bus
from fakes.radio import on_air
from fakes.streams import joining
from fakes.uart_radio import BumbleRadio
from tinyops.link.streams.ble import BleStream
from tinyops.link.streams.ble_serve import BleServeStream

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
