"""HOST:PORT, as people write it."""

from __future__ import annotations

import re

from tinyops.errors import UsageError

PORT_MAX = 65_535
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\s:/\[\]]{0,255}):(\d{1,5})")


def host_and_port(option: str, address: str, *, hostless: bool = False) -> tuple[str, int]:
    """Of `HOST:PORT`, `[v6]:PORT`, and `:PORT` where that means every interface. Raises UsageError."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) <= PORT_MAX or not (match[1] or hostless):
        raise UsageError(f"{option} {address[:80]!r} is not HOST:PORT", hint=f"such as {option} 192.168.1.20:4000")
    return match[1].strip("[]"), int(match[2])
