"""The host's end of SMP: one request at a time to one board, over any way that carries messages."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tinyops.errors import ToolError
from tinyops.link.client import ByteStream, LinkError, LinkTimeout
from tinyops.link.serial_port import SerialStream
from tinyops.link.smp.answers import (
    Bench,
    BoardInfo,
    Crash,
    Health,
    ImageSlot,
    Parameters,
    SelfTest,
    Spread,
    UpdateState,
)
from tinyops.link.smp.definition import GROUP, HEADER_BYTES, REFUSAL_TEXT, SETTINGS_PIECE, Refusal
from tinyops.link.smp.messages import ConsoleMessages, Messages

if TYPE_CHECKING:
    from smp.header import Header
    from smp.message import Response

Answer = TypeVar("Answer", covariant=True)
PIECE_TIMEOUT_S = 0.25  # how long a read waits; the time limit of a request is counted in these
SETTINGS_LIMIT_BYTES = 1 << 16
IMAGES_MAX = 16
DIGEST_BYTES = 32  # of an image: SHA-256
BLANK = 0xFF
SEQUENCE_AT = 6  # in a header


class Refused(LinkError):
    """The board answered that it cannot do what was asked. `group` is None where the protocol itself refused."""

    def __init__(self, message: str, code: int, group: int | None) -> None:
        super().__init__(message)
        self.code, self.group = code, group


class Garbled(LinkError):
    """A board answers, but not in SMP as it is defined."""


class Request(Protocol[Answer]):
    """A request class of smpclient's: anything of smpclient.requests, and those of `requests`."""

    _Response: type[Any]

    @property
    def BYTES(self) -> bytes: ...  # noqa: N802

    @property
    def header(self) -> Header: ...


