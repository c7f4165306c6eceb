"""Running other programs: bounded in time, killed as a group, failures in one sentence."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import ToolError

TAIL_LINES = 25
LONGEST_WAIT_S = 0.2  # so that a signal that comes just before a wait begins is seen soon

_running: set[subprocess.Popen[str]] = set()  # so that Ctrl-C reaches what other threads started


@dataclass(frozen=True)
class Completed:
    """A program that ended: its exit status and what it printed."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def find_tool(name: str, *, hint: str = "") -> Path:
    """The full path of a program. Raises ToolError with the hint when it is not on PATH."""
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is not on PATH", hint=hint or "`tinyops doctor` lists what is missing")
    return Path(found)


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    inherit: Callable[[str], bool] = lambda _: True,
    stdin: str | None = None,
    on_line: Callable[[str], None] | None = None,
    check: bool = True,
    terminal: bool = False,
    what: str = "",
) -> Completed:
    """Runs a program to its end.

    `env` is added to the variables of this process whose names `inherit` lets through. `on_line`
    gets each line of standard output as it comes. With `terminal` the program prints on one, errors too, as some show
    progress only there; what it overwrites goes to `on_line` alone. The program and its children are killed at the
    time limit and on Ctrl-C. Raises ToolError when it cannot be started, is stopped at the limit, or
    (with `check`) ends in failure: the message ends in the last lines that it printed.
    """
    command = tuple(str(a) for a in argv)
    name = what or Path(command[0]).name
    ours, theirs = os.openpty() if terminal else (None, None)
    try:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env={**{n: v for n, v in os.environ.items() if inherit(n)}, **(env or {})},
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE if theirs is None else theirs,
            stderr=subprocess.PIPE if theirs is None else theirs,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        if ours is not None:
            os.close(ours)
        raise ToolError(
            f"{name}: cannot be started: {error.strerror}", hint="`tinyops doctor` lists what is missing"
        ) from error
    finally:
        if theirs is not None:
            os.close(theirs)
    if ours is not None:
        child.stdout = os.fdopen(ours, errors="replace", newline="")
    _running.add(child)
    try:
        stdout, stderr = _collect(child, stdin, time.monotonic() + timeout_s, on_line)
    except TimeoutError:
        raise ToolError(f"{name}: stopped after {timeout_s:g} s without an end") from None
    finally:
        _running.discard(child)
        kill_group(child)
    done = Completed(command, child.returncode, stdout, stderr)
    if check and done.returncode != 0:
        raise failure(done, name)
    return done


def failure(done: Completed, name: str) -> ToolError:
    """The error for a program that ended badly: how it ended and the last lines it printed."""
    how = f"exit status {done.returncode}"
    if done.returncode < 0:
        how = f"killed by {signal.Signals(-done.returncode).name}"
    tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-TAIL_LINES:]
    return ToolError("\n".join([f"{name} failed: {how}", *(f"  | {line}" for line in tail)]))


def kill_group(child: subprocess.Popen[str]) -> None:
    """Ends a program started in its own session, with its children; returns when it is reaped."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):  # what it was still to read: it left before
                stream.close()


def kill_all() -> None:
    """Ends every program that `run` is waiting for in any thread: for Ctrl-C."""
    for child in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _read_output(child: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    assert child.stdout is not None
    with contextlib.suppress(OSError):  # how a pseudo-terminal says that nobody writes any more
        for line in child.stdout:
            lines.put(line)
    lines.put(None)


def _read_errors(child: subprocess.Popen[str], errors: list[str]) -> None:
    if child.stderr is not None:
        errors.extend(child.stderr)


def _write_input(child: subprocess.Popen[str], text: str) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it ended without reading: its exit status says why
        child.stdin.write(text)
        child.stdin.close()


def _collect(
    child: subprocess.Popen[str],
    stdin: str | None,
    deadline: float,
    on_line: Callable[[str], None] | None,
) -> tuple[str, str]:
    """What a program prints until it ends. Raises TimeoutError at the deadline."""
    lines: queue.Queue[str | None] = queue.Queue()
    errors: list[str] = []
    readers = [
        threading.Thread(target=_read_output, args=(child, lines), daemon=True),
        threading.Thread(target=_read_errors, args=(child, errors), daemon=True),
    ]
    if stdin is not None:
        threading.Thread(target=_write_input, args=(child, stdin), daemon=True).start()
    for reader in readers:
        reader.start()
    output: list[str] = []
    while (line := _next_line(lines, deadline)) is not None:
        if not line.endswith("\r"):
            output.append(line.replace("\r\n", "\n"))
        if on_line is not None:
            on_line(line.rstrip("\r\n"))
    try:
        child.wait(timeout=max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    readers[1].join(timeout=1)
    return "".join(output), "".join(errors)


def _next_line(lines: queue.Queue[str | None], deadline: float) -> str | None:
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(queue.Empty):
            return lines.get(timeout=min(left, LONGEST_WAIT_S))
    raise TimeoutError
