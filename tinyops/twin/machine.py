"""A virtual board: a child process, a socket to its serial line, and a link over it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, ClassVar, TypeVar

from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.files import JsonObject
from tinyops.link import Link, LinkClosed, LinkTimeout
from tinyops.process import kill_group
from tinyops.toolchain import Tool, installed, locked
from tinyops.twin.flashed import Trust, flash_content
from tinyops.twin.recorded import Replay, on_chip

RECEIVE_BYTES = 1 << 16
STDERR_BYTES = 2000
BOOT_TIMEOUT_S = 20.0
INVOKE_TIMEOUT_S = 120.0
ORDER_TIMEOUT_S = 20.0
ANSWER_BYTES = 200
SILICON_BYTES = 8
FLASH_COUNTS = struct.Struct("<3I")  # the end of a file of runtime/port/native/file_flash.h: operations, cut at, cuts


@dataclass(frozen=True)
class Boot:
    """What a virtual board is made of: the board's facts, its files by name, its contract and lock entries.

    `replay` stands in for a sensor. `bootloader`: a reset leads into the board's own, which may write its flash.
    `serial` tells boards of one kind apart: their chips have other numbers.
    """

    board: str
    spec: BoardSpec
    files: Mapping[str, Path]
    contract: JsonObject
    lock: JsonObject
    replay: Replay | None = None
    state: Path | None = None  # a folder that keeps what the board's flash holds
    bootloader: bool = False
    serial: str = ""
    fleet: str = ""  # what a board with an operating system, whose program is no fleet's, says it is of
    # Of a board that a bootloader of ours starts: who signed its images, what they are bound to, which firmware it has.
    trust: Trust | None = None
    counter: int = 0
    slot: int = 0
    hurried: bool = False  # sleep takes no time on this machine, only on the board's clock
    upstream: bool = False  # a part of a chain that is not the first: it has a second stream, to the part before

    @property
    def silicon(self) -> bytes:
        """The chip's own number, made of the serial; without one, none."""
        return sha256(f"{self.board}/{self.serial}".encode()).digest()[:SILICON_BYTES] if self.serial else b""

    def on_chip(self) -> Replay | None:
        """The recording as the model of the chip takes it that the board's own driver reads. Raises SpecError."""
        if self.replay is None:
            return None
        facts = next(facts for facts in self.spec.sensors if facts.name in self.spec.drivers)
        return on_chip(self.replay, self.contract, facts, self.board)

    def flash_content(self) -> dict[int, bytes]:
        """What a cable wrote into the flash of a board that a bootloader of ours starts."""
        bound = {"counter": self.counter, "slot": self.slot}
        return flash_content(self.board, self.spec, self.files, self.contract, trust=self.trust, **bound)

    def file(self, name: str) -> Path:
        """The path of an input. Raises ToolError when the step was not given it."""
        try:
            return self.files[name]
        except KeyError:
            raise ToolError(f"{self.board}: the twin needs {name}, which no step made") from None

    def tool(self, role: str, name: str) -> Tool:
        """What the lock has as `role` (emulator, compiler), in its very version; without one, `name` as it is here."""
        wanted = self.lock.get(role)
        return locked(str(wanted["name"]), str(wanted["version"])) if wanted else installed(name)


class SocketStream:
    """A connected socket as a ByteStream."""

    def __init__(self, end: socket.socket, name: str) -> None:
        self._end = end
        self._name = name

    @property
    def end(self) -> socket.socket:
        """For whoever carries its bytes elsewhere instead."""
        return self._end

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


@dataclass(frozen=True)
class Counted:
    """Of a virtual board since it was started, None for what its emulator does not count: units of flash programmed
    and sectors erased; resets, and how many of them the watchdog caused; core cycles; bytes of the deepest stack."""

    resets: int | None = None
    operations: int | None = None
    watchdog: int | None = None
    cycles: int | None = None
    stack: int | None = None


class Bare:
    """A virtual board whose emulator lends neither pins nor power: every call says so. Kinds override what they can."""

    name: str
    kind: ClassVar[str] = "this"

    def reset(self) -> None:
        """Pulls the reset pin: RAM keeps what it held. Raises ToolError."""
        raise self._cannot("pull the reset pin")

    def power_cut(self) -> None:
        """Takes the power away and gives it back: RAM holds noise, flash what was written. Raises ToolError."""
        raise self._cannot("cut the power")

    def cut_in(self, operation: int) -> None:
        """Power fails within the operation of flash of that number from now. Raises ToolError."""
        raise self._cannot(f"cut the power in operation {operation} of flash: it has no flash that can be written")

    def measure(self) -> Counted:
        """What the emulator counted; nothing, where it counts nothing. Raises ToolError when the board is gone."""
        return Counted()

    def _cannot(self, what: str) -> ToolError:
        return ToolError(f"{self.name}: a twin of kind {self.kind} cannot {what}")


