"""The oracle: what TFLM's own interpreter computes, byte for byte. Compiled models are compared with it.

It runs in a subprocess, for a model that it cannot take may crash or hang the process it is in.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import ToolError
from tinyops.worker import call_worker

START_S = 60.0
SECONDS_A_VECTOR = 1.0

Vectors = NDArray[np.int8]


def run_vectors(
    model_path: Path, inputs: Vectors, *, timeout_s: float | None = None, ends: tuple[int, int] | None = None
) -> Vectors:
    """The outputs [N, output bytes] of an int8 model for inputs [N, input bytes], all through one interpreter.

    `ends` are the numbers of inputs and outputs of a part of a model: then a vector is the bytes of all of them in
    their order, whatever their types. Raises SpecError when the interpreter refuses the model or the inputs do not
    match it, ToolError when it crashes or is not done in time.
    """
    with tempfile.TemporaryDirectory(prefix="tinyops-oracle-") as folder:
        given, made = Path(folder) / "inputs.npy", Path(folder) / "outputs.npy"
        np.save(given, np.ascontiguousarray(inputs, dtype=np.int8), allow_pickle=False)
        call_worker(
            "tinyops.squeeze.oracle_worker",
            {"model": str(model_path.resolve()), "inputs": str(given), "outputs": str(made), "ends": ends},
            what=f"tflite-micro with {model_path.name}",
            timeout_s=timeout_s or START_S + SECONDS_A_VECTOR * len(inputs),
        )
        outputs: Vectors = np.load(made, allow_pickle=False)
    if outputs.ndim != 2 or len(outputs) != len(inputs) or outputs.dtype != np.int8:
        raise ToolError(f"tflite-micro with {model_path.name}: answered {outputs.dtype} {list(outputs.shape)}")
    return outputs
