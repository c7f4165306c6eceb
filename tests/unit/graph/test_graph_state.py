"""Variables, resources and the subgraphs that initialise them: what is read of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fakes.tflite import Tflite
from tinyops.errors import SpecError
from tinyops.graph import changes, depends, live_ranges, parse_graph, state_of, touched

EDGE = {"scale": 0.5, "zero_point": 3}
ONCE = {"table": "CallOnceOptions", "initSubgraphIndex": 1}


class Accumulator:
    """output = resource + input, which is then assigned; the first value comes from subgraph 1.

    Operators: 0 CALL_ONCE, 1 VAR_HANDLE, 2 READ_VARIABLE, 3 ADD, 4 ASSIGN_VARIABLE.
    """

    def __init__(self, first: object = 7) -> None:
        self.model = Tflite()
        self.main = self.model.graph
        self.source = self.model.tensor((1, 4), **EDGE, name="input")
        self.model.operator("CALL_ONCE", [], [], **ONCE)
        self.handle = self.model.handle("sum")
        self.old, self.new = (self.model.tensor((1, 4), **EDGE, name=name) for name in ("old", "new"))
        self.model.operator("READ_VARIABLE", [self.handle], [self.old])
        self.model.operator("ADD", [self.old, self.source], [self.new], table="AddOptions")
        self.model.operator("ASSIGN_VARIABLE", [self.handle, self.new], [])
        self.other = self.model.other()
        value = self.other.tensor((1, 4), **EDGE, data=np.broadcast_to(first, (1, 4)))
        self.other.operator("ASSIGN_VARIABLE", [self.other.handle("sum"), value], [])

    def build(self) -> bytes:
        return self.model.build([self.source], [self.new])

    def graph(self):
        return parse_graph(self.build(), "model.tflite")


def variable_model(**changes: object) -> Tflite:
    """An ADD of the input, tensor 0, and a variable, tensor 1, into tensor 2."""
    model = Tflite()
    model.tensor((1, 4), **EDGE, name="input")
    model.tensor((1, 4), **{**EDGE, "name": "kept", "variable": True, **changes})
    model.tensor((1, 4), **EDGE, name="output")
    model.operator("ADD", [0, 1], [2], table="AddOptions")
    return model


def test_a_resource_becomes_a_variable():
    graph = Accumulator([1, 2, 3, 4]).graph()
    assert [o.name for o in graph.operators] == ["READ_VARIABLE", "ADD", "ASSIGN_VARIABLE"]
    assert [(o.index, o.number) for o in graph.operators] == [(0, 2), (1, 3), (2, 4)]
    (kept,) = state_of(graph)
    variable = graph.tensors[kept]
    assert (variable.name, variable.shape, variable.dtype, variable.zero_point) == ("sum", (1, 4), "int8", 3)
    assert variable.initial == bytes([1, 2, 3, 4])
    assert graph.operators[0].inputs == (kept,) == graph.operators[2].outputs


def test_handles_of_one_name_are_one_resource():
    given = Accumulator()
    again = given.model.handle("sum")
    last = given.model.tensor((1, 4), **EDGE)
    given.model.operator("READ_VARIABLE", [again], [last])
    graph = given.graph()
    assert len(state_of(graph)) == 1
    assert graph.operators[-1].inputs == graph.operators[0].inputs


@pytest.mark.parametrize(
    ("fields", "initial"),
    [
        ({}, b"\3\3\3\3"),
        ({"zero_point": -2}, b"\xfe" * 4),
        ({"dtype": "int16", "zero_point": 0}, bytes(8)),
        ({"dtype": "float32", "scale": None, "zero_point": 0}, bytes(16)),
    ],
)
def test_a_variable_starts_at_its_zero_point(fields, initial):
    """As the interpreter resets it: int8 to the zero point, everything else to 0."""
    graph = parse_graph(variable_model(**fields).build([0], [2]), "m")
    assert graph.tensors[1].initial == initial


def test_a_resource_without_a_constant_starts_at_the_zero_point_of_what_is_assigned():
    given = Accumulator()
    given.model.model.subgraphs.pop()
    given.main.operators.pop(0)
    graph = given.graph()
    assert graph.tensors[state_of(graph)[0]].initial == b"\3\3\3\3"


def test_variables_live_from_before_the_first_operator_to_after_the_last():
    graph = Accumulator().graph()
    assert live_ranges(graph)[state_of(graph)[0]] == (-1, 3)


def test_operators_that_touch_a_variable_keep_their_order():
    """The first addition needs nothing but what is read; the second read waits for the assignment."""
    given = Accumulator()
    last = given.model.tensor((1, 4), **EDGE)
    given.model.operator("READ_VARIABLE", [given.handle], [last])
    graph = given.graph()
    assert depends(graph) == (frozenset(), {0}, {0, 1}, {0, 2})
    read, add, assign, _ = graph.operators
    assert touched(graph, read) == touched(graph, assign) == changes(graph, assign) == set(state_of(graph))
    assert touched(graph, add) == changes(graph, read) == set()


def test_empty_tensors_are_left_alone_and_may_not_be_used():
    model = variable_model()
    model.tensor((0,), "float32", name="an LSTM's intermediate")
    assert parse_graph(model.build([0], [2]), "m").tensors[3].shape == (0,)
    model.graph.operators[0].inputs = [0, 3]
    with pytest.raises(SpecError, match=r"shape \(0,\) is dynamic or empty, and operator 0 ADD uses it"):
        parse_graph(model.build([0], [2]), "m")


def _operator(number: int, **fields: object):
    def change(given: Accumulator) -> None:
        for name, value in fields.items():
            setattr(given.main.operators[number], name, value)

    return change


def _options(number: int, **fields: object):
    def change(given: Accumulator) -> None:
        for name, value in fields.items():
            setattr(given.main.operators[number].builtinOptions, name, value)

    return change


def _nested_call(given: Accumulator) -> None:
    given.other.operator("CALL_ONCE", [], [], **{**ONCE, "initSubgraphIndex": 0})


def _computed_initial(given: Accumulator) -> None:
    given.other.graph.tensors[0].buffer = 0


def _late_call(given: Accumulator) -> None:
    given.main.operators.append(given.main.operators.pop(0))


def _second_call(given: Accumulator) -> None:
    given.main.operators.insert(0, given.main.operators[0])


def _never_assigned(given: Accumulator) -> None:
    last = given.model.tensor((1, 4), **EDGE)
    given.model.operator("READ_VARIABLE", [given.model.handle("nothing")], [last])


def _other_container(given: Accumulator) -> None:
    given.model.handle("sum", container="elsewhere")


def _handle_as_data(given: Accumulator) -> None:
    given.main.operators[3].inputs = [given.handle, given.source]


def _handle_assigned(given: Accumulator) -> None:
    given.main.operators[4].inputs = [given.handle, given.handle]


def _two_handles_in_one(given: Accumulator) -> None:
    given.main.operators.insert(2, given.main.operators[1])


def _shape(tensor: int, shape: list[int]):
    def change(given: Accumulator) -> None:
        given.main.tensors[tensor].shape = shape

    return change


def _long_name(given: Accumulator) -> None:
    given.model.handle("x" * 2000)


def _huge(given: Accumulator) -> None:
    for tensor in (given.source, given.old, given.new):
        given.main.tensors[tensor].shape = [1, 1 << 25]


REFUSED = {
    "a call of a missing subgraph": (_options(0, initSubgraphIndex=9), "calls subgraph 9, there are 2"),
    "a call of subgraph -1": (_options(0, initSubgraphIndex=-1), "calls subgraph -1"),
    "a call of its own subgraph": (_options(0, initSubgraphIndex=0), "it calls its own, a cycle"),
    "a call in an initialiser": (_nested_call, "it has a CALL_ONCE"),
    "a call with operands": (_operator(0, inputs=[0]), "it has no inputs and no outputs"),
    "two calls of one subgraph": (_second_call, "subgraph 1 is called by 2"),
    "a call after its resource is used": (_late_call, "operator 1 READ_VARIABLE uses 'sum' before it"),
    "an initial value that is computed": (_computed_initial, "is computed"),
    "a resource that nothing assigns": (_never_assigned, "nothing is assigned"),
    "one name in two containers": (_other_container, "have the same container; here: sum"),
    "an addition of a handle": (_handle_as_data, "only READ_VARIABLE and ASSIGN_VARIABLE take handles"),
    "a handle that is assigned": (_handle_assigned, "assigns a handle|take handles"),
    "a handle made twice": (_two_handles_in_one, "which is there already"),
    "a read through no handle": (_operator(2, inputs=[0]), "not a handle that a VAR_HANDLE"),
    "an assignment to no handle": (_operator(4, inputs=[0, 0]), "not a handle that a VAR_HANDLE"),
    "an assignment of nothing": (_operator(4, inputs=[1]), "has 1 inputs and 0 outputs, wanted are a handle"),
    "a read of another shape": (_shape(2, [1, 5]), r"\(1, 5\), what is assigned first is int8 \(1, 4\)"),
    "a name without end": (_long_name, "SharedName has 2,000 bytes"),
    "a huge resource": (_huge, "33,554,432 bytes of variables, at most 16,777,216"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_resources_that_cannot_be_are_refused_by_name(what):
    change, match = REFUSED[what]
    given = Accumulator()
    change(given)
    with pytest.raises(SpecError, match=match) as error:
        given.graph()
    assert error.value.message.startswith("model.tflite: ")


VARIABLES_REFUSED = {
    "an input that is a variable": (lambda m: setattr(m.graph.tensors[0], "isVariable", True), "input tensor 0"),
    "an output that is a variable": (lambda m: setattr(m.graph.tensors[2], "isVariable", True), "which is there"),
    "a variable with data": (lambda m: setattr(m.graph.tensors[1], "buffer", 1), "has a constant's buffer"),
    "a huge variable": (lambda m: setattr(m.graph.tensors[1], "shape", [1, 1 << 25]), "bytes of variables, at most"),
}


@pytest.mark.parametrize("what", VARIABLES_REFUSED)
def test_variables_that_cannot_be_are_refused_by_name(what):
    change, match = VARIABLES_REFUSED[what]
    model = variable_model()
    model.tensor((1, 4), **EDGE, data=np.zeros((1, 4)))
    change(model)
    with pytest.raises(SpecError, match=match):
        parse_graph(model.build([0], [2]), "model.tflite")


def test_a_variable_is_no_output_of_the_model():
    with pytest.raises(SpecError, match="output tensor 1 'kept' is a variable"):
        parse_graph(variable_model().build([0], [1]), "model.tflite")
