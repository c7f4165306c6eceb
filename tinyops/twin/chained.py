"""Virtual boards that share a model, joined as their fleet declares: all of a chain's parts, each a process of its own.

Here is no tensor but the first part's input and the last one's output: what crosses between parts goes from socket to
socket, see tinyops/twin/joined.py.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError, UsageError
from tinyops.files import MIB, JsonObject, read_bounded
from tinyops.link import Frame, Hello, Link, LinkTimeout, Result, Stats, Tensor, Timing
from tinyops.link.parts import PartState, PartTold, PartType, Unavailable
from tinyops.twin.joined import Joint
from tinyops.twin.machine import BOOT_TIMEOUT_S, INVOKE_TIMEOUT_S, Counted, SocketStream, WiredBoard
from tinyops.twin.recorded import Replay
from tinyops.twin.step import open_twin
from tinyops.twin.wire import Terms

LISTEN_S = 0.1
NOW_S = 0.001
FORGOTTEN_MAX = 10_000
NUMBERS = 1 << 32  # of inferences


class NotAvailable(ToolError):
    """A chain answered that an inference has no result: which part it is about, by its name, and why."""

    def __init__(self, message: str, part: str, state: int) -> None:
        super().__init__(message)
        self.part, self.state = part, state


@dataclass(frozen=True)
class PartBoard:
    """What a part is made of: its name in the chain, and its board with files and lock entries as `open_twin` wants."""

    name: str
    board: str
    spec: BoardSpec
    files: Mapping[str, Path]
    lock: JsonObject = field(default_factory=dict)
    counter: int = 0

    @property
    def keeps_state(self) -> bool:
        """Whether its model remembers earlier inferences."""
        return bool(json.loads(read_bounded(self.files["compile.json"], MIB))["arena"]["variables"]["bytes"])


@dataclass
class RunningPart:
    """A part that runs. `link` asks it, past the links of the chain."""

    name: str
    virtual: WiredBoard
    probe: Link | None  # None: its line is nobody else's

    @property
    def link(self) -> Link:
        return self.virtual.link if self.probe is None else self.probe


class ChainLink:
    """A chain as one board: inputs go into its first part, outputs come out of its last one.

    Inferences are numbered by the first part, upwards. A result is this inference's only if its number is higher than
    all that were begun before: one that was given up may have been under way, and come late.
    """

    def __init__(self, parts: Sequence[RunningPart]) -> None:
        self._parts = parts
        self.patience_s = 0.0  # with a chain that is unavailable, as long as nothing is said of this inference itself
        self._rows, self._row = 1, 0
        self.told: PartTold | None = None  # what the last part said of itself and all before it
        self._first_told: PartTold | None = None
        self._begun: int | None = None  # the highest number that may have been begun; None: is to be asked
        self._unavailable: list[Unavailable] = []
        self._results: deque[Result] = deque(maxlen=Link.RESULTS_MAX)

    @property
    def _first(self) -> Link:
        link = self._parts[0].link
        link.told = self._hear_first
        return link

    @property
    def _last(self) -> Link:
        link = self._parts[-1].link
        link.told = self._hear
        return link

    def hello(self, timeout_s: float | None = None) -> Hello:
        """Of the first part, as far as the input goes, and of the last."""
        first, last = self._first.hello(timeout_s), self._last.hello(timeout_s)
        self._rows = first.input_rows
        return replace(first, output_bytes=last.output_bytes, board="+".join(part.name for part in self._parts))

    def write_input(self, data: bytes) -> None:
        self._first.write_input(data)

    def invoke(self, timeout_s: float | None = None) -> Timing:
        """Until the last part has the result. Raises NotAvailable."""
        self._forget()
        timing = self._first.invoke(timeout_s)
        self._row = (self._row + 1) % self._rows
        if self._row == 0:
            self._take_answer(timeout_s)
        return timing

    def read_tensor(self, tensor: Tensor, count: int) -> bytes:
        return (self._first if tensor is Tensor.INPUT else self._last).read_tensor(tensor, count)

    def sample(self, frame: Sequence[int], timeout_s: float | None = None) -> Result | None:
        self._forget()
        return self._take_answer(timeout_s) if self._first.push(frame, timeout_s) else None

    def stats(self) -> Stats:
        """Of the last part."""
        return self._last.stats()

    def reset_state(self) -> None:
        for part in self._parts:
            part.link.reset_state()
        self._row = 0

    def _take_answer(self, timeout_s: float | None) -> Result:
        """To what has just been begun."""
        begun, self._begun = self._begun, None
        deadline = time.monotonic() + (timeout_s or INVOKE_TIMEOUT_S)
        while True:
            found = self.answer(deadline - time.monotonic(), begun)
            if _is_after(found.index, begun):
                self._begun = found.index
                return found

    def answer(self, timeout_s: float, begun: int | None = None) -> Result:
        """The next result of the chain, whatever it is to. Raises NotAvailable, and LinkTimeout.

        A part that an emulator on a busy machine computes for longer than the chain's time limit is told to be lost,
        and answers after that: what is not about an inference later than `begun` is no answer within `patience_s`.
        """
        deadline, patient_until = time.monotonic() + timeout_s, time.monotonic() + self.patience_s
        while True:
            self._results += self._last.results()
            if self._results:
                return self._results.popleft()
            if self._unavailable:
                why = self._unavailable.pop(0)
                if time.monotonic() >= patient_until or _is_after(why.number, begun):
                    raise self._not_available(why)
            if time.monotonic() > deadline:
                raise LinkTimeout(f"{self._parts[-1].name}: no result within the time limit")
            self._last.listen(LISTEN_S)

    def next_result(self, timeout_s: float | None = None) -> Result:
        """The oldest that nobody has fetched, of a chain whose first part samples by itself."""
        return self.answer(timeout_s or INVOKE_TIMEOUT_S)

    def wait_ready(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Until all parts have told each other who they are. Raises NotAvailable saying which has not."""
        self.wait_state(lambda told: told.state == PartState.READY, timeout_s)

    def wait_state(self, wanted: Callable[[PartTold], bool], timeout_s: float = BOOT_TIMEOUT_S) -> PartTold:
        """What the last part tells, as soon as it is that. Raises NotAvailable with what it told last."""
        deadline = time.monotonic() + timeout_s
        self.told = None
        while self.told is None or not wanted(self.told):
            if time.monotonic() > deadline:
                told = self.told
                lost = Unavailable(0, len(self._parts) - 1, PartState.LOST)
                raise self._not_available(lost if told is None else Unavailable(0, told.part, told.state))
            self._last.listen(LISTEN_S)
        return self.told

    def _forget(self) -> None:
        """What was said of earlier inferences; where one of them had no answer, their numbers are asked for."""
        if self._begun is None:
            self._ask_number()
        last = self._last
        _drain(last)
        last.results()
        self._results.clear()
        self._unavailable.clear()

    def _ask_number(self) -> None:
        """Of the newest inference that the first part has begun. It tells every second; what it told last may have been
        on its way before that."""
        first, deadline = self._first, time.monotonic() + BOOT_TIMEOUT_S
        _drain(first)
        for _ in range(2):
            self._first_told = None
            while self._first_told is None:
                if time.monotonic() > deadline:
                    raise self._not_available(Unavailable(0, 0, PartState.LOST))
                first.listen(LISTEN_S)
            self._begun = self._first_told.number

    def _hear_first(self, frame: Frame) -> None:
        with contextlib.suppress(ValueError):
            if frame.type == PartType.STATE:
                self._first_told = PartTold.read(frame.payload)

    def _hear(self, frame: Frame) -> None:
        with contextlib.suppress(ValueError):
            if frame.type == PartType.STATE:
                self.told = PartTold.read(frame.payload)
            elif frame.type == PartType.UNAVAILABLE:
                self._unavailable.append(Unavailable.read(frame.payload))

    def _not_available(self, why: Unavailable) -> NotAvailable:
        names = [part.name for part in self._parts]
        part = names[why.part] if why.part < len(names) else ""
        return NotAvailable(f"unavailable: {why.describe(names)}", part, why.state)


