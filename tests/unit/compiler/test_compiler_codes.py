"""Weights of few values: what is stored of them, when, and what that means for choices, scratch and bounds."""

from __future__ import annotations

import numpy as np
import pytest

from fakes.few_values import network
from fakes.tflite import dense
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.distances import window_distance
from tinyops.compiler.effort import least_of
from tinyops.compiler.lowered import Scratch
from tinyops.compiler.lowering import lower_graph
from tinyops.compiler.ops.coded import CODES, coded_bytes, coded_like, coded_rows, is_coded
from tinyops.compiler.options import PREFER
from tinyops.compiler.overlap import overlaps_of
from tinyops.compiler.variants import choices, flash_bytes
from tinyops.features import TensorFeatures
from tinyops.graph import Graph, parse_graph

CPU = "cortex-m4f"


def decoded(codes: np.ndarray, table: np.ndarray, rows: int, values: int) -> np.ndarray:
    both = np.stack([codes & 15, codes >> 4], axis=1).reshape(rows, -1)
    return table[both[:, :values]]


@pytest.mark.parametrize("values", [16, 33])
def test_codes_and_table_are_the_weights(values: int) -> None:
    rows = np.random.default_rng(1).choice(np.arange(-120, 121, 15)[:CODES], (5, values))
    found = coded_rows(rows)
    assert found is not None and found.table.size == CODES
    assert found.codes.size == 5 * ((values + 1) // 2)  # each row from a byte on
    assert (decoded(found.codes, found.table, 5, values) == rows).all()


def test_seventeen_values_and_few_weights_stay_as_they_are() -> None:
    assert coded_rows(np.arange(17).repeat(8).reshape(1, -1)) is None
    assert coded_rows(np.zeros((1, 63), np.int64)) is None
    assert coded_rows(np.zeros((1, 64), np.int64)) is not None
    assert coded_bytes(np.arange(17).repeat(8).reshape(1, -1)) == 136
    assert coded_bytes(np.zeros((1, 136), np.int64)) == 68 + CODES


def chosen(graph: Graph, prefer: str, cpu: str = CPU) -> list[bool]:
    (low, *_) = choices(graph, lower_graph(graph, cpu), cpu, prefer)
    return [is_coded(way) for way in low]


@pytest.mark.parametrize("prefer", ["balanced", "ram", "size"])
def test_who_made_few_values_gets_codes(prefer: str) -> None:
    assert chosen(network(few=True), prefer)[0::2] == [True, True]
    assert not any(chosen(network(few=False), prefer))


def test_speed_wants_them_as_they_are() -> None:
    assert not any(chosen(network(few=True), "speed"))


def test_codes_that_save_less_than_their_kernels_take_are_none() -> None:
    small = parse_graph(dense(2, 40).build([0], [3]), "small")  # eleven values
    assert is_coded(lower_graph(small, CPU)[0][-1])
    assert chosen(small, "balanced") == [False]


def test_half_of_the_flash() -> None:
    least = [
        sum(flash_bytes(low) for low in choices(graph, lower_graph(graph, CPU), CPU, "size")[0])
        for graph in (network(few=True), network(few=False))
    ]
    assert least[0] < 0.6 * least[1]


def test_decoded_weights_lie_behind_the_kernels_own_scratch() -> None:
    ways = lower_graph(network(few=True), CPU)[1]
    low = next(way for way in ways if len(way.calls) == 2 and way.calls[1].function == "tinyops_depthwise_3x3")
    decode, kernel = low.calls
    rooms = [a for a in kernel.arguments if isinstance(a, Scratch)]
    assert [room.ctype for room in rooms] == ["int8_t", "int16_t"]
    assert rooms[0] in decode.arguments and rooms[0].offset % 16 == 0
    assert rooms[0].offset >= rooms[1].end and low.scratch_bytes == rooms[0].end
    assert low.main is kernel


def test_avr_reads_no_weights_out_of_ram() -> None:
    """Its kernels read flash, another address space: no call may hand them what was decoded into RAM."""
    ways = lower_graph(network(few=True), "avr")
    assert all(len(way.calls) == 1 for operator in ways for way in operator)
    assert is_coded(ways[0][-1]) and is_coded(ways[2][-1]) and not is_coded(ways[1][-1])


def test_a_convolutions_output_keeps_away_from_all_pixels_that_a_filter_serves() -> None:
    ways = [way.calls[0] for way in lower_graph(network(few=True), CPU)[0] if is_coded(way)]
    found = [(call.function.removeprefix("tinyops_"), call.params.get("pixels", 8)) for call in ways]
    assert found == [("conv_2d_coded", 2), ("conv_2d_coded", 8), ("conv_2d_packed_coded", 8)]
    for call, (_, pixels) in zip(ways, found, strict=True):
        (over,) = overlaps_of(call)
        assert over.distance == window_distance(call.params["window"], pixels)
        assert over.distance >= window_distance(call.params["window"]) + 12 * (pixels - 1)


def test_ram_gets_the_way_that_keeps_the_output_over_the_input() -> None:
    """A convolution that makes as much as it reads, where eight pixels more do not fit."""
    graph = network(few=True)
    arenas = {p: compile_model(graph, TensorFeatures(), CompileOptions(cpu="riscv32", prefer=p)).arena for p in PREFER}
    assert arenas["ram"].bytes < arenas["size"].bytes


def test_zeros_between_filters_need_no_place_in_the_table() -> None:
    """Sixteen values other than zero, and filters that are filled up with zeros: what they are times is zero."""
    rows = np.random.default_rng(3).choice(np.arange(1, 17), (3, 30))
    filled = np.pad(rows, ((0, 1), (0, 2)))
    found = coded_like(rows, filled.reshape(1, -1))
    assert found is not None and 0 not in found.table
    assert (decoded(found.codes, found.table, 4, 32)[:3, :30] == rows).all()


def test_bounds_of_parts_count_codes() -> None:
    few, many = (least_of(network(few=f), CPU).weights for f in (True, False))
    assert many == (1296, 108, 14400)
    assert few == (648 + CODES, 54 + CODES, 7200 + CODES)


def test_generated_code_is_the_same_every_time() -> None:
    options = CompileOptions(cpu=CPU)
    first, second = (compile_model(network(few=True), TensorFeatures(), options).sources for _ in range(2))
    assert first == second and "kernels/conv_2d_packed_coded.c" in first
