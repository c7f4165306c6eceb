"""The program of a part of a chain, kept running by its agent: started again later each time, ended with the agent.

What it runs lies in the agent's slots (`chained.py`), so that it switches models by itself; it is started anew only for
another program, and where the agent changed what runs past it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tinyops.process import kill_group

LOOK_S = 0.2
FOREVER_S = 1e6
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
STEADY_S = 60.0  # who ran for so long begins anew with the first delay
LINE_CHARACTERS_MAX = 300
LINES_MAX = 100  # of one run
SLOTS = "slots"
TROUBLE_AFTER = 3  # ends in a row
# The kernel ends it with the thread that started it: it must not outlive an agent that was killed. A parent that is
# gone before that was asked for shows in the number of the parent now.
_WITH_PARENT = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Started:
    """What is to run: a program of this digest, as started for the nth time by intent."""

    program: Path
    sha256: str
    restarts: int


def _same(a: Started | None, b: Started | None) -> bool:
    """The same program at another place is no reason to start it anew."""
    if a is None or b is None:
        return a is b
    return (a.sha256, a.restarts) == (b.sha256, b.restarts)


def delay_after(ran_s: float, delay_s: float) -> float:
    """Seconds until the next start of what ran for `ran_s` and was started `delay_s` after its last end."""
    if ran_s >= STEADY_S or not delay_s:
        return FIRST_DELAY_S
    return min(2 * delay_s, LONGEST_DELAY_S)


class KeptRunning:
    """One program at most, in a thread that starts it. `trouble` is why it does not stay, in one sentence."""

    def __init__(self, state: Path, options: Sequence[str], on_event: Callable[[str], None]) -> None:
        self._options = ("--slots", str((state / SLOTS).resolve()), *options)
        self._on_event = on_event
        self._wanted: Started | None = None
        self._changed = threading.Event()
        self._closed = False
        self._said = ""
        self.trouble: str | None = None
        self._thread = threading.Thread(target=self._keep, name="part", daemon=True)
        self._thread.start()

    def run(self, wanted: Started | None) -> None:
        """From now on; what runs already goes on. None: nothing."""
        self._wanted = wanted
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()
        self._thread.join()

    def _keep(self) -> None:
        ends, delay_s = 0, 0.0
        while not self._closed:
            wanted = self._wanted
            if wanted is None:
                ends, delay_s, self.trouble = 0, 0.0, None
                self._wait_for_change(None)
                continue
            began = time.monotonic()
            how = self._run_once(wanted)
            if how is None:  # something else is wanted
                ends, delay_s, self.trouble = 0, 0.0, None
                continue
            ran_s = time.monotonic() - began
            delay_s = delay_after(ran_s, delay_s)
            ends = 1 if ran_s >= STEADY_S else ends + 1
            text = f"the program of this part {how}"
            self._on_event(f"{text}; it is started again in {delay_s:g} s")
            self.trouble = f"{text}, {ends} times in a row" if ends >= TROUBLE_AFTER else None
            if self._wait_for_change(wanted, delay_s):
                ends, delay_s, self.trouble = 0, 0.0, None

    def _wait_for_change(self, wanted: Started | None, seconds: float = FOREVER_S) -> bool:
        """Whether something else is wanted now than that."""
        deadline = time.monotonic() + seconds
        while not self._closed and (left := deadline - time.monotonic()) > 0:
            if not _same(wanted, self._wanted):
                return True
            self._changed.wait(left)
            self._changed.clear()
        return self._closed

    def _run_once(self, wanted: Started) -> str | None:
        """Until it ends: how it did. None: it was ended, as something else is wanted."""
        self._said = ""
        command = [sys.executable, "-I", "-c", _WITH_PARENT, str(os.getpid()), str(wanted.program), *self._options]
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        assert child.stderr is not None
        reader = threading.Thread(target=self._pass_on, args=(child.stderr,), name="part-errors", daemon=True)
        reader.start()
        self._on_event(f"the program of this part runs ({wanted.sha256[:12]})")
        began = time.monotonic()
        try:
            while child.poll() is None and not self._wait_for_change(wanted, LOOK_S):
                if time.monotonic() - began >= STEADY_S:
                    self.trouble = None
            status = child.poll()
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            reader.join(1.0)
            kill_group(child)
        if status is None:
            return None
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"{how}: {self._said}" if self._said else how

    def _pass_on(self, stream: IO[str]) -> None:
        """What it says of itself, as far as anybody would read it."""
        with contextlib.suppress(OSError, ValueError):
            for number, line in enumerate(iter(lambda: stream.readline(LINE_CHARACTERS_MAX), "")):
                if number < LINES_MAX and line.strip():
                    self._said = line.strip()
                    self._on_event(f"part: {self._said}")
