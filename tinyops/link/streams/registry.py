"""The kinds of streams, in the order in which help lists them. A new one is a file beside this and a line here."""

from __future__ import annotations

import difflib

from tinyops.errors import UsageError
from tinyops.link.streams.ble import BLE
from tinyops.link.streams.ble_serve import BLE_SERVE
from tinyops.link.streams.kind import Kind, Stream, Wishes
from tinyops.link.streams.serial_line import SERIAL, SerialLine
from tinyops.link.streams.tcp import TCP, TCP_LISTEN
from tinyops.link.streams.udp import UDP, UDP_LISTEN
from tinyops.link.streams.web_socket import WS_LISTEN

KINDS: tuple[Kind, ...] = (SERIAL, TCP, TCP_LISTEN, UDP, UDP_LISTEN, BLE, BLE_SERVE, WS_LISTEN)
NAME_MAX = 255
_HINT = "a stream is one of: " + ", ".join(kind.form for kind in KINDS)


def kind_of(name: str) -> Kind:
    """By what it begins with; a path is a serial device. Raises UsageError."""
    for kind in KINDS:
        if kind.begins and name.startswith(kind.begins):
            return kind
    word, colon, _ = name.partition(":")
    if colon and "/" not in word and not word.startswith("COM"):
        near = difflib.get_close_matches(word, [kind.begins.rstrip(":") for kind in KINDS], n=1)
        raise UsageError(f"{name[:80]!r}: no stream begins with {word[:40]}:", hint=_near(near))
    return SERIAL


def stream_of(name: str, wishes: Wishes | None = None) -> Stream:
    """Raises UsageError for a name that is none. Opens nothing."""
    if not name or len(name) > NAME_MAX or not name.isprintable():
        raise UsageError(f"{name[:80]!r} names no stream", hint=_HINT)
    kind = kind_of(name)
    return kind.open(name.removeprefix(kind.begins), wishes or Wishes())


def check_apart(one: Stream, other: Stream) -> None:
    """Raises UsageError for two streams that are one, or that lead to each other: what comes would go back."""
    if isinstance(one, SerialLine) and isinstance(other, SerialLine):
        same = one.device == other.device
    else:
        same = one.name == other.name or one.name == _other_end(other.name) or other.name == _other_end(one.name)
    if same:
        raise UsageError(f"{one.name} and {other.name} are the same", hint="a bridge joins two streams")


def _other_end(name: str) -> str | None:
    """Of what listens: what would connect to it, as far as that is called alike."""
    begins, found, place = name.partition("-listen:")
    return f"{begins}:{place}" if found else name.replace("ble-serve:", "ble:", 1)


def _near(near: list[str]) -> str:
    return f"did you mean {near[0]}:?" if near else _HINT
