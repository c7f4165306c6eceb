"""What int8 costs layer by layer: signal against error, what lies beyond a range, whose loss is whose, names."""

from __future__ import annotations

import numpy as np
import pytest

from tinyops.graph import Graph, Operator, Quantisation, Tensor
from tinyops.squeeze.layers import SQNR_LIMIT_DB, Tally, comparable, layer_errors, worst
from tinyops.squeeze.naming import layer_name


def tensor(index: int, name: str, dtype: str = "int8", scale: float = 0.5, zero: int = 0) -> Tensor:
    return Tensor(index, name, (1, 4), dtype, Quantisation((scale,), (zero,)) if dtype == "int8" else None)


def graph(dtype: str, names: tuple[str, ...] = ("in", "a", "b", "out"), scale: float = 0.5) -> Graph:
    tensors = tuple(tensor(i, name, dtype, scale) for i, name in enumerate(names))
    operators = tuple(Operator(i, kind, (i,), (i + 1,)) for i, kind in enumerate(("CONV_2D", "RESHAPE", "SOFTMAX")))
    return Graph("m.tflite", "sha256:0", tensors, operators, (0,), (len(names) - 1,))


def tally(signal_db: float) -> Tally:
    return Tally(signal=10 ** (signal_db / 10), error=1.0, clipped=1, values=8)


def test_the_error_is_that_of_rounding_and_clipping() -> None:
    found = Tally()
    wanted = np.array([1.0, -2.0, 0.2, 100.0], np.float32)
    found.add(wanted, np.array([2, -4, 0, 127], np.int8), tensor(0, "t"))
    assert found.clipped == 1 and found.values == 4  # 127 steps of 0.5 are 63.5
    error = 0.2**2 + 36.5**2
    assert found.sqnr_db == pytest.approx(10 * np.log10((1 + 4 + 0.04 + 10000) / error), abs=1e-4)


def test_a_step_beyond_the_range_is_rounding_and_no_error_has_a_limit() -> None:
    found = Tally()
    found.add(np.array([64.0, -64.5], np.float32), np.array([127, -128], np.int8), tensor(0, "t"))
    assert found.clipped == 0
    assert Tally(signal=1.0).sqnr_db == Tally(error=1.0).sqnr_db == SQNR_LIMIT_DB


def test_a_layer_answers_for_what_it_loses_not_for_what_it_was_given() -> None:
    found = layer_errors(graph("int8"), {0: tally(50), 1: tally(20), 2: tally(20), 3: tally(35)})
    assert [(e.layer, e.sqnr_db, e.lost_db) for e in found] == [("a", 20, 30), ("b", 20, 0), ("output", 35, 0)]
    assert [entry["layer"] for entry in worst(found)] == ["a"]
    assert found[0].clipped_share == 0.125


def test_what_another_type_is_made_of_stands_where_its_source_stands() -> None:
    """int8 in, int16 in between: the first layer answers for what it loses of the input's int8, and no conversion is
    a layer but the last."""
    tensors = tuple(
        Tensor(i, name, (1, 4), dtype, Quantisation((0.5,), (0,)))
        for i, (name, dtype) in enumerate((("in", "int8"), ("in_wide", "int16"), ("a", "int16"), ("out", "int8")))
    )
    kinds = ("QUANTIZE", "CONV_2D", "QUANTIZE")
    operators = tuple(Operator(i, kind, (i,), (i + 1,)) for i, kind in enumerate(kinds))
    mixed = Graph("m", "sha256:0", tensors, operators, (0,), (3,))
    found = layer_errors(mixed, {0: tally(40), 2: tally(38), 3: tally(30)})
    assert [(e.layer, e.operator, e.lost_db) for e in found] == [("a", "CONV_2D", 2), ("output", "QUANTIZE", 8)]


def test_int16_has_its_own_range() -> None:
    found = Tally()
    wide = Tensor(0, "t", (1, 3), "int16", Quantisation((0.5,), (0,)))
    found.add(np.array([100.0, 16383.5, 16400.0], np.float32), np.array([200, 32767, 32767], np.int16), wide)
    assert found.clipped == 1 and found.error == pytest.approx(16.5**2)


def test_only_the_five_worst_are_facts() -> None:
    names = ("in", *(f"l{i}" for i in range(7)))
    tensors = tuple(tensor(i, name) for i, name in enumerate(names))
    operators = tuple(Operator(i, "CONV_2D", (i,), (i + 1,)) for i in range(7))
    deep = Graph("m", "sha256:0", tensors, operators, (0,), (7,))
    levels = np.cumsum([90, -1, -7, -2, -6, -3, -5, -4]).tolist()
    found = worst(layer_errors(deep, {i: tally(level) for i, level in enumerate(levels)}))
    assert [entry["lost_db"] for entry in found] == [7, 6, 5, 4, 3]


def test_tensors_are_matched_by_name_and_equal_names_in_order() -> None:
    exact, rounded = graph("float32", ("in", "x", "x", "y")), graph("int8", ("in", "x", "x", "z"))
    assert comparable(exact, rounded) == {0: 0, 1: 1, 2: 2}
    assert comparable(exact, graph("int32", ("in", "x", "x", "y"))) == {}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("serving_default_input:0", "input"),
        ("network_1/layer_6_1/Mean", "layer_6"),
        (
            "net_1/conv_relu_1/Relu;net_1/conv_norm_1/batchnorm/add_1;net_1/conv_1/convolution;net_1/conv_norm_1/ba",
            "conv",
        ),
        ("functional_1/hidden_1/MatMul;functional_1/hidden_1/BiasAdd_d", "hidden"),
        ("net_1/hidden_1/BiasAdd;net_1/classes_1/MatMul;net_1/classes_1/BiasAdd", "classes"),
        ("StatefulPartitionedCall_1:0", "StatefulPartitionedCall_1:0"),
        ("net_1/block_1/sub_norm_1/add;net_1/block_1/x", "block"),
    ],
)
def test_layers_have_the_names_that_people_gave_them(name: str, layer: str) -> None:
    assert layer_name(name) == layer
