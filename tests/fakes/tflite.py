"""Builds small .tflite files from Python values: what a converter would write, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

DTYPES = {
    "int8": schema.TensorType.INT8,
    "int4": schema.TensorType.INT4,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "float32": schema.TensorType.FLOAT32,
    "resource": schema.TensorType.RESOURCE,
}
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "TANH": 4}
PADDING = {"SAME": 0, "VALID": 1}


def packed_int4(data: Any) -> np.ndarray:
    """Two values a byte, the first in its lower half."""
    halves = np.asarray(data, np.int8).reshape(-1).view(np.uint8) & 15
    halves = np.append(halves, np.zeros(halves.size % 2, np.uint8))
    return halves[0::2] | halves[1::2] << 4


class Tflite:
    """A model in the making. Tensors are named by the index that `tensor` returns."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "made by a test"
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def other(self) -> Tflite:
        """Another subgraph of the same model: its tensors and operators are added there."""
        made = Tflite()
        made.model = self.model
        self.model.subgraphs.append(made.graph)
        made.graph.inputs, made.graph.outputs = [], []
        return made

    def handle(self, name: str, container: str | None = "") -> int:
        """A VAR_HANDLE and the tensor that it makes."""
        tensor = self.tensor((1,), "resource")
        self.operator("VAR_HANDLE", [], [tensor], table="VarHandleOptions", sharedName=name, container=container)
        return tensor

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int = 0,
        axis: int = 0,
        data: Any = None,
        name: str | None = None,
        variable: bool = False,
    ) -> int:
        tensor = schema.TensorT()
        tensor.isVariable = variable
        tensor.name = name or f"t{len(self.graph.tensors)}"
        tensor.shape = list(shape)
        tensor.type = DTYPES[dtype]
        tensor.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            values = packed_int4(data) if dtype == "int4" else np.ascontiguousarray(data, dtype=dtype)
            buffer.data = np.frombuffer(values.tobytes(), dtype=np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, dtype=np.float32))
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = np.full(scales.size, zero_point, dtype=np.int64)
            tensor.quantization.quantizedDimension = axis
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, name: str, inputs: Sequence[int], outputs: Sequence[int], **options: Any) -> None:
        """An operator; `options` are fields of its options table, whose name is `table`."""
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        table = options.pop("table", None)
        if table:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")()
            for field, value in options.items():
                assert hasattr(operator.builtinOptions, field), field
                setattr(operator.builtinOptions, field, value)
        self.model.operatorCodes.append(code)
        self.graph.operators.append(operator)

    def build(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file's bytes; `inputs` and `outputs` are those of the first subgraph."""
        main = self.model.subgraphs[0]
        main.inputs, main.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def dense(outputs: int = 3, inputs: int = 4, **changes: Any) -> Tflite:
    """A FULLY_CONNECTED model whose tensors are 0 input, 1 weights, 2 bias, 3 output; not built yet."""
    model = Tflite()
    model.tensor((1, inputs), scale=0.5, zero_point=3, name="input")
    weights = np.arange(outputs * inputs).reshape(outputs, inputs) % 11 - 5
    model.tensor((outputs, inputs), scale=changes.get("weight_scale", 0.25), data=weights, name="weights")
    model.tensor((outputs,), "int32", scale=0.125, data=np.arange(outputs) * 7, name="bias")
    model.tensor((1, outputs), scale=1.0, zero_point=-4, name="output")
    fields = {"table": "FullyConnectedOptions", "fusedActivationFunction": 0}
    model.operator("FULLY_CONNECTED", [0, 1, 2], [3], **fields)
    return model