class BoardManager:
    """Manages the board at the other end of a stream, or of whatever else carries messages (`over`).

    Every call ends within `timeout_s` seconds or raises LinkTimeout; a board that cannot do it raises Refused, one
    whose answers make no sense Garbled, one that is gone LinkClosed: all are LinkErrors and begin with `name`. What
    else comes over the line, frames of the link above all, is stepped over and lost: use a Link on the same stream
    before or after, not meanwhile.
    """

    def __init__(self, stream: ByteStream, *, name: str, timeout_s: float = 5.0) -> None:
        """Raises ToolError when smpclient is not installed."""
        self._begin(ConsoleMessages(stream), name, timeout_s)

    def _begin(self, messages: Messages, name: str, timeout_s: float) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._messages = messages
        self._owned: SerialStream | None = None
        self._next = random.randrange(256)  # noqa: S311 an answer to an earlier program's request is not ours
        self._os, self._images, self._ours = _requests()

    @classmethod
    def over(cls, messages: Messages, *, name: str, timeout_s: float = 5.0) -> BoardManager:
        """The board that these messages reach. Raises ToolError when smpclient is not installed."""
        manager = cls.__new__(cls)
        manager._begin(messages, name, timeout_s)
        return manager

    @classmethod
    def open(cls, port: str, *, timeout_s: float = 5.0, settle_s: float = 0.0) -> BoardManager:
        """The board at a serial port, which `close` closes; it is left alone for `settle_s` first.

        Raises ToolError when the port cannot be opened.
        """
        stream = SerialStream(port, settle_s)
        try:
            manager = cls(stream, name=port, timeout_s=timeout_s)
        except ToolError:
            stream.close()
            raise
        manager._owned = stream
        return manager

    def close(self) -> None:
        """Closes the port that `open` opened; a stream that was given stays open."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> BoardManager:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def echo(self, text: str, timeout_s: float | None = None) -> None:
        """Raises Garbled unless the text comes back."""
        answer = self.request(self._os.EchoWrite(d=text), timeout_s)
        if answer.r != text:
            raise Garbled(f"{self.name}: {text!r} came back as {answer.r!r}")

    def reset(self) -> None:
        """Starts the board again; it has answered before it does."""
        self.request(self._os.ResetWrite())

    def parameters(self, timeout_s: float | None = None) -> Parameters:
        answer = self.request(self._os.MCUMgrParametersRead(), timeout_s)
        return Parameters(answer.buf_size, answer.buf_count)

    def os_info(self, fields: str = "a") -> str:
        """A line about the system, as `uname` would say it; `fields` are MCUmgr's letters."""
        return str(self.request(self._os.OSApplicationInfoRead(format=fields)).output)

    def images(self, timeout_s: float | None = None) -> tuple[ImageSlot, ...]:
        """The images on the board: firmware is image 0, a model in a slot of its own image 1."""
        return self._listed(self.request(self._images.ImageStatesRead(), timeout_s))

    def test_image(self, digest: bytes) -> tuple[ImageSlot, ...]:
        """Puts the image with that digest on trial: a model between two inferences, a firmware at the next reset."""
        return self._listed(self.request(self._images.ImageStatesWrite(hash=digest, confirm=False)))

    def confirm_image(self, digest: bytes) -> tuple[ImageSlot, ...]:
        """Makes what runs on trial permanent; refused for an image that does not run."""
        return self._listed(self.request(self._images.ImageStatesWrite(hash=digest, confirm=True)))

    def update_state(self, image: int, timeout_s: float | None = None) -> UpdateState:
        a = self.request(self._ours.UpdateRead(image=image), timeout_s)
        told = (a.state, a.outcome, a.refusal, a.written, a.announced, a.counter, a.gap_ms, a.lost)
        return UpdateState(*told, deltas=a.deltas or 0)

    def end_trial(self, image: int) -> None:
        """Ends the trial of an image at once: what ran before runs again."""
        self.request(self._ours.UpdateWrite(image=image))

    def _listed(self, answer: Any) -> tuple[ImageSlot, ...]:
        found = answer.images
        if len(found) > IMAGES_MAX:
            raise Garbled(f"{self.name}: lists {len(found)} images")
        if any(i.hash is not None and len(i.hash) != DIGEST_BYTES for i in found):
            raise Garbled(f"{self.name}: lists an image with a digest that is no SHA-256")
        return tuple(
            ImageSlot(
                *(i.image or 0, i.slot, i.version, None if i.hash is None else bytes(i.hash)),
                *(bool(i.active), bool(i.confirmed), bool(i.pending), bool(i.bootable)),
            )
            for i in found
        )

    def info(self, timeout_s: float | None = None) -> BoardInfo:
        a = self.request(self._ours.InfoRead(), timeout_s)
        texts = (a.board, a.fleet, a.firmware_version)
        return BoardInfo(
            *(*texts, a.contract, a.firmware, a.model, a.image_crc, a.abi, a.state, a.arena, a.ram, a.free_slots),
            silicon=_number_of(a.silicon),
        )

    def health(self) -> Health:
        a = self.request(self._ours.HealthRead())
        return Health(
            *(a.uptime_ms, a.reset_cause, a.watchdogs, a.faults, a.inferences, a.sensor, a.missed),
            *(a.stack_used, a.stack, a.arena_used, a.arena, a.supply_mv, a.confidence, tuple(a.histogram)),
        )

    def self_test(self, *, keep_input: bool = False, timeout_s: float | None = None) -> SelfTest:
        """Checks the image and runs the model on zeros, or on what the link wrote to the input tensor."""
        answer = self.request(self._ours.SelfTestWrite(keep=True if keep_input else None), timeout_s)
        if len(answer.names) != len(answer.statuses):
            raise Garbled(f"{self.name}: names {len(answer.names)} checks and {len(answer.statuses)} results")
        return SelfTest(tuple(zip(answer.names, answer.statuses, strict=True)), answer.outputs_crc)

    def bench(self, repeat: int, timeout_s: float | None = None) -> Bench:
        """Runs the model `repeat` times; give it the time that takes."""
        a = self.request(self._ours.BenchWrite(repeat=repeat), timeout_s)
        cycles = Spread(a.cycles_min, a.cycles_max, a.cycles_sum / a.repeat) if a.cycle_bits else None
        return Bench(a.repeat, Spread(a.ticks_min, a.ticks_max, a.ticks_sum / a.repeat), a.tick_hz, cycles, a.emulated)

    def crash(self) -> Crash | None:
        """The hard fault that the board keeps, if there is one."""
        a = self.request(self._ours.CrashRead())
        if not a.crashed:
            return None
        registers = (a.pc, a.lr, a.psr, a.cfsr, a.hfsr, a.mmfar, a.bfar)
        return Crash(*registers, a.image_crc, a.uptime_ms, a.firmware_crc)

    def clear_crash(self) -> None:
        """Makes the board forget the fault that it keeps."""
        self.request(self._ours.CrashWrite())

    def read_settings(self, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
        """All settings that the board lets out, or as many of their first bytes as are `enough`."""
        data = bytearray()
        while True:
            answer = self.request(self._ours.SettingsRead(off=len(data)))
            data += answer.data
            if (
                answer.len > SETTINGS_LIMIT_BYTES
                or len(data) > answer.len
                or answer.off + len(answer.data) != len(data)
            ):
                raise Garbled(f"{self.name}: its settings do not fit together")
            if len(data) == answer.len or enough(bytes(data)):
                return bytes(data)
            if not answer.data:
                raise Garbled(f"{self.name}: its settings end after {len(data)} of {answer.len} bytes")

    def write_settings(self, data: bytes) -> None:
        """Replaces all settings; they take effect with the last piece, the earlier ones hold until then."""
        if not 0 < len(data) <= SETTINGS_LIMIT_BYTES:
            raise ValueError(f"settings of {len(data)} bytes")
        for at in range(0, len(data), SETTINGS_PIECE):
            piece = data[at : at + SETTINGS_PIECE]
            answer = self.request(self._ours.SettingsWrite(off=at, len=len(data), data=piece))
            if answer.off != at + len(piece):
                raise Garbled(f"{self.name}: took {answer.off} bytes of settings where {at + len(piece)} were sent")

    def request(self, request: Request[Any], timeout_s: float | None = None) -> Any:
        """Sends any request of smpclient's and returns its response. Late answers to earlier requests are dropped."""
        limit_s = self.timeout_s if timeout_s is None else timeout_s
        deadline, what = time.monotonic() + limit_s, type(request).__name__
        bad, received = self._messages.bad, self._messages.received
        number = self.post(request)
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise self._no_answer(what, self._messages.received - received, self._messages.bad - bad)
            for _, message in self.collect({number}, min(left_s, PIECE_TIMEOUT_S)):
                return self.read_answer(request, message)

    def post(self, request: Request[Any], number: int | None = None) -> int:
        """Sends a request and waits for nothing. Returns its number, a new one unless it is sent again under its own.

        Numbers are counted for each board: smp's own counter is shared by all of a program.
        """
        if number is None:
            number = self._next
            self._next = (self._next + 1) % 256
        data = request.BYTES
        self._messages.send(data[:SEQUENCE_AT] + bytes((number,)) + data[SEQUENCE_AT + 1 :], self.timeout_s)
        return number

    def collect(self, numbers: Collection[int], timeout_s: float) -> Iterator[tuple[int, bytes]]:
        """What has come for the requests with these numbers, waiting at most `timeout_s`; `read_answer` judges it."""
        for message in self._messages.receive(timeout_s):
            if len(message) >= HEADER_BYTES and message[SEQUENCE_AT] in numbers:
                yield message[SEQUENCE_AT], message

    def _no_answer(self, what: str, received: int, bad: int) -> LinkError:
        if bad or received:
            saw = f"{bad} damaged messages" if bad else f"{received} bytes that are no message"
            hint = "check its baud rate, and that it runs firmware of tinyops"
            return Garbled(f"{self.name}: answered {what} with {saw} within the time limit", hint=hint)
        hint = "check that it runs firmware of tinyops, and that no other program holds the port"
        return LinkTimeout(f"{self.name}: no answer to {what} within the time limit", hint=hint)

    def read_answer(self, request: Request[Any], message: bytes) -> Any:
        """The response in an answer to a request. Raises Refused or Garbled."""
        header, what = request.header, type(request).__name__
        length, group, command = int.from_bytes(message[2:4], "big"), int.from_bytes(message[4:6], "big"), message[7]
        wanted = (len(message) - HEADER_BYTES, int(header.group_id), int(header.command_id), int(header.op) + 1)
        if (length, group, command, message[0] & 7) != wanted:
            raise Garbled(f"{self.name}: answered {what} with group {group}, command {command}")
        answer = _load(request, message)
        if answer is None:
            hint = "its firmware is of another version of tinyops: flash the released one"
            raise Garbled(f"{self.name}: its answer to {what} cannot be read", hint=hint)
        if isinstance(answer, request._Response):
            return answer
        raise self._refusal(what, answer)

    def _refusal(self, what: str, answer: Any) -> Refused:
        err = getattr(answer, "err", None)
        code, group = (int(answer.rc), None) if err is None else (int(err.rc), int(err.group))
        known = group in (None, GROUP) and code in set(Refusal)
        why = REFUSAL_TEXT[Refusal(code)] if known else f"error {code} of group {group}"
        return Refused(f"{self.name}: refused {what}: {why}", code, group)


def _number_of(silicon: bytes | None) -> bytes | None:
    """A chip's own number; none where nobody wrote one: memory that is blank reads as ones or zeros."""
    return silicon if silicon and set(silicon) not in ({0}, {BLANK}) else None


def _load(request: Any, message: bytes) -> Response | None:
    """The response, or a refusal; None for what is neither."""
    import cbor2
    from pydantic import ValidationError

    for kind in (request._Response, request._ErrorV1, request._ErrorV2):
        try:
            return kind.loads(message)  # type: ignore[no-any-return]
        except (ValidationError, ValueError, TypeError, cbor2.CBORError, RecursionError):
            continue
    return None


def _requests() -> tuple[ModuleType, ModuleType, ModuleType]:
    try:
        from smpclient.requests import image_management, os_management

        from tinyops.link.smp import requests
    except ImportError as error:
        raise ToolError("smpclient is not installed", hint="pip install 'tinyops[serial]'") from error
    return os_management, image_management, requests
