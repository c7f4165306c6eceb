"""Who is let in, and what becomes of those for whom there is no room."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from tinyops.receiver.entrance import Entrance


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    with Entrance(socket.AF_INET, socket.SOCK_STREAM) as end:
        end.admit(4)
        end.bind(("127.0.0.1", 0))
        end.listen()
        end.setblocking(False)
        yield end


def knock(entrance: Entrance, host: str) -> socket.socket:
    return socket.create_connection(entrance.getsockname(), timeout=10, source_address=(host, 0))


def test_one_address_has_half_of_the_room_and_gets_it_back(entrance: Entrance) -> None:
    with knock(entrance, "127.0.0.1"), knock(entrance, "127.0.0.1"), knock(entrance, "127.0.0.1") as third:
        guests = [entrance.accept()[0] for _ in range(2)]
        with pytest.raises(ConnectionAbortedError):
            entrance.accept()
        assert third.recv(1) == b""
        with knock(entrance, "127.0.0.2") as other:
            guest, (host, _) = entrance.accept()
            guest.sendall(b"x")
            assert (host, other.recv(1)) == ("127.0.0.2", b"x")
            guest.close()
        guests[0].close()
        guests[0].close()  # counts once
        with knock(entrance, "127.0.0.1"):
            guests.append(entrance.accept()[0])
        with knock(entrance, "127.0.0.1"), pytest.raises(ConnectionAbortedError):
            entrance.accept()
        for one in guests:
            one.close()


def test_all_together_have_no_more_than_there_is(entrance: Entrance) -> None:
    callers = [knock(entrance, f"127.0.0.{number}") for number in range(1, 6)]
    guests = [entrance.accept()[0] for _ in range(4)]
    with pytest.raises(ConnectionAbortedError):
        entrance.accept()
    for one in (*callers, *guests):
        one.close()


def test_a_machine_without_files_says_so_once_a_while(entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: socket.socket) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket.socket, "accept", exhausted)
    with pytest.raises(OSError, match="Too many") as said:
        entrance.accept()
    assert not isinstance(said.value, BlockingIOError)
    for _ in range(3):
        with pytest.raises(BlockingIOError):  # what ends asyncio's loop
            entrance.accept()
