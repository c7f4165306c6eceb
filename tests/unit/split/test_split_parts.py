"""Boundaries of graphs, and what the files of parts have in them."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from fakes.chains import two_memories
from fakes.moving_network import moving_network
from fakes.pass_models import cell
from fakes.state_models import delay_line, svdf_model
from fakes.tflite import Tflite
from tinyops.errors import SpecError
from tinyops.graph import parse_graph
from tinyops.split import boundaries, cut_model, stands_alone


def residual() -> Tflite:
    """x -> RELU a -> TANH b -> RELU c -> a + c: tensor 1 crosses all cuts after the first operator."""
    model = Tflite()
    for name in ("x", "same", "same", "", "sum"):
        model.tensor((1, 6), scale=0.5, zero_point=-3, name=name or None)
    model.graph.tensors[3].name = ""
    for operator, (source, made) in zip(("RELU", "TANH", "RELU"), ((0, 1), (1, 2), (2, 3)), strict=True):
        model.operator(operator, [source], [made])
    model.operator("ADD", [1, 3], [4], table="AddOptions", fusedActivationFunction=0)
    return model


def built() -> bytes:
    return residual().build([0], [4])


def test_what_crosses_each_cut() -> None:
    found = boundaries(parse_graph(built(), "m"))
    assert [p.tensors for p in found] == [(0,), (1,), (1, 2), (1, 3), (4,)]
    assert [p.bytes for p in found] == [6, 6, 12, 12, 6]
    assert not any(p.refused for p in found)
    assert found[2].shared_bytes(found[3]) == 6


def test_inputs_and_outputs_are_carried_to_where_they_are_needed() -> None:
    data = residual().build([0], [1, 4])
    assert [p.tensors for p in boundaries(parse_graph(data, "m"))] == [(0,), (1,), (1, 2), (1, 3), (1, 4)]
    parts = cut_model(data, "m", (2,))
    assert (parts[1].takes, parts[1].gives, parts[1].passed) == ((1, 2), (1, 4), (1,))
    assert (parts[1].inputs, parts[1].outputs) == ((1, 2), (4,))


def test_no_cut_tears_a_variable() -> None:
    graph = parse_graph(delay_line(), "m")
    refused = {p.at: p.refused for p in boundaries(graph) if p.refused}
    places = {i: [o.index for o in graph.operators if i in (*o.inputs, *o.outputs)] for i in (0, 1, 2, 3)}
    assert set(refused) >= {at for used in list(places.values())[1:] for at in range(used[0] + 1, used[-1] + 1)}
    assert "share the variable tensor" in next(iter(refused.values()))
    with pytest.raises(SpecError, match=r"no cut at 1: operator \d+ READ_VARIABLE and operator \d+ ASSIGN_VARIABLE"):
        cut_model(delay_line(), "m", (1,))


def test_a_cut_that_nothing_crosses_is_refused() -> None:
    model = residual()
    constant = model.tensor((1, 6), scale=0.5, zero_point=-3, data=np.zeros(6))
    other = model.tensor((1, 6), scale=0.5, zero_point=-3)
    model.operator("RELU", [constant], [other])
    found = boundaries(parse_graph(model.build([0], [other]), "m"))
    assert found[4].refused.startswith("nothing that is computed")
    assert not stands_alone(parse_graph(model.build([0], [4]), "m"), found, 4, 5)


def test_a_part_has_what_it_uses_and_no_more() -> None:
    first, middle, last = cut_model(cell(), "m", (2, 4))
    whole = parse_graph(cell(), "m")
    for part in (first, middle, last):
        assert part.data is not None
        read = parse_graph(part.data, "part")
        assert [o.name for o in read.operators] == [o.name for o in whole.operators[part.begin : part.end]]
        used = {i for o in read.operators for i in (*o.inputs, *o.outputs)}
        assert {t.index for t in read.tensors} == used | {*read.inputs, *read.outputs}
        raw = schema.Model.GetRootAs(part.data, 0)
        assert raw.OperatorCodesLength() == len(read.operators)  # this file has one for each
        assert raw.BuffersLength() == 1 + sum(t.data is not None for t in read.tensors)
        for indices, tensors in ((read.inputs, part.inputs), (read.outputs, part.outputs)):
            for mine, theirs in zip(indices, tensors, strict=True):
                a, b = read.tensors[mine], whole.tensors[theirs]
                assert (a.shape, a.dtype, a.quantisation, a.data) == (b.shape, b.dtype, b.quantisation, b.data)


def test_buffers_are_aligned() -> None:
    part = cut_model(cell(), "m", (2,))[1]
    assert part.data is not None
    raw = schema.Model.GetRootAs(part.data, 0)
    tables = [raw.Buffers(i)._tab for i in range(1, raw.BuffersLength())]
    starts = [table.Vector(table.Offset(4)) for table in tables]
    assert starts and all(start % 16 == 0 for start in starts)


def test_parts_agree_on_names_and_none_is_twice() -> None:
    first, second = (parse_graph(p.data or b"", "part") for p in cut_model(built(), "m", (3,)))
    assert [first.tensors[i].name for i in first.outputs] == ["same_1", "tensor_3"]
    assert [second.tensors[i].name for i in second.inputs] == ["same_1", "tensor_3"]


def test_a_part_follows_from_the_model_and_its_ends_alone() -> None:
    assert cut_model(built(), "m", (1, 3))[1].data == cut_model(built(), "other", (1, 3))[1].data
    assert cut_model(built(), "m", (3,))[1].data == cut_model(built(), "m", (1, 3))[2].data
    noisy = residual()
    noisy.model.metadata = [schema.MetadataT()]
    noisy.model.metadata[0].name, noisy.model.metadata[0].buffer = "OfflineMemoryAllocation", 0
    noisy.model.description = "converted on a Tuesday"
    assert cut_model(noisy.build([0], [4]), "m", (3,))[0].data == cut_model(built(), "m", (3,))[0].data


def test_resources_keep_their_first_values_in_their_part() -> None:
    graph = parse_graph(delay_line(), "m")
    at = next(p.at for p in boundaries(graph)[1:-1] if not p.refused)
    with_frames, without = cut_model(delay_line(), "m", (at,))
    assert with_frames.data and without.data
    first, second = parse_graph(with_frames.data, "part"), parse_graph(without.data, "part")
    initial = {t.name: t.initial for t in graph.tensors if t.variable}
    assert {t.name: t.initial for t in (*first.tensors, *second.tensors) if t.variable} == initial
    assert {t.name for t in first.tensors if t.variable} == {"frame 0", "frame 1", "frame 2"}
    assert schema.Model.GetRootAs(with_frames.data, 0).SubgraphsLength() == 2
    assert schema.Model.GetRootAs(without.data, 0).SubgraphsLength() == 1


def test_each_part_sets_the_first_values_of_its_own_resources() -> None:
    for part, name, value in zip(cut_model(two_memories(), "m", (3,)), "ab", (7, 8), strict=True):
        assert part.data is not None
        read = parse_graph(part.data, "part")
        assert [(t.name, t.initial) for t in read.tensors if t.variable] == [(name, bytes([value] * 6))]
        setting = schema.Model.GetRootAs(part.data, 0).Subgraphs(1)
        assert (setting.OperatorsLength(), setting.TensorsLength()) == (2, 2)


def test_variables_of_an_operator_stay_with_it() -> None:
    model = svdf_model()
    made = model.tensor((1, 3), scale=0.5)
    model.operator("RELU", [5], [made])
    parts = cut_model(model.build([0], [made]), "m", (1,))
    variables = [[t.name for t in parse_graph(p.data or b"", "part").tensors if t.variable] for p in parts]
    assert variables == [["t4"], []]


def test_a_part_without_operators_passes_all_on() -> None:
    first, second = cut_model(built(), "m", (0,), allow_empty=True)
    assert (first.takes, first.gives, first.data) == ((0,), (0,), None)
    assert second.data == cut_model(built(), "m", ())[0].data


@pytest.mark.parametrize("cuts", [(0,), (4,), (2, 2), (3, 2), (-1,), (99,)])
def test_cuts_that_cannot_be_are_refused(cuts: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match="they must rise"):
        cut_model(built(), "m", cuts)


def test_lists_among_options_are_bounded() -> None:
    model = Tflite()
    model.tensor((1, 6), scale=0.5)
    model.tensor((2,), "int32", data=[2, 3])
    model.tensor((2, 3), scale=0.5)
    model.operator("RESHAPE", [0, 1], [2], table="ReshapeOptions", newShape=[1] * 300)
    with pytest.raises(SpecError, match="option newShape has 300 entries"):
        cut_model(model.build([0], [2]), "m", ())


def test_damaged_files_are_refused_or_cut_never_more() -> None:
    data, rng = moving_network(), np.random.default_rng(3)
    for _ in range(60):
        bad = bytearray(data)
        for at in rng.integers(8, len(bad), 3):
            bad[at] = rng.integers(0, 256)
        try:
            cut_model(bytes(bad), "m", (1,))
        except SpecError:
            continue