def _is_after(number: int, begun: int | None) -> bool:
    return begun is None or 0 < (number - begun) % NUMBERS < NUMBERS // 2


def _drain(link: Link) -> None:
    for _ in range(FORGOTTEN_MAX):
        if not link.listen(NOW_S):
            return


@dataclass
class RunningChain:
    """All parts of a chain, up and joined."""

    name: str
    parts: tuple[RunningPart, ...]
    joints: tuple[Joint, ...]
    keeps_state: bool = False
    replays: bool = False  # the first part's sensor measures something

    def __post_init__(self) -> None:
        self.link = ChainLink(self.parts)

    def how_it_ended(self) -> str:
        """Of the first part that did."""
        ended = ((part.name, part.virtual.how_it_ended()) for part in self.parts if part.virtual.has_ended())
        return next((f"{name}: {how}" for name, how in ended if how), "")

    def reset(self) -> None:
        for part in self.parts:
            part.virtual.reset()

    def power_cut(self) -> None:
        for part in self.parts:
            part.virtual.power_cut()

    def cut_in(self, operation: int) -> None:
        raise ToolError(f"{self.name}: which part is power to fail in, in operation {operation}?")

    def measure(self) -> Counted:
        """Nothing of all together."""
        return Counted()

    def part(self, name: str) -> RunningPart:
        """Raises UsageError for a name that none has."""
        for part in self.parts:
            if part.name == name:
                return part
        raise UsageError(f"no part {name!r}", hint=f"parts: {', '.join(part.name for part in self.parts)}")


