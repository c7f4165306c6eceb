"""A serial line: a board on USB, a bridge, a pseudo terminal. Messages are lines of MCUmgr's console."""

from __future__ import annotations

import re

from tinyops.device.transports.kind import WINDOW_MAX, Channel, Closing, Traits
from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkClosed
from tinyops.link.serial_port import BAUD, SerialStream
from tinyops.link.smp.messages import ConsoleMessages

_FORM = re.compile(r"(?:serial:)?(?P<port>(?:/|COM[0-9]|\\\\)[^?]*)(?:\?baud=(?P<baud>[0-9]{3,8}))?")


class SerialTransport:
    """By the path of its device file."""

    name = "serial"
    form = "/dev/ttyACM0, or serial:/dev/ttyUSB0?baud=1000000"
    about = "console framing; one request at a time unless the board has more buffers"

    def takes(self, address: str) -> bool:
        return "://" not in address and (address.startswith("serial:") or _FORM.fullmatch(address) is not None)

    def check(self, address: str) -> None:
        _parse(address)

    def traits(self, address: str) -> Traits:  # noqa: ARG002
        return Traits(framing="console", window=WINDOW_MAX, resend_s=3.0, connect_s=10.0)

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:
        port, baud = _parse(address)
        try:
            return SerialChannel(SerialStream(port, settle_s, baud))
        except ToolError as error:
            raise LinkClosed(error.message, hint=error.hint) from error


class SerialChannel(ConsoleMessages, Closing):
    """An open line, nobody else's meanwhile."""

    def __init__(self, stream: SerialStream) -> None:
        super().__init__(stream)
        self._line = stream

    def close(self) -> None:
        self._line.close()


def _parse(address: str) -> tuple[str, int]:
    match = _FORM.fullmatch(address)
    if match is None:
        raise UsageError(f"{address}: is no serial line", hint=f"write {SerialTransport.form}")
    return match["port"], int(match["baud"] or BAUD)
