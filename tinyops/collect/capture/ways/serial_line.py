"""A serial line: boards on USB."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.collect.capture.ways.kind import Opening, Stream, Traits
from tinyops.errors import UsageError
from tinyops.link.serial_port import BAUD, COLLECT_BAUDS, SerialStream, usb_ports

AUTO = "auto"
BAUDS = (BAUD, *COLLECT_BAUDS)  # most devices' that print, our collectors', and the first once more, for longer


class SerialWay:
    """By path, or `auto`: the one board that is plugged in."""

    option, metavar, default = "--port", "PATH|auto", None
    about = "a serial line, such as /dev/ttyACM0; auto: the one that is plugged in"
    traits = Traits(talks=True)

    def check(self, address: str) -> None:
        if not address or "\0" in address:
            raise UsageError("--port names a serial line", hint="--port /dev/ttyACM0, or --port auto")

    def open(self, address: str, opening: Opening) -> Stream:
        return SerialLine(_found(address), BAUDS if opening.baud is None else (opening.baud,))


class SerialLine:
    """An open line, this process's alone."""

    finite = False

    def __init__(self, port: str, bauds: Sequence[int]) -> None:
        self.name = port
        self._left = list(bauds)
        self._stream = SerialStream(port, baud=self._left.pop(0))

    def read(self, timeout_s: float) -> bytes:
        return self._stream.read(timeout_s)

    def write(self, data: bytes, timeout_s: float) -> None:
        self._stream.write(data, timeout_s)

    def retune(self) -> bool:
        if not self._left:
            return False
        self._stream.set_baud(self._left.pop(0))
        return True

    def speeds_left(self) -> int:
        return len(self._left)

    def close(self) -> None:
        self._stream.close()


def _found(address: str) -> str:
    if address != AUTO:
        return address
    ports = usb_ports()
    if len(ports) == 1:
        return ports[0]
    if not ports:
        raise UsageError("--port auto: no board is plugged in", hint="plug one in, or name its line: --port PATH")
    raise UsageError(f"--port auto: {len(ports)} boards are plugged in", hint=f"name one: {', '.join(ports[:10])}")
