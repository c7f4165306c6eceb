"""Intel HEX, as boards' own tools take it."""

from __future__ import annotations

from collections.abc import Iterator

DATA, END, LINEAR = 0, 1, 4
LINE_BYTES = 16
END_LINE = ":00000001FF\n"


def intel_hex(data: bytes, origin: int) -> str:
    """A whole file: `data` from the address `origin` on."""
    return "".join(f"{line}\n" for line in _lines(data, origin))


def _lines(data: bytes, origin: int) -> Iterator[str]:
    upper = -1
    at = origin
    while at < origin + len(data):
        if at >> 16 != upper:
            upper = at >> 16
            yield _record(0, LINEAR, upper.to_bytes(2))
        end = min(at + LINE_BYTES, origin + len(data), (upper + 1) << 16)
        yield _record(at & 0xFFFF, DATA, data[at - origin : end - origin])
        at = end
    yield _record(0, END, b"")


def _record(address: int, kind: int, data: bytes) -> str:
    body = bytes((len(data), address >> 8, address & 0xFF, kind)) + data
    return f":{(body + bytes((-sum(body) % 256,))).hex().upper()}"
