"""Which tensors come to lie in one storage, and which calls are left."""

from __future__ import annotations

import pytest

from fakes.compiled import compile_bytes
from fakes.tflite import Tflite
from tinyops.compiler.compiled import CompiledModel

EDGE = {"scale": 0.5, "zero_point": 3}


class Net:
    """A model of int8 tensors of one quantisation, in the making."""

    def __init__(self) -> None:
        self.model = Tflite()

    def tensor(self, *shape: int) -> int:
        return self.model.tensor(shape, **EDGE)

    def numbers(self, *values: int) -> int:
        return self.model.tensor((len(values),), "int32", data=values)

    def add(self, a: int, b: int) -> int:
        result = self.tensor(*self.model.graph.tensors[a].shape)
        self.model.operator("ADD", [a, b], [result], table="AddOptions")
        return result

    def split(self, source: int, axis: int, *parts: int) -> list[int]:
        shape = self.model.graph.tensors[source].shape
        outputs = [self.tensor(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]
        operands = [source, self.numbers(*parts), self.numbers(axis)]
        self.model.operator("SPLIT_V", operands, outputs, table="SplitVOptions", numSplits=len(parts))
        return outputs

    def slice(self, source: int, *size: int) -> int:
        """The first elements along each dimension."""
        result = self.tensor(*size)
        operands = [source, self.numbers(*[0] * len(size)), self.numbers(*size)]
        self.model.operator("SLICE", operands, [result], table="SliceOptions")
        return result

    def join(self, *parts: int, axis: int = 0) -> int:
        shapes = [self.model.graph.tensors[part].shape for part in parts]
        result = self.tensor(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
        self.model.operator("CONCATENATION", parts, [result], table="ConcatenationOptions", axis=axis)
        return result

    def compiled(self, inputs: list[int], outputs: list[int], prefer: str = "balanced") -> CompiledModel:
        return compile_bytes(self.model.build(inputs, outputs), prefer=prefer)


def calls(compiled: CompiledModel, name: str) -> int:
    """How many calls the operators of a name still have."""
    pairs = zip(compiled.graph.operators, compiled.lowered, strict=True)
    return sum(len(low.calls) for operator, low in pairs if operator.name == name)


def places(compiled: CompiledModel, *tensors: int) -> list[int]:
    return [compiled.arena.tensors[tensor].offset for tensor in tensors]


def test_parts_along_the_outermost_dimension_are_not_copied():
    net = Net()
    source = net.tensor(3, 16)
    whole = net.add(source, source)
    a, b = net.split(whole, 0, 1, 2)
    compiled = net.compiled([source], [net.add(a, a), net.add(b, b)])
    assert calls(compiled, "SPLIT_V") == 0
    assert places(compiled, a, b) == [places(compiled, whole)[0] + offset for offset in (0, 16)]
    assert "copy" not in "".join(compiled.sources)


def test_parts_that_are_strewn_or_not_aligned_are_copied():
    for shape, axis, parts in (((3, 16), 1, (8, 8)), ((4, 5), 0, (1, 3))):
        net = Net()
        source = net.tensor(*shape)
        split = net.split(net.add(source, source), axis, *parts)
        compiled = net.compiled([source], [net.add(part, part) for part in split])
        assert calls(compiled, "SPLIT_V") == (2 if axis else 1)


def test_what_is_joined_is_written_where_the_whole_will_be():
    net = Net()
    source = net.tensor(1, 32)
    a, b = net.add(source, source), net.add(source, source)
    whole = net.join(a, b)
    compiled = net.compiled([source], [whole])
    assert calls(compiled, "CONCATENATION") == 0
    assert places(compiled, a, b) == [compiled.arena.outputs.offset, compiled.arena.outputs.offset + 32]


def test_a_tensor_is_in_one_place_only():
    net = Net()
    source = net.tensor(1, 16)
    a = net.add(source, source)
    assert calls(net.compiled([source], [net.join(a, a)]), "CONCATENATION") == 1


def test_a_part_with_a_new_neighbour_is_copied():
    """Its place beside the other part is taken for as long as that one is there."""
    net = Net()
    source = net.tensor(2, 16)
    a, b = net.split(net.add(source, source), 0, 1, 1)
    joined = net.join(a, net.add(b, b))
    compiled = net.compiled([source], [net.add(joined, joined), net.add(b, b)])
    assert calls(compiled, "CONCATENATION") == 1
    net = Net()
    source = net.tensor(2, 16)
    a, b = net.split(net.add(source, source), 0, 1, 1)
    joined = net.join(b, net.add(a, a))  # behind the end of what was split there is room
    assert calls(net.compiled([source], [net.add(joined, joined)], "speed"), "CONCATENATION") == 0


@pytest.mark.parametrize("both", [True, False])
def test_inputs_and_outputs_keep_their_places(both):
    net = Net()
    source = net.tensor(2, 16)
    a, b = net.split(source, 0, 1, 1)
    compiled = net.compiled([source], [a, b] if both else [net.add(a, b)])
    assert calls(compiled, "SPLIT_V") == (2 if both else 0)
    net = Net()  # the sum is larger than its part, beside which the other output lies
    source = net.tensor(2, 16)
    a, b = net.split(net.add(source, source), 0, 1, 1)
    assert calls(net.compiled([source], [b, a]), "SPLIT_V") == 2


def test_parts_are_copied_where_that_saves_memory():
    """One row of many is needed to the end: the others would have to stay."""

    def model(prefer: str) -> CompiledModel:
        net = Net()
        source = net.tensor(64, 16)
        kept = net.slice(net.add(source, source), 1, 16)
        again = net.add(source, source)
        few = net.slice(net.join(again, again, again, axis=1), 1, 16)
        return net.compiled([source], [net.add(kept, few)], prefer)

    assert model("balanced").arena.bytes < model("speed").arena.bytes
    assert calls(model("balanced"), "SLICE") == 2
    assert calls(model("speed"), "SLICE") == 0


def test_two_inputs_may_both_be_written_over():
    net = Net()
    a, b = net.tensor(1, 64), net.tensor(1, 64)
    compiled = net.compiled([a, b], [net.add(a, b)])
    assert compiled.arena.bytes == 128
    net = Net()
    a, b = net.tensor(1, 64), net.tensor(1, 64)
    first = net.add(a, b)
    compiled = net.compiled([a, b], [net.add(first, a)])  # a is needed again
    assert compiled.arena.bytes == 192


@pytest.mark.parametrize(("before", "distance"), [(48, 0), (80, 16)])
def test_a_distance_counts_from_the_buffer_in_which_a_tensor_lies(before, distance):
    """The second input, 64 bytes into the buffer of both: what is padded may start as much nearer."""
    net = Net()
    a, b, padded = net.tensor(1, 64), net.tensor(1, 64), net.tensor(1, 64 + before)
    twice = net.add(a, a)
    amounts = net.model.tensor((2, 2), "int32", data=[[0, 0], [before, 0]])
    net.model.operator("PAD", [b, amounts], [padded], table="PadOptions")
    compiled = net.compiled([a, b], [net.add(net.split(padded, 1, 64, before)[0], twice)])
    (over,) = [over for over in compiled.arena.overs if over.upon == f"tensor {padded}"]
    assert (over.below, over.distance, over.movable) == ("inputs", distance, False)
