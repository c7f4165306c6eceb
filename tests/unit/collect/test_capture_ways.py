"""Every way in through the real thing: ports, sockets, a radio of software, HTTP, ALSA's file plugin, ffmpeg."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fakes.capturing import SIGNAL, Bench, Scripted, opened, three
from fakes.collecting_device import CollectingDevice
from fakes.ports import free_port
from fakes.radio import on_air
from fakes.uart_radio import BumbleRadio, UartPeripheral
from tinyops.collect.capture import opening
from tinyops.collect.capture.opening import Form, open_source
from tinyops.collect.capture.wanted import Wanted, line_form
from tinyops.collect.capture.ways.ble import BleWay
from tinyops.collect.capture.ways.kind import Opening
from tinyops.collect.capture.ways.registry import WAYS
from tinyops.errors import ToolError, UsageError
from tinyops.link.client import LinkClosed

SHORT = Wanted(label="shake", take="one", seconds=0.06, count=1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LOOK_S", 0.2)
    monkeypatch.setattr(opening, "ASK_S", 0.1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@contextlib.contextmanager
def sending(
    say: Callable[[bytes], object], line: Callable[[int], bytes], rate_hz: float = 200, after_s: float = 0.0
) -> Iterator[None]:
    """A device that prints lines."""
    done = threading.Event()

    def run() -> None:
        done.wait(after_s)
        number, began = 0, time.monotonic()
        while not done.is_set():
            while number < (time.monotonic() - began) * rate_hz:
                with contextlib.suppress(OSError):
                    say(line(number))
                number += 1
            done.wait(0.002)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(5)


@contextlib.contextmanager
def printing_port(line: Callable[[int], bytes], rate_hz: float = 200) -> Iterator[str]:
    far, near = os.openpty()
    tty.setraw(near)
    with sending(lambda data: os.write(far, data), line, rate_hz):
        yield os.ttyname(near)
    os.close(far)
    os.close(near)


def test_lines_over_a_port(bench: Bench) -> None:
    operator = Scripted()
    slow = SIGNAL.model_copy(update={"rate_hz": 200.0})
    with printing_port(three) as port, opened("--port", port, slow) as source:
        assert source.dialect.name == "lines"
        bench.session(source, replace(SHORT, seconds=0.8), operator).run()
    (take,) = bench.takes()
    assert take.facts.full_scale is None
    assert (take.facts.clock.source, take.facts.gaps) == ("host", ())
    assert np.allclose(np.diff(take.values[:, 0]), 0.001, atol=1e-6)
    assert operator.takes[0].entry.rate_hz == pytest.approx(200, rel=0.1)
    assert operator.takes[0].measured.jitter_ms is not None
    assert operator.takes[0].entry.clipped == 0


def test_columns_scale_and_units_of_lines(bench: Bench) -> None:
    with (
        printing_port(lambda n: b"%d\t9.80665\t250\t-1000\n" % n) as port,
        opened("--port", port, columns="2,3,4", units="m/s2,mg,mg", scale="1,2,1") as source,
    ):
        bench.session(source, SHORT, Scripted()).run()
    (take,) = bench.takes()
    assert np.allclose(take.values[0], [1, 0.5, -1])


@pytest.mark.parametrize(
    ("line", "message"),
    [(b"1,2,3,4\n", r"prints 4 numbers a line, .* has 3 channels: ax, ay, az"), (b"1,2\n", "prints 2 numbers")],
)
def test_lines_with_other_columns_are_refused(line: bytes, message: str) -> None:
    with printing_port(lambda _: line) as port, pytest.raises(UsageError, match=message), opened("--port", port):
        pass


def test_a_device_that_makes_no_sense_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PATIENCE_S", 0.3)
    with (
        printing_port(lambda n: b"\x81\xf3\xe0") as port,
        pytest.raises(
            ToolError, match=r"bytes came, neither frames of the link nor lines of numbers: b'.x81"
        ) as caught,
        opened("--port", port),
    ):
        pass
    assert "--baud" in caught.value.hint


@contextlib.contextmanager
def tcp_device(device: CollectingDevice) -> Iterator[str]:
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def run() -> None:
        line, _ = server.accept()
        device.say = line.sendall
        line.settimeout(0.002)
        with contextlib.suppress(ConnectionError), line:
            while not done.is_set() and not device.spent:
                with contextlib.suppress(TimeoutError):
                    device.hear(line.recv(4096))
                device.measure()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    done.set()
    thread.join(5)
    server.close()


def test_tcp(bench: Bench) -> None:
    with tcp_device(CollectingDevice(SIGNAL)) as address, opened("--tcp", address) as source:
        bench.session(source, SHORT, Scripted()).run()
    assert bench.frames() == [list(range(120))]


def test_tcp_that_is_closed_leaves_what_came(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL, limit=126)
    with tcp_device(device) as address, opened("--tcp", address) as source, pytest.raises(LinkClosed, match="closed"):
        bench.session(source, replace(SHORT, seconds=20), Scripted()).run()
    assert bench.frames() == [list(range(126))]


def _to(line: socket.socket, peer: object) -> Callable[[bytes], object]:
    return lambda data: line.sendto(data, peer)  # type: ignore[arg-type]


@contextlib.contextmanager
def udp_device(device: CollectingDevice) -> Iterator[str]:
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(("127.0.0.1", 0))
    line.settimeout(0.002)
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                data, peer = line.recvfrom(4096)
                device.say = _to(line, peer)
                device.hear(data)
            device.measure()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield f"127.0.0.1:{line.getsockname()[1]}"
    done.set()
    thread.join(5)
    line.close()


def test_udp_and_what_it_loses(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL, drop=frozenset({1}))
    with udp_device(device) as address, opened("--udp", address) as source:
        bench.session(source, replace(SHORT, seconds=0.08), Scripted()).run()
    (take,) = bench.takes()
    assert take.facts.gaps == ((42, 42),)


def test_datagrams_of_whoever_sends_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PATIENCE_S", 0.5)  # which begins with what comes first
    port = free_port(socket.SOCK_DGRAM)
    first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with (
        sending(lambda data: first.sendto(data, ("127.0.0.1", port)), lambda n: b"%d,0,0" % n, after_s=0.7),
        opened("--listen-udp", f"127.0.0.1:{port}") as source,
        sending(lambda data: second.sendto(data, ("127.0.0.1", port)), lambda n: b"9,9,9\n"),
    ):
        bench.session(source, SHORT, Scripted()).run()
    first.close()
    second.close()
    (take,) = bench.takes()
    assert np.array_equal(np.unique(np.diff(take.values[:, 0])), [1])


def test_a_device_that_connects(bench: Bench) -> None:
    port = free_port(socket.SOCK_STREAM)
    device = CollectingDevice(SIGNAL)
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            with contextlib.suppress(ConnectionError):
                line = socket.create_connection(("127.0.0.1", port), 1)
                break
            done.wait(0.02)
        device.say = line.sendall
        line.settimeout(0.002)
        with contextlib.suppress(ConnectionError), line:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    device.hear(line.recv(4096))
                device.measure()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with opened("--listen-tcp", f"127.0.0.1:{port}") as source:
        bench.session(source, SHORT, Scripted()).run()
    done.set()
    thread.join(5)
    assert bench.frames() == [list(range(120))]


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ToolError, match="cannot be listened on"), opened("--listen-tcp", address):
            pass


def test_nobody_answers() -> None:
    with (
        pytest.raises(LinkClosed, match="cannot be reached"),
        opened("--tcp", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"),
    ):
        pass


@contextlib.contextmanager
def web_device(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                answer(self)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/samples?rate=400"
    server.shutdown()
    server.server_close()


def streams(handler: BaseHTTPRequestHandler) -> None:
    """Frames of the link without anybody asking, for five seconds at most."""
    handler.send_response(200)
    handler.end_headers()
    device = CollectingDevice(SIGNAL, say=lambda data: handler.wfile.write(data), running=3, limit=10_000)
    device._began = time.monotonic()
    while not device.spent:
        device.measure()
        time.sleep(0.002)


def test_http_that_streams_frames(bench: Bench) -> None:
    with web_device(streams) as url, opened("--http", url) as source:
        assert source.dialect.name == "framed"
        bench.session(source, SHORT, Scripted()).run()
    (frames,) = bench.frames()
    assert frames == list(range(frames[0], frames[0] + 120))


def a_file(handler: BaseHTTPRequestHandler) -> None:
    body = b"ax,ay,az\n" + b"".join(three(n) for n in range(50))
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_http_whose_length_is_known_is_taken_from_its_beginning(bench: Bench) -> None:
    with web_device(a_file) as url, opened("--http", url) as source:
        bench.session(source, replace(SHORT, seconds=None), Scripted()).run()
    (take,) = bench.takes()
    assert len(take.values) == 50
    assert take.facts.clock.source == "file"


def test_http_that_does_not_answer_200_is_said() -> None:
    with (
        web_device(lambda handler: handler.send_error(404)) as url,
        pytest.raises(LinkClosed, match="answers 404"),
        opened("--http", url),
    ):
        pass


def test_bluetooth(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL)
    peripheral = UartPeripheral("wristband", device.hear, device.measure)
    device.say = peripheral.say
    with on_air(peripheral) as hci:
        way = BleWay(lambda: BumbleRadio(hci))
        source = open_source(way, "wristband", Opening(SIGNAL), Form("auto", line_form(SIGNAL, "", "", "")))
        with contextlib.closing(source):
            bench.session(source, SHORT, Scripted()).run()
    assert bench.frames() == [list(range(120))]
    assert max(peripheral.mtus) > 100


def test_bluetooth_that_is_lost_leaves_what_came(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL)
    peripheral = UartPeripheral("wristband", device.hear, device.measure)
    peripheral.break_after = 1500
    device.say = peripheral.say
    with on_air(peripheral) as hci:
        way = BleWay(lambda: BumbleRadio(hci))
        source = open_source(way, "F1:F2:F3:F4:F6:00", Opening(SIGNAL), Form("auto", line_form(SIGNAL, "", "", "")))
        with contextlib.closing(source), pytest.raises(LinkClosed, match="connection is lost"):
            bench.session(source, replace(SHORT, seconds=30), Scripted()).run()
    (frames,) = bench.frames()
    assert frames == list(range(len(frames)))


@pytest.mark.parametrize(
    ("option", "address"),
    [
        ("--tcp", "nano"),
        ("--tcp", ":4000"),
        ("--tcp", "nano:0"),
        ("--udp", "nano:70000"),
        ("--udp", "a b:1"),
        ("--listen-tcp", "4000x"),
        ("--http", "ftp://x/"),
        ("--http", "http://user:secret@host/"),
        ("--http", "http://host/\r\nX: 1"),
        ("--http", "http://host:99999999/"),
        ("--microphone", "-D"),
        ("--camera", "/no/such/film"),
        ("--camera", "http://elsewhere/film"),
        ("--ble", ""),
        ("--ble", "x" * 65),
        ("--port", ""),
    ],
)
def test_addresses_that_are_none_are_refused(option: str, address: str) -> None:
    with pytest.raises(UsageError):
        next(w for w in WAYS if w.option == option).check(address)
