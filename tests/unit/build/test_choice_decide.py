"""Which variant a board gets, and why each other lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.build.choice.candidates import Budget, Candidate
from tinyops.build.choice.decide import Choice, Prefer, choose
from tinyops.errors import DoesNotFit, SpecError
from tinyops.specs.gates import BoardGates, Gates


def candidate(variant: str, accuracy: float, flash: int, ram: int, instructions: int | None, **more: Any) -> Candidate:
    measured = {"accuracy_int8": {"point": accuracy}, "recall": {"walk": {"point": accuracy}}, "int8_loss": None}
    figures = {"flash_bytes": flash, "ram_bytes": ram, "instructions": instructions, "image_bytes": flash - 1000}
    return Candidate(variant, accuracy, measured, **{**figures, "arena_bytes": ram - 100, **more})


INT8 = candidate("int8", 0.95, 40_000, 9_000, 800_000)
HALF = candidate("w0.5", 0.945, 20_000, 6_000, 300_000)
QUARTER = candidate("w0.25", 0.90, 10_000, 4_000, 100_000)
PRUNED = candidate("c0.3", 0.945, 24_000, 7_000, 300_000)
FAST = candidate("d0.5", 0.95, 30_000, 8_500, 250_000)
ALL = (INT8, HALF, QUARTER, PRUNED, FAST)
BOARD = Budget("microbit", 100_000, 10_000)


def chosen(*candidates: Candidate, budget: Budget = BOARD, prefer: Prefer = "size", loss_max: float = 0.01) -> Choice:
    return choose(candidates, budget, prefer=prefer, loss_max=loss_max)


def test_the_smallest_of_those_that_are_accurate_enough_is_picked_and_every_other_has_a_reason() -> None:
    found = chosen(*ALL)
    assert (found.picked, found.front, found.unmet) == (HALF, ("w0.5", "w0.25", "d0.5"), ())
    assert found.why == "the least flash of the 4 that are within 1 point of int8"
    assert found.lost == {
        "int8": "d0.5 is as accurate and takes 10,000 bytes less flash, 500 bytes less RAM and 550,000 fewer "
        "instructions",
        "w0.25": "5.0 points less accurate than int8 (loss_max 0.01)",
        "c0.3": "w0.5 is as accurate and takes 4,000 bytes less flash and 1,000 bytes less RAM",
        "d0.5": "takes 10,000 bytes more flash (prefer: size)",
    }


def test_each_preference_is_what_it_says() -> None:
    lean = candidate("lean", 0.95, 50_000, 5_000, 900_000)
    assert chosen(*ALL, lean, prefer="size").picked is HALF
    assert chosen(*ALL, lean, prefer="ram").picked is lean
    assert chosen(*ALL, lean, prefer="speed").picked is FAST
    assert chosen(*ALL, lean, prefer="balanced").picked is HALF
    assert chosen(*ALL, lean, prefer="speed").lost["w0.5"] == "takes 50,000 more instructions (prefer: speed)"
    assert "flash × RAM × instructions is 77.1 % more" in chosen(INT8, FAST, HALF, prefer="balanced").lost["d0.5"]


def test_a_tenth_less_of_one_makes_up_for_less_than_a_tenth_more_of_another() -> None:
    one = candidate("one", 0.9, 10_000, 1_000, 1_000)
    assert chosen(one, candidate("two", 0.9, 11_000, 900, 1_000), prefer="balanced").picked.variant == "two"
    assert chosen(one, candidate("two", 0.9, 11_200, 900, 1_000), prefer="balanced").picked.variant == "one"


def test_without_instructions_of_one_nobody_is_judged_by_them() -> None:
    uncounted = replace(FAST, instructions=None)
    assert chosen(uncounted, HALF, prefer="speed").picked is HALF
    assert chosen(uncounted, HALF, prefer="speed").why.startswith("the least flash")


def test_ties_go_to_the_first_of_the_spec_and_do_not_depend_on_anything_else() -> None:
    twin = replace(HALF, variant="twin")
    assert chosen(HALF, twin).picked is HALF
    assert chosen(twin, HALF).picked is twin
    assert chosen(HALF, twin).lost == {"twin": "w0.5 costs the same and comes first"}
    assert chosen(replace(HALF, variant="near", accuracy=0.944), HALF).picked is HALF  # the more accurate of equal cost
    assert chosen(INT8, HALF, loss_max=0.0).picked is INT8
    assert chosen(INT8, HALF, loss_max=0.005).picked is HALF  # 0.95 - 0.945 is a little more than 0.005 in floats


def test_what_does_not_fit_says_how_many_bytes_and_does_not_set_the_mark_for_accuracy() -> None:
    tight = Budget("microbit", 25_000, 10_000)
    found = chosen(*ALL, budget=tight, loss_max=0.0)
    assert found.picked is HALF
    assert found.lost["int8"] == "needs 14,000 bytes more flash than there is room for a model"
    assert found.lost["w0.25"] == "4.5 points less accurate than w0.5 (loss_max 0)"
    both = chosen(HALF, INT8, budget=Budget("b", 25_000, 8_000)).lost["int8"]
    assert both.endswith("for a model; needs 900 bytes more RAM than the arena has")


def test_board_gates_are_budgets_too() -> None:
    gates = BoardGates(flash_bytes_max=28_000, ram_bytes_max=6_500, instructions_max=290_000, latency_ms_max=5)
    slow = replace(QUARTER, accuracy=0.95, milliseconds=2.0)
    found = chosen(
        replace(HALF, milliseconds=6.0), slow, replace(FAST, milliseconds=4.0), budget=replace(BOARD, gates=gates)
    )
    assert found.picked is slow
    assert found.lost["w0.5"] == (
        "needs 10,000 instructions more than instructions_max allows; takes 1.00 ms more than latency_ms_max allows"
    )
    assert found.lost["d0.5"] == (
        "needs 2,000 bytes more flash than flash_bytes_max allows; needs 2,000 bytes more RAM than ram_bytes_max allows"
    )
    assert found.why == "the only one that fits the board and keeps the gates"


def test_gates_of_the_model_guide_by_their_points_on_the_validation_side() -> None:
    gates = Gates(accuracy_min=0.93, recall_min={"walk": 0.94, "absent": 0.9}, int8_loss_max=0.1, recordings_min=10_000)
    found = chosen(*ALL, budget=replace(BOARD, model_gates=gates), loss_max=1.0)
    assert found.picked is HALF
    assert found.lost["w0.25"] == (
        "accuracy_min: 0.930 wanted, it is 0.900 on the validation side; "
        "recall_min.walk: 0.940 wanted, it is 0.900 on the validation side"
    )


def test_a_gate_that_none_keeps_leaves_the_nearest_and_names_the_gate() -> None:
    found = chosen(*ALL, budget=replace(BOARD, gates=BoardGates(flash_bytes_max=9_000, instructions_max=200_000)))
    assert found.picked is QUARTER
    assert found.unmet == ("flash_bytes_max",)
    assert found.why == (
        "no variant keeps every gate, this one comes nearest: needs 1,000 bytes more flash than flash_bytes_max allows"
    )
    assert "w0.25" not in found.lost and len(found.lost) == 4
    unmeasured = chosen(INT8, budget=replace(BOARD, gates=BoardGates(latency_ms_max=5)))
    assert unmeasured.unmet == ("latency_ms_max",) and "measurements/microbit/" in unmeasured.why


def test_where_nothing_fits_the_nearest_is_named_with_what_it_misses() -> None:
    with pytest.raises(DoesNotFit) as error:
        chosen(*ALL, budget=Budget("mega", 8_000, 3_000))
    assert error.value.message == (
        "none of 5 variants fits mega: w0.25 comes nearest and needs 1,000 bytes more flash than there is room for a "
        "model; needs 900 bytes more RAM than the arena has"
    )
    with pytest.raises(
        DoesNotFit, match=r"the only variant does not fit mega: int8 comes nearest and too large for AVR"
    ):
        chosen(replace(INT8, unfit="too large for AVR"), budget=Budget("mega"))


def test_one_that_could_not_be_trained_loses_and_only_all_of_them_are_an_error() -> None:
    broken = Candidate("w0.01", failed="layer 2 has no filters left")
    found = chosen(broken, INT8)
    assert (found.picked, found.lost) == (INT8, {"w0.01": "layer 2 has no filters left"})
    with pytest.raises(SpecError, match=r"no variant for microbit: w0.01: layer 2 has no filters left"):
        chosen(broken)


def test_candidates_come_from_facts_and_without_a_validation_side_nobody_is_one() -> None:
    share = {"point": 0.9, "low": 0.8, "high": 1.0}
    squeezed = {"accuracy_int8": {"point": 1.0}, "validation": {"accuracy": share, "recall": {}}}
    cost = {"flash_bytes": 5, "ram_bytes": 4, "image_bytes": 3, "arena_bytes": 2, "instructions": 1_000, "unfit": ""}
    found = Candidate.of("int8", squeezed, cost, 0.001)
    assert (found.accuracy, found.flash_bytes, found.milliseconds) == (0.9, 5, 1.0)
    assert found.to_json()["recordings"] == share
    squeezed["validation"]["windows_accuracy"] = {"point": 0.93}
    assert Candidate.of("int8", squeezed, cost, None).accuracy == 0.93
    assert "validation side" in Candidate.of("int8", {"accuracy_int8": share}, cost, None).failed
    assert Candidate.of("int8", {"failed": "no filters\nleft"}, {"failed": "the same"}, None).failed == "no filters"


FIGURE = st.integers(1, 4)
SOME = st.lists(st.tuples(st.integers(90, 95), FIGURE, FIGURE, st.one_of(st.none(), FIGURE)), min_size=1, max_size=8)


@given(SOME, st.sampled_from(["size", "ram", "speed", "balanced"]), st.sampled_from([0.0, 0.01, 0.02, 1.0]))
def test_whatever_is_picked_nothing_beats_it_and_everything_else_lost(
    figures: list[tuple[int, int, int, int | None]], prefer: Prefer, loss_max: float
) -> None:
    some = [candidate(f"v{n}", a / 100, 1000 * f, 1000 * r, i) for n, (a, f, r, i) in enumerate(figures)]
    found = choose(some, Budget("b"), prefer=prefer, loss_max=loss_max)
    best = max(accuracy for accuracy, *_ in figures) / 100
    assert found.picked.variant in found.front
    assert found.picked.accuracy is not None and found.picked.accuracy >= best - loss_max - 1e-9
    assert set(found.lost) == {c.variant for c in some} - {found.picked.variant}
    assert all(found.lost.values()) and found.why
    again = choose(some, Budget("b"), prefer=prefer, loss_max=loss_max)
    assert again == found
