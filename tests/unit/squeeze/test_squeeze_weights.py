"""Figures of a model's weights: what is counted, and what packing could save."""

from __future__ import annotations

import numpy as np
import pytest

from fakes.few_values import network
from tinyops.errors import ToolError
from tinyops.graph import Graph, Tensor
from tinyops.squeeze.weights import check_values, weight_facts


def graph(*tensors: Tensor) -> Graph:
    return Graph("x", "sha256:0", tensors, (), (), ())


def kernel(values: list[int], shape: tuple[int, ...], dtype: str = "int8") -> Tensor:
    return Tensor(0, "k", shape, dtype, None, np.array(values, np.int8).tobytes())


def test_kernels_are_counted_and_biases_and_activations_are_not() -> None:
    bias, activation = kernel([1] * 16, (4,), "int32"), Tensor(2, "a", (1, 4), "int8")
    found = weight_facts(graph(kernel([0, 0, 0, 5], (2, 2)), kernel([1, -1], (1, 2)), bias, activation))
    assert (found["number"], found["zeros"]) == (6, 3)


def test_the_entropy_is_what_counts_of_values_say() -> None:
    assert weight_facts(graph(kernel([0] * 64, (8, 8))))["entropy_bytes"] == 0
    assert weight_facts(graph(kernel([1, -1] * 32, (8, 8))))["entropy_bytes"] == 8  # a bit each
    even = list(range(-128, 128)) * 2
    assert weight_facts(graph(kernel(even, (2, 256))))["entropy_bytes"] == 512  # eight
    sparse = [0] * 384 + even[:128]
    assert weight_facts(graph(kernel(sparse, (2, 256))))["entropy_bytes"] == 164  # h(1/4) and 7 bits of each other


def test_weights_that_a_tool_moved_off_their_values_are_noticed() -> None:
    for kind in ("int4", "table"):
        check_values(network(few=True), kind)
        with pytest.raises(
            ToolError, match=rf"weights of layer t\d have 2\d\d different .*; {kind} has 1[56] at the most"
        ):
            check_values(network(few=False), kind)
    check_values(network(few=False), "int8")
