"""Passes on graphs: what they change, what they leave alone, and that a hostile graph costs them little."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from fakes.tflite import PADDING, Tflite
from tinyops.compiler.passes import PASSES, fold_constants, run_passes
from tinyops.compiler.passes.ordering import keeps_state, ordered_pairs
from tinyops.graph import Graph, NoOptions, Operator, Tensor, parse_graph

EDGE = {"scale": 0.5, "zero_point": 3}


def passed(model: Tflite, inputs: list[int], outputs: list[int]) -> Graph:
    graph = parse_graph(model.build(inputs, outputs), "test.tflite")
    after, applied = run_passes(graph)
    assert [one.name for one in applied] == [one.name for one in PASSES]
    assert run_passes(after)[0] == after, "a second run finds nothing that the first left"
    assert after.digest == graph.digest
    return after


def names(graph: Graph) -> list[str]:
    return [operator.name for operator in graph.operators]


def pad_and_pool(value: int, *, pool: str = "MAX_POOL_2D", zero_point: int = 3) -> tuple[Tflite, int, int, int]:
    model, edge = Tflite(), {"scale": 0.5, "zero_point": zero_point}
    source, wide = model.tensor((1, 4, 4, 2), **edge), model.tensor((1, 6, 6, 2), **edge)
    amounts = model.tensor((4, 2), "int32", data=[[0, 0], [1, 1], [1, 1], [0, 0]])
    constant = model.tensor((1,), data=[value], **edge)
    model.operator("PADV2", [source, amounts, constant], [wide], table="PadV2Options")
    output = model.tensor((1, 4, 4, 2), **edge)
    taps = {"filterHeight": 3, "filterWidth": 3, "strideH": 1, "strideW": 1, "padding": PADDING["VALID"]}
    model.operator(pool, [wide], [output], table="Pool2DOptions", **taps)
    return model, source, wide, output


def test_padding_is_folded_into_a_pooling_that_it_cannot_win():
    model, source, _, output = pad_and_pool(-128)
    graph = passed(model, [source], [output])
    assert names(graph) == ["MAX_POOL_2D"]
    assert graph.operators[0].options.pads == ((1, 1), (1, 1))
    assert str(graph.operators[0]) == "operator 1 MAX_POOL_2D", "called what the file calls it"


@pytest.mark.parametrize(("value", "pool"), [(3, "MAX_POOL_2D"), (-128, "AVERAGE_POOL_2D"), (3, "AVERAGE_POOL_2D")])
def test_padding_that_counts_stays(value, pool):
    model, source, _, output = pad_and_pool(value, pool=pool)
    assert names(passed(model, [source], [output])) == ["PADV2", pool]


def pad_and_convolution(value: int, padding: str = "VALID") -> Graph:
    """1 above and 2 below, 3 before and 0 behind a row; 4x4 taps."""
    model = Tflite()
    source, wide = model.tensor((1, 9, 9, 2), **EDGE), model.tensor((1, 12, 12, 2), **EDGE)
    amounts = model.tensor((4, 2), "int32", data=[[0, 0], [1, 2], [3, 0], [0, 0]])
    constant = model.tensor((1,), data=[value], **EDGE)
    model.operator("PADV2", [source, amounts, constant], [wide], table="PadV2Options")
    taps = model.tensor((1, 4, 4, 2), scale=0.01, data=[[[[1, 2]] * 4] * 4])
    extent = 9 if padding == "VALID" else 12
    output = model.tensor((1, extent, extent, 1), **EDGE)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": PADDING[padding]}
    model.operator("CONV_2D", [wide, taps], [output], table="Conv2DOptions", **options)
    return passed(model, [source], [output])


def test_padding_is_folded_into_a_convolution_side_by_side():
    graph = pad_and_convolution(EDGE["zero_point"])
    assert names(graph) == ["CONV_2D"]
    assert graph.operators[0].options.pads == ((1, 2), (3, 0))
    assert names(pad_and_convolution(EDGE["zero_point"] + 1)) == ["PADV2", "CONV_2D"]
    # With its own padding of 1 and 2 it would be 5 at one side: windows that see no image.
    assert names(pad_and_convolution(EDGE["zero_point"], "SAME")) == ["PADV2", "CONV_2D"]


def test_a_dilated_convolution_keeps_what_is_added_and_not_cropped():
    model, edge = Tflite(), {"scale": 0.5, "zero_point": 0}
    source, block = model.tensor((1, 5, 6, 1), **edge), model.tensor((2,), "int32", data=[2, 3])
    spread = model.tensor((6, 4, 4, 1), **edge)
    added = model.tensor((2, 2), "int32", data=[[2, 1], [3, 3]])
    model.operator("SPACE_TO_BATCH_ND", [source, block, added], [spread], table="SpaceToBatchNDOptions")
    taps = model.tensor((1, 2, 3, 1), scale=0.01, data=[[[[1]] * 3] * 2])
    inner = model.tensor((6, 3, 2, 1), **edge)
    options = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1, "padding": PADDING["VALID"]}
    model.operator("CONV_2D", [spread, taps], [inner], table="Conv2DOptions", **options)
    output = model.tensor((1, 4, 5, 1), **edge)
    cropped = model.tensor((2, 2), "int32", data=[[1, 1], [0, 1]])
    model.operator("BATCH_TO_SPACE_ND", [inner, block, cropped], [output], table="BatchToSpaceNDOptions")
    graph = passed(model, [source], [output])
    assert names(graph) == ["CONV_2D"]
    assert graph.operators[0].options.pads == ((1, 0), (3, 2))
    assert graph.operators[0].options.dilation == (2, 3)
    assert (graph.operators[0].inputs[0], graph.operators[0].outputs) == (source, (output,))


def test_padding_that_somebody_else_needs_stays():
    model, source, wide, output = pad_and_pool(-128)
    assert names(passed(model, [source], [output, wide])) == ["PADV2", "MAX_POOL_2D"]
    model, source, wide, output = pad_and_pool(-128)
    other = model.tensor((1, 6, 6, 2), scale=1 / 256, zero_point=-128)
    model.operator("LOGISTIC", [wide], [other])
    assert names(passed(model, [source], [output, other])) == ["PADV2", "MAX_POOL_2D", "LOGISTIC"]


def activation(name: str, behind: dict[str, float], *, twice: bool = False) -> list[str]:
    model = Tflite()
    source, made = model.tensor((1, 4), **EDGE), model.tensor((1, 4), **EDGE)
    output = model.tensor((1, 4), **behind)
    model.operator("ADD", [source, source], [made], table="AddOptions")
    model.operator(name, [made], [output])
    return names(passed(model, [source], [output, made] if twice else [output]))


def test_activations_are_fused_where_nothing_is_rescaled_and_nobody_reads_what_is_before():
    assert activation("RELU", EDGE) == ["ADD"]
    assert activation("RELU6", {"scale": 0.5, "zero_point": 4}) == ["ADD", "RELU6"]
    assert activation("RELU", {"scale": 0.25, "zero_point": 3}) == ["ADD", "RELU"]
    assert activation("RELU", EDGE, twice=True) == ["ADD", "RELU"]
    assert activation("TANH", EDGE) == ["ADD", "TANH"]


def test_reshapes_that_undo_each_other_are_gone():
    model = Tflite()
    source, made = model.tensor((1, 2, 6), **EDGE), model.tensor((1, 2, 6), **EDGE)
    model.operator("ADD", [source, source], [made], table="AddOptions")
    last = made
    for shape in [(12,), (3, 4), (1, 12), (1, 2, 6)]:
        after = model.tensor(shape, **EDGE)
        numbers = model.tensor((len(shape),), "int32", data=shape)
        model.operator("RESHAPE", [last, numbers], [after], table="ReshapeOptions")
        last = after
    output = model.tensor((1, 2, 6), **EDGE)
    model.operator("ADD", [last, last], [output], table="AddOptions")
    assert names(passed(model, [source], [output])) == ["ADD", "ADD"]


def test_a_transpose_of_dimensions_of_one_is_a_reshape():
    for order, wanted in (([0, 3, 1, 2], "RESHAPE"), ([0, 2, 1, 3], "TRANSPOSE")):
        model = Tflite()
        source = model.tensor((1, 2, 3, 1), **EDGE)
        moved = model.tensor([(1, 2, 3, 1)[i] for i in order], **EDGE)
        model.operator("TRANSPOSE", [source, model.tensor((4,), "int32", data=order)], [moved])
        output = model.tensor((6,), **EDGE)
        numbers = model.tensor((1,), "int32", data=[6])
        model.operator("RESHAPE", [moved, numbers], [output], table="ReshapeOptions")
        expected = ["RESHAPE"] if wanted == "RESHAPE" else ["TRANSPOSE", "RESHAPE"]
        assert names(passed(model, [source], [output])) == expected


def test_quantize_that_changes_nothing_is_gone_and_the_output_stays_the_output():
    model = Tflite()
    source, made, output = (model.tensor((1, 4), **EDGE) for _ in range(3))
    model.operator("ADD", [source, source], [made], table="AddOptions")
    model.operator("QUANTIZE", [made], [output], table="QuantizeOptions")
    graph = passed(model, [source], [output])
    assert names(graph) == ["ADD"]
    assert graph.operators[0].outputs == graph.outputs == (output,)


def test_dequantize_and_quantize_that_undo_each_other_are_gone():
    model = Tflite()
    source, made = model.tensor((1, 4), **EDGE), model.tensor((1, 4), **EDGE)
    real, again, output = model.tensor((1, 4), "float32"), model.tensor((1, 4), **EDGE), model.tensor((1, 4), **EDGE)
    model.operator("ADD", [source, source], [made], table="AddOptions")
    model.operator("DEQUANTIZE", [made], [real], table="DequantizeOptions")
    model.operator("QUANTIZE", [real], [again], table="QuantizeOptions")
    model.operator("ADD", [again, again], [output], table="AddOptions")
    assert names(passed(model, [source], [output])) == ["ADD", "ADD"]


def test_quantize_that_loses_something_in_between_stays():
    model = Tflite()
    source, coarse, output = (model.tensor((1, 4), scale=s, zero_point=0) for s in (0.5, 4.0, 0.5))
    model.operator("QUANTIZE", [source], [coarse], table="QuantizeOptions")
    model.operator("QUANTIZE", [coarse], [output], table="QuantizeOptions")
    assert names(passed(model, [source], [output])) == ["QUANTIZE", "QUANTIZE"]


def test_constants_are_folded_with_a_report():
    model = Tflite()
    source, output = model.tensor((1, 2), **EDGE), model.tensor((1, 2), **EDGE)
    given, made = model.tensor((2,), data=[7, -9], **EDGE), model.tensor((1, 2), **EDGE)
    model.operator("EXPAND_DIMS", [given, model.tensor((), "int32", data=0)], [made], table="ExpandDimsOptions")
    model.operator("ADD", [source, made], [output], table="AddOptions")
    graph, applied = run_passes(parse_graph(model.build([source], [output]), "test.tflite"))
    assert graph.tensors[made].data == bytes([7, 256 - 9])
    assert {one.name: str(one) for one in applied if str(one)} == {"fold_constants": "removed 0 EXPAND_DIMS"}


def test_a_constant_that_is_the_output_is_left_to_the_compiler():
    model = Tflite()
    source, output = model.tensor((1, 2), **EDGE), model.tensor((1, 2), **EDGE)
    other, given = model.tensor((1, 2), **EDGE), model.tensor((2,), data=[1, 2], **EDGE)
    model.operator("ADD", [source, source], [output], table="AddOptions")
    model.operator("EXPAND_DIMS", [given, model.tensor((), "int32", data=0)], [other], table="ExpandDimsOptions")
    assert names(passed(model, [source], [output, other])) == ["ADD", "EXPAND_DIMS"]


@pytest.mark.parametrize(
    ("name", "inputs", "shape"),
    [
        ("TRANSPOSE", [(0, (2, 3)), [0, 5]], (3, 2)),
        ("TRANSPOSE", [(0, (2, 3)), [0, 0]], (3, 2)),
        ("RESHAPE", [(0, (2, 3)), [4, 2]], (4, 2)),
        ("EXPAND_DIMS", [(0, (2, 3)), [9]], (7, 1)),
        ("STRIDED_SLICE", [(0, (2, 3)), [5, 5], [6, 6], [1, 1]], (1, 1)),
        ("STRIDED_SLICE", [(0, (2, 3)), [0, 0], [1, 1], [0, 0]], (1, 1)),
        ("STRIDED_SLICE", [(0, (2, 3)), [0], [1], [1]], (1, 1)),
    ],
)
def test_operators_that_make_no_sense_are_not_evaluated(name, inputs, shape):
    model = Tflite()
    source, output = model.tensor(shape, **EDGE), model.tensor(shape, **EDGE)
    tensors = [
        model.tensor(given[1], data=[given[0]] * 6, **EDGE)
        if isinstance(given, tuple)
        else model.tensor((len(given),), "int32", data=given)
        for given in inputs
    ]
    made = model.tensor(shape, **EDGE)
    table = {"STRIDED_SLICE": "StridedSliceOptions"}.get(name)
    model.operator(name, tensors, [made], **({"table": table} if table else {}))
    model.operator("ADD", [source, made], [output], table="AddOptions")
    assert names(passed(model, [source], [output])) == [name, "ADD"]


def test_what_constants_may_grow_to_is_bounded(monkeypatch):
    monkeypatch.setattr(fold_constants, "MOST_TOTAL_BYTES", 10)
    model = Tflite()
    source, axis = model.tensor((1, 8), **EDGE), model.tensor((), "int32", data=0)
    last = source
    for _ in range(2):
        given, made = model.tensor((8,), data=[1] * 8, **EDGE), model.tensor((1, 8), **EDGE)
        model.operator("EXPAND_DIMS", [given, axis], [made], table="ExpandDimsOptions")
        after = model.tensor((1, 8), **EDGE)
        model.operator("ADD", [last, made], [after], table="AddOptions")
        last = after
    after, _ = run_passes(parse_graph(model.build([source], [last]), "test.tflite"))
    assert names(after).count("EXPAND_DIMS") == 1


def test_a_long_chain_takes_a_moment():
    shapes = [(1, 12), (12,)]
    tensors = tuple(Tensor(i, f"t{i}", shapes[i % 2], "int8") for i in range(4000))
    operators = tuple(Operator(i, "RESHAPE", (i,), (i + 1,)) for i in range(3999))
    start = time.monotonic()
    after, _ = run_passes(Graph("long", "", tensors, operators, (0,), (3999,)))
    assert time.monotonic() - start < 10
    assert len(after.operators) == 1
    assert after.operators[0].inputs == (0,)


def test_operators_that_keep_state_stay_and_keep_their_order():
    variable = Tensor(2, "v", (4,), "int8", variable=True)
    tensors = (Tensor(0, "a", (4,), "int8"), Tensor(1, "b", (4,), "int8"), variable, Tensor(3, "c", (4,), "int8"))
    operators = (
        Operator(0, "READ_VARIABLE", (2,), (3,)),
        Operator(1, "SVDF", (0, 2), (1,), NoOptions()),
        Operator(2, "ASSIGN_VARIABLE", (2, 0), ()),
    )
    graph = Graph("state", "", tensors, operators, (0,), (1,))
    assert run_passes(graph)[0].operators == operators
    assert all(keeps_state(graph, operator) for operator in operators)
    assert set(ordered_pairs(graph)) == {(0, 1), (1, 2)}
    free = Operator(2, "ADD", (0, 0), (3,))
    assert set(ordered_pairs(replace(graph, operators=(*operators[:2], free)))) == {(0, 1), (1, 2)}
