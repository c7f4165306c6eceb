"""The process in which TFLM's interpreter runs."""

from __future__ import annotations

import sys
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
    taken, given = interpreter.get_input_details(0), interpreter.get_output_details(0)
    if taken["dtype"] is not np.int8 or given["dtype"] is not np.int8:
        raise SpecError(
            f"the model's input is {taken['dtype'].__name__}, its output {given['dtype'].__name__}: not int8"
        )
    inputs = np.load(request["inputs"], allow_pickle=False)
    shape = tuple(int(d) for d in taken["shape"])
    if inputs.ndim != 2 or inputs.shape[1] != int(np.prod(shape)):
        raise SpecError(f"inputs of {list(inputs.shape)} do not fit the model's input {list(shape)}")
    outputs = np.empty((len(inputs), int(np.prod(given["shape"]))), np.int8)
    for row, vector in enumerate(inputs):
        interpreter.set_input(vector.reshape(shape), 0)
        interpreter.invoke()
        outputs[row] = interpreter.get_output(0).reshape(-1)
    np.save(request["outputs"], outputs, allow_pickle=False)
    return {"vectors": len(inputs)}


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
