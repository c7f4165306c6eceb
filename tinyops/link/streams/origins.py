"""Which pages may open a WebSocket here: a browser lets any page of the web try, and says whose page it is."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from tinyops.errors import UsageError

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-_]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?|null")


def check_origin(text: str) -> str:
    """As browsers send it. Raises UsageError."""
    origin = text.rstrip("/")
    if _ORIGIN.fullmatch(origin) is None:
        raise UsageError(f"--origin {text[:80]!r} is no page's origin", hint="write --origin https://example.org")
    return origin.casefold()


def refusal(origin: str | None, host: str | None, allowed: Collection[str]) -> str | None:
    """Why it is refused. Let in are who is no browser (no origin), pages that were named, and pages of this machine.

    A page is this machine's when its host is the one that was asked for, and that is an address or this machine's own
    name: any other name may have been pointed here by whoever owns it.
    """
    if origin is None or origin.casefold() in allowed:
        return None
    page, asked = _host_of(origin), _host_of(f"http://{host}")
    if page and page == asked and _is_ours(page):
        return None
    return f"pages of {origin[:80]} may not connect here: allow it with --origin"


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").casefold()
    except ValueError:
        return ""


def _is_ours(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        name = socket.gethostname().casefold()
        return host in {"localhost", name, f"{name.partition('.')[0]}.local"}
    return True
