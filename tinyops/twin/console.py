"""What a person asks of a virtual board, a command a line."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tinyops.errors import ToolError, UsageError
from tinyops.files import JsonObject
from tinyops.link import Hello, Link, Tensor, describe_status
from tinyops.link.smp import BoardManager
from tinyops.twin.asking import crash_json, crash_text, health_json, health_text
from tinyops.twin.feeding import Food, read_food
from tinyops.twin.machine import INVOKE_TIMEOUT_S
from tinyops.twin.prove import BoardLink, Reporting, Twin, count_instructions, feed, naming
from tinyops.twin.terminal import Terminal

WATCHED_MAX = 10_000
SHOWN = 12  # values of an output, results of a file
COMMANDS: Mapping[str, str] = {
    "help": "these lines",
    "info": "who the board is and what model it runs",
    "feed FILE": "frames or tensors: golden.bin, stream.bin, .csv, .npy, .npz",
    "watch [N]": "the next results that the board gives unasked, of its sensor (1)",
    "infer": "once more on the last tensor",
    "measure": "stack, memory, counters",
    "health": "what the board says of itself over SMP: cause of its start, faults, classes, stack",
    "crash": "the last fault that it kept",
    "reset": "the reset pin: RAM and flash stay",
    "power-cut": "flash stays, RAM does not",
    "cut-in N": "power fails within the Nth operation of flash from now",
    "quit": "ends it",
}


@dataclass(frozen=True)
class Said:
    """An answer for people, and as JSON."""

    text: str
    value: JsonObject


class Console:
    """Commands to one board. Without a terminal the board's own link is used: it has no serial line.

    After a start it is left alone for `settle_s`, as whatever is said meanwhile would keep its bootloader.
    """

    def __init__(self, board: Twin, terminal: Terminal | None, settle_s: float = 0.0) -> None:
        self._board, self._terminal, self._settle_s = board, terminal, settle_s
        self._tensor = b""
        self.commands = COMMANDS
        self.calls: Mapping[str, Callable[[str], Said]] = {
            "help": self._help,
            "info": self._info,
            "feed": self._feed,
            "watch": self._watch,
            "infer": self._infer,
            "measure": self._measure,
            "health": self._health,
            "crash": self._crash,
            "reset": self._reset,
            "power-cut": self._power_cut,
            "cut-in": self._cut_in,
        }

    def do(self, line: str) -> Said | None:
        """The answer to a command; None for quit. Raises UsageError for what is none, ToolError of the board's."""
        word, _, rest = line.strip().partition(" ")
        if word in ("quit", "exit"):
            return None
        call = self.calls.get(word)
        if call is None:
            hint = f"commands: {', '.join(c.split()[0] for c in self.commands)}"
            raise UsageError(f"unknown command {word!r}", hint=hint)
        return call(rest.strip())

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[BoardLink]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(naming(self._board, what))
            if self._terminal is None:
                yield self._board.link
            else:
                yield stack.enter_context(self._terminal.asking(INVOKE_TIMEOUT_S))

    def _help(self, _: str) -> Said:
        width = max(len(command) for command in self.commands)
        return Said("\n".join(f"{c.ljust(width)}  {text}" for c, text in self.commands.items()), dict(self.commands))

    def hello(self) -> Hello:
        """Who the board is; waits until it is up."""
        with self._asking("hello") as link:
            return link.hello()

    def _info(self, _: str) -> Said:
        found = self.hello()
        state = "ready" if found.state == 0 else describe_status(found.state)
        takes = f"frames of {found.frame_values} values, {found.window_frames} a window" if found.frame_values else ""
        lines = [
            f"board     {found.board}, {state}",
            f"contract  {found.contract.hex()[:16]}…",
            f"image     {found.image_bytes:,} bytes, CRC {found.image_crc:08x}",
            f"arena     {found.arena_needed:,} of {found.arena_bytes:,} bytes",
            f"takes     {takes or f'tensors of {found.input_bytes * found.input_rows:,} bytes'}",
            f"gives     {found.output_bytes:,} bytes",
        ]
        value = {k: v.hex() if isinstance(v, bytes) else v for k, v in asdict(found).items()}
        return Said("\n".join(lines), value)

    def _feed(self, rest: str) -> Said:
        if not rest:
            raise UsageError("feed what?", hint="feed FILE")
        path = Path(rest)
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        with self._asking("feed") as link:
            hello = link.hello()
            food = read_food(path, hello)
            link.reset_state()
            outputs = self._eat(link, hello, food)
        return _results(outputs, food)

    def _eat(self, link: BoardLink, hello: Hello, food: Food) -> list[bytes]:
        found = []
        for frame in food.frames:
            result = link.sample(frame, timeout_s=INVOKE_TIMEOUT_S)
            found += [result.values] if result else []
        for tensor in food.tensors:
            self._tensor = tensor
            feed(link, tensor, hello.input_rows)
            found.append(link.read_tensor(Tensor.OUTPUT, hello.output_bytes))
        return found

    def _watch(self, rest: str) -> Said:
        wanted = rest or "1"
        if not wanted.isdecimal() or not 0 < int(wanted) <= WATCHED_MAX:
            raise UsageError(f"watch {rest}: not a number of results up to {WATCHED_MAX:,}", hint="watch N")
        with self._asking("watch") as link:
            if not isinstance(link, Reporting):
                raise ToolError(f"{self._board.name}: watch: has no serial line to report results on")
            found = [link.next_result(INVOKE_TIMEOUT_S) for _ in range(int(wanted))]
        text = "\n".join(f"{one.index}: {_output_text(one.values)}" for one in found)
        return Said(text, {"results": [{"index": one.index, "output": _signed(one.values)} for one in found]})

    def _infer(self, _: str) -> Said:
        with self._asking("infer") as link:
            hello = link.hello()
            size = hello.input_bytes * hello.input_rows
            timing = feed(link, self._tensor if len(self._tensor) == size else bytes(size), hello.input_rows)
            output = link.read_tensor(Tensor.OUTPUT, hello.output_bytes)
        instructions = count_instructions([timing])[0]
        took = "" if instructions is None else f", {instructions:,} instructions"
        value = {"output": _signed(output), "instructions": instructions}
        return Said(_output_text(output) + took, value)

    def _measure(self, _: str) -> Said:
        with self._asking("measure") as link:
            stats = link.stats()
        counted = {name: value for name, value in asdict(self._board.measure()).items() if value is not None}
        lines = [
            f"stack       {stats.stack_used:,} of {stats.stack_bytes:,} bytes",
            f"static      {stats.static_bytes:,} bytes, arena included",
            f"inferences  {stats.inferences:,}",
            *(f"{name.ljust(10)}  {value:,}" for name, value in counted.items()),
        ]
        return Said("\n".join(lines), {**asdict(stats), **counted})

    @contextlib.contextmanager
    def _managing(self, what: str) -> Iterator[BoardManager]:
        """SMP over the same line, once the board is up."""
        self.hello()
        with self._asking(what) as link:
            if not isinstance(link, Link):
                raise ToolError(f"{self._board.name}: {what}: has no serial line to be managed over")
            yield BoardManager(link.stream, name=self._board.name)

    def _health(self, _: str) -> Said:
        with self._managing("health") as board:
            found = board.health()
        return Said(health_text(found), health_json(found))

    def _crash(self, _: str) -> Said:
        with self._managing("crash") as board:
            found = board.crash()
        return Said(crash_text(found, self._terminal.path if self._terminal else None), crash_json(found))

    def _reset(self, _: str) -> Said:
        self._board.reset()
        return self._up()

    def _power_cut(self, _: str) -> Said:
        self._board.power_cut()
        return self._up()

    def _up(self) -> Said:
        time.sleep(self._settle_s)
        hello = self.hello()
        return Said(f"{hello.board} is up again", {"board": hello.board, "state": hello.state})

    def _cut_in(self, rest: str) -> Said:
        if not rest.isdecimal() or not 0 < int(rest) < 1 << 31:
            raise UsageError(f"cut-in {rest}: not a number of operations", hint="cut-in N")
        self._board.cut_in(int(rest))
        return Said(f"power fails within operation {rest} from now", {"cut_in": int(rest)})


