"""Reads a .tflite, trusting nothing in it.

The flatbuffer reader checks little by itself: offsets may lead anywhere, lengths may be anything and
several vectors may share bytes. So every count is bounded before it is walked, every index is
checked, and whatever the reader raises becomes a SpecError that says where it happened.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyops.errors import SpecError, ToolError
from tinyops.files import MIB, digest_bytes, read_bounded
from tinyops.graph import int4
from tinyops.graph.options import read_options
from tinyops.graph.resources import MAX_STATE_BYTES, Part, bind_resources, initial_of
from tinyops.graph.types import DTYPES, Graph, Operator, Quantisation, Tensor

MAX_BYTES = 16 * MIB  # text and tables of it stay below 1 GB
MAX_SUBGRAPHS = 64
MAX_TENSORS = 4096  # of all subgraphs together
MAX_OPERATORS = 1024  # their order and places are searched for
MAX_OPERANDS = 256
MAX_RANK = 8
MAX_ELEMENTS = 1 << 26
MAX_NAME = 256
FIXED_SHAPE = "export the model with a fixed input shape"
INT8_TYPES = "convert with TFLITE_BUILTINS_INT8, and int8 as inference_input_type and inference_output_type"
OUTPUTLESS = frozenset({"ASSIGN_VARIABLE", "CALL_ONCE"})
SMALLEST_SCALE = 2.0**-126  # below it float32 is denormal, and cores differ in how they treat that

_FOREIGN = (struct.error, ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError, AssertionError)
_RANGES = {
    "int4": (-8, 7),
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (0, 0),
    "int64": (0, 0),
}


def read_graph(path: Path) -> Graph:
    """The graph of a .tflite file. Raises SpecError for a file that is broken, hostile or of a kind that
    tinyops cannot take: custom operators, dynamic shapes, subgraphs that do more than initialise resources."""
    return parse_graph(read_bounded(path, MAX_BYTES), path.name)


def parse_graph(data: bytes, name: str) -> Graph:
    """As `read_graph`, of a file's bytes; `name` is what errors call it."""
    if len(data) > MAX_BYTES:
        raise SpecError(f"{name}: larger than {MAX_BYTES:,} bytes")
    if len(data) < 16 or data[4:8] != b"TFL3":
        raise SpecError(f"{name}: not a TensorFlow Lite file", hint="export the model with the TFLite converter")
    return _Reader(data, name).graph()


def _schema() -> Any:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise ToolError(f"ai-edge-litert cannot be imported: {error}", hint="pip install 'tinyops[build]'") from error
    return schema_py_generated


