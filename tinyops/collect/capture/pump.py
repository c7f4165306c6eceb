"""A thread that does nothing but read, so that no byte waits for a disk or a terminal."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

from tinyops.collect.capture.ways.kind import Stream
from tinyops.errors import TinyopsError, ToolError
from tinyops.link.client import LinkClosed

READ_S = 0.2
CHUNKS_MAX = 65_536  # that wait; then the device waits, or its kernel's buffer says what was lost
GATHER_S = 0.004  # a chunk is what came within it: fewer, larger ones cost less
CLOSE_S = 5.0


@dataclass(frozen=True)
class Chunk:
    """Bytes and when the last of them were here, on this machine's monotonic clock."""

    data: bytes
    arrived_s: float


class Pump:
    """Chunks of a stream, in order, and at last the error that ended it."""

    def __init__(self, stream: Stream, *, gather: bool = True) -> None:
        self._stream = stream
        self._gather_s = GATHER_S if gather else 0.0
        self._chunks: queue.Queue[Chunk | TinyopsError] = queue.Queue(CHUNKS_MAX)
        self._done = threading.Event()
        self._ended: TinyopsError | None = None
        self._thread = threading.Thread(target=self._run, name=f"reads {stream.name}", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> list[Chunk]:
        """What has come, waiting for the first at most `timeout_s`. Raises what ended the stream, once all is taken."""
        if self._ended is not None:
            raise self._ended
        found: list[Chunk] = []
        try:
            item = self._chunks.get(timeout=max(timeout_s, 0.001))
            while isinstance(item, Chunk):
                found.append(item)
                item = self._chunks.get_nowait()
        except queue.Empty:
            return found
        self._ended = item
        if not found:
            raise item
        return found

    def close(self) -> None:
        self._done.set()
        self._stream.close()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        try:
            while not self._done.is_set():
                data = self._stream.read(READ_S)
                if data:
                    self._put(Chunk(data, time.monotonic()))
                    if self._gather_s:
                        time.sleep(self._gather_s)
        except TinyopsError as error:
            self._put(error)
        except Exception as error:  # the end of this thread must be seen by the other
            if not self._done.is_set():
                self._put(LinkClosed(f"{self._stream.name}: cannot be read any more: {error}"))

    def _put(self, item: Chunk | TinyopsError) -> None:
        while not self._done.is_set():
            try:
                self._chunks.put(item, timeout=READ_S)
            except queue.Full:
                continue
            return


def nobody_listens(name: str) -> ToolError:
    """For a request over a way on which none reaches the device."""
    return ToolError(f"{name}: nothing can be asked over this way")
