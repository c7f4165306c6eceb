"""Asking a collector at a port who it is: it speaks the link alone, at a baud rate of its own."""

from __future__ import annotations

import contextlib

from tinyops.link.client import Hello, Link, LinkTimeout
from tinyops.link.serial_port import COLLECT_BAUDS, SerialStream
from tinyops.link.smp import BoardInfo

ASK_TIMEOUT_S = 1.0


def ask_collector(port: str, settle: float = 0.0) -> BoardInfo:
    """What it says, as a board's own words. Raises LinkError, or ToolError when the port cannot be opened."""
    stream = SerialStream(port, settle, COLLECT_BAUDS[0])
    try:
        return _info(_hello(stream, port))
    finally:
        stream.close()


def _hello(stream: SerialStream, port: str) -> Hello:
    for baud in COLLECT_BAUDS[:-1]:
        stream.set_baud(baud)
        with contextlib.suppress(LinkTimeout):
            return Link(stream, name=port, timeout_s=ASK_TIMEOUT_S).hello()
    stream.set_baud(COLLECT_BAUDS[-1])
    return Link(stream, name=port, timeout_s=ASK_TIMEOUT_S).hello()


def _info(hello: Hello) -> BoardInfo:
    """A collector has no fleet, no model, and does not read its own flash."""
    return BoardInfo(
        board=hello.board,
        fleet="",
        version="",
        contract=hello.contract,
        firmware=None,
        model=None,
        image_crc=0,
        abi=hello.abi,
        state=hello.state,
        arena_bytes=0,
        ram_bytes=0,
        free_slots=0,
    )