class _Reader:
    """The state of one reading: the file, the schema, and where in the file it is, for messages."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name, self.schema, self.where = data, name, _schema(), "header"
        self.dtypes = {v: k.lower() for k, v in vars(self.schema.TensorType).items() if isinstance(v, int)}
        self.operators: dict[int, str] = {
            v: k for k, v in vars(self.schema.BuiltinOperator).items() if isinstance(v, int)
        }
        self.constants: dict[int, bytes] = {}
        self.subgraph, self.state_bytes = "", 0

    def fail_at(self, where: str, message: str, hint: str) -> SpecError:
        self.where = where
        return self.fail(message, hint)

    def fail(self, message: str, hint: str = "") -> SpecError:
        where = f"{self.where}: " if self.where else ""
        return SpecError(f"{self.name}: {where}{message}", hint=hint)

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Names the place for messages, and wraps what the flatbuffer reader raises."""
        before, self.where = self.where, self.subgraph + where
        try:
            yield
        except _FOREIGN as error:
            raise self.fail(f"damaged file ({type(error).__name__}: {error})") from error
        self.where = before

    def bounded(self, count: int, limit: int, what: str) -> int:
        if not 0 <= count <= limit:
            raise self.fail(f"{count:,} {what}, at most {limit:,} are supported")
        return count

    def graph(self) -> Graph:
        with self.at("header"):
            model = self.schema.Model.GetRootAs(self.data, 0)
            if model.Version() != 3:
                raise self.fail(f"schema version {model.Version()}, only 3 is supported")
            count = model.SubgraphsLength()
            if count < 1:
                raise self.fail("0 subgraphs")
            subgraphs = [model.Subgraphs(i) for i in range(self.bounded(count, MAX_SUBGRAPHS, "subgraphs"))]
            self.bounded(sum(s.TensorsLength() for s in subgraphs), MAX_TENSORS, "tensors")
            self.bounded(sum(s.OperatorsLength() for s in subgraphs), MAX_OPERATORS, "operators")
            self.bounded(model.BuffersLength(), 4 * MAX_TENSORS, "buffers")
            self.bounded(model.OperatorCodesLength(), MAX_OPERATORS, "operator codes")
        part = bind_resources([self.part(model, s, i) for i, s in enumerate(subgraphs)], self.fail_at)
        with self.at("inputs"):
            inputs = self.indices(subgraphs[0].InputsLength, subgraphs[0].Inputs, len(part.tensors))
        with self.at("outputs"):
            outputs = self.indices(subgraphs[0].OutputsLength, subgraphs[0].Outputs, len(part.tensors))
        graph = Graph(self.name, digest_bytes(self.data), part.tensors, part.operators, inputs, outputs)
        self.where = ""
        self.check_operands(graph)
        self.check_order(graph)
        return graph

    def part(self, model: Any, subgraph: Any, number: int) -> Part:
        self.subgraph = f"subgraph {number}: " if number else ""
        tensors = tuple(self.tensor(model, subgraph, i) for i in range(subgraph.TensorsLength()))
        operators = (self.operator(model, subgraph, i, len(tensors)) for i in range(subgraph.OperatorsLength()))
        found = Part(tensors, tuple(operators))
        self.subgraph = ""
        return found

    def indices(self, length: Any, item: Any, tensors: int, least: int = 1) -> tuple[int, ...]:
        """Indices of tensors, none absent, none twice, at least `least`."""
        found = tuple(int(item(i)) for i in range(self.bounded(length(), MAX_OPERANDS, "entries")))
        for index in found:
            if not 0 <= index < tensors:
                raise self.fail(f"tensor {index} does not exist, there are {tensors}")
        if len(found) < least or len(set(found)) != len(found):
            raise self.fail("empty" if not found else "names a tensor twice")
        return found

    # -- tensors ---------------------------------------------------------------------------------

    def tensor(self, model: Any, subgraph: Any, index: int) -> Tensor:
        with self.at(f"tensor {index}"):
            raw = subgraph.Tensors(index)
            name = (raw.Name() or b"")[:MAX_NAME].decode("utf-8", "replace")
        with self.at(f"tensor {index} {name!r}"):
            stored = self.dtypes.get(raw.Type(), str(raw.Type()))
            dtype = "int8" if stored == int4.PACKED else stored
            if dtype not in DTYPES:
                raise self.fail(f"element type {dtype} is not supported", INT8_TYPES)
            if raw.Sparsity() is not None:
                raise self.fail("is sparse", "convert the model without sparsity")
            shape = self.shape(raw)
            data = self.constant(model, int(raw.Buffer()))
            if stored == int4.PACKED:
                data = self.unpacked(data, shape)
            tensor = Tensor(index, name, shape, dtype, self.quantisation(raw, stored, shape), data)
            if data is not None and len(data) != tensor.bytes:
                raise self.fail(f"its buffer has {len(data):,} bytes, its shape {shape} needs {tensor.bytes:,}")
            return self.variable(tensor) if raw.IsVariable() else tensor

    def unpacked(self, data: bytes | None, shape: tuple[int, ...]) -> bytes:
        """Constants of four bits, as int8."""
        if data is None:
            raise self.fail("element type int4 is not supported of tensors that are computed", int4.HINT)
        elements, wanted = math.prod(shape), int4.packed_bytes(math.prod(shape))
        if len(data) != wanted:
            raise self.fail(f"its buffer has {len(data):,} bytes, its shape {shape} of int4 needs {wanted:,}")
        return int4.unpacked(data, elements)

    def variable(self, tensor: Tensor) -> Tensor:
        if tensor.data is not None or tensor.dtype == "resource":
            raise self.fail("is a variable and " + ("a handle" if tensor.data is None else "has a constant's buffer"))
        self.state_bytes += tensor.bytes
        self.bounded(self.state_bytes, MAX_STATE_BYTES, "bytes of variables")
        return replace(tensor, variable=True, initial=initial_of(tensor))

    def shape(self, raw: Any) -> tuple[int, ...]:
        shape = tuple(int(raw.Shape(i)) for i in range(self.bounded(raw.ShapeLength(), MAX_RANK, "dimensions")))
        if any(d < 0 for d in shape):
            raise self.fail(f"shape {shape} is dynamic or empty", FIXED_SHAPE)
        self.bounded(math.prod(shape), MAX_ELEMENTS, "elements")
        signature = tuple(
            int(raw.ShapeSignature(i)) for i in range(self.bounded(raw.ShapeSignatureLength(), MAX_RANK, "dimensions"))
        )
        # A free batch dimension is how Keras exports; the shape beside it says 1, and that is what runs.
        batch_only = signature[:1] == (-1,) and shape[:1] == (1,) and -1 not in signature[1:]
        if -1 in signature and not batch_only:
            raise self.fail(f"shape {signature} is dynamic", FIXED_SHAPE)
        return shape

    def constant(self, model: Any, index: int) -> bytes | None:
        """A buffer's bytes; None for the empty buffer that computed tensors name."""
        if not 0 <= index < model.BuffersLength():
            raise self.fail(f"its buffer {index} does not exist, there are {model.BuffersLength()}")
        if index in self.constants:
            return self.constants[index]
        buffer = model.Buffers(index)
        if buffer.Offset() > 1 or buffer.Size() > 1:
            raise self.fail(f"its buffer {index} lies outside the flatbuffer")
        length = int(buffer.DataLength())
        if length == 0:
            return None
        if length + sum(map(len, self.constants.values())) > len(self.data):
            raise self.fail(f"its buffer {index} of {length:,} bytes reaches outside the file or overlaps another")
        self.constants[index] = bytes(buffer.DataAsNumpy().tobytes())
        return self.constants[index]

    def quantisation(self, raw: Any, dtype: str, shape: tuple[int, ...]) -> Quantisation | None:
        found = raw.Quantization()
        if found is None or found.ScaleLength() == 0:
            return None
        if found.DetailsType() != self.schema.QuantizationDetails.NONE:
            raise self.fail("has a custom quantisation")
        count, zeros = found.ScaleLength(), found.ZeroPointLength()
        axis = int(found.QuantizedDimension()) if len(shape) > 1 else 0  # of vectors, files in the wild say anything
        if count > 1 and not (0 <= axis < len(shape) and shape[axis] == count):
            raise self.fail(f"{count:,} scales along dimension {axis} do not match its shape {shape}")
        if zeros not in (0, 1, count):
            raise self.fail(f"{count:,} scales but {zeros:,} zero points")
        scales = tuple(float(found.Scale(i)) for i in range(count))
        points = tuple(int(found.ZeroPoint(i)) for i in range(zeros)) or (0,)
        for scale in scales:
            if not math.isfinite(scale) or scale < SMALLEST_SCALE:
                raise self.fail(f"scale is {scale:g}, it must be finite, above zero and not denormal")
        low, high = _RANGES.get(dtype, (0, 0))
        for point in points:
            if not low <= point <= high:
                raise self.fail(f"zero point {point} is outside {low}..{high} of {dtype}")
        return Quantisation(scales, points * (count if len(points) == 1 else 1), axis)

    # -- operators -------------------------------------------------------------------------------

    def operator(self, model: Any, subgraph: Any, index: int, tensors: int) -> Operator:
        with self.at(f"operator {index}"):
            raw = subgraph.Operators(index)
            name = self.operator_name(model, int(raw.OpcodeIndex()))
        with self.at(f"operator {index} {name}"):
            inputs: list[int | None] = []
            for i in range(self.bounded(raw.InputsLength(), MAX_OPERANDS, "inputs")):
                used = int(raw.Inputs(i))
                if used != -1 and not 0 <= used < tensors:
                    raise self.fail(f"its input {i} is tensor {used}, there are {tensors}")
                inputs.append(None if used == -1 else used)
                self.check_packed(name, i, None if used == -1 else subgraph.Tensors(used))
            outputs = self.indices(raw.OutputsLength, raw.Outputs, tensors, 0 if name in OUTPUTLESS else 1)
            return Operator(index, name, tuple(inputs), outputs, read_options(self.schema, name, raw, self.fail))

    def check_packed(self, operator: str, operand: int, raw: Any | None) -> None:
        if raw is not None and self.dtypes.get(raw.Type()) == int4.PACKED:
            found = raw.Quantization()
            problem = int4.misuse(operator, operand, found.ScaleLength() if found is not None else 0)
            if problem:
                raise self.fail(problem, int4.HINT)

    def operator_name(self, model: Any, index: int) -> str:
        if not 0 <= index < model.OperatorCodesLength():
            raise self.fail(f"operator code {index} does not exist")
        code = model.OperatorCodes(index)
        number = max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))
        if number not in self.operators:
            raise self.fail(f"builtin operator {number} is unknown")
        if self.operators[number] == "CUSTOM":
            custom = (code.CustomCode() or b"")[:MAX_NAME].decode("utf-8", "replace")
            raise self.fail(f"custom operator {custom!r} is not supported", "convert with TFLITE_BUILTINS_INT8 only")
        return self.operators[number]

    def check_operands(self, graph: Graph) -> None:
        """What is used has elements, and is no handle. Converters leave empty tensors for an LSTM's intermediates."""
        for operator in graph.operators:
            for index in (*operator.inputs, *operator.outputs):
                self.check_operand(None if index is None else graph.tensors[index], str(operator))
        for index in (*graph.inputs, *graph.outputs):
            self.check_operand(graph.tensors[index], "the model")

    def check_operand(self, tensor: Tensor | None, user: str) -> None:
        if tensor is not None and not tensor.elements:
            raise self.fail(f"{tensor}: shape {tensor.shape} is dynamic or empty, and {user} uses it", FIXED_SHAPE)
        if tensor is not None and tensor.dtype == "resource":
            raise self.fail(f"{user} has the handle {tensor} as an operand")

    def check_order(self, graph: Graph) -> None:
        """Every operator reads what exists by then, and no tensor but a variable is made twice."""
        made = {t.index for t in graph.tensors if t.data is not None or t.variable}
        for index in graph.inputs:
            if index in made:
                raise self.fail(f"input {graph.tensors[index]} is a constant or a variable")
            made.add(index)
        for operator in graph.operators:
            for used in operator.inputs:
                if used is not None and used not in made:
                    raise self.fail(
                        f"{operator} reads {graph.tensors[used]} before it is made: "
                        "the graph is cyclic, out of order, or a buffer is missing"
                    )
            for output in operator.outputs:
                if output in made and not (operator.name == "ASSIGN_VARIABLE" and graph.tensors[output].variable):
                    raise self.fail(f"{operator} writes {graph.tensors[output]}, which is there already")
                made.add(output)
        self.check_outputs(graph, made)

    def check_outputs(self, graph: Graph, made: set[int]) -> None:
        for index in graph.outputs:
            if index not in made:
                raise self.fail(f"output {graph.tensors[index]} is made by no operator")
            if graph.tensors[index].variable:
                raise self.fail(f"output {graph.tensors[index]} is a variable")
