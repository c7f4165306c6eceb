"""A virtual board behind a pseudo terminal: to a program that opens it, a serial port."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator, Mapping
from pathlib import Path

from tinyops.boards.model import Board
from tinyops.twin import VirtualBoard, open_twin

PIECE_BYTES = 4096


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """The far end's file descriptor, and the path of the port."""
    far, near = os.openpty()
    tty.setraw(near)
    try:
        yield far, os.ttyname(near)
    finally:
        os.close(far)
        os.close(near)


@contextlib.contextmanager
def bridged(board: Board, files: Mapping[str, Path]) -> Iterator[str]:
    """Boots a board's files in its emulator; yields the path of a port on which it answers."""
    with open_twin(board.name, board.spec, files) as virtual:
        assert isinstance(virtual, VirtualBoard)
        with port_of(virtual) as port:
            yield port


@contextlib.contextmanager
def port_of(virtual: VirtualBoard) -> Iterator[str]:
    """The path of a port on which a virtual board answers; its link answers no more meanwhile.

    Waits until the board is up: one that is starting may clear away what comes, and most requests are sent once.
    """
    virtual.link.hello(timeout_s=60)
    with terminal() as (far, port):
        done = threading.Event()
        line = virtual.link._stream._end  # the socket to its serial line
        pump = threading.Thread(target=_pump, args=(far, line, done), daemon=True)
        pump.start()
        try:
            yield port
        finally:
            done.set()
            pump.join(timeout=5)


def _pump(far: int, line: socket.socket, done: threading.Event) -> None:
    """Carries bytes both ways until told to stop, or one end is gone."""
    line.setblocking(True)
    while not done.is_set():
        ready, _, _ = select.select([far, line], [], [], 0.1)
        with contextlib.suppress(OSError):
            if far in ready:
                line.sendall(os.read(far, PIECE_BYTES))
            if line in ready:
                data = line.recv(PIECE_BYTES)
                if not data:
                    return
                os.write(far, data)
