"""The answer to one request, as a stream of bytes."""

from __future__ import annotations

import contextlib
import http.client
import socket

from tinyops.collect.capture.ways.kind import OneWay, StreamEnded
from tinyops.link.client import LinkClosed

CONNECT_S = 10.0
PIECE_BYTES = 65_536
OK = 200


def get(secure: bool, host: str, port: int | None, path: str) -> HttpStream:
    """Asks, and returns when the answer begins. Raises LinkClosed."""
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(host, port, timeout=CONNECT_S)
    name = f"{'https' if secure else 'http'}://{host}{'' if port is None else f':{port}'}"
    try:
        connection.request("GET", path, headers={"Accept": "*/*", "User-Agent": "tinyops"})
        line = connection.sock  # which the connection forgets when the answer's end is its own
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise LinkClosed(f"{name}: cannot be reached: {said}", hint="is the device on?") from error
    if answer.status != OK:
        answer.close()
        connection.close()
        raise LinkClosed(f"{name}: answers {answer.status} {answer.reason[:80]}", hint=f"asked for {path[:80]}")
    return HttpStream(name, connection, answer, line)


class HttpStream(OneWay):
    """The body of an answer. `finite` when its length was said: then it is a file and not a sensor."""

    def __init__(
        self, name: str, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse, line: socket.socket
    ) -> None:
        self.name = name
        self.finite = answer.length is not None
        self._connection = connection
        self._answer = answer
        self._socket = line
        self._socket.settimeout(None)  # a read waits until `close`: after a time limit none would be possible

    def read(self, timeout_s: float) -> bytes:  # noqa: ARG002
        try:
            data = self._answer.read1(PIECE_BYTES)
        except (OSError, ValueError, AttributeError, http.client.HTTPException) as error:
            raise LinkClosed(f"{self.name}: the device is gone: {error}") from error
        if not data:
            raise StreamEnded(f"{self.name}: the answer has ended")
        return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # a thread that reads sees the end, and lets go
        self._answer.close()
        self._connection.close()
