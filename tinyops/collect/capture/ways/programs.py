"""What another program reads from this machine's own hardware, through a pipe."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tinyops.collect.capture.ways.kind import OneWay, StreamEnded
from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed
from tinyops.process import Completed, failure, find_tool

PIECE_BYTES = 262_144
TAIL_LINES = 10
END_S = 5.0


class ProgramStream(OneWay):
    """Runs until it is closed; the pipe holds what comes meanwhile."""

    finite = False

    def __init__(self, name: str, argv: Sequence[str], hint: str) -> None:
        self.name = name
        self._argv = (str(find_tool(argv[0], hint=hint)), *argv[1:])
        self._errors: deque[str] = deque(maxlen=TAIL_LINES)
        self._closed = False
        try:
            self._child = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise ToolError(f"{name}: {argv[0]} cannot be started: {error.strerror}", hint=hint) from error
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()

    def read(self, timeout_s: float) -> bytes:
        assert self._child.stdout is not None
        pipe = self._child.stdout.fileno()
        if not select.select([pipe], [], [], max(timeout_s, 0.0))[0]:
            return b""
        data = os.read(pipe, PIECE_BYTES)
        if not data:
            raise self._end()
        return data

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._reader.join(END_S)
        for stream in (self._child.stdout, self._child.stderr):
            assert stream is not None
            stream.close()

    def _end(self) -> LinkClosed:
        try:
            status = self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            status = None
        self._reader.join(END_S)
        if status == 0:
            return StreamEnded(f"{self.name}: has ended")
        program = Path(self._argv[0]).name
        error = failure(Completed(self._argv, status or 0, "", "".join(self._errors)), program)
        return LinkClosed(f"{self.name}: {error.message}")

    def _read_errors(self) -> None:
        assert self._child.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._child.stderr:
                self._errors.append(line.decode("utf-8", "replace")[:500])
