"""The streams of a part's program that it does not have itself, such as Bluetooth: its agent has them, and joins each
to one end of a pair of sockets whose other end the program inherits as `fd:NUMBER`.

A pair has no port and no name: nobody else can connect to it, and it ends with the program. What is meant for a radio
that has nobody is dropped meanwhile, as the program itself drops it on streams of its own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tinyops.device.settings import PartSettings
from tinyops.link.own_loop import OwnLoop
from tinyops.link.streams.joint import Event, Joint, event_text
from tinyops.link.streams.kind import Stream
from tinyops.link.streams.pair import HandedStream
from tinyops.link.streams.registry import kind_of, stream_of

START_S, END_S = 5.0, 15.0


@dataclass(frozen=True)
class Inherited:
    """What a program is started with: options, and the files that they name."""

    options: tuple[str, ...] = ()
    files: tuple[int, ...] = ()


class PartStreams:
    """`options` are those of the streams that the program has itself, and its pipe."""

    def __init__(
        self, part: PartSettings, on_event: Callable[[str], None], make: Callable[[str], Stream] = stream_of
    ) -> None:
        own = {option: name for option, name in part.named if kind_of(name).native}
        piped = {"--pipe": part.pipe} if part.pipe is not None else {}
        self.options = tuple(word for pair in {**own, **piped}.items() for word in pair)
        others = [(option, name) for option, name in part.named if option not in own]
        self._loop = OwnLoop("part-streams") if others else None
        self._carried = [_Carried(self._loop, option, make(name), on_event) for option, name in others if self._loop]

    @property
    def trouble(self) -> str | None:
        """Why one of them has nobody, in one sentence."""
        return next((one.trouble for one in self._carried if one.trouble is not None), None)

    @contextlib.contextmanager
    def handed(self) -> Iterator[Inherited]:
        """For a program that is started within, and has its ends from then on."""
        with contextlib.ExitStack() as stack:
            ends = [stack.enter_context(one.pair()) for one in self._carried]
            pairs = zip(self._carried, ends, strict=True)
            options = tuple(word for one, end in pairs for word in (one.option, f"fd:{end.fileno()}"))
            yield Inherited(options, tuple(end.fileno() for end in ends))

    def close(self) -> None:
        if self._loop is None:
            return
        for one in self._carried:
            one.end()
        self._loop.end()
        self._loop = None


class _Carried:
    """One stream, and the program's side of it."""

    def __init__(self, loop: OwnLoop, option: str, stream: Stream, on_event: Callable[[str], None]) -> None:
        self.option = option
        self.trouble: str | None = None
        self._loop, self._on_event, self._outer = loop, on_event, stream.name
        self._inner = HandedStream("the program of this part")
        self._joint = Joint(stream, self._inner, self._tell, patient=True)
        self._task: concurrent.futures.Future[Any] = loop.start(self._joint.run())
        self._task.add_done_callback(self._ended)

    @contextlib.contextmanager
    def pair(self) -> Iterator[socket.socket]:
        ours, theirs = socket.socketpair()
        with theirs:
            self._loop.run(self._inner.hand(ours), START_S)
            yield theirs

    def end(self) -> None:
        with contextlib.suppress(TimeoutError, concurrent.futures.TimeoutError, asyncio.CancelledError):
            self._loop.cancel(self._task, END_S)

    def _ended(self, task: concurrent.futures.Future[Any]) -> None:
        """A joint is patient: it ends by itself only of what nobody thought of, and not in silence."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.trouble = f"{self.option} {self._outer}: ended: {type(error).__name__}: {error}"
            self._on_event(self.trouble)

    def _tell(self, event: Event) -> None:
        if event.stream != self._outer:
            return
        text = event_text(event)
        self.trouble = None if event.what == "connected" else f"{self.option} {text}"
        self._on_event(f"{self.option} {text}")
