"""TensorFlow Lite Micro's interpreter, in a process of its own: the oracle for bit-exactness."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

import numpy as np
import pytest
from numpy.typing import NDArray

ARENA_BYTES = 8 << 20
REFUSED = 0xFFFFFFFF
# Each arena from pages that nobody wrote yet. SPACE_TO_BATCH_ND pads with a value that it never sets, which is 0 there;
# in memory that an earlier model left behind it is anything.
FRESH_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536"}


class Interpreter:
    """Runs models one after another; a model that kills the process costs a new process."""

    def __init__(self) -> None:
        pytest.importorskip("tflite_micro")
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, model: bytes, inputs: Sequence[NDArray]) -> list[bytes] | None:
        """Outputs, one bytes a vector, of inputs (vectors, ...) for each input tensor; None when it is refused."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **FRESH_MEMORY},
            )
        assert self._process.stdin and self._process.stdout
        packed = io.BytesIO()
        np.savez(packed, *inputs)
        try:
            for part in (model, packed.getvalue()):
                self._process.stdin.write(struct.pack("<I", len(part)) + part)
            self._process.stdin.flush()
            count = struct.unpack("<I", _exactly(self._process.stdout, 4))[0]
            if count == REFUSED:
                return None
            sizes = [struct.unpack("<I", _exactly(self._process.stdout, 4))[0] for _ in range(count)]
            return [_exactly(self._process.stdout, size) for size in sizes]
        except (EOFError, BrokenPipeError):
            self.close()
            return None

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError
    return data


def _infer(model: bytes, inputs: list[NDArray], outputs: int) -> list[bytes]:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
    results = []
    for vector in range(len(inputs[0])):
        for position, values in enumerate(inputs):
            interpreter.set_input(values[vector], position)
        interpreter.invoke()
        results.append(b"".join(np.asarray(interpreter.get_output(i)).tobytes() for i in range(outputs)))
    return results


def _main() -> None:
    from ai_edge_litert import schema_py_generated as schema

    stream, out = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            parts = [_exactly(stream, struct.unpack("<I", _exactly(stream, 4))[0]) for _ in range(2)]
        except EOFError:
            return
        inputs = list(np.load(io.BytesIO(parts[1])).values())
        outputs = schema.Model.GetRootAs(parts[0], 0).Subgraphs(0).OutputsLength()
        try:
            results = _infer(parts[0], inputs, outputs)
        except (RuntimeError, ValueError, SystemError):
            out.write(struct.pack("<I", REFUSED))
        else:
            out.write(struct.pack("<I", len(results)) + b"".join(struct.pack("<I", len(r)) for r in results))
            out.write(b"".join(results))
        out.flush()


if __name__ == "__main__":
    _main()
