"""A way to one device: where another one answers now, it is not opened."""

from __future__ import annotations

from tinyops.device.gateway.who import Identity, ask
from tinyops.device.transports.kind import Channel, Traits, Transport
from tinyops.device.update.settings import UpdateFailed
from tinyops.link.client import LinkClosed, LinkError
from tinyops.link.smp import BoardManager

ASK_S = 1.0
RESET_ASK_S = 15.0  # of a board that opening its line resets


class Swapped(UpdateFailed):
    """Another device answers where an update was under way: nothing more is sent to it."""


class Guarded:
    """A transport that asks who is there whenever a link is opened anew, once it knows who should be."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.expected: Identity | None = None
        self.name, self.form, self.about = inner.name, inner.form, inner.about

    def takes(self, address: str) -> bool:
        return self._inner.takes(address)

    def check(self, address: str) -> None:
        self._inner.check(address)

    def traits(self, address: str) -> Traits:
        return self._inner.traits(address)

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:
        channel = self._inner.open(address, settle_s=settle_s)
        if self.expected is None:
            return channel
        try:
            board = BoardManager.over(channel, name=address, timeout_s=RESET_ASK_S if settle_s else ASK_S)
            self.check_who(board)
        except LinkError as error:
            channel.close()
            raise LinkClosed(error.message, hint=error.hint) from error
        except BaseException:
            channel.close()
            raise
        return channel

    def check_who(self, board: BoardManager) -> None:
        """Raises Swapped when somebody else is there, LinkError."""
        expected, answer = self.expected, ask(board)
        if expected is None or (answer.identity is not None and answer.identity.same_board(expected)):
            return
        found = answer.identity.device if answer.identity is not None else "a board without a name"
        raise Swapped(
            f"{board.name}: {found} answers where {expected.device} was being updated: nothing more is sent",
            hint="the boards were swapped; each is looked at anew",
        )
