from collections.abc import Iterable
from datetime import date

import pytest
from pydantic import ValidationError

from tinyops.plan.gates import Miss, missed_board_gates, missed_chain, missed_gates, missed_proof, waived
from tinyops.specs.gates import BoardGates, Override
from tinyops.specs.model import Fleet, Gates

FACTS = {
    "accuracy_int8": {"point": 0.95, "low": 0.76, "high": 0.99},
    "recall": {"Running": {"point": 0.8, "low": 0.4, "high": 0.96}},
    "int8_loss": 0.03,
    "recordings": {"train": 40, "test": 20},
}
FIGURES = {"flash_bytes": 24_000, "ram_bytes": 4_000, "instructions": 200_000}
MODEL = "sha256:" + "a" * 64


def texts(missed: Iterable[Miss]) -> tuple[str, ...]:
    return tuple(map(str, missed))


def test_a_gate_is_judged_by_the_lower_bound_unless_the_spec_says_otherwise():
    assert texts(missed_gates(Gates(accuracy_min=0.8), FACTS)) == (
        "accuracy_min: 0.800 wanted, the 95 % interval of 0.950 starts at 0.760",
    )
    assert texts(missed_gates(Gates(accuracy_min=0.8, judge_by="point"), FACTS)) == ()
    assert texts(missed_gates(Gates(accuracy_min=0.76), FACTS)) == ()


def test_recall_and_loss_are_judged_and_what_was_not_measured_is_missed():
    gates = Gates(recall_min={"Running": 0.9, "Walking": 0.5}, int8_loss_max=0.02, judge_by="point")
    assert texts(missed_gates(gates, FACTS)) == (
        "recall_min.Running: 0.900 wanted, it is 0.800",
        "recall_min.Walking: was not measured",
        "int8_loss_max: lost 0.030, at most 0.020 wanted",
    )
    assert texts(missed_gates(Gates(int8_loss_max=0.03, accuracy_min=0.1), {"int8_loss": 0.03})) == (
        "accuracy_min: was not measured",
    )


@pytest.mark.parametrize(("proof", "missed"), [("same-source", True), ("built", False), ("rendered", False)])
def test_a_chain_that_never_ran_is_worth_what_its_parts_are_built_for(proof, missed):
    fleet = Fleet.model_validate(
        {
            "apiVersion": "tinyops/v1",
            "kind": "Fleet",
            "metadata": {"name": "wrist"},
            "spec": {"model": "activity", "boards": {"nano33ble": {"sensor": "stream"}}, "proof": proof},
        }
    )
    found = missed_chain(fleet, {"bit_exact": None, "not_booted": ["brain"]})
    assert [miss.board for miss in found] == (["brain"] if missed else [])
    assert missed_chain(fleet, {"bit_exact": True, "vectors": 4}) == ()


def test_a_fleet_sets_the_least_proof_it_accepts():
    fleet = Fleet.model_validate(
        {
            "apiVersion": "tinyops/v1",
            "kind": "Fleet",
            "metadata": {"name": "wrist"},
            "spec": {"model": "activity", "boards": {"nano33ble": {"sensor": "stream"}}, "proof": "same-bytes"},
        }
    )
    assert texts(missed_proof(fleet, "nano33ble", {"model": "same-bytes", "firmware": "same-source"})) == (
        "proof: the firmware for nano33ble is same-source, the fleet accepts same-bytes and better",
    )
    assert texts(missed_proof(fleet, "linux", {"model": "same-bytes", "firmware": "none"})) == ()


def test_a_dataset_that_is_too_small_is_missed():
    assert missed_gates(Gates(recordings_min=60), FACTS) == ()
    assert texts(missed_gates(Gates(recordings_min=61), FACTS)) == (
        "recordings_min: 61 recordings wanted, the dataset has 60",
    )


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        (BoardGates(flash_bytes_max=24_000, ram_bytes_max=4_000, instructions_max=200_000), ()),
        (
            BoardGates(flash_bytes_max=23_999, ram_bytes_max=3_999, instructions_max=1),
            (
                "flash_bytes_max: nano: 24,000 bytes of flash, at most 23,999 wanted",
                "ram_bytes_max: nano: 4,000 bytes of RAM, at most 3,999 wanted",
                "instructions_max: nano: 200,000 instructions, at most 1 wanted",
            ),
        ),
        (BoardGates(growth_max=0.2), ()),
        (
            BoardGates(growth_max=0.1),
            ("growth_max: nano: 20,000 → 24,000 bytes of flash, 20.0 % more, at most 10.0 % wanted",),
        ),
        (BoardGates(latency_ms_max=12.5), ()),
        (BoardGates(latency_ms_max=12), ("latency_ms_max: nano: 12.50 ms an inference, at most 12.00 wanted",)),
    ],
)
def test_what_a_board_may_cost(gates: BoardGates, said: tuple[str, ...]):
    before = {"flash_bytes": 20_000, "ram_bytes": 4_000, "instructions": None}
    assert texts(missed_board_gates(gates, "nano", FIGURES, before=before, milliseconds=12.5)) == said


def test_a_time_that_nobody_measured_is_missed_and_so_is_a_figure():
    gates = BoardGates(latency_ms_max=5, instructions_max=5)
    instructions, latency = texts(missed_board_gates(gates, "nano", {**FIGURES, "instructions": None}))
    assert instructions == "instructions_max: nano: was not measured"
    assert latency.startswith("latency_ms_max: nano: was not measured: no file below measurements/nano/")


def test_a_board_replaces_gates_of_its_fleet_one_by_one():
    fleet = BoardGates(flash_bytes_max=10, growth_max=0.1)
    assert fleet.under(BoardGates(flash_bytes_max=20)) == BoardGates(flash_bytes_max=20, growth_max=0.1)


OTHER = "sha256:" + "b" * 64


def override(gate: str, digest: str = MODEL) -> Override:
    return Override(gate=gate, digest=digest, reason="shown to the safety board", author="mia", until=date(2027, 1, 31))


def test_an_override_lifts_one_gate_of_one_model_until_its_last_day():
    running, loss = Miss("recall_min.Running", "x"), Miss("int8_loss_max", "y")
    lifted = override("recall_min")
    assert waived((running, loss), (lifted,), {"nano": MODEL}, date(2027, 1, 31)) == ((loss,), (lifted,))
    assert waived((running,), (lifted,), {"nano": MODEL}, date(2027, 2, 1)) == ((running,), ())
    assert waived((running,), (lifted,), {"nano": OTHER}, date(2027, 1, 1)) == ((running,), ())
    assert waived((running,), (override("recall_min.Walking"),), {"nano": MODEL}, date(2027, 1, 1)) == ((running,), ())
    assert waived((running,), (override("recall_min.Running"),), {"nano": MODEL}, date(2027, 1, 1))[0] == ()


def test_where_boards_have_models_of_their_own_an_override_names_the_one_that_misses():
    models = {"nano": MODEL, "uno": OTHER}
    nano, uno, all_ = (Miss("accuracy_min", "x", board) for board in ("nano", "uno", None))
    lifted = override("accuracy_min")
    assert waived((nano, uno, all_), (lifted,), models, date(2027, 1, 1)) == ((uno,), (lifted,))


def test_an_override_is_not_anonymous_and_not_without_a_reason():
    with pytest.raises(ValidationError, match="reason"):
        Override(gate="accuracy_min", digest=MODEL, reason="because", author="mia", until=date(2027, 1, 1))
    with pytest.raises(ValidationError, match="gate"):
        override("everything")
