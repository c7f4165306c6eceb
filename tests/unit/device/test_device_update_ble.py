"""Updates over Bluetooth: smpclient's transport against a GATT peripheral, both in a radio of software."""

from __future__ import annotations

import pytest

from fakes.radio import Peripheral, carrier, on_air
from fakes.slot_board import SlotBoard
from fakes.updates import holding, offer, run, runs
from tinyops.device.transports.ble import BleTransport


@pytest.fixture
def board() -> SlotBoard:
    return holding(SlotBoard(buffer_bytes=1024), offer(body=b"old model" * 9))


@pytest.mark.parametrize("mtu", [23, 247])
def test_a_model_travels_at_any_mtu(board: SlotBoard, mtu: int) -> None:
    new, peripheral = offer(), Peripheral("tinyops desk", board.answer)
    with on_air(peripheral) as hci:
        run("ble://tinyops desk", new, transport=BleTransport(carrier(hci, mtu)))
    assert runs(board, new) and set(peripheral.mtus) == {mtu}


def test_a_lost_connection_goes_on_where_it_broke(board: SlotBoard) -> None:
    new, peripheral = offer(), Peripheral("desk", board.answer, break_after=[3000])
    with on_air(peripheral) as hci:
        (image,) = run("ble://F1:F2:F3:F4:F5:00", new, transport=BleTransport(carrier(hci, 247))).images
    assert runs(board, new) and peripheral.breaks == 1 <= image.breaks
    assert board.uploaded == len(new.data), "no piece was taken twice"