@dataclass
class WiredBoard(Bare):
    """A board whose serial line is a socket here. Talk to it through `link`; `how_it_ended` says why it stopped."""

    name: str
    link: Link
    upstream: socket.socket | None = field(default=None, init=False)  # our end of the stream to the part before

    @property
    def line(self) -> socket.socket:
        """Our end of its serial line: another one when it has started again."""
        assert isinstance(self.link.stream, SocketStream)
        return self.link.stream.end

    def has_ended(self) -> bool:
        """Whether it runs no more, at once."""
        raise NotImplementedError

    def how_it_ended(self) -> str:
        """Why it stopped; "" while it runs."""
        raise NotImplementedError


@dataclass
class VirtualBoard(WiredBoard):
    """A board that runs in a process here."""

    process: subprocess.Popen[str]
    errors: IO[bytes]

    def has_ended(self) -> bool:
        return self.process.poll() is not None

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


@dataclass
class OrderedBoard(VirtualBoard):
    """A virtual board whose program takes orders: a line each, answered by one, on a socket of its own."""

    orders: socket.socket
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reset(self) -> None:
        self.order("reset")

    def power_cut(self) -> None:
        self.order("power_cut")

    def cut_in(self, operation: int) -> None:
        self.order(f"cut_in {operation}")

    def measure(self) -> Counted:
        found = dict(re.findall(r"(\w+) (\d+)", self.order("measure")))
        return Counted(**{name: int(found[name]) for name in found})

    def order(self, order: str) -> str:
        """The answer to an order. Raises ToolError when the board is gone, or does not know the order."""
        with self._turn:
            return self._order(order)

    def _order(self, order: str) -> str:
        said = b""
        try:
            self.orders.settimeout(ORDER_TIMEOUT_S)
            self.orders.sendall(f"{order}\n".encode())
            while not said.endswith(b"\n") and len(said) < ANSWER_BYTES:
                piece = self.orders.recv(ANSWER_BYTES)
                if not piece:
                    break
                said += piece
        except OSError:
            said = b""
        if not said.endswith(b"\n"):
            raise ToolError(f"{self.name}: {order}: the virtual board is gone: {self.how_it_ended() or 'no answer'}")
        answer = said.decode(errors="replace").strip()
        if answer == "unknown":
            raise self._cannot(f"do this: {order}")
        return answer


@dataclass
class ProcessBoard(VirtualBoard):
    """A virtual board with an operating system: to lose power is to be killed and to start again."""

    kind = "native"
    again: Callable[[], None]
    flash: Path | None = None  # see FLASH_COUNTS
    resets: int = 0

    def reset(self) -> None:
        self.power_cut()

    def power_cut(self) -> None:
        self.again()
        self.resets += 1

    def cut_in(self, operation: int) -> None:
        if self.flash is None or not self.flash.is_file():
            super().cut_in(operation)
        else:
            with self.flash.open("r+b") as stream:
                operations, _, cuts = FLASH_COUNTS.unpack(stream.read()[-FLASH_COUNTS.size :])
                stream.seek(-FLASH_COUNTS.size, os.SEEK_END)
                stream.write(FLASH_COUNTS.pack(operations, operations + operation, cuts))

    def measure(self) -> Counted:
        if self.flash is None or not self.flash.is_file():
            return Counted(resets=self.resets)
        operations, _, cuts = FLASH_COUNTS.unpack(self.flash.read_bytes()[-FLASH_COUNTS.size :])
        return Counted(resets=self.resets + cuts, operations=operations)


@contextlib.contextmanager
def start_process(
    name: str, command: Sequence[str | Path], *, also: Sequence[int] = (), flash: Path | None = None
) -> Iterator[ProcessBoard]:
    """As `start`, for a program that can be started again: its serial line is its standard input. `flash` is the file
    in which it counts its operations."""
    with start(name, lambda _: command, also=also) as first:
        ends = contextlib.ExitStack()

        def again() -> None:
            kill_group(board.process)
            ours, theirs = socket.socketpair()
            with theirs:
                ends.callback(ours.close)
                board.process = _spawn(name, [str(a) for a in command], [theirs.fileno(), *also], board.errors)
            ends.callback(kill_group, board.process)
            board.link = Link(SocketStream(ours, name), name=name, timeout_s=BOOT_TIMEOUT_S)

        board = ProcessBoard(first.name, first.link, first.process, first.errors, again, flash)
        with ends:
            yield board


OrderedT = TypeVar("OrderedT", bound="OrderedBoard")


@contextlib.contextmanager
def start_ordered(
    board: type[OrderedT], name: str, command: Callable[[int, int], Sequence[str | Path]], *, also: Sequence[int] = ()
) -> Iterator[OrderedT]:
    """As `start`, for a program that takes orders, too; `command` gets the numbers of both sockets."""
    ours, theirs = socket.socketpair()
    with ours, contextlib.ExitStack() as stack:
        with theirs:
            number = theirs.fileno()
            virtual = stack.enter_context(start(name, lambda line: command(line, number), also=(number, *also)))
        yield board(virtual.name, virtual.link, virtual.process, virtual.errors, ours)


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
