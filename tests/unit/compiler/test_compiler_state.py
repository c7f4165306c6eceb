"""What models keep between inferences: where it lies, what lies in it, what it holds at first, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fakes.compiled import compile_bytes
from fakes.state_models import lstm_model, svdf_model
from fakes.tflite import ACTIVATIONS, Tflite
from tinyops.compiler.arena import PUSH
from tinyops.compiler.lowering import lower_graph
from tinyops.compiler.state import Fill, fills, keeps_values
from tinyops.compiler.step import describe
from tinyops.errors import SpecError
from tinyops.graph import parse_graph, state_of

EDGE = {"scale": 0.5, "zero_point": 3}


def resource_model(steps: list[tuple[str, int, int]], tensors: int, outputs: list[int]) -> bytes:
    """READ (to), ASSIGN (from) and ADD (a, into b) of tensors; tensor 0 is the input, there is one resource."""
    model = Tflite()
    found = [model.tensor((1, 4), **EDGE) for _ in range(tensors)]
    handle = model.handle("kept")
    for kind, a, b in steps:
        if kind == "READ":
            model.operator("READ_VARIABLE", [handle], [found[a]])
        elif kind == "ASSIGN":
            model.operator("ASSIGN_VARIABLE", [handle, found[a]], [])
        else:
            model.operator("ADD", [found[a], found[0]], [found[b]], table="AddOptions")
    return model.build([0], outputs)


def copies(model: bytes) -> list[str]:
    """The operators that copy to or from the resource."""
    compiled = compile_bytes(model)
    pairs = zip(compiled.graph.operators, compiled.lowered, strict=True)
    return [o.name for o, low in pairs if low.calls and o.name != "ADD"]


IN_PLACE = {
    "read, used, assigned": ([("READ", 1, 0), ("ADD", 1, 2), ("ASSIGN", 0, 0)], 3, [2], ["ASSIGN_VARIABLE"]),
    "read, and used after the assignment": (
        [("READ", 1, 0), ("ADD", 1, 2), ("ASSIGN", 2, 0), ("ADD", 1, 3)],
        4,
        [3],
        ["READ_VARIABLE"],
    ),
    "computed where it is kept": ([("READ", 1, 0), ("ADD", 1, 2), ("ADD", 0, 3), ("ASSIGN", 3, 0)], 4, [2], []),
    "computed from what it replaces": (
        [("READ", 1, 0), ("ADD", 1, 2), ("ASSIGN", 2, 0), ("ADD", 2, 3)],
        4,
        [3],
        ["ASSIGN_VARIABLE"],
    ),
    "read again after it was computed": (
        [("ADD", 0, 1), ("READ", 2, 0), ("ADD", 2, 3), ("ASSIGN", 1, 0)],
        4,
        [3],
        ["ASSIGN_VARIABLE"],
    ),
    "what is read is the output": ([("READ", 1, 0), ("ASSIGN", 0, 0)], 2, [1], ["READ_VARIABLE", "ASSIGN_VARIABLE"]),
}


@pytest.mark.parametrize("what", IN_PLACE)
def test_copies_that_can_go_are_left_out(what):
    steps, tensors, outputs, wanted = IN_PLACE[what]
    assert copies(resource_model(steps, tensors, outputs)) == wanted


def test_nothing_else_lies_where_state_lies():
    steps = [("READ", 1, 0), ("ADD", 1, 2), ("ASSIGN", 2, 0), ("ADD", 2, 3), ("ADD", 3, 4)]
    compiled = compile_bytes(resource_model(steps, 5, [4]))
    arena, (kept,) = compiled.arena, state_of(compiled.graph)
    buffers = {b.name: b for b in arena.buffers}
    assert (buffers["variables"].first, buffers["variables"].last) == (PUSH, len(compiled.graph.operators))
    assert arena.tensors[kept].offset == arena.variables.offset
    for name, buffer in buffers.items():
        at = arena.plan.offsets[name]
        apart = at + buffer.bytes <= arena.variables.offset or at >= arena.variables.offset + arena.variables.bytes
        assert apart or name == "variables"
    assert describe(compiled)["arena"]["variables"] == {"offset": arena.variables.offset, "bytes": 4}


def kept_models(*initials: list[int]) -> Tflite:
    """One resource a row, each read and written back, from the row on."""
    model = Tflite()
    source = model.tensor((1, 4), **EDGE)
    model.operator("CALL_ONCE", [], [], table="CallOnceOptions", initSubgraphIndex=1)
    other, last = model.other(), source
    for number, row in enumerate(initials):
        value = other.tensor((1, 4), **EDGE, data=[row])
        other.operator("ASSIGN_VARIABLE", [other.handle(f"r{number}"), value], [])
        handle, old, new = model.handle(f"r{number}"), model.tensor((1, 4), **EDGE), model.tensor((1, 4), **EDGE)
        model.operator("READ_VARIABLE", [handle], [old])
        model.operator("ADD", [old, last], [new], table="AddOptions")
        model.operator("ASSIGN_VARIABLE", [handle, new], [])
        last = new
    model.graph.outputs = [last]
    return model


def test_init_sets_neighbours_of_one_value_together():
    model = kept_models([7] * 4, [7] * 4, [1, 2, 3, 4], [-1] * 4)
    compiled = compile_bytes(model.build([0], [model.graph.outputs[0]]))
    kept = state_of(compiled.graph)
    spans = [(t, 16 * i, 4) for i, t in enumerate(kept)]
    assert fills(compiled.graph, spans) == (Fill(0, 20, 7), Fill(32, 4, tensor=kept[2]), Fill(48, 4, 255))
    source = compiled.sources["model.c"]
    init = source[source.index("tinyops_model_init") : source.index("tinyops_model_push")]
    assert f"tinyops_tensor_{kept[2]}[i]" in init
    assert f"const uint8_t tinyops_tensor_{kept[2]}[4]" in compiled.sources["weights.c"]
    assert init.count("for (") == 3


def test_a_replay_finds_a_value_that_is_lost():
    model = resource_model([("READ", 1, 0), ("ADD", 1, 2), ("ASSIGN", 2, 0), ("ADD", 1, 3)], 4, [3])
    graph = parse_graph(model, "m")
    (kept,), calls = state_of(graph), [ways[0].calls for ways in lower_graph(graph, "x86-64")]
    assert keeps_values(graph, {kept: 0}, calls)
    without = [(), *calls[1:]]
    assert not keeps_values(graph, {kept: 0, 1: 0}, without)  # tensor 1 is used after the assignment
    assert keeps_values(graph, {0: 0, 1: 0}, without)  # no variable: nothing changes


def test_a_variable_is_no_operand_of_other_operators():
    model = Tflite()
    for variable in (False, True, False):
        model.tensor((1, 4), **EDGE, variable=variable)
    model.operator("ADD", [0, 1], [2], table="AddOptions")
    with pytest.raises(
        SpecError, match=r"operator 0 ADD: supported is: ASSIGN_VARIABLE, .* take variables; here: tensor 1"
    ):
        compile_bytes(model.build([0], [2]))


# -- limits of the operators that keep state -----------------------------------------------------


def _tensor(index: int, **fields: object):
    def change(model: Tflite) -> None:
        for name, value in fields.items():
            setattr(model.graph.tensors[index], name, value)

    return change


def _quantised(index: int, **fields: object):
    def change(model: Tflite) -> None:
        for name, value in fields.items():
            setattr(model.graph.tensors[index].quantization, name, value)

    return change


def _inputs(position: int, tensor: int):
    def change(model: Tflite) -> None:
        model.graph.operators[0].inputs[position] = tensor

    return change


def _option(**fields: object):
    def change(model: Tflite) -> None:
        for name, value in fields.items():
            setattr(model.graph.operators[0].builtinOptions, name, value)

    return change


SVDF_REFUSED = {
    "state of another size": (_tensor(4, shape=[1, 17]), "state \\(1, filters x memory\\)"),
    "state that is none": (_tensor(4, isVariable=False), "before it is made"),
    "state of another type": (_tensor(4, type=9), "type of the weights over time"),
    "a rank that does not divide": (_option(rank=4), "filters are units times rank"),
    "a rank of 0": (_option(rank=0), "Rank is 0"),
    "no biases": (_inputs(3, -1), "input 3 absent"),
    "an input that is the state": (_inputs(0, 4), "int8 with one scale|its own"),
    "weights around another point": (_quantised(1, zeroPoint=[3]), "zero point 0; here"),
    "an activation": (_option(fusedActivationFunction=ACTIVATIONS["RELU6"]), "one of NONE, RELU; here: RELU6"),
}
LSTM_REFUSED = {
    "a hidden state of another size": (_tensor(13, shape=[1, 3]), "states \\(units\\)"),
    "a cell of another size": (_tensor(14, shape=[1, 5]), "states of 4 and 5 values"),
    "a cell of int8": (_tensor(14, type=9), "the cell state is a variable of its own, int16"),
    "a hidden state that is none": (_tensor(13, isVariable=False), "before it is made"),
    "two batches": (_tensor(0, shape=[2, 1, 5]), "a batch of 1"),
    "peephole weights": (_inputs(9, 9), "here: peephole weights"),
    "a projection": (_inputs(16, 1), "here: a projection"),
    "layer normalisation": (_inputs(20, 9), "here: layer normalisation"),
    "three gates": (_inputs(1, -1), "input 1 is absent"),
    "another activation": (_option(fusedActivationFunction=0), "the activation is TANH; here: NONE"),
    "a cell's scale that is no power of two": (_quantised(14, scale=[0.0003]), "power of two"),
    "a clip that is no number": (_option(cellClip=float("nan")), "finite and not below 0; here: nan"),
    "weights of another gate's shape": (_inputs(2, 5), "wanted is \\(4, 5\\)"),
    "weights by channel": (_quantised(1, scale=[0.1] * 4, zeroPoint=[0] * 4), "one scale each"),
    "one state twice": (_inputs(19, 13), "is another input, too"),
}


@pytest.mark.parametrize("what", SVDF_REFUSED)
def test_svdf_beyond_its_limits_is_refused_by_name(what):
    change, match = SVDF_REFUSED[what]
    model = svdf_model()
    change(model)
    with pytest.raises(SpecError, match=match):
        compile_bytes(model.build([0], [5]))


@pytest.mark.parametrize("what", LSTM_REFUSED)
def test_lstm_beyond_its_limits_is_refused_by_name(what):
    change, match = LSTM_REFUSED[what]
    model = lstm_model()
    change(model)
    with pytest.raises(SpecError, match=match):
        compile_bytes(model.build([0], [15]))


def test_sums_that_could_overflow_are_refused():
    model = svdf_model("int8")
    model.model.buffers[3].data = np.frombuffer(np.full(3, 2**31 - 1, np.int32).tobytes(), np.uint8)
    with pytest.raises(SpecError, match="stay within 32 bits"):
        compile_bytes(model.build([0], [5]))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_what_is_within_the_limits_compiles(dtype):
    assert compile_bytes(svdf_model(dtype).build([0], [5])).macs == 6 * (5 + 3)
    assert compile_bytes(lstm_model().build([0], [15])).macs == 2 * 4 * 4 * (5 + 4)
