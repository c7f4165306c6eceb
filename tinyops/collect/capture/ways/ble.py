"""Bluetooth Low Energy: a device near by that offers the Nordic UART Service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinyops.collect.capture.ways.kind import Opening, Stream, Traits
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from tinyops.link.streams.radio import OpenRadio

NAME_MAX = 64


class BleWay:
    """By name or address. `radio` makes an adapter; tests give one that is made of software."""

    option, metavar, default = "--ble", "NAME|ADDRESS", None
    about = "a device near by that offers the Nordic UART Service"
    traits = Traits(talks=True)

    def __init__(self, radio: OpenRadio | None = None) -> None:
        self._radio = radio

    def check(self, address: str) -> None:
        if not 0 < len(address) <= NAME_MAX or not address.isprintable():
            raise UsageError(f"--ble {address[:40]!r} is no device's name or address")

    def open(self, address: str, opening: Opening) -> Stream:  # noqa: ARG002
        from tinyops.collect.capture.ways.ble_stream import BleStream
        from tinyops.link.streams.radio import BleakRadio

        return BleStream(address, self._radio or BleakRadio)
