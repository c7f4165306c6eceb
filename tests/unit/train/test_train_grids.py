"""Where an int8 model rounds, by layers alone: no Keras."""

from __future__ import annotations

import numpy as np
import pytest

from tinyops.train.rounding.grids import START, Call, Grid, Kind, find_grids, folded_norms
from tinyops.train.rounding.windows import calibrating_windows


def chain(*kinds: Kind) -> list[Call]:
    """Layers one after the other, named by their place."""
    names = [START, *(str(number) for number in range(1, len(kinds) + 1))]
    return [Call(name, kind, (before,)) for before, name, kind in zip(names, names[1:], kinds, strict=False)]


def likes(calls: list[Call]) -> dict[str, str]:
    return {name: grid.like for name, grid in find_grids(calls, [calls[-1].name]).items()}


def test_a_norm_goes_into_the_weights_before_it_alone() -> None:
    calls = chain("weights", "norm", "relu", "norm", "weights", "norm")
    assert folded_norms(calls, ["6"]) == {"2": "1", "6": "5"}


def test_weights_that_others_see_before_the_norm_keep_it() -> None:
    calls = [*chain("weights", "norm"), Call("both", "sum", ("1", "2"))]
    assert folded_norms(calls, ["both"]) == {}
    assert folded_norms(chain("weights", "norm"), ["2", "1"]) == {}


def test_a_relu_is_part_of_the_sum_before_it() -> None:
    assert likes(chain("weights", "relu", "weights", "softmax")) == {START: START, "2": "2", "3": "3"}
    # Not of what only moves values, and not where another layer takes the sum as it is.
    assert likes(chain("weights", "moving", "relu")) == {START: START, "1": "1", "3": "3"}
    shared = [*chain("weights", "relu"), Call("both", "sum", ("1", "2"))]
    assert likes(shared) == {START: START, "1": "1", "2": "2", "both": "both"}


def test_what_moves_values_keeps_their_grid_and_an_average_is_rounded_to_it() -> None:
    assert likes(chain("weights", "moving", "average", "moving", "other")) == {
        START: START,
        "1": "1",
        "3": "1",
        "5": "5",
    }
    assert likes(chain("average", "average")) == {START: START, "1": START, "2": START}


def test_what_is_joined_is_on_the_grid_of_the_whole_where_nobody_else_takes_it() -> None:
    calls = [
        Call("a", "weights", (START,)),
        Call("b", "weights", ("a",)),
        Call("gate", "sigmoid", ("a",)),
        Call("all", "join", ("a", "b", "gate")),
    ]
    found = find_grids(calls, ["all"])
    assert {name: grid.like for name, grid in found.items()} == {
        START: START,
        "a": "a",
        "b": "all",
        "gate": "gate",
        "all": "all",
    }
    assert found["gate"] == Grid("gate", (0.0, 255 / 256))


def test_ranges_are_found_by_an_equal_share_of_each_class() -> None:
    labels = np.array([0] * 500 + [1] * 20 + [2] * 100)
    chosen = calibrating_windows(labels, limit=90)
    assert [int((labels[chosen] == c).sum()) for c in range(3)] == [30, 20, 30]


@pytest.mark.parametrize(("kind", "low", "high"), [("sigmoid", 0.0, 1 - 1 / 256), ("tanh", -1.0, 1 - 1 / 128)])
def test_some_outputs_have_a_range_that_no_data_decides(kind: Kind, low: float, high: float) -> None:
    assert find_grids(chain(kind), ["1"])["1"].fixed == (low, high)
