"""The process that runs a float model beside its int8 model, and compares what is between their ends."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tinyops.files import JsonObject
from tinyops.graph import read_graph
from tinyops.worker import Emit, serve


def work(request: JsonObject, _: Emit) -> JsonObject:
    """Request: `float` and `int8` (.tflite), `inputs` and `int8_inputs` (.npy of the same windows [N, …]).

    The int8 model's values are those of TFLM's interpreter, which devices repeat byte for byte.
    """
    from tinyops.squeeze.layers import Tally, comparable, layer_errors
    from tinyops.squeeze.litert import float_interpreter
    from tinyops.squeeze.oracle_worker import load_interpreter

    float_path, path = Path(request["float"]), Path(request["int8"])
    float_graph, graph = read_graph(float_path), read_graph(path)
    exact = float_interpreter(float_path.read_bytes(), keep_all=True)
    rounded = load_interpreter(path, keep_all=True)
    compared = comparable(float_graph, graph)
    tallies = {index: Tally() for index in compared}
    shape = graph.tensors[graph.inputs[0]].shape
    inputs, int8_inputs = (np.load(request[n], allow_pickle=False) for n in ("inputs", "int8_inputs"))
    for window, row in zip(inputs, int8_inputs, strict=True):
        exact.set_tensor(float_graph.inputs[0], window[None])
        exact.invoke()
        rounded.set_input(row.reshape(shape), 0)
        rounded.invoke()
        for index, float_index in compared.items():
            found = row if index in graph.inputs else rounded.GetTensor(index, 0)["tensor_data"]
            tallies[index].add(exact.get_tensor(float_index), np.asarray(found), graph.tensors[index])
    return {"layers": [error.to_json() for error in layer_errors(graph, tallies)]}


if __name__ == "__main__":
    sys.exit(serve(work))
