"""The process in which `tinyops.build.reference` runs TFLM's interpreter: tensors of any type, several a side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinyops.files import JsonObject
from tinyops.squeeze.oracle_worker import load_interpreter
from tinyops.worker import Emit, serve


def work(request: JsonObject, _: Emit) -> JsonObject:
    """Reads one array [N, *shape] an input from a .npz file, writes one [N, bytes] an output to another.

    The interpreter is new, which is more than its `reset` does: that leaves CALL_ONCE as run, and resources would
    start from their zero points instead of the constants that a file gives them.
    """
    interpreter = load_interpreter(Path(request["model"]))
    with np.load(request["inputs"], allow_pickle=False) as given:
        inputs = [given[f"input_{i}"] for i in range(len(given.files))]
    rows: list[list[Any]] = [[] for _ in range(int(request["outputs"]))]
    for vector in range(len(inputs[0])):
        for position, values in enumerate(inputs):
            interpreter.set_input(values[vector], position)
        interpreter.invoke()
        for position, found in enumerate(rows):
            found.append(np.frombuffer(np.ascontiguousarray(interpreter.get_output(position)).tobytes(), np.uint8))
    np.savez(request["made"], allow_pickle=False, **{f"output_{i}": np.stack(found) for i, found in enumerate(rows)})
    return {"vectors": len(inputs[0])}


if __name__ == "__main__":
    sys.exit(serve(work))
