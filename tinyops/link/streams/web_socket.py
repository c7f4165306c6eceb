"""A WebSocket server whose binary messages are bytes of the stream, however they are cut: for pages of phones."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, cast

from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed
from tinyops.link.streams.kind import DEAD_S, FAST_BYTES, PIECE_BYTES, Connection, Kind, Wishes
from tinyops.link.streams.origins import check_origin, refusal
from tinyops.link.streams.place import Place
from tinyops.link.streams.sockets import address_text, bound, host_and_port, notice_death

HANDSHAKE_S = 5.0
HANDSHAKES_MAX = 64  # at once; of more, the oldest ends
MESSAGES_MAX = 16  # that wait to be read; of more, none is received
TRY_LATER, UNSUPPORTED = 1013, 1003
SAID_MAX = 100  # bytes of a reason, of 123


class ListenWebStream:
    """One client at a time; another one is refused while that one speaks."""

    def __init__(self, place: str, wishes: Wishes) -> None:
        self.name = f"ws-listen:{place}"
        self._host, self._port = host_and_port("ws-listen:", place, hostless=True)
        self._origins = frozenset(map(check_origin, wishes.origins))
        self._place = Place()
        self._server: Any = None
        self._shaking: dict[Any, asyncio.BaseTransport] = {}  # oldest first

    async def open(self) -> None:
        try:
            from websockets.asyncio.server import ServerConnection, serve
        except ImportError as error:
            raise ToolError("websockets is not installed", hint="pip install 'tinyops[bridge]'") from error
        shaking = self._shaking

        class Bounded(ServerConnection):
            """Who never ends a handshake takes no descriptors from this machine's other streams."""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                if len(shaking) >= HANDSHAKES_MAX:
                    cast(asyncio.Transport, shaking.pop(next(iter(shaking)))).abort()
                shaking[self] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                shaking.pop(self, None)
                super().connection_lost(exc)

        line = bound(self.name, self._host, self._port, socket.SOCK_STREAM)
        self._server = await serve(
            self._serve,
            sock=line,
            create_connection=Bounded,
            process_request=self._look,
            open_timeout=HANDSHAKE_S,
            max_size=PIECE_BYTES,
            max_queue=MESSAGES_MAX,
            write_limit=PIECE_BYTES,
            compression=None,
            ping_interval=DEAD_S / 2,
            ping_timeout=DEAD_S / 2,
            close_timeout=1.0,
            logger=_quiet(),
        )

    async def connection(self) -> Connection:
        return await self._place.next()

    async def close(self) -> None:
        await self._place.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _look(self, connection: Any, request: Any) -> Any:
        """At the first lines of whoever comes. None: go on."""
        why = refusal(request.headers.get("Origin"), request.headers.get("Host"), self._origins)
        return None if why is None else connection.respond(403, f"{why}\n")

    async def _serve(self, client: Any) -> None:
        """One client, until it is gone."""
        self._shaking.pop(client, None)
        notice_death(client.transport.get_extra_info("socket"))
        peer = address_text(client.remote_address)
        if not self._place.is_free():
            await client.close(TRY_LATER, "another client is there")
            return
        self._place.give(_WebConnection(client, peer))
        await client.wait_closed()


class _WebConnection:
    stride = FAST_BYTES

    def __init__(self, client: Any, peer: str) -> None:
        self.peer, self._client = peer, client

    async def read(self) -> bytes:
        from websockets.exceptions import ConnectionClosed

        while True:
            try:
                message = await self._client.recv()
            except ConnectionClosed as error:
                raise LinkClosed(_said(error)) from error
            if isinstance(message, str):
                await self._client.close(UNSUPPORTED, "text is no bytes: send binary messages")
                raise LinkClosed("it sends text: a stream is binary messages")
            if message:
                return bytes(message)

    async def write(self, data: bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._client.send(data)
        except ConnectionClosed as error:
            raise LinkClosed(_said(error)) from error

    def abort(self) -> None:
        self._client.transport.abort()

    async def close(self) -> None:
        await self._client.close()


def _said(error: Any) -> str:
    close = error.rcvd or error.sent
    if close is None:
        return "the connection is lost"
    return f"closed with {close.code} {close.reason[:SAID_MAX]}".rstrip()


def _quiet() -> Any:
    """What hostile clients do is no error of ours: nothing of it is printed."""
    logger = logging.getLogger(__name__)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return logger


def _open(place: str, wishes: Wishes) -> ListenWebStream:
    return ListenWebStream(place, wishes)


WS_LISTEN = Kind(
    "ws-listen:", "ws-listen:[ADDRESS]:PORT", "a WebSocket server: binary messages are bytes", _open, pages=True
)
