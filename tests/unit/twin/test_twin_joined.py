"""A link between two boards that are sockets here: what is sent on one side comes out of the other."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tinyops.link import Decoder, Frame, encode
from tinyops.twin.joined import Joint
from tinyops.twin.upstream import unheard
from tinyops.twin.wire import Terms

LONG_S = 20.0  # nothing here takes nearly as long
SHORT_S = 0.2  # long enough for what would come at once


def frame(sequence: int, kind: int = 0x50, size: int = 200) -> bytes:
    return encode(Frame(kind, sequence, bytes(size)))


@dataclass
class Board:
    """A board's end, which a test plays, and the joint's, which may be exchanged."""

    mine: socket.socket
    joints: socket.socket | None

    @staticmethod
    def new() -> Board:
        return Board(*socket.socketpair())

    def end(self) -> socket.socket | None:
        return self.joints

    def start_again(self) -> None:
        self.die()
        self.mine, self.joints = socket.socketpair()

    def die(self) -> None:
        self.mine.close()
        if self.joints is not None:
            self.joints.close()

    def hears(self, count: int) -> list[int]:
        """The sequence numbers of so many frames."""
        decoder, found = Decoder(), list[int]()
        self.mine.settimeout(LONG_S)
        while len(found) < count:
            data = self.mine.recv(4096)
            assert data, "the joint closed the board's line"
            found += [one.sequence for one in decoder.feed(data)]
        return found

    def hears_nothing(self) -> bool:
        self.mine.settimeout(SHORT_S)
        try:
            return not self.mine.recv(4096)
        except TimeoutError:
            return True


@contextlib.contextmanager
def joined(
    terms: Terms | None = None, *, seed: int = 0, with_probe: bool = False
) -> Iterator[tuple[Board, Board, Joint]]:
    left, right = Board.new(), Board.new()
    joint = Joint(left.end, right.end, terms or Terms(), seed=seed, with_probe=with_probe)
    with contextlib.closing(joint):
        yield left, right, joint
    for board in (left, right):
        board.die()


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_bytes_go_both_ways_and_are_counted() -> None:
    with joined() as (left, right, joint):
        left.mine.sendall(frame(1) + frame(2))
        right.mine.sendall(frame(7))
        assert right.hears(2) == [1, 2]
        assert left.hears(1) == [7]
        down, up = joint.counts()
    assert (down.bytes, down.frames) == (2 * len(frame(1)), 2)
    assert (up.bytes, up.frames) == (len(frame(7)), 1)


@pytest.mark.parametrize("kind", ["lost", "duplicated", "reordered"])
def test_frames_meet_the_faults_that_are_declared(kind: str) -> None:
    with joined(Terms(**{"loss" if kind == "lost" else kind: 0.3}), seed=3) as (left, right, joint):
        for number in range(100):
            left.mine.sendall(frame(number))
        wait_for(lambda: joint.counts()[0].frames == 100)
        met = getattr(joint.counts()[0], kind)
        expected = 100 + {"lost": -met, "duplicated": met, "reordered": -1 if joint.down._held else 0}[kind]
        got = right.hears(expected)
    assert 10 < met < 60
    if kind == "reordered":
        assert got != sorted(got) and len(set(got)) == len(got)
    else:
        assert got == sorted(got)


def test_a_stalled_link_gives_later_what_a_cut_one_never_gives() -> None:
    with joined() as (left, right, joint):
        joint.stall()
        left.mine.sendall(frame(1))
        assert right.hears_nothing()
        joint.mend()
        assert right.hears(1) == [1]
        joint.cut()
        left.mine.sendall(frame(2))
        wait_for(lambda: joint.counts()[0].bytes == 2 * len(frame(1)))
        joint.mend()
        left.mine.sendall(frame(3))
        assert right.hears(1) == [3]


def test_a_board_that_died_is_waited_for_and_its_neighbour_hears_of_nothing() -> None:
    with joined() as (left, right, joint):
        right.die()
        left.mine.sendall(frame(1))
        wait_for(lambda: joint.counts()[0].frames == 1 and not joint._ways[0].waiting)
        right.start_again()
        left.mine.sendall(frame(2))
        assert right.hears(1) == [2]
        left.start_again()
        left.mine.sendall(frame(3))
        right.mine.sendall(frame(4))
        assert right.hears(1) == [3]
        assert left.hears(1) == [4]


def test_a_wire_with_a_rate_pushes_back_on_the_board() -> None:
    with joined(Terms(bytes_s=100)) as (left, _, joint):
        left.mine.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                left.mine.send(frame(1))
        assert joint.counts()[0].bytes < 100 * len(frame(1))


def test_a_probe_asks_the_left_board_past_the_wire() -> None:
    with joined(Terms(loss=1.0), with_probe=True) as (left, right, joint):
        assert joint.probe is not None
        probe = Board(joint.probe, None)
        probe.mine.sendall(frame(5, kind=0x01)[:20])
        probe.mine.sendall(frame(5, kind=0x01)[20:])
        assert left.hears(1) == [5]
        left.mine.sendall(frame(9) + frame(5, kind=0x81) + frame(8))
        assert probe.hears(1) == [5]
        wait_for(lambda: joint.counts()[0].lost == 2)
        assert right.hears_nothing()
        assert joint.counts()[0].bytes == 2 * len(frame(9))


def test_what_a_board_tells_of_itself_the_probe_hears_too() -> None:
    with joined(with_probe=True) as (left, right, joint):
        assert joint.probe is not None
        left.mine.sendall(frame(5, kind=0x44) + frame(6, kind=0x45))
        assert Board(joint.probe, None).hears(1) == [5]
        assert right.hears(2) == [5, 6]


def test_without_a_probe_answers_go_over_the_wire() -> None:
    with joined() as (left, right, _):
        left.mine.sendall(frame(5, kind=0x81))
        assert right.hears(1) == [5]


def test_a_part_that_runs_alone_may_say_what_it_likes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, unheard(ours):
        theirs.settimeout(LONG_S)
        for _ in range(2000):
            theirs.sendall(frame(1))
