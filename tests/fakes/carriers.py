"""Ways to a fake board other than a serial line: UDP and TCP on this machine, and what goes wrong on them."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

Answer: TypeAlias = Callable[[bytes], bytes]
LOCAL = "127.0.0.1"
PIECE = 1 << 16


@contextlib.contextmanager
def over_udp(answer: Answer, together: list[int] | None = None) -> Iterator[str]:
    """A board that answers datagrams; yields its address. With `together` it answers once no more come for a while,
    and notes how many had come.
    """
    with _socket() as line, _running(lambda done: _serve_udp(line, answer, together, done)):
        yield address_of("udp", line)


def _serve_udp(line: socket.socket, answer: Answer, together: list[int] | None, done: threading.Event) -> None:
    waiting = []
    while not done.is_set():
        if select.select([line], [], [], 0.02)[0]:
            waiting.append(line.recvfrom(PIECE))
            if together is not None:
                continue
        if waiting and together is not None:
            together.append(len(waiting))
        for data, sender in waiting:
            if reply := answer(data):
                line.sendto(reply, sender)
        waiting = []


@dataclass
class Weather:
    """What befalls datagrams, each way: shares of those lost, doubled, and held back until another has overtaken."""

    lost: float = 0.0
    doubled: float = 0.0
    held: float = 0.0
    seed: int = 1
    counts: dict[str, int] = field(default_factory=lambda: {"passed": 0, "lost": 0, "doubled": 0, "held": 0})


@contextlib.contextmanager
def through(weather: Weather, address: str) -> Iterator[str]:
    """A proxy to an address of UDP; yields its own address."""
    host, port = address.removeprefix("udp://").split(":")
    with _socket() as near, _socket() as far:
        far.connect((host, int(port)))
        with _running(lambda done: _relay(weather, near, far, done)):
            yield address_of("udp", near)


def _relay(weather: Weather, near: socket.socket, far: socket.socket, done: threading.Event) -> None:
    chance = random.Random(weather.seed)  # noqa: S311
    client: tuple[str, int] | None = None
    held: dict[bool, list[bytes]] = {True: [], False: []}
    while not done.is_set():
        ready, _, _ = select.select([near, far], [], [], 0.02)
        for line in ready:
            data, sender = line.recvfrom(PIECE)
            outwards = line is near
            client = sender if outwards else client
            for datagram in _weathered(weather, chance, data, held[outwards]):
                if outwards:
                    far.send(datagram)
                elif client is not None:
                    near.sendto(datagram, client)


def _weathered(weather: Weather, chance: random.Random, data: bytes, held: list[bytes]) -> list[bytes]:
    if chance.random() < weather.lost:
        weather.counts["lost"] += 1
        return []
    if chance.random() < weather.held:
        weather.counts["held"] += 1
        held.append(data)
        return []
    twice = chance.random() < weather.doubled
    weather.counts["doubled"] += twice
    weather.counts["passed"] += 1
    out = [data, *([data] if twice else []), *held]
    held.clear()
    return out


@dataclass
class Breaks:
    """A TCP server that breaks connections: each after so many bytes have come, as long as there are numbers."""

    after: list[int] = field(default_factory=list)
    happened: int = 0
    refuse: int = 0  # connections closed at once after each break


@contextlib.contextmanager
def over_tcp(answer: Answer, breaks: Breaks | None = None) -> Iterator[str]:
    """A board that answers raw messages back to back; yields its address."""
    kept = breaks or Breaks()
    with socket.create_server((LOCAL, 0)) as line, _running(lambda done: _accept(line, answer, kept, done)):
        yield address_of("tcp", line)


def _accept(line: socket.socket, answer: Answer, breaks: Breaks, done: threading.Event) -> None:
    while not done.is_set():
        if not select.select([line], [], [], 0.02)[0]:
            continue
        connection, _ = line.accept()
        with connection:
            if breaks.refuse and breaks.happened:
                breaks.refuse -= 1
                continue
            _serve_tcp(connection, answer, breaks, done)


def _serve_tcp(connection: socket.socket, answer: Answer, breaks: Breaks, done: threading.Event) -> None:
    pending, seen = b"", 0
    limit = breaks.after.pop(0) if breaks.after else None
    while not done.is_set():
        if not select.select([connection], [], [], 0.02)[0]:
            continue
        data = connection.recv(PIECE)
        if not data:
            return
        seen += len(data)
        if limit is not None and seen >= limit:
            breaks.happened += 1
            return
        pending += data
        while len(pending) >= 8 and len(pending) >= 8 + int.from_bytes(pending[2:4], "big"):
            length = 8 + int.from_bytes(pending[2:4], "big")
            connection.sendall(answer(pending[:length]))
            pending = pending[length:]


def address_of(scheme: str, line: socket.socket) -> str:
    return f"{scheme}://{LOCAL}:{line.getsockname()[1]}"


def _socket() -> socket.socket:
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind((LOCAL, 0))
    return line


@contextlib.contextmanager
def _running(serve: Callable[[threading.Event], None]) -> Iterator[None]:
    done = threading.Event()
    thread = threading.Thread(target=serve, args=(done,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)
