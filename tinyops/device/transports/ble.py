"""Bluetooth Low Energy: MCUmgr's GATT service, through smpclient's transport over this machine's adapter."""

from __future__ import annotations

import logging
import queue
import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from tinyops.device.transports.kind import Channel, Closing, Traits
from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkClosed, LinkTimeout
from tinyops.link.own_loop import OwnLoop

CONNECT_S = 20.0  # finding it, connecting, and asking what it offers
CLOSE_S = 5.0
NAME_MAX = 64
_FORM = re.compile(rf"ble://([^/?#\x00-\x1f]{{1,{NAME_MAX}}})")


class Carrier(Protocol):
    """What is needed of smpclient's transports."""

    async def connect(self, address: str, timeout_s: float) -> None: ...

    async def disconnect(self) -> None: ...

    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes: ...


OpenCarrier: TypeAlias = Callable[[], Carrier]


class BleTransport:
    """By address or name. `carrier` makes smpclient's transport; tests give one of a virtual radio."""

    name = "ble"
    form = "ble://ADDRESS or ble://NAME"
    about = "raw messages, cut to the link's MTU; one request at a time"

    def __init__(self, carrier: OpenCarrier | None = None) -> None:
        self._carrier = carrier or _bleak

    def takes(self, address: str) -> bool:
        return address.startswith("ble://")

    def check(self, address: str) -> None:
        _device(address)

    def traits(self, address: str) -> Traits:  # noqa: ARG002
        return Traits(framing="raw", window=1, resend_s=None, connect_s=CONNECT_S)

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:  # noqa: ARG002 nothing is reset by a connection
        return BleChannel(address, _device(address), self._carrier)


class BleChannel(Closing):
    """A connection, in an event loop and a thread of its own."""

    def __init__(self, name: str, device: str, carrier: OpenCarrier) -> None:
        self._name = name
        self.received = self.bad = 0
        self._arrived: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
        self._gone: Exception | None = None
        self._loop = OwnLoop(f"ble {device}")
        try:
            self._carrier = self._loop.run(_made(carrier), CONNECT_S)
            self._loop.run(self._carrier.connect(device, CONNECT_S), CONNECT_S + CLOSE_S)
        except TimeoutError as error:
            self._loop.end()
            raise LinkClosed(f"{name}: not found within {CONNECT_S:g} s", hint=_HINT) from error
        except ToolError:
            self._loop.end()
            raise
        except Exception as error:  # a package, an adapter, a device: each with classes of its own
            self._loop.end()
            raise LinkClosed(f"{name}: cannot be reached: {_said(error)}", hint=_HINT) from error
        self._listener = self._loop.start(self._listen())

    def send(self, message: bytes, timeout_s: float) -> None:
        try:
            self._loop.run(self._carrier.send(message), timeout_s)
        except TimeoutError as error:
            raise LinkTimeout(f"{self._name}: takes no more bytes") from error
        except Exception as error:
            raise LinkClosed(f"{self._name}: the connection is lost: {_said(error)}") from error

    def receive(self, timeout_s: float) -> Sequence[bytes]:
        if self._gone is None:
            try:
                found = self._arrived.get(timeout=max(timeout_s, 0.001))
            except queue.Empty:
                return ()
            if isinstance(found, bytes):
                self.received += len(found)
                return (found,)
            self._gone = found
        raise LinkClosed(f"{self._name}: the connection is lost: {_said(self._gone)}")

    def close(self) -> None:
        if self._loop.is_ended:
            return
        self._listener.cancel()
        try:
            self._loop.run(self._carrier.disconnect(), CLOSE_S)
        except Exception:
            logging.getLogger(__name__).debug("%s: closing", self._name, exc_info=True)  # it is gone either way
        self._loop.end()

    async def _listen(self) -> None:
        """Takes what comes as it comes: a message that is waited for with a time limit would be lost in the middle."""
        try:
            while True:
                self._arrived.put(bytes(await self._carrier.receive()))
        except Exception as error:
            self._arrived.put(error)


async def _made(carrier: OpenCarrier) -> Carrier:
    """Some of its parts belong to the loop in which it is made."""
    return carrier()


def _device(address: str) -> str:
    match = _FORM.fullmatch(address)
    if match is None:
        raise UsageError(f"{address}: names no device", hint=f"write {BleTransport.form}")
    return match[1]


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _bleak() -> Carrier:
    try:
        from smpclient.transport.ble import SMPBLETransport
    except ImportError as error:
        raise ToolError("bleak is not installed", hint="pip install 'tinyops[ble]'") from error
    return SMPBLETransport()


_HINT = "is it on, near, and not connected to something else? does this machine have Bluetooth?"
