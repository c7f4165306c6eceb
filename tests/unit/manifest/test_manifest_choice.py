"""Decisions of `choose` steps: read back as they were written, refused where no tinyops wrote them."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.choices import candidate, choose_record, recorded
from tinyops.artifacts import Record
from tinyops.build.choice.candidates import Budget, Candidate
from tinyops.build.choice.decide import choose
from tinyops.build.choice.step import choice_json
from tinyops.errors import RemoteError
from tinyops.manifest.choice import choice_facts, read_choice


def refused(value: Any) -> str:
    with pytest.raises(RemoteError) as caught:
        choice_facts(value, "choose:wrist/microbit: choice")
    assert str(caught.value).startswith("choose:wrist/microbit: choice: ")
    return str(caught.value)


def test_what_the_step_writes_is_read_back_whole() -> None:
    settings: dict[str, Any] = {"board": "pico", "model_room_bytes": 90_000, "gates": {"flash_bytes_max": 50_000}}
    settings["model_gates"] = {"accuracy_min": 0.9, "recall_min": {"walk": 0.8}, "judge_by": "point"}
    candidates = [
        Candidate("int8", 1.0, flash_bytes=60_000, ram_bytes=900, instructions=7),
        Candidate("w0.5", 0.995, flash_bytes=40_000, ram_bytes=900, instructions=4),
        Candidate("w0.1", failed="layer hidden has no units left"),
    ]
    budget = Budget("pico", 90_000, gates=Budget.of({"board": "pico", "gates": settings["gates"]}).gates)
    written = choice_json(choose(candidates, budget, prefer="size", loss_max=0.01), settings)
    read = choice_facts(written, "x")
    assert read.to_json() == written
    assert (read.picked, [*read.lost]) == ("w0.5", ["int8", "w0.1"])


def test_a_step_without_a_decision_has_none() -> None:
    step = choose_record("wrist", "microbit")
    assert read_choice(Record(step.step, step.key, {}, {}, {}, {}, {}, {"accuracy": 1})) is None
    found = read_choice(step)
    assert found is not None and found.picked == "w0.5"


def test_a_release_of_before_and_one_of_a_later_tinyops_are_read() -> None:
    later = recorded(weights="w4", candidates=[{**candidate("int8", 1.0, 5), "codebook": 16}], picked="int8", front=[])
    assert choice_facts(later, "x").picked == "int8"
    before = {name: value for name, value in recorded().items() if name not in ("schema", "budget", "unmet")}
    assert choice_facts(before, "x").budget.gates == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"picked": "w0.9"}, "'w0.9' is none of its candidates"),
        ({"front": ["int8", "w7"]}, "'w7' is none of its candidates"),
        ({"schema": 2}, "schema: Input should be 1"),
        ({"candidates": []}, "candidates: Tuple should have at least 1 item"),
        ({"candidates": {}}, "candidates: Input should be a valid array"),
        ({"candidates": [candidate("int8", 1.0, 5)] * 1001}, "at most 1000 items"),
        ({"candidates": [candidate("int8", 1.0, -5)]}, "candidates.0.flash_bytes: Input should be greater than"),
        ({"candidates": [{**candidate("int8", 1.0, 5), "accuracy": 1.5}]}, "candidates.0.accuracy: "),
        ({"candidates": [{**candidate("int8", 1.0, 5), "instructions": "7"}]}, "instructions: Input should be a valid"),
        ({"candidates": [{**candidate("int8", 1.0, 5), "milliseconds": float("inf")}]}, "Out of range float"),
        ({"candidates": [{"flash_bytes": 5}]}, "candidates.0.variant: Field required"),
        ({"why": "a" * 10_001}, "why: String should have at most 10000 characters"),
        ({"why": None}, "why: Input should be a valid string"),
        ({"loss_max": -1}, "loss_max: Input should be greater than"),
        ({"prefer": "beauty"}, "prefer: Input should be 'balanced'"),
        ({"budget": {"gates": {"flash_bytes_max": []}}}, "budget.gates.flash_bytes_max"),
        ({"board": "\ud800"}, "surrogates not allowed"),
    ],
)
def test_what_no_tinyops_wrote_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refused(recorded(**changes))


@pytest.mark.parametrize("value", [None, [], "int8", 3, {}], ids=str)
def test_no_decision_at_all_is_refused(value: Any) -> None:
    assert refused(value)
