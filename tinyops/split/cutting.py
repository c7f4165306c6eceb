"""Cuts a .tflite into parts: each a file of its own, with the tensors of its boundaries as inputs and outputs.

A part has the tensors, constants and operator codes that its operators use, in the order of the whole file, and nothing
that tools left beside (signatures, metadata, plans of memory: they are about the whole). So its bytes follow from the
model and from where it begins and ends. What it only passes on is not in its file: its firmware holds that.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tinyops.errors import SpecError, ToolError
from tinyops.graph import Graph, parse_graph
from tinyops.split.boundaries import Boundary, boundaries, check_cuts, stands_alone

MAX_ENTRIES = 256  # of a list among an operator's options
MAX_NAME = 256
ALIGNMENT = 16  # of buffers, as the schema demands
_OPERANDS = ("inputs", "outputs", "intermediates")
_FOREIGN = (struct.error, ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError, AssertionError)


@dataclass(frozen=True)
class PartFile:
    """A part's file, and tensors of the whole model by index.

    `takes` come over the link and `gives` are sent on, in this order; the file's `inputs` are those taken that its
    operators use, its `outputs` those given that they make. What is taken and given is `passed`: kept until it is
    sent. A part without operators has no file: its board passes on what comes.
    """

    begin: int
    end: int
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    data: bytes | None = field(default=None, repr=False)

    @property
    def passed(self) -> tuple[int, ...]:
        return tuple(i for i in self.gives if i in self.takes)


def cut_model(data: bytes, name: str, cuts: Sequence[int], *, allow_empty: bool = False) -> tuple[PartFile, ...]:
    """The parts of a .tflite file, one more than there are cuts (numbers of operators of its `Graph`).

    Raises SpecError for a file that `read_graph` refuses, and for cuts that cannot be.
    """
    graph = parse_graph(data, name)
    positions = boundaries(graph)
    ends = check_cuts(positions, cuts, len(cuts), allow_empty=allow_empty)
    cutter = Cutter(data, graph)
    last = len(cuts)
    return tuple(cutter.part(*ends[i : i + 2], first=i == 0, last=i == last) for i in range(last + 1))


class Cutter:
    """One model, read by the schema's own classes; `parse_graph` has checked its counts and indices.

    `part` gives any run of its operators as a part of a chain.
    """

    def __init__(self, data: bytes, graph: Graph) -> None:
        try:
            import flatbuffers
            from ai_edge_litert import schema_py_generated
        except ImportError as error:
            hint = "pip install 'tinyops[build]'"
            raise ToolError(f"ai-edge-litert cannot be imported: {error}", hint=hint) from error
        self.flatbuffers, self.schema, self.graph = flatbuffers, schema_py_generated, graph
        self.model = self.schema.Model.GetRootAs(data, 0)
        self.codes: dict[int, str] = {v: k for k, v in vars(self.schema.BuiltinOperator).items() if isinstance(v, int)}
        self.names = Counter(t.name for t in graph.tensors if t.data is None)

    @cached_property
    def positions(self) -> tuple[Boundary, ...]:
        return boundaries(self.graph)

    def part(self, begin: int, end: int, *, first: bool, last: bool) -> PartFile:
        """Operators begin to end - 1 as a part; the first has the model's inputs, the last its outputs.

        Raises SpecError where they cannot be a file.
        """
        graph, positions = self.graph, self.positions
        if begin < end and not stands_alone(graph, positions, begin, end):
            what = f"operators {begin} to {end - 1} take nothing from others, or give them nothing"
            raise SpecError(f"{graph.name}: {what}", hint="cut elsewhere")
        takes = graph.inputs if first else positions[begin].tensors
        gives = graph.outputs if last else positions[end].tensors
        part = PartFile(begin, end, takes, gives)
        return self.filled(part) if begin < end else part

    def filled(self, part: PartFile) -> PartFile:
        operators = self.graph.operators[part.begin : part.end]
        used = {i for operator in operators for i in operator.inputs}
        inputs = tuple(i for i in part.takes if i in used or not part.begin)  # the model's own stay, even unused ones
        outputs = tuple(i for i in part.gives if i not in part.takes)
        try:
            data = _Part(self, [operator.number for operator in operators]).bytes(inputs, outputs)
        except _FOREIGN as error:
            raise SpecError(f"{self.graph.name}: damaged file ({type(error).__name__}: {error})") from error
        return replace(part, inputs=inputs, outputs=outputs, data=data)

    def builtin(self, operator: Any) -> str:
        code = self.model.OperatorCodes(operator.opcodeIndex)
        return self.codes[max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))]

    def operators(self, subgraph: int) -> list[Any]:
        raw = self.model.Subgraphs(subgraph)
        return [self.operator(raw.Operators(i)) for i in range(raw.OperatorsLength())]

    def operator(self, raw: Any) -> Any:
        """As an object. Lists that nothing bounded are: thousands of operators may share the bytes of one."""
        if raw.IntermediatesLength() > MAX_ENTRIES or raw.MutatingVariableInputsLength() > MAX_ENTRIES:
            raise ValueError(f"an operator lists more than {MAX_ENTRIES} tensors")
        made = self.schema.OperatorT.InitFromObj(raw)
        for kind in _OPERANDS:
            setattr(made, kind, [] if getattr(made, kind) is None else [int(i) for i in getattr(made, kind)])
        made.debugMetadataIndex = -1
        made.customOptions, made.customOptionsFormat = None, 0
        made.largeCustomOptionsOffset = made.largeCustomOptionsSize = 0
        made.builtinOptions2, made.builtinOptions2Type = None, 0
        for name, value in vars(made.builtinOptions).items() if made.builtinOptions is not None else ():
            if hasattr(value, "__len__") and len(value) > MAX_ENTRIES and not isinstance(value, bytes | str):
                raise ValueError(f"option {name} has {len(value):,} entries, at most {MAX_ENTRIES} are supported")
        return made

    def name(self, tensor: int, raw: Any) -> str:
        """Its name, alike in all parts; with its number where others have the same or it has none."""
        name = (raw.Name() or b"")[:MAX_NAME].decode("utf-8", "replace")
        return str(name) if name and self.names[name] <= 1 else f"{name or 'tensor'}_{tensor}"


class _Part:
    """One part in the making: `numbers` are its operators in the file's first subgraph."""

    def __init__(self, cutter: Cutter, numbers: Sequence[int]) -> None:
        self.cutter, self.schema = cutter, cutter.schema
        self.buffers: dict[int, int] = {}
        self.codes: dict[int, int] = {}
        self.made = self.schema.ModelT()
        self.made.version, self.made.operatorCodes, self.made.subgraphs = 3, [], []
        self.made.buffers = [self.schema.BufferT()]
        everything, chosen = cutter.operators(0), set(numbers)
        used = {i for number in numbers for i in everything[number].inputs}
        self.resources = {self.resource(o) for o in everything if self.handle(o) in used}
        self.called: list[int] = []
        self.kept = [o for i, o in enumerate(everything) if i in chosen or self.sets_up(o, used)]

    # -- resources ---------------------------------------------------------------------------------

    def handle(self, operator: Any) -> int | None:
        """The tensor that a VAR_HANDLE makes."""
        return operator.outputs[0] if self.cutter.builtin(operator) == "VAR_HANDLE" else None

    def resource(self, operator: Any) -> bytes:
        return operator.builtinOptions.sharedName or b""

    def sets_up(self, operator: Any, used: set[int]) -> bool:
        """Whether this part needs a VAR_HANDLE or CALL_ONCE."""
        name = self.cutter.builtin(operator)
        if name == "CALL_ONCE":
            called = operator.builtinOptions.initSubgraphIndex
            return any(self.resource(o) in self.resources for o in self.initial(called) if self.handle(o) is not None)
        return name == "VAR_HANDLE" and self.handle(operator) in used

    def initial(self, subgraph: int) -> list[Any]:
        """The operators of a subgraph that set the first values of this part's resources."""
        everything = self.cutter.operators(subgraph)
        mine = {self.handle(o) for o in everything if self.handle(o) is not None and self.resource(o) in self.resources}
        return [o for o in everything if self.handle(o) in mine or (o.inputs and o.inputs[0] in mine)]

    # -- tables ------------------------------------------------------------------------------------

    def bytes(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        self.made.subgraphs.append(self.subgraph(0, self.kept, inputs, outputs))
        for operator in self.kept:
            if self.cutter.builtin(operator) == "CALL_ONCE":
                called = operator.builtinOptions.initSubgraphIndex
                operator.builtinOptions.initSubgraphIndex = len(self.made.subgraphs)
                self.made.subgraphs.append(self.subgraph(called, self.initial(called), (), ()))
        for code, place in self.codes.items():  # only now: until here operators name the codes of the whole
            assert place == len(self.made.operatorCodes)
            self.made.operatorCodes.append(self.schema.OperatorCodeT.InitFromObj(self.cutter.model.OperatorCodes(code)))
            self.made.operatorCodes[-1].customCode = None
        for subgraph in self.made.subgraphs:
            for operator in subgraph.operators:
                operator.opcodeIndex = self.codes[operator.opcodeIndex]
        builder = _aligned(self.cutter.flatbuffers.Builder)(1024)
        builder.Finish(self.made.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def subgraph(self, number: int, operators: list[Any], inputs: Sequence[int], outputs: Sequence[int]) -> Any:
        raw = self.cutter.model.Subgraphs(number)
        places = {old: new for new, old in enumerate(sorted(_used(operators) | {*inputs, *outputs}))}
        made = self.schema.SubGraphT()
        made.name = "main" if number == 0 else "initialise"
        made.tensors = [self.tensor(number, old, raw.Tensors(old)) for old in places]
        made.inputs, made.outputs = ([places[i] for i in indices] for indices in (inputs, outputs))
        made.operators = operators
        for operator in operators:
            self.codes.setdefault(operator.opcodeIndex, len(self.codes))
            for kind in _OPERANDS:
                setattr(operator, kind, [places.get(i, -1) for i in getattr(operator, kind)])
        return made

    def tensor(self, subgraph: int, index: int, raw: Any) -> Any:
        made = self.schema.TensorT()
        made.name = self.cutter.name(index, raw) if subgraph == 0 else f"tensor_{index}"
        made.shape = [int(raw.Shape(i)) for i in range(raw.ShapeLength())]
        made.shapeSignature = [int(raw.ShapeSignature(i)) for i in range(raw.ShapeSignatureLength())] or None
        made.type, made.hasRank, made.isVariable = raw.Type(), raw.HasRank(), raw.IsVariable()
        made.buffer = self.buffer(int(raw.Buffer()))
        if raw.Quantization() is not None:
            made.quantization = self.schema.QuantizationParametersT.InitFromObj(raw.Quantization())
            made.quantization.min = made.quantization.max = None  # notes of a converter, of any length
        return made

    def buffer(self, index: int) -> int:
        """A constant's bytes, once in a part; what is computed has the empty buffer."""
        raw = self.cutter.model.Buffers(index)
        if not raw.DataLength():
            return 0
        if index not in self.buffers:
            made = self.schema.BufferT()
            made.data = raw.DataAsNumpy()
            self.buffers[index] = len(self.made.buffers)
            self.made.buffers.append(made)
        return self.buffers[index]


def _used(operators: Iterable[Any]) -> set[int]:
    return {i for o in operators for kind in _OPERANDS for i in getattr(o, kind) if i >= 0}


def _aligned(builder: Any) -> Any:
    """The builder, with bytes where the schema wants them: Python's own does not heed `force_align`."""

    class Aligned(builder):  # type: ignore[misc]
        def StartVector(self, size: int, count: int, alignment: int) -> Any:  # noqa: N802 as its base calls it
            return super().StartVector(size, count, ALIGNMENT if size == 1 else alignment)

    return Aligned
