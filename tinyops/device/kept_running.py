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
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tinyops.device.chained import ChainMarks
from tinyops.device.part_streams import Inherited
from tinyops.process import kill_group

LOOK_S = 0.2
FOREVER_S = 1e6
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 60.0
STEADY_S = 60.0  # who ran for so long begins anew with the first delay
STANDS_WITHIN_S = 20.0  # on trial
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
    on_trial: bool = False


@dataclass(frozen=True)
class Verdict:
    """On a program that was on trial."""

    of: Started
    wrong: str | None  # None: it works

    def is_of(self, started: Started | None) -> bool:
        return started is not None and started.on_trial and _same(self.of, started)


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
    """One program at most, in a thread that starts it. `trouble` is why it does not stay, in one sentence; `verdict`
    what the newest trial came to: who stands and goes on for a minute works, who ends three times before does not.
    """

    def __init__(
        self,
        state: Path,
        options: Sequence[str],
        on_event: Callable[[str], None],
        hand: Callable[[], AbstractContextManager[Inherited]] = lambda: contextlib.nullcontext(Inherited()),
    ) -> None:
        """`hand` gives what one start inherits."""
        folder = (state / SLOTS).resolve()
        self._options = ("--slots", str(folder), *options)
        self._hand = hand
        self._marks = ChainMarks(folder)
        self._on_event = on_event
        self._wanted: Started | None = None
        self._changed = threading.Event()
        self._closed = False
        self._said = ""
        self.trouble: str | None = None
        self.verdict: Verdict | None = None
        self._thread = threading.Thread(target=self._keep, name="part", daemon=True)
        self._thread.start()

    def run(self, wanted: Started | None) -> None:
        """From now on; what runs already goes on. None: nothing."""
        if not _same(wanted, self._wanted):
            self.verdict = None
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
            if self.trouble is not None and wanted.on_trial:
                self._conclude(Verdict(wanted, self.trouble))
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
        self._marks.expect()
        try:
            child = self._start(wanted)
        except OSError as error:
            return f"cannot be started: {error.strerror}"
        assert child.stderr is not None
        reader = threading.Thread(target=self._pass_on, args=(child.stderr,), name="part-errors", daemon=True)
        reader.start()
        self._on_event(f"the program of this part runs ({wanted.sha256[:12]})")
        began = time.monotonic()
        try:
            is_late = False
            while child.poll() is None and not is_late and not self._wait_for_change(wanted, LOOK_S):
                is_late = self._is_late(wanted, time.monotonic() - began)
            status = child.poll()
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            reader.join(1.0)
            kill_group(child)
        if status is None:
            return f"has not told its state within {STANDS_WITHIN_S:g} s" if is_late else None
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"{how}: {self._said}" if self._said else how

    def _start(self, wanted: Started) -> subprocess.Popen[str]:
        """Raises OSError."""
        command = [sys.executable, "-I", "-c", _WITH_PARENT, str(os.getpid()), str(wanted.program), *self._options]
        with self._hand() as inherited:
            return subprocess.Popen(
                [*command, *inherited.options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=inherited.files,
            )

    def _is_late(self, wanted: Started, ran_s: float) -> bool:
        """Whether a program on trial that runs on has still not said that it stands; who does for long works."""
        stands = not wanted.on_trial or self._marks.stands
        if stands and ran_s >= STEADY_S:
            self.trouble = None
            if wanted.on_trial:
                self._conclude(Verdict(wanted, None))
        return not stands and ran_s >= STANDS_WITHIN_S

    def _conclude(self, verdict: Verdict) -> None:
        """The first one counts."""
        if self.verdict is None or not _same(self.verdict.of, verdict.of):
            self.verdict = verdict

    def _pass_on(self, stream: IO[str]) -> None:
        """What it says of itself, as far as anybody would read it."""
        with contextlib.suppress(OSError, ValueError):
            for number, line in enumerate(iter(lambda: stream.readline(LINE_CHARACTERS_MAX), "")):
                if number < LINES_MAX and line.strip():
                    self._said = line.strip()
                    self._on_event(f"part: {self._said}")
