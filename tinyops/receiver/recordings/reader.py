"""Whatever a device calls a file is read in a process of its own: within its memory and its time, and without secrets.

`python -m tinyops.receiver.recordings.reader BYTES` takes a line of JSON for each take and answers with a line. It ends
with its input, and so with the receiver.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinyops.collect.wire import Closing, Opening
from tinyops.datasets.adding import Addition
from tinyops.datasets.index import IndexEntry
from tinyops.errors import SpecError, TinyopsError, ToolError
from tinyops.files import MIB
from tinyops.receiver.recordings.building import Built, Gaps, build
from tinyops.receiver.recordings.ledger import Incoming
from tinyops.specs.model import Signal
from tinyops.worker import worker_environment

MEMORY_BYTES, MEMORY_EACH = 1024 * MIB, 8  # of addresses: so many, and so many for each byte of the largest take
TIMEOUT_S = 120.0
ANSWER_LIMIT_BYTES = MIB
TRIES = 2  # an innocent reader may have been killed


class Reader:
    """Reads one take at a time. Frames of int16, which can hold no surprise, are read here."""

    def __init__(self, scratch: Path, take_bytes: int, timeout_s: float = TIMEOUT_S) -> None:
        self._scratch, self._memory = scratch, MEMORY_BYTES + MEMORY_EACH * take_bytes
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def read(self, incoming: Incoming, file: Path, signal: Signal | None) -> Built:
        """Raises SpecError for what is no recording, or cannot be read within bounds; ToolError where the disk is
        full."""
        opening, closing, gaps = incoming.opening, incoming.closing or Closing(), tuple(incoming.gaps)
        if opening.encoding == "int16":
            try:
                return build(opening, closing, gaps, _start_of(file, incoming.bytes), signal)
            except ValueError as error:  # facts that no take can have
                raise SpecError(f"{opening.device}: not a take: {str(error)[:200]}") from error
        asked = {
            "opening": opening.model_dump(mode="json"),
            "closing": closing.model_dump(mode="json"),
            "gaps": gaps,
            "file": str(file),
            "bytes": incoming.bytes,
            "signal": None if signal is None else signal.model_dump(mode="json"),
            "out": str(self._scratch),
        }
        with self._lock:
            answer = self._ask(asked)
        if "problem" in answer:
            said = str(answer["problem"])
            raise SpecError(said if said.startswith(opening.device) else f"{opening.device}: {said}")
        if "trouble" in answer:
            raise ToolError(str(answer["trouble"]))
        data = self._scratch.read_bytes() if answer["is_other"] else _start_of(file, incoming.bytes)
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in answer["entry"].items()}
        figures: dict[str, Any] = answer["figures"]
        return Built(Addition(data, IndexEntry(**values)), **figures)

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        for _ in range(TRIES):
            child = self._child = self._child or self._started()
            assert child.stdin is not None
            with contextlib.suppress(OSError):  # it is gone: the answer that does not come says so
                child.stdin.write(json.dumps(asked).encode() + b"\n")
                child.stdin.flush()
            answer = _line(child, self._timeout_s)
            if answer is not None:
                return answer
            is_late = child.poll() is None
            self.close()
            if is_late:
                return {"problem": f"is not read within {self._timeout_s:g} s"}
        return {"problem": "whoever reads it dies of it"}

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=worker_environment({"OPENBLAS_NUM_THREADS": "1"}),
            start_new_session=True,
        )


def _line(child: subprocess.Popen[bytes], timeout_s: float) -> dict[str, Any] | None:
    """The answer; None where none comes."""
    assert child.stdout is not None
    data = b""
    while not data.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], timeout_s)
        piece = os.read(child.stdout.fileno(), ANSWER_LIMIT_BYTES) if ready else b""
        data += piece
        if not piece or len(data) > ANSWER_LIMIT_BYTES:
            if ready:
                child.wait(timeout_s)
            return None
    found: dict[str, Any] = json.loads(data)
    return found


def _start_of(file: Path, size: int) -> bytes:
    with file.open("rb") as stream:
        return stream.read(size)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    opening, closing = Opening.model_validate(asked["opening"]), Closing.model_validate(asked["closing"])
    signal = None if asked["signal"] is None else Signal.model_validate(asked["signal"])
    gaps: Gaps = tuple((int(at), int(count)) for at, count in asked["gaps"])
    data = _start_of(Path(asked["file"]), asked["bytes"])
    try:
        built = build(opening, closing, gaps, data, signal)
        is_other = built.addition.data is not data
        if is_other:
            Path(asked["out"]).write_bytes(built.addition.data)
    except SpecError as error:
        return {"problem": error.message[:500]}
    except (MemoryError, RecursionError):
        return {"problem": "needs more memory than there is for reading it"}
    except (TinyopsError, OSError) as error:
        return {"trouble": str(error)[:500]}
    except Exception as error:  # a decoder of others met something new
        return {"problem": f"cannot be read: {type(error).__name__}: {error}"[:500]}
    entry = asdict(built.addition.entry)
    figures = {"frames": built.frames, "lost": built.lost, "cut_bytes": built.cut_bytes}
    return {"entry": entry, "is_other": is_other, "figures": figures}


def main(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
