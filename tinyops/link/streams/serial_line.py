"""A serial device, opened again when it was gone."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkClosed
from tinyops.link.serial_port import BAUD, SerialStream, require_pyserial
from tinyops.link.streams.kind import SLOW_BYTES, Connection, Kind, Wishes
from tinyops.link.streams.waiting import FileConnection

BAUD_MAX = 12_000_000
FORM = "/dev/NAME[@BAUD]"
_PLACE = re.compile(r"(?P<path>(?:/|COM[0-9])[^\0@]*)(?:@(?P<baud>[0-9]{1,8}))?")


class SerialLine:
    """By its path, which may stand for another device each time it is opened."""

    def __init__(self, place: str) -> None:
        match = _PLACE.fullmatch(place)
        if match is None or not 0 < int(match["baud"] or BAUD) <= BAUD_MAX:
            raise UsageError(f"{place[:80]}: is no serial device", hint=f"write {FORM}, such as /dev/ttyACM0@1000000")
        self.name, self._path, self._baud = place, match["path"], int(match["baud"] or BAUD)

    @property
    def device(self) -> Path:
        return Path(self._path).resolve()

    async def open(self) -> None:
        require_pyserial()

    async def connection(self) -> Connection:
        try:
            line = SerialStream(self._path, baud=self._baud)
        except ToolError as error:
            raise LinkClosed(error.message.removeprefix(f"{self._path}: "), hint=error.hint) from error
        file = line.fileno()
        os.set_blocking(file, False)
        return FileConnection(self._path, file, line.close, stride=SLOW_BYTES, said="the device is gone", asked=True)

    async def close(self) -> None:
        """Holds nothing."""


def _open(place: str, wishes: Wishes) -> SerialLine:  # noqa: ARG001
    return SerialLine(place)


SERIAL = Kind("", FORM, "a serial device, opened again when it was gone", _open, native=True)
