"""A serial line as a stream of bytes: boards on USB."""

from __future__ import annotations

import errno
import os
import select
import time
from pathlib import Path
from typing import Any

from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed, LinkTimeout

BAUD = 115_200  # of every port of runtime/port
# Of collectors: the first where the catalogue says nothing else of the board (`collector_baud`). Who does not know the
# board asks HELLO at each; a line of USB's own takes any.
COLLECT_BAUDS = (1_000_000, BAUD)

PIECE_BYTES = 65_536


class SerialStream:
    """An open serial line as a ByteStream, nobody else's meanwhile. `received` counts its bytes, frames or not."""

    def __init__(self, port: str, settle_s: float = 0.0, baud: int = BAUD) -> None:
        """Raises ToolError when pyserial or the line is not there, or is in use.

        `settle_s` is how long nothing may be said to a board that is reset by opening its line.
        """
        self._name, self.received = port, 0
        serial = require_pyserial()
        try:
            self._line = serial.Serial(port, baud, timeout=0, exclusive=True)
            time.sleep(settle_s)
            self._line.reset_input_buffer()
        except (serial.SerialException, OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.EAGAIN:
                raise ToolError(f"{port}: another program uses this line", hint="end that program first") from error
            if getattr(error, "errno", None) == errno.ENOENT:
                raise ToolError(f"{port}: there is no such serial line", hint=_lines_there()) from error
            if getattr(error, "errno", None) == errno.EACCES:
                hint = "`tinyops doctor` names the udev rules that allow it, or join the group that owns the line"
                raise ToolError(f"{port}: you may not open this line", hint=hint) from error
            raise ToolError(
                f"{port}: cannot be opened: {error}",
                hint="plug the board in, name its serial line, and close other programs that use it",
            ) from error

    def read(self, timeout_s: float) -> bytes:
        try:
            line = self._line.fileno()
            if not select.select([line], [], [], max(timeout_s, 0.001))[0]:
                return b""
            data = os.read(line, PIECE_BYTES)
        except (OSError, ValueError, TypeError) as error:  # the latter two: closed by another thread
            raise LinkClosed(f"{self._name}: the board is gone: {error}") from error
        if not data:
            raise LinkClosed(f"{self._name}: the board is gone")
        self.received += len(data)
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        serial = require_pyserial()
        try:
            self._line.write_timeout = max(timeout_s, 0.001)
            self._line.write(data)
        except serial.SerialTimeoutException:
            raise LinkTimeout(f"{self._name}: takes no more bytes") from None
        except (serial.SerialException, OSError) as error:
            raise LinkClosed(f"{self._name}: the board is gone: {error}") from error

    def set_baud(self, baud: int) -> None:
        """Raises LinkClosed."""
        serial = require_pyserial()
        try:
            self._line.baudrate = baud
        except (serial.SerialException, OSError, ValueError) as error:
            raise LinkClosed(f"{self._name}: does not take {baud} baud: {error}") from error

    def fileno(self) -> int:
        return int(self._line.fileno())

    def close(self) -> None:
        self._line.close()


def serial_number(port: str) -> str | None:
    """What the board at a port calls itself on USB; None where that is not known."""
    require_pyserial()
    from serial.tools import list_ports

    here = Path(port).resolve()
    return next((p.serial_number for p in list_ports.comports() if Path(p.device).resolve() == here), None)


def usb_ports() -> list[str]:
    """The serial lines of what is plugged in on USB."""
    require_pyserial()
    from serial.tools import list_ports

    return sorted(p.device for p in list_ports.comports() if p.vid is not None)


def _lines_there() -> str:
    found = usb_ports()
    return f"plugged in: {', '.join(found)}" if found else "nothing is plugged in on USB; is it a cable for data?"


def require_pyserial() -> Any:
    """Raises ToolError."""
    try:
        import serial
    except ImportError as error:
        raise ToolError("pyserial is not installed", hint="pip install 'tinyops[serial]'") from error
    return serial
