"""An application on a socket: TLS, a bound on connections, slow clients sent away, an end that loses nothing.

uvicorn serves; what it leaves open is here: connections that never send a request, and more of them than there may be.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.receiver.entrance import Entrance
from tinyops.receiver.guard import App

KEEP_ALIVE_S = 5
STOP_S = 10
HEADERS_LIMIT_BYTES = 16 * 1024
BACKLOG = 512
FILES_BESIDE = 64  # that are open beside connections
FULL_BODY = b'{"error": "too many connections at a time"}\n'
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(FULL_BODY), FULL_BODY)
)


@dataclass(frozen=True)
class Listening:
    """Where, with what certificate, for how many connections at a time, how long each may take to ask, and how long it
    is kept for another request."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    connections_max: int = 512
    patience_s: float = 10.0
    keep_alive_s: int = KEEP_ALIVE_S


class BoundedProtocol(H11Protocol):
    """One connection: refused where there are too many, or of its address half of those; closed when no whole request
    has come in time, or an answer is not read."""

    connections_max: ClassVar[int]
    patience_s: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.connections_max or self._crowds():
            self.connections.discard(self)  # what hangs on in vain takes nobody's place
            transport.write(FULL)
            transport.close()
        else:
            self._watch()

    def _crowds(self) -> bool:
        """Whether one address would have more than its half."""
        host = self.client[0] if self.client else ""
        mine = sum(
            isinstance(c, H11Protocol) and c.client is not None and c.client[0] == host for c in self.connections
        )
        return mine > max(self.connections_max // 2, 1)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._watch()  # part of a request's head
        elif self.conn.their_state is not h11.IDLE:
            self._unwatch()  # a body has its own limit

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unwatch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.patience_s, self._late)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.abort()


class _Server(uvicorn.Server):
    """uvicorn's, that ends with the exit status of one that was asked to end, and does something beside serving."""

    def __init__(
        self, config: uvicorn.Config, beside: Callable[[], Coroutine[Any, Any, None]] | None, patience_s: float
    ) -> None:
        super().__init__(config)
        self._beside, self._patience_s = beside, patience_s
        self._task: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if self.config.ssl is not None:  # a handshake may take a minute by default, and uvicorn leaves it at that
            patient = functools.partial(loop.create_server, ssl_handshake_timeout=self._patience_s)
            loop.create_server = patient  # type: ignore[method-assign]
        await super().startup(sockets)
        if self._beside is not None:
            self._task = asyncio.create_task(self._beside())

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        if self._task is not None:
            self._task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def serve(
    app: App,
    listening: Listening,
    on_ready: Callable[[str], None],
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM, then takes no more, and ends when what is in hand is done or `STOP_S` have
    passed. `on_ready` is told the address; `beside` runs meanwhile, and is cancelled by the signal. Raises UsageError,
    SpecError and ToolError."""
    context = _context(listening)
    _bound_files(listening.connections_max)
    with _listen(listening) as end:
        bounds = {"connections_max": listening.connections_max, "patience_s": listening.patience_s}
        settings: dict[str, Any] = {
            "http": type("Protocol", (BoundedProtocol,), bounds),
            "ws": "none",
            "loop": "asyncio",
            "lifespan": "off",
            "log_config": None,
            "log_level": "critical",
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "timeout_keep_alive": listening.keep_alive_s,
            "timeout_graceful_shutdown": STOP_S,
            "h11_max_incomplete_event_size": HEADERS_LIMIT_BYTES,
            "backlog": BACKLOG,
        }
        config = uvicorn.Config(app, **settings)
        config.load()
        config.ssl = context
        host, port = end.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        on_ready(f"{'https' if context else 'http'}://{shown}:{port}")
        _Server(config, beside, listening.patience_s).run(sockets=[end])


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[IPV6]:PORT`. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {text}: names no host and port", hint="--listen 0.0.0.0:8443")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 who names no host means all


def _context(listening: Listening) -> ssl.SSLContext | None:
    if listening.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listening.certificate, listening.key)
    except (OSError, ssl.SSLError) as error:
        raise SpecError(f"{listening.certificate}: no certificate with its key: {error}") from error
    return context


def _listen(listening: Listening) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
        end = Entrance(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named: asyncio sets TCP_NODELAY then
        end.admit(2 * listening.connections_max)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        end.bind((listening.host, listening.port))
        end.listen(BACKLOG)  # from here on, who is told the address is not turned away
    except OSError as error:
        at = f"{listening.host}:{listening.port}"
        raise ToolError(f"{at}: cannot be listened at: {error.strerror}", hint="choose another port") from error
    return end


def _bound_files(connections_max: int) -> None:
    """So that those who never finish a handshake, which nobody counts, are bounded, too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections_max + FILES_BESIDE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ToolError(
            f"this machine lets a program open {hard:,} files, {connections_max:,} connections need {wanted:,}",
            hint="raise it (LimitNOFILE= of the unit), or lower --connections",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