@contextlib.contextmanager
def open_chain(
    name: str,
    parts: Sequence[PartBoard],
    terms: Sequence[Terms],
    *,
    seed: int = 0,
    fleet: str = "",
    replay: Replay | None = None,
) -> Iterator[RunningChain]:
    """Boots all parts and joins each to the next one on these terms. It ends with the context. `replay` is what the
    first part's sensor measures.

    Raises ToolError for one that cannot be started, or that has no serial line.
    """
    with contextlib.ExitStack() as stack:
        boards = [
            stack.enter_context(_boot(part, i, fleet, replay if i == 0 else None)) for i, part in enumerate(parts)
        ]
        joints = [_join(stack, *boards[i : i + 2], terms=one, seed=seed + i) for i, one in enumerate(terms)]
        probes = [
            Link(SocketStream(_end(j), part.name), name=part.name) for j, part in zip(joints, parts, strict=False)
        ]
        running = [
            RunningPart(part.name, board, probe)
            for part, board, probe in zip(parts, boards, [*probes, None], strict=True)
        ]
        keeps_state = any(part.keeps_state for part in parts)
        yield RunningChain(name, tuple(running), tuple(joints), keeps_state, replay is not None)


@contextlib.contextmanager
def _boot(part: PartBoard, position: int, fleet: str, replay: Replay | None) -> Iterator[WiredBoard]:
    with open_twin(
        part.board,
        part.spec,
        part.files,
        lock=part.lock,
        replay=replay,
        fleet=fleet,
        counter=part.counter,
        upstream=position > 0,
    ) as virtual:
        if not isinstance(virtual, WiredBoard) or (position > 0 and virtual.upstream is None):
            raise ToolError(f"{part.name}: a twin of kind {part.spec.twin.kind} is no part of a virtual chain")
        yield virtual


def _join(stack: contextlib.ExitStack, left: WiredBoard, right: WiredBoard, *, terms: Terms, seed: int) -> Joint:
    joint = Joint(lambda: left.line, lambda: right.upstream, terms, seed=seed, with_probe=True)
    stack.callback(joint.close)
    return joint


def _end(joint: Joint) -> socket.socket:
    assert joint.probe is not None
    return joint.probe
