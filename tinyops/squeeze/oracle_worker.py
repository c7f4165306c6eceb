"""The process in which TFLM's interpreter runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject
from tinyops.worker import Emit, serve

ARENAS_BYTES = (1 * MIB, 16 * MIB, 256 * MIB)


def work(request: JsonObject, _: Emit) -> JsonObject:
    """Reads inputs [N, bytes] from one .npy file, writes outputs [N, bytes] to another."""
    interpreter = load_interpreter(Path(request["model"]))
    inputs = np.load(request["inputs"], allow_pickle=False)
    taken, given = _ends(interpreter, request["ends"])
    sizes = [end.bytes for end in taken]
    if inputs.ndim != 2 or inputs.shape[1] != sum(sizes):
        shapes = ", ".join(str(list(end.shape)) for end in taken)
        raise SpecError(f"inputs of {list(inputs.shape)} do not fit the model's input {shapes}")
    outputs = np.empty((len(inputs), sum(end.bytes for end in given)), np.int8)
    for row, vector in enumerate(inputs):
        for index, (end, piece) in enumerate(zip(taken, np.split(vector, np.cumsum(sizes)[:-1]), strict=True)):
            interpreter.set_input(np.frombuffer(piece.tobytes(), end.dtype).reshape(end.shape), index)
        interpreter.invoke()
        made = b"".join(np.asarray(interpreter.get_output(index)).tobytes() for index in range(len(given)))
        outputs[row] = np.frombuffer(made, np.int8)
    np.save(request["outputs"], outputs, allow_pickle=False)
    return {"vectors": len(inputs)}


@dataclass(frozen=True)
class End:
    """An input or an output."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape)) * int(np.dtype(self.dtype).itemsize)


def _ends(interpreter: Any, counts: list[int] | None) -> tuple[list[End], list[End]]:
    """Inputs and outputs. Raises SpecError for a whole model that is not int8 at both ends."""
    inputs, outputs = counts or (1, 1)
    taken = [_end(interpreter.get_input_details(index)) for index in range(inputs)]
    given = [_end(interpreter.get_output_details(index)) for index in range(outputs)]
    if counts is None and (taken[0].dtype is not np.int8 or given[0].dtype is not np.int8):
        raise SpecError(
            f"the model's input is {taken[0].dtype.__name__}, its output {given[0].dtype.__name__}: not int8"
        )
    return taken, given


def _end(details: Any) -> End:
    return End(tuple(int(d) for d in details["shape"]), details["dtype"])


def load_interpreter(path: Path, *, keep_all: bool = False) -> Any:
    """An interpreter with the smallest of three arenas that the model fits in. Raises SpecError where none is.

    `keep_all` keeps what is between the model's ends readable.
    """
    from tflite_micro.python.tflite_micro import runtime

    kept = runtime.InterpreterConfig.kPreserveAllTensors if keep_all else runtime.InterpreterConfig.kAllocationRecording
    for arena_bytes in ARENAS_BYTES:
        try:
            return runtime.Interpreter.from_file(str(path), arena_size=arena_bytes, intrepreter_config=kept)
        except RuntimeError as error:
            refusal = error
    raise SpecError(
        f"{path.name}: tflite-micro cannot take this model: {refusal}",
        hint="one of its operators has no int8 kernel: use the layers of docs/architectures.md",
    ) from refusal


if __name__ == "__main__":
    sys.exit(serve(work))
