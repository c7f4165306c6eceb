"""The program that is a part on Linux: over TCP, UDP and serial devices that go and come back, and as a bridge."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fakes.bluez import StandInBluez, system_bus
from fakes.chained import layered
from fakes.part_programs import build_parts
from fakes.ports import free_port
from fakes.radio import on_air
from fakes.uart_radio import BumbleRadio
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import HostModel, build_host
from tinyops.device.part_streams import PartStreams
from tinyops.device.settings import PartSettings
from tinyops.features import TensorFeatures
from tinyops.graph import parse_graph
from tinyops.link import Frame, Link, Type, encode
from tinyops.link.parts import PartState, PartType, Unavailable
from tinyops.link.streams.ble import BleStream
from tinyops.link.streams.kind import Stream
from tinyops.link.streams.registry import stream_of
from tinyops.twin.machine import SocketStream

pytestmark = pytest.mark.build

AFTER_MS = 800
WAIT_S = 20.0
UNREAD = 12  # states
ASK_AGAIN_S = 4.0  # a message that does not get through is given up before
MODEL = layered((64, 600, 96, 5))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    """Of both parts: program and model."""
    parts = build_parts(MODEL, [1], tmp_path_factory.mktemp("parts"), AFTER_MS)
    return [(part.program, part.library) for part in parts]


class Chain:
    """Two programs: `first` is asked over the bridge of the second, `last` is that one's own line."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        built: list[tuple[Path, Path]],
        line: str,
        upstream: str,
        first: subprocess.Popen | None = None,
        inherited: tuple[int, ...] = (),
    ) -> None:
        self.stack, self.built, self.line = stack, built, line
        self.unavailable: list[Unavailable] = []
        self.states = 0
        bridge = free_port()
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least: whoever reads nothing is noticed soon
        stack.enter_context(ours)
        self.first = first or self.start_first()
        program, model = built[1]
        options = [
            "--upstream",
            upstream,
            "--line",
            f"fd:{theirs.fileno()}",
            "--bridge",
            f"tcp-listen:127.0.0.1:{bridge}",
        ]
        self.start([program, "--model", model, *options], theirs.fileno(), *inherited)
        theirs.close()
        self.last = Link(SocketStream(ours, "last"), name="last")
        self.last.told = self.hear
        self.bridge = stack.enter_context(connected(bridge))
        self.host = Link(SocketStream(self.bridge, "first"), name="first", timeout_s=WAIT_S)

    def start(self, command: list, *inherited: int) -> subprocess.Popen:
        child = subprocess.Popen([str(w) for w in command], stdin=subprocess.DEVNULL, pass_fds=inherited)
        self.stack.callback(lambda: (child.kill(), child.wait()))
        return child

    def start_first(self) -> subprocess.Popen:
        program, model = self.built[0]
        return self.start([program, "--model", model, "--line", self.line])

    def hear(self, frame: Frame) -> None:
        if frame.type == PartType.UNAVAILABLE:
            self.unavailable.append(Unavailable.read(frame.payload))
        elif frame.type == PartType.STATE:
            self.state = frame.payload[3]
            self.states += 1

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline, self.unavailable[-3:]
            self.last.listen(0.05)

    def ready(self) -> None:
        self.state = PartState.STARTING
        self.until(lambda: self.state == PartState.READY)

    def answers(self, whole: HostModel) -> None:
        tensor = np.random.default_rng(3).integers(-128, 128, (1, 64)).astype(np.int8)
        found: list = []

        def is_answered() -> bool:
            """The first part may hear later than the last that all are ready: then it has no answer, and says so. What
            it says may be lost where a link has just come back."""
            if self.unavailable or time.monotonic() - self.asked_s > ASK_AGAIN_S:
                self.ask(tensor)
            found.extend(self.last.results())
            return bool(found)

        self.last.results()
        self.ask(tensor)
        self.until(is_answered)
        assert found[0].values == whole.infer(tensor)[0].tobytes()

    def ask(self, tensor: np.ndarray) -> None:
        self.unavailable.clear()
        self.asked_s = time.monotonic()
        self.host.write_input(tensor.tobytes())
        self.host.invoke()

    def loses(self) -> None:
        """The first part is named."""
        self.unavailable.clear()
        self.until(lambda: len(self.unavailable) > 1)
        assert {(u.part, u.state) for u in self.unavailable} == {(0, PartState.LOST)}


def connected(port: int) -> socket.socket:
    for _ in range(200):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        time.sleep(0.02)
    raise AssertionError("nobody listens at the bridge")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> HostModel:
    compiled = compile_model(parse_graph(MODEL, "m"), TensorFeatures(), CompileOptions())
    return HostModel(build_host(compiled.sources, tmp_path_factory.mktemp("whole")))


def places(kind: str) -> tuple[str, str]:
    port = free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    if kind == "udp":
        return f"udp:127.0.0.1:{port}", f"udp-listen:127.0.0.1:{port}"
    return f"tcp-listen:127.0.0.1:{port}", f"tcp:127.0.0.1:{port}"


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_over_a_network_a_part_that_is_gone_is_named_and_comes_back(
    kind: str, built: list[tuple[Path, Path]], whole: HostModel
) -> None:
    with contextlib.ExitStack() as stack:
        chain = Chain(stack, built, *places(kind))
        chain.ready()
        chain.answers(whole)
        chain.first.kill()
        chain.loses()
        chain.start_first()
        chain.ready()
        chain.answers(whole)


