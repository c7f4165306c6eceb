"""A thread that does nothing but read, so that no byte waits for a disk or a terminal."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

from tinyops.collect.capture.ways.kind import Stream
from tinyops.errors import TinyopsError
from tinyops.link.client import LinkClosed

READ_S = 0.2
WAITING_MAX_BYTES = 64 * 1024 * 1024  # then the device waits, or loses what its line cannot keep
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
        self._chunks: queue.SimpleQueue[Chunk | TinyopsError] = queue.SimpleQueue()
        self._read_bytes = self._taken_bytes = 0  # each written by one of the two threads
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
                self._taken_bytes += len(item.data)
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
                    self._read_bytes += len(data)
                    self._chunks.put(Chunk(data, time.monotonic()))
                    self._wait_for_room()
                    if self._gather_s:
                        time.sleep(self._gather_s)
        except TinyopsError as error:
            self._chunks.put(error)
        except Exception as error:  # the end of this thread must be seen by the other
            if not self._done.is_set():
                self._chunks.put(LinkClosed(f"{self._stream.name}: cannot be read any more: {error}"))

    def _wait_for_room(self) -> None:
        while self._read_bytes - self._taken_bytes > WAITING_MAX_BYTES and not self._done.is_set():
            self._done.wait(READ_S)