def _results(outputs: list[bytes], food: Food) -> Said:
    differ = [i for i, (got, wanted) in enumerate(zip(outputs, food.wanted, strict=False)) if got != wanted[: len(got)]]
    if food.wanted and len(food.wanted) != len(outputs):
        differ.append(min(len(food.wanted), len(outputs)))
    given = f"{len(food.frames)} frames" if food.frames else f"{len(food.tensors)} tensors"
    lines = [f"{i}: {_output_text(output)}" for i, output in enumerate(outputs[:SHOWN])]
    lines += [f"… {len(outputs) - SHOWN} more"] if len(outputs) > SHOWN else []
    verdict = ""
    if food.wanted:
        verdict = f", {len(differ)} differ from the file's" if differ else ", all as the file wants them"
    lines.append(f"{given}, {len(outputs)} inferences{verdict}")
    value = {"outputs": [_signed(output) for output in outputs], "differing": differ if food.wanted else None}
    return Said("\n".join(lines), value)


def _signed(output: bytes) -> list[int]:
    return [byte - 256 if byte > 127 else byte for byte in output]


def _output_text(output: bytes) -> str:
    values = _signed(output)
    more = f" … {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    best = max(range(len(values)), key=values.__getitem__) if values else 0
    return f"class {best}  [{' '.join(str(v) for v in values[:SHOWN])}{more}]"
