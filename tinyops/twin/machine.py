"""A virtual board: a child process, a socket to its serial line, and a link over it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.files import JsonObject
from tinyops.link import Link, LinkClosed, LinkTimeout
from tinyops.process import kill_group

RECEIVE_BYTES = 1 << 16
STDERR_BYTES = 2000
BOOT_TIMEOUT_S = 20.0
INVOKE_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Replay:
    """A recording that stands in for a board's sensor: frames of int16, little-endian, `rate_millihz` of them in 1000
    seconds, or as fast as the board takes them (0)."""

    path: Path
    rate_millihz: int = 0


@dataclass(frozen=True)
class Boot:
    """What a virtual board is made of: the board's facts, its files by name, its contract and lock entries.

    Only twins of Linux boards can replay.
    """

    board: str
    spec: BoardSpec
    files: Mapping[str, Path]
    contract: JsonObject
    lock: JsonObject
    replay: Replay | None = None

    def file(self, name: str) -> Path:
        """The path of an input. Raises ToolError when the step was not given it."""
        try:
            return self.files[name]
        except KeyError:
            raise ToolError(f"{self.board}: the twin needs {name}, which no step made") from None


class SocketStream:
    """A connected socket as a ByteStream."""

    def __init__(self, end: socket.socket, name: str) -> None:
        self._end = end
        self._name = name

    def read(self, timeout_s: float) -> bytes:
        self._end.settimeout(max(timeout_s, 0.001))
        try:
            data = self._end.recv(RECEIVE_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise LinkClosed(f"{self._name}: the virtual board is gone: {error.strerror}") from error
        if not data:
            raise LinkClosed(f"{self._name}: the virtual board is gone")
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        self._end.settimeout(max(timeout_s, 0.001))
        try:
            self._end.sendall(data)
        except TimeoutError:
            raise LinkTimeout(f"{self._name}: takes no more bytes") from None
        except OSError as error:
            raise LinkClosed(f"{self._name}: the virtual board is gone: {error.strerror}") from error


@dataclass
class VirtualBoard:
    """A board that runs in a process here. Talk to it through `link`; `how_it_ended` says why it stopped."""

    name: str
    link: Link
    process: subprocess.Popen[str]
    errors: IO[bytes]

    def how_it_ended(self) -> str:
        """Exit status and first line of errors of a process that stopped; "" while it runs."""
        try:
            status = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return ""
        self.errors.seek(0)
        said = self.errors.read(STDERR_BYTES).decode(errors="replace").strip().partition("\n")[0]
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        return f"{how}: {said}" if said else how


@contextlib.contextmanager
def start(
    name: str, command: Callable[[int], Sequence[str | Path]], *, also: Sequence[int] = ()
) -> Iterator[VirtualBoard]:
    """Runs a program whose serial line is the socket with the number given to `command`; kills it at the end.

    It inherits the files numbered in `also`, too.

    Raises ToolError when it cannot be started.
    """
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as errors:
        with theirs:
            child = _spawn(name, [str(a) for a in command(theirs.fileno())], [theirs.fileno(), *also], errors)
        try:
            yield VirtualBoard(name, Link(SocketStream(ours, name), name=name, timeout_s=BOOT_TIMEOUT_S), child, errors)
        finally:
            kill_group(child)


def _spawn(name: str, command: list[str], files: list[int], errors: IO[bytes]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [*_dying_with_parent(), *command],
            stdin=files[0],
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=files,
            start_new_session=True,
            text=True,
        )
    except OSError as error:
        raise ToolError(f"{name}: {command[0]} cannot be started: {error.strerror}") from error


def _dying_with_parent() -> list[str]:
    """So that a tinyops that is killed leaves no emulator behind; without util-linux it may."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
