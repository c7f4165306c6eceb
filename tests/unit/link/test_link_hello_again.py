"""A board that is just starting loses the first question: it is asked again."""

from __future__ import annotations

import pytest

from tinyops.link import Link, LinkTimeout
from tinyops.link.codec import Decoder, Frame, encode
from tinyops.link.protocol import REPLY, Type

ANSWER = bytes(104)


class Deaf:
    """Loses the first `lost` requests, then answers each."""

    def __init__(self, lost: int) -> None:
        self.lost, self.asked, self.decoder, self.said = lost, 0, Decoder(), b""

    def read(self, timeout_s: float) -> bytes:
        said, self.said = self.said, b""
        return said

    def write(self, data: bytes, timeout_s: float) -> None:
        for frame in self.decoder.feed(data):
            self.asked += 1
            if self.asked > self.lost:
                self.said += encode(Frame(frame.type | REPLY, frame.sequence, ANSWER))


def test_hello_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyops.link.client.ASK_AGAIN_S", 0.001)
    board = Deaf(3)
    assert Link(board, name="b", timeout_s=5).hello().state == 0
    assert board.asked == 4


def test_a_board_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyops.link.client.ASK_AGAIN_S", 0.001)
    board = Deaf(1 << 30)
    with pytest.raises(LinkTimeout, match=f"b: no answer to {Type.HELLO.name} within"):
        Link(board, name="b", timeout_s=0.02).hello()
    assert 2 <= board.asked <= 6
