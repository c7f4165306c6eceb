"""Each kind of stream through the real thing: sockets, ptys, WebSockets; and who may have the one place."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
import tty
from collections.abc import Iterator
from typing import NoReturn

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fakes.ports import free_port
from fakes.streams import Joined, joining
from tinyops.errors import ToolError, UsageError
from tinyops.link.streams import place, tcp, udp, web_socket
from tinyops.link.streams.kind import Stream, Wishes
from tinyops.link.streams.origins import refusal
from tinyops.link.streams.registry import KINDS, check_apart, stream_of
from tinyops.link.streams.udp import DATAGRAM_BYTES, Datagrams

SILENT_S = 0.15


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.Place.__init__, "__defaults__", (SILENT_S,))


def both_ways(far: Joined, near: Joined) -> None:
    near.say(b"\0there\0")
    assert far.hear(7) == b"\0there\0"
    far.say(b"\0and back\0")
    assert near.hear(10) == b"\0and back\0"


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_who_connects_and_who_listens_find_each_other_again(kind: str) -> None:
    at = f"127.0.0.1:{free_port(socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)}"
    with joining(connecting := stream_of(f"{kind}:{at}")) as far:
        for _ in range(2):
            with joining(listening := stream_of(f"{kind}-listen:{at}")) as near:
                far.until("connected", connecting)
                if kind == "udp":
                    while listening._line is None:  # what comes before is nobody's
                        time.sleep(0.01)
                    far.say(b"\0first\0")
                    near.until("connected", listening)
                    assert near.hear(7) == b"\0first\0"
                    both_ways(far, near)
                    return
                near.until("connected", listening)
                both_ways(far, near)
            lost = far.until("lost", connecting)
            assert (lost.received, lost.sent) == (7, 10)


@contextlib.contextmanager
def cable() -> Iterator[tuple[int, str]]:
    far, near = os.openpty()
    tty.setraw(near)
    try:
        yield far, os.ttyname(near)
    finally:
        os.close(near)
        os.close(far)


def test_a_serial_device_comes_and_goes(tmp_path: os.PathLike[str]) -> None:
    link = os.path.join(tmp_path, "ttyACM0")  # noqa: PTH118
    with joining(stream := stream_of(f"{link}@1000000")) as near:
        assert "no such serial line" in near.until("waits", stream).why
        for _ in range(2):
            with cable() as (far, path):
                os.symlink(path, link)  # noqa: PTH211
                near.until("connected", stream)
                near.say(b"\0\xffout")
                assert os.read(far, 100) == b"\0\xffout"
                os.write(far, b"\0in\r\n\x03")
                assert near.hear(6) == b"\0in\r\n\x03"
                os.unlink(link)
            assert "the device is gone" in near.until("lost", stream).why


def test_a_silent_peer_gives_its_place_and_one_that_speaks_keeps_it() -> None:
    port = free_port()
    with joining(stream := stream_of(f"tcp-listen:127.0.0.1:{port}")) as near, contextlib.ExitStack() as stack:
        speaks = stack.enter_context(to(port))
        near.until("connected", stream)
        waits = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        until = time.monotonic() + 3 * SILENT_S
        while time.monotonic() < until:
            speaks.send(b".")
            time.sleep(SILENT_S / 10)
        assert near.events.empty()
        assert "it was silent, and 127.0.0.1:" in near.until("lost", stream).why
        near.until("connected", stream)
        assert speaks.recv(1) == b""
        waits.send(b"it is mine")
        near.say(b"yes")
        assert waits.recv(3) == b"yes"


def test_whoever_is_there_alone_stays_however_silent() -> None:
    port = free_port()
    with (
        joining(stream := stream_of(f"tcp-listen:127.0.0.1:{port}")) as near,
        to(port) as peer,
    ):
        near.until("connected", stream)
        time.sleep(2 * SILENT_S)
        peer.send(b"still here")
        assert near.hear(10) == b"still here"


class NoFileLeft(socket.socket):
    """Whoever comes cannot be taken."""

    asked = 0

    def accept(self) -> NoReturn:
        type(self).asked += 1
        raise OSError(errno.EMFILE, "Too many open files")


def test_who_cannot_be_taken_is_not_asked_for_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    def bound(name: str, host: str, port: int, kind: socket.SocketKind) -> socket.socket:
        line = NoFileLeft(socket.AF_INET, kind)
        line.bind((host, port))
        line.setblocking(False)
        return line

    monkeypatch.setattr(tcp, "bound", bound)
    monkeypatch.setattr(tcp, "LOOK_S", 0.5)
    port = free_port()
    with joining(stream_of(f"tcp-listen:127.0.0.1:{port}")), to(port):
        time.sleep(0.1)
    assert 1 <= NoFileLeft.asked <= 3


def test_a_tcp_peer_whose_machine_is_dead_is_noticed_within_seconds() -> None:
    port, options = (
        free_port(),
        ((socket.SO_KEEPALIVE, socket.SOL_SOCKET), (socket.TCP_USER_TIMEOUT, socket.IPPROTO_TCP)),
    )
    with socket.create_server(("127.0.0.1", port)), joining(stream := stream_of(f"tcp:127.0.0.1:{port}")) as near:
        near.until("connected", stream)
        made = [socket.socket(fileno=os.dup(int(fd))) for fd in os.listdir("/proc/self/fd") if _is_to(int(fd), port)]  # noqa: PTH208
        assert [[end.getsockopt(level, option) for option, level in options] for end in made] == [[1, 6000]]
        for end in made:
            end.close()


def _is_to(file: int, port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(file)) as end:
        return bool(end.family == socket.AF_INET and end.getpeername()[1] == port)
    return False


# -- WebSockets


@contextlib.contextmanager
def listening(*origins: str) -> Iterator[tuple[str, Joined, Stream]]:
    port = free_port()
    stream = stream_of(f"ws-listen:127.0.0.1:{port}", Wishes(origins))
    with joining(stream, stall_s=0.5) as near:
        to(port).close()
        yield f"ws://127.0.0.1:{port}", near, stream


def to(port: int) -> socket.socket:
    """As soon as somebody listens."""
    for _ in range(500):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.01)
    raise AssertionError("nobody listens")


def test_binary_messages_are_bytes_however_they_are_cut() -> None:
    with listening() as (url, near, stream), connect(url) as page:
        near.until("connected", stream)
        for piece in (b"\0a", b"", b"bc\0"):
            page.send(piece)
        assert near.hear(5) == b"\0abc\0"
        near.say(b"x" * 100_000)
        assert b"".join(page.recv() for _ in range(7)) == b"x" * 100_000


def test_a_second_client_is_refused_while_the_first_speaks() -> None:
    with listening() as (url, near, stream), connect(url) as page:
        near.until("connected", stream)
        page.send(b".")
        near.hear(1)
        with connect(url) as other, pytest.raises(ConnectionClosed) as caught:
            other.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1013, "another client is there")
        time.sleep(2 * SILENT_S)
        with connect(url) as other:
            assert "it was silent" in near.until("lost", stream).why
            near.until("connected", stream)
            other.send(b"mine")
            assert near.hear(4) == b"mine"


@pytest.mark.parametrize(
    ("said", "code"), [("text", 1003), (b"x" * 70_000, 1009)], ids=["text", "a message that is too long"]
)
def test_what_is_no_stream_ends_the_connection_and_the_next_one_is_taken(said: str | bytes, code: int) -> None:
    with listening() as (url, near, stream):
        with connect(url) as page:
            near.until("connected", stream)
            page.send(said)
            with pytest.raises(ConnectionClosed) as caught:
                page.recv()
        assert caught.value.rcvd.code == code
        near.until("lost", stream)
        with connect(url) as page:
            page.send(b"better")
            assert near.hear(6) == b"better"


def test_a_client_that_never_reads_is_given_up() -> None:
    with listening() as (url, near, stream), connect(url, max_queue=1) as page:
        near.until("connected", stream)
        page.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.say(b"x" * 8_000_000)
        assert near.until("lost", stream).sent < 8_000_000


def test_pages_of_others_are_refused() -> None:
    with listening("https://fleet.example.org/") as (url, near, stream):
        for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example"):
            with pytest.raises(InvalidStatus) as caught, connect(url, origin=origin):
                pass
            assert caught.value.response.status_code == 403
        for origin in (None, "https://fleet.example.org", url.replace("ws", "http"), "http://127.0.0.1:8000"):
            with connect(url, origin=origin) as page:
                page.send(b"in")
                assert near.hear(2) == b"in"
            near.until("lost", stream)


@pytest.mark.parametrize(
    ("origin", "host", "let_in"),
    [
        (None, "gate.example:7602", True),
        ("http://10.0.0.7:8000", "10.0.0.7:7602", True),
        ("http://[fd00::7]:8000", "[fd00::7]:7602", True),
        ("http://localhost", "localhost:7602", True),
        (f"http://{socket.gethostname()}", f"{socket.gethostname()}:7602", True),
        ("http://rebound.example:7602", "rebound.example:7602", False),
        ("http://10.0.0.8", "10.0.0.7:7602", False),
        ("http://10.0.0.7", None, False),
        ("null", "null", False),
        ("http://[", "[", False),
        ("", "", False),
    ],
)
def test_whose_pages_are_this_machines(origin: str | None, host: str | None, let_in: bool) -> None:
    assert (refusal(origin, host, ()) is None) is let_in


def test_a_hostile_handshake_ends_and_holds_nobody_up() -> None:
    with listening() as (url, near, _):
        port = int(url.rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            ends = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 5)) for _ in range(40)]
            for end in ends:
                end.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000)
            with connect(url) as page:
                page.send(b"through")
                assert near.hear(7) == b"through"
            for end in ends[:3]:
                with contextlib.suppress(ConnectionResetError):
                    while end.recv(4096):
                        pass


def test_of_handshakes_that_never_end_the_oldest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_socket, "HANDSHAKES_MAX", 3)
    with listening() as (url, near, _), contextlib.ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        ends = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(4)]
        for end in ends[:1]:
            with contextlib.suppress(ConnectionResetError):
                assert end.recv(1) == b""
        with connect(url) as page:
            page.send(b"through")
            assert near.hear(7) == b"through"
        ends[-1].settimeout(0.05)
        with pytest.raises(TimeoutError):
            ends[-1].recv(1)


def test_a_datagram_that_is_gone_when_it_is_looked_at_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its checksum was wrong, which the system finds when it is to be received."""
    awaited, false_alarms = udp.Waits.readable, [1, 2, 3]

    async def readable(waits: udp.Waits) -> None:
        if not false_alarms or not false_alarms.pop():
            await awaited(waits)

    monkeypatch.setattr(udp.Waits, "readable", readable)
    port = free_port(socket.SOCK_DGRAM)
    with joining(stream := stream_of(f"udp-listen:127.0.0.1:{port}")) as near:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as good:
            until = time.monotonic() + 5
            while (near.events.empty() or near.events.get().stream != stream.name) and time.monotonic() < until:
                good.sendto(b"\0whole\0", ("127.0.0.1", port))
                time.sleep(0.01)
            assert time.monotonic() < until
        assert near.hear(7) == b"\0whole\0" and not false_alarms


