"""A device that answers a GET with a body that does not end: frames of the link, or lines."""

from __future__ import annotations

from urllib.parse import urlsplit

from tinyops.collect.capture.ways.kind import Opening, Stream, Traits
from tinyops.errors import UsageError

URL_MAX = 2000


class HttpWay:
    """One request; its answer is what the device measures."""

    option, metavar, default = "--http", "URL", None
    about = "a device that streams its measurements as the answer to a request"
    traits = Traits(begun=True)

    def check(self, address: str) -> None:
        _parts(address)

    def open(self, address: str, opening: Opening) -> Stream:  # noqa: ARG002
        from tinyops.collect.capture.ways.http_stream import get

        return get(*_parts(address))


def _parts(address: str) -> tuple[bool, str, int | None, str]:
    """Whether it is https, host, port, and path with query. Raises UsageError."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = address.isascii() and address.isprintable() and " " not in address and len(address) <= URL_MAX
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise UsageError(f"--http {address[:80]!r} is no URL of a device", hint="such as http://192.168.1.20/samples")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme == "https", parts.hostname, port, path
