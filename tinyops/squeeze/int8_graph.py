"""What a graph must be for a microcontroller without a float unit: integers only. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tinyops.errors import SpecError
from tinyops.graph import Graph, Operator, Tensor
from tinyops.squeeze.naming import layer_name

INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "bool"})
CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})  # what surrounds an operator that stays float
SHOWN = 3
INSTEAD = (
    "in place of ELU, SELU or softplus take relu, of layer normalisation batch normalisation, of LSTM and GRU conv1d: "
    "docs/architectures.md lists what has an int8 form"
)
NAME_SHOWN = 40


@dataclass(frozen=True)
class Int8Interface:
    """The one input and output of an int8 graph. Shapes are without the batch of 1."""

    input_shape: tuple[int, ...]
    input_scale: float
    input_zero_point: int
    output_shape: tuple[int, ...]
    output_scale: float
    output_zero_point: int

    @property
    def input_bytes(self) -> int:
        return prod(self.input_shape)

    @property
    def output_bytes(self) -> int:
        return prod(self.output_shape)


def check_int8(graph: Graph, *, trained: bool) -> Int8Interface:
    """The graph's interface. Raises SpecError naming each operator that would need floats.

    `trained` says that tinyops made the model: the advice differs.
    """
    islands = [text for operator in graph.operators if (text := _float_use(operator, graph))]
    if islands:
        raise _float_error(graph, islands, trained)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise SpecError(
            f"{graph.name}: has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, wanted one each"
        )
    taken, given = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    scale_in, zero_in = _int8_quantisation(graph, taken, "input")
    scale_out, zero_out = _int8_quantisation(graph, given, "output")
    return Int8Interface(taken.shape[1:], scale_in, zero_in, given.shape[1:], scale_out, zero_out)


def _float_use(operator: Operator, graph: Graph) -> str:
    """The operator and its first operand that is no integer, or nothing."""
    for index in (*operator.inputs, *operator.outputs):
        if index is not None and graph.tensors[index].dtype not in INTEGERS:
            tensor = graph.tensors[index]
            return f"operator {operator.index} {operator.name} ({tensor.name[:NAME_SHOWN]} is {tensor.dtype})"
    return ""


def _float_error(graph: Graph, islands: list[str], trained: bool) -> SpecError:
    more = f" and {len(islands) - SHOWN} more" if len(islands) > SHOWN else ""
    if trained:
        floats = (o for o in graph.operators if _float_use(o, graph) and o.name not in CONVERSIONS)
        names = dict.fromkeys(f"{o.name} in layer {layer_name(graph.tensors[o.outputs[0]].name)}" for o in floats)
        shown = [*names][:SHOWN] or islands[:SHOWN]
        message = f"{graph.name}: int8 has no form of {', '.join(shown)}"
        return SpecError(message + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""), hint=INSTEAD)
    message = f"{graph.name}: is not quantised: {', '.join(islands[:SHOWN])}{more}"
    hint = (
        "architecture kind tflite takes a full-integer model: convert with TFLITE_BUILTINS_INT8, a representative "
        "dataset, and int8 inference_input_type and inference_output_type"
    )
    return SpecError(message, hint=hint)


def _int8_quantisation(graph: Graph, tensor: Tensor, what: str) -> tuple[float, int]:
    found = tensor.quantisation
    if tensor.dtype != "int8" or found is None or len(found.scales) != 1:
        raise SpecError(
            f"{graph.name}: its {what} is {tensor.dtype}, wanted int8 with one scale",
            hint=f"set inference_{what}_type to int8 when converting",
        )
    if not tensor.shape or tensor.shape[0] != 1:
        raise SpecError(f"{graph.name}: its {what} has the shape {list(tensor.shape)}, wanted a batch of 1")
    return found.scales[0], found.zero_points[0]