def test_who_connects_and_says_nothing_gives_its_place_to_who_comes_next(
    built: list[tuple[Path, Path]], whole: HostModel
) -> None:
    with contextlib.ExitStack() as stack:
        line, upstream = places("tcp")
        program, model = built[0]
        first = subprocess.Popen([program, "--model", model, "--line", line], stdin=subprocess.DEVNULL)
        stack.callback(lambda: (first.kill(), first.wait()))
        silent = stack.enter_context(connected(int(upstream.rpartition(":")[2])))
        chain = Chain(stack, built, line, upstream, first)
        chain.ready()
        chain.answers(whole)
        while silent.recv(4096):
            pass


@contextlib.contextmanager
def cable() -> Iterator[tuple[str, str, threading.Event]]:
    """Two serial devices joined, while the event is set."""
    (left, one), (right, other) = pty.openpty(), pty.openpty()
    for end in (one, other):
        tty.setraw(end)
    plugged, ended = threading.Event(), threading.Event()
    plugged.set()

    def carry() -> None:
        while not ended.is_set():
            for end in select.select([left, right], [], [], 0.05)[0]:
                data = os.read(end, 4096)
                if plugged.is_set():
                    os.write(right if end == left else left, data)

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield os.ttyname(one), os.ttyname(other), plugged
    finally:
        ended.set()
        thread.join()
        for end in (left, one, right, other):
            os.close(end)


def test_over_a_serial_cable_that_is_pulled_and_plugged_in_again(
    built: list[tuple[Path, Path]], whole: HostModel
) -> None:
    with cable() as (one, other, plugged), contextlib.ExitStack() as stack:
        chain = Chain(stack, built, f"{one}@115200", other)
        chain.ready()
        chain.answers(whole)
        plugged.clear()
        chain.loses()
        plugged.set()
        chain.ready()
        chain.answers(whole)


def test_a_line_that_nobody_reads_holds_up_no_other(built: list[tuple[Path, Path]], whole: HostModel) -> None:
    with contextlib.ExitStack() as stack:
        chain = Chain(stack, built, *places("tcp"))
        chain.ready()
        told: list[int] = []
        chain.host.told = lambda frame: told.append(frame.payload[3]) if frame.type == PartType.STATE else None
        while len(told) < UNREAD:  # one in a third of the limit; the first part names the second where that is silent
            chain.host.stats()
            chain.host.listen(0.05)
        assert set(told[1:]) == {PartState.READY}
        chain.ready()  # read again: from where a frame begins
        chain.answers(whole)


def test_what_cannot_start_says_why(built: list[tuple[Path, Path]]) -> None:
    def said(part: int, *options: str) -> str:
        done = subprocess.run([built[part][0], *options], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2
        return done.stderr

    model = ("--model", str(built[1][1]))
    assert "usage: part --model" in said(1, *model)  # a later part without an upstream
    assert "without --upstream" in said(0, *model, "--upstream", "std")
    assert "not HOST:PORT" in said(1, *model, "--upstream", "tcp:nowhere")
    for place in ("[:80", "[]:80", "[::1:80", "[::1]x:80", ":80", "x:"):
        assert "not HOST:PORT" in said(1, *model, "--upstream", f"tcp:{place}")
    assert "no baud rate" in said(1, *model, "--upstream", "/dev/null@12345")
    assert "unknown option" in said(1, "--nothing", "x")


@pytest.mark.parametrize("reads", [True, False])
def test_who_floods_the_bridge_or_does_not_read_it_holds_nobody_up(reads: bool, built: list[tuple[Path, Path]]) -> None:
    """Each third of the time limit a part tells its state."""
    flood = encode(Frame(Type.HELLO, 1, b"")) * 200
    with contextlib.ExitStack() as stack:
        chain = Chain(stack, built, *places("udp"))
        chain.ready()
        chain.bridge.settimeout(0)
        chain.bridge.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        ended = threading.Event()

        def send() -> None:
            while not ended.is_set():
                with contextlib.suppress(BlockingIOError):
                    chain.bridge.send(flood)
                with contextlib.suppress(BlockingIOError):
                    _ = reads and chain.bridge.recv(65536)

        thread = threading.Thread(target=send)
        stack.callback(thread.join)
        stack.callback(ended.set)
        thread.start()
        before = chain.states
        chain.until(lambda: chain.states >= before + 20)
        assert not chain.unavailable


def test_over_bluetooth_that_agents_carry_to_and_from_their_programs(
    built: list[tuple[Path, Path]], whole: HostModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in of BlueZ on a real bus, and a radio of software; the rest is what agents run."""
    bluez, said = StandInBluez(), []
    with contextlib.ExitStack() as stack:
        stack.enter_context(system_bus(tmp_path, monkeypatch))
        hci = stack.enter_context(on_air(bluez))

        def make(name: str) -> Stream:
            return stream_of(name) if "serve" in name else BleStream(name.partition(":")[2], lambda: BumbleRadio(hci))

        near = PartStreams(PartSettings("ble-serve:hall"), said.append)
        far = PartStreams(PartSettings("std", upstream="ble:hall"), said.append, make)
        stack.callback(near.close)
        stack.callback(far.close)
        with near.handed() as inherited:
            program, model = built[0]
            command = [program, "--model", model, *near.options, *inherited.options]
            first = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited.files)
            stack.callback(lambda: (first.kill(), first.wait()))
        with far.handed() as inherited:
            chain = Chain(stack, built, "", inherited.options[1], first, inherited.files)
        chain.ready()
        chain.answers(whole)
        assert near.trouble is None and far.trouble is None
        bluez.lose()
        chain.until(lambda: sum("connected" in line for line in said) >= 4)
        chain.ready()
        chain.answers(whole)
    assert any("--upstream ble:hall: lost: hall: the connection is lost" in line for line in said)
