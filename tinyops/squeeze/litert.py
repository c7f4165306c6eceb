"""LiteRT's interpreter for float models. Imports it: for workers only."""

from __future__ import annotations

import warnings
from typing import Any

from tinyops.errors import SpecError


def float_interpreter(model: bytes, *, keep_all: bool) -> Any:
    """One thread and the reference kernels, or for a model with operators that have none the optimised ones.

    The optimised ones sum in another order on another CPU. `keep_all` keeps what is between the ends readable.
    """
    from ai_edge_litert.interpreter import OpResolverType

    try:
        return _open(model, OpResolverType.BUILTIN_REF, keep_all)
    except (ValueError, RuntimeError):
        try:
            return _open(model, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, keep_all)
        except (ValueError, RuntimeError) as error:
            raise SpecError(f"the float model cannot be run: {error}") from error


def _open(model: bytes, kernels: Any, keep_all: bool) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # says that keeping all tensors is for debugging
        interpreter = Interpreter(
            model_content=model,
            num_threads=1,
            experimental_op_resolver_type=kernels,
            experimental_preserve_all_tensors=keep_all,
        )
    interpreter.allocate_tensors()
    return interpreter


def computed(interpreter: Any) -> dict[str, int]:
    """The float tensors that a run makes, and the input: names and indices."""
    import numpy as np

    start = interpreter.get_input_details()[0]["index"]
    made = {start} | {int(i) for op in interpreter._get_ops_details() for i in op["outputs"]}
    details = interpreter.get_tensor_details()
    return {d["name"]: int(d["index"]) for d in details if d["index"] in made and d["dtype"] is np.float32}
