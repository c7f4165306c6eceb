"""Requests to a collector's firmware while its samples keep coming: none is lost for an answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from tinyops.collect.capture.block import Block
from tinyops.collect.capture.dialects.framed import Framed
from tinyops.collect.capture.dialects.kind import Dialect
from tinyops.collect.capture.pump import Pump
from tinyops.collect.capture.ways.kind import Stream
from tinyops.errors import ToolError
from tinyops.files import digest_json
from tinyops.link.client import Hello, LinkError, LinkTimeout, Refused, describe_status
from tinyops.link.codec import Frame, encode
from tinyops.link.protocol import LINK_VERSION, REPLIES, REPLY, REQUESTS, Status, Type
from tinyops.manifest.contract import collector_contract
from tinyops.specs.model import Signal

ANSWER_S = 2.0
AGAIN_S = 0.7
TAKES = 256
WRITE_S = 2.0
FIRMWARE_HINT = "make its firmware: `tinyops collect firmware`, and flash it"


class Talk:
    """One request at a time. Frames of samples that come meanwhile wait in `blocks`."""

    def __init__(self, stream: Stream, pump: Pump, dialect: Dialect) -> None:
        assert isinstance(dialect, Framed)
        self.blocks: list[Block] = []
        self._stream = stream
        self._pump = pump
        self._dialect = dialect
        self._sequence = 1
        self._began: int | None = None
        self._take = secrets.randbelow(TAKES)  # whoever was cut off a moment ago had another

    @staticmethod
    def knock(stream: Stream) -> None:
        """Asks HELLO and waits for nothing: whoever answers speaks the link."""
        try:
            stream.write(encode(Frame(Type.HELLO, 0, b"")), WRITE_S)
        except LinkTimeout:
            return

    def hello(self) -> Hello:
        values, tail = self._ask(Type.HELLO)
        return Hello(*values, tail.decode("ascii", "replace"))  # type: ignore[arg-type, call-arg]

    def start(self) -> float | None:
        """Begins a take; the rate as the sensor takes it, Hz. Raises ToolError for another firmware.

        Each request has a number of its own: one that was heard, and whose answer was lost, is another take.
        """
        try:
            (millihertz, _), _ = self._ask(Type.COLLECT_START, self._number)
        except Refused as error:
            if error.status == Status.TYPE:
                raise ToolError(f"{self._stream.name}: runs no collector's firmware", hint=FIRMWARE_HINT) from error
            raise
        assert isinstance(millihertz, int)
        self._began = self._sequence
        return millihertz / 1000 or None

    def look(self) -> None:
        """Between requests. Raises Refused when the board has ended its take, by an error as its answer."""
        while self._dialect.answers:
            frame = self._dialect.answers.popleft()
            if frame.type == Type.ERROR and frame.sequence == self._began:
                raise self._refusal("ended the take", frame)

    def _number(self) -> bytes:
        self._take = (self._take + 1) % TAKES
        self._dialect.begin(self._take)
        self.blocks.clear()
        return REQUESTS[Type.COLLECT_START].pack(self._take, 0)

    def stop(self) -> int:
        """Ends it; how many frames the sensor made, modulo 2^32."""
        (made, _), _ = self._ask(Type.COLLECT_STOP)
        assert isinstance(made, int)
        return made

    def _ask(self, kind: Type, payload: Callable[[], bytes] = bytes) -> tuple[tuple[int | bytes, ...], bytes]:
        """Asks, and asks again while no answer comes."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            self._sequence = self._sequence % 255 + 1
            self._stream.write(encode(Frame(kind, self._sequence, payload())), WRITE_S)
            answer = self._answer(kind, min(time.monotonic() + AGAIN_S, deadline))
            if answer is not None:
                break
            if time.monotonic() >= deadline:
                raise LinkTimeout(f"{self._stream.name}: does not answer {kind.name}", hint="reset it, and try again")
        try:
            return REPLIES[kind].unpack(answer.payload)
        except ValueError as error:
            raise LinkError(f"{self._stream.name}: answered {kind.name} with a {error}", hint=FIRMWARE_HINT) from None

    def _answer(self, kind: Type, deadline: float) -> Frame | None:
        while (left_s := deadline - time.monotonic()) > 0:
            for chunk in self._pump.take(min(left_s, 0.05)):
                self.blocks += self._dialect.feed(chunk.data, chunk.arrived_s)
            while self._dialect.answers:
                frame = self._dialect.answers.popleft()
                if frame.sequence != self._sequence:
                    continue
                if frame.type == Type.ERROR:
                    raise self._refusal(f"refused {kind.name}", frame)
                if frame.type == kind | REPLY:
                    return frame
        return None

    def _refusal(self, what: str, frame: Frame) -> Refused:
        status = int.from_bytes(frame.payload[:1], "little", signed=True)
        return Refused(f"{self._stream.name}: {what}: {describe_status(status)}", status)


def check_hello(hello: Hello, signal: Signal, name: str) -> None:
    """Raises ToolError when a board's firmware collects something else than the dataset's signal."""
    board = f"{name} ({hello.board[:40]})" if hello.board.isprintable() else name
    if hello.link != LINK_VERSION:
        raise ToolError(f"{board}: speaks version {hello.link} of the link, this is {LINK_VERSION}", hint=FIRMWARE_HINT)
    if hello.frame_values != signal.frame_values:
        raise ToolError(
            f"{board}: sends {hello.frame_values} values a frame, the dataset's signal has {signal.frame_values}",
            hint=FIRMWARE_HINT,
        )
    if "sha256:" + hello.contract.hex() != digest_json(collector_contract(signal.model_dump(mode="json"))):
        raise ToolError(f"{board}: its firmware was not made to collect for this dataset's signal", hint=FIRMWARE_HINT)