def test_who_resets_a_connection_at_once_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket then has no peer whose name could be asked for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def reset(_: socket.socket) -> None:
            peer, _ = server.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()

        monkeypatch.setattr(tcp, "notice_death", reset)
        with joining(stream := stream_of(f"tcp:127.0.0.1:{port}")) as near:
            assert near.until("connected", stream).peer == f"127.0.0.1:{port}"
            near.until("lost", stream)
            near.until("connected", stream)


# -- names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "names no stream"),
        ("x" * 300, "names no stream"),
        ("tcp:\n", "names no stream"),
        ("tpc:host:1", "no stream begins with tpc:"),
        ("ttyACM0", "no serial device"),
        ("/dev/tty@0", "no serial device"),
        ("/dev/tty@99999999", "no serial device"),
        ("tcp:host", "not HOST:PORT"),
        ("tcp::7600", "not HOST:PORT"),
        ("udp:host:70000", "not HOST:PORT"),
        ("ws-listen:7602", "not HOST:PORT"),
        ("ble:", "no device's name"),
        ("ble:" + "x" * 65, "no device's name"),
        ("ble-serve:", "no name for a radio"),
        ("ble-serve:" + "ä" * 14, "no name for a radio"),
    ],
)
def test_what_names_no_stream_is_refused(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        stream_of(name)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/dev/null", "/dev/../dev/null@9600", True),
        ("tcp:a:1", "tcp:a:1", True),
        ("tcp:a:1", "tcp-listen:a:1", True),
        ("udp-listen:a:1", "udp:a:1", True),
        ("ble:hall", "ble-serve:hall", True),
        ("tcp:a:1", "tcp:a:2", False),
        ("tcp-listen:a:1", "udp:a:1", False),
        ("/dev/null", "/dev/zero", False),
    ],
)
def test_two_streams_that_are_one_are_refused(one: str, other: str, same: bool) -> None:
    with pytest.raises(UsageError, match="are the same") if same else contextlib.nullcontext():
        check_apart(stream_of(one), stream_of(other))


def test_a_port_in_use_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for kind in ("tcp-listen", "ws-listen"):
            name = f"{kind}:127.0.0.1:{taken.getsockname()[1]}"
            with joining(stream := stream_of(name)) as near, pytest.raises(ToolError, match="in use") as caught:
                near.until("connected", stream)
            assert "another program" in caught.value.hint


def test_every_kind_says_what_it_is() -> None:
    assert len({kind.begins for kind in KINDS}) == len(KINDS)
    assert [kind.begins for kind in KINDS if kind.native] == ["", "tcp:", "tcp-listen:", "udp:", "udp-listen:"]


def test_frames_are_cut_into_datagrams_as_the_program_of_a_part_cuts_them() -> None:
    cutter = Datagrams()
    assert cutter.push(b"\0one\0\0two") == [b"\0one\0"]
    assert cutter.push(b"\0three\0") == [b"\0two\0", b"three\0"]
    assert cutter.push(b"x" * 2500) == [b"x" * DATAGRAM_BYTES] * 2
    assert cutter.rest() == b"x" * (2500 - 2 * DATAGRAM_BYTES)
    assert cutter.push(b"\0\0\0") == [b"\0"]
