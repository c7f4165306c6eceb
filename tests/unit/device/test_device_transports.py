"""Addresses and kinds of transports, and what a link may send that is no SMP."""

from __future__ import annotations

import socket
import threading

import pytest

from fakes.carriers import LOCAL, over_udp
from fakes.slot_board import SlotBoard
from tinyops.device.transports import KINDS, transport_of
from tinyops.device.transports.ble import BleTransport
from tinyops.device.transports.tcp import TcpChannel
from tinyops.errors import UsageError
from tinyops.link.client import LinkClosed, LinkError, LinkTimeout
from tinyops.link.smp import BoardManager, requests


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/dev/ttyACM0", "serial"),
        ("serial:/dev/ttyUSB0?baud=1000000", "serial"),
        ("COM7", "serial"),
        ("udp://10.0.0.7", "udp"),
        ("udp://[fe80::1]:99", "udp"),
        ("tcp://sensor.local:1337", "tcp"),
        ("ble://F0:5C:81:00:00:01", "ble"),
        ("ble://desk 3", "ble"),
    ],
)
def test_an_address_says_its_kind(address: str, name: str) -> None:
    assert transport_of(address).name == name


@pytest.mark.parametrize(
    "address",
    [
        *("", "nonsense", "udp://", "udp://host:0", "udp://host:99999", "udp://host:x", "udp://host/path", "udp://a@b"),
        *("tcp://:1", "tcp://[::1", "ble://", "ble://a/b", "ble://" + "x" * 65),
        *("serial:", "serial:x", "/dev/x?baud=no"),
        *("https://github.com/acme/releases", "github:acme/releases"),
    ],
)
def test_what_is_no_address_is_refused_with_what_would_be(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        transport_of(address)
    assert caught.value.message.startswith(f"{address}: ") and caught.value.hint


def test_a_release_store_is_a_kind_to_which_nothing_is_pushed() -> None:
    with pytest.raises(UsageError, match="devices fetch by themselves") as caught:
        transport_of("https://example.com/store")
    assert "tinyops apply" in caught.value.hint


def test_raw_framing_is_for_links_with_their_own_integrity() -> None:
    address = {"serial": "/dev/ttyACM0", "http": "https://x/y", "ble": "ble://x"}
    framing = {kind.name: kind.traits(address.get(kind.name, f"{kind.name}://x")).framing for kind in KINDS}
    assert framing == {"serial": "console", "udp": "raw", "tcp": "raw", "ble": "raw", "http": "none"}


def test_a_datagram_that_is_no_message_is_noise_and_no_answer() -> None:
    board = SlotBoard()
    junk = [b"", b"\x01", b"\xff" * 700, b"\x0b\x00\x00\x09\x00\x40\x00\x00"]
    answering = over_udp(lambda request: junk.pop() if junk else board.answer(request))
    with answering as address, transport_of(address).open(address) as channel:
        manager = BoardManager.over(channel, name=address, timeout_s=0.2)
        for _ in range(len(junk)):
            with pytest.raises(LinkError, match=r"no answer|damaged"):
                manager.info()
        assert channel.bad == 3 and manager.info().board == "microbit"


def test_an_answer_to_an_earlier_request_is_dropped() -> None:
    board = SlotBoard()
    answers: list[bytes] = []

    def late(request: bytes) -> bytes:
        answers.append(board.answer(request))
        return answers[0]

    with over_udp(late) as address, transport_of(address).open(address) as channel:
        manager = BoardManager.over(channel, name=address, timeout_s=0.2)
        assert manager.info().board == "microbit"
        with pytest.raises(LinkError, match="InfoRead"):
            manager.info()


def _pair() -> tuple[TcpChannel, socket.socket]:
    near, far = socket.socketpair()
    near.setblocking(False)
    return TcpChannel("tcp://x", near), far


def test_messages_on_tcp_may_come_in_any_pieces() -> None:
    channel, far = _pair()
    message = SlotBoard().answer(requests.InfoRead(sequence=7).BYTES)
    with channel, far:
        found: list[bytes] = []
        for at in range(0, 2 * len(message), 5):
            far.sendall((message * 2)[at : at + 5])
            found += channel.receive(1)
        assert found == [message, message]


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64])
def test_what_is_no_smp_on_tcp_ends_the_connection(junk: bytes) -> None:
    channel, far = _pair()
    with channel, far:
        far.sendall(junk)
        with pytest.raises(LinkClosed, match="sends what is no SMP"):
            channel.receive(1)


def test_a_device_that_takes_nothing_is_no_endless_wait() -> None:
    channel, far = _pair()
    with channel, far, pytest.raises(LinkTimeout, match="takes no more bytes"):
        channel.send(bytes(1 << 24), 0.05)


def test_a_device_that_hangs_up_is_told() -> None:
    channel, far = _pair()
    far.close()
    with channel, pytest.raises(LinkClosed, match="closed the connection"):
        channel.receive(1)


class _Absent:
    async def connect(self, address: str, timeout_s: float) -> None:
        raise ValueError("no such device")

    async def disconnect(self) -> None: ...
    async def send(self, data: bytes) -> None: ...
    async def receive(self) -> bytes:
        return b""


def test_a_radio_without_the_device_is_one_error_and_leaves_no_thread() -> None:
    with pytest.raises(LinkClosed, match=r"^ble://desk: cannot be reached: no such device"):
        BleTransport(_Absent).open("ble://desk")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ble")]


def test_nobody_on_udp_is_told_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((LOCAL, 0))
        address = f"udp://{LOCAL}:{line.getsockname()[1]}"
    with transport_of(address).open(address) as channel, pytest.raises(LinkClosed, match="nobody listens there"):
        channel.send(requests.InfoRead().BYTES, 1)
        channel.receive(5)
