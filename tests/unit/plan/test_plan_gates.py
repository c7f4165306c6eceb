from tinyops.plan.gates import missed_gates, missed_proof
from tinyops.specs.model import Fleet, Gates

FACTS = {
    "accuracy_int8": {"point": 0.95, "low": 0.76, "high": 0.99},
    "recall": {"Running": {"point": 0.8, "low": 0.4, "high": 0.96}},
    "int8_loss": 0.03,
}


def test_a_gate_is_judged_by_the_lower_bound_unless_the_spec_says_otherwise():
    assert missed_gates(Gates(accuracy_min=0.8), FACTS) == (
        "accuracy_min: 0.800 wanted, the 95 % interval of 0.950 starts at 0.760",
    )
    assert missed_gates(Gates(accuracy_min=0.8, judge_by="point"), FACTS) == ()
    assert missed_gates(Gates(accuracy_min=0.76), FACTS) == ()


def test_recall_and_loss_are_judged_and_what_was_not_measured_is_missed():
    gates = Gates(recall_min={"Running": 0.9, "Walking": 0.5}, int8_loss_max=0.02, judge_by="point")
    assert missed_gates(gates, FACTS) == (
        "recall_min.Running: 0.900 wanted, it is 0.800",
        "recall_min.Walking: was not measured",
        "int8_loss_max: lost 0.030, at most 0.020 wanted",
    )
    assert missed_gates(Gates(int8_loss_max=0.03, accuracy_min=0.1), {"int8_loss": 0.03}) == (
        "accuracy_min: was not measured",
    )


def test_a_fleet_sets_the_least_proof_it_accepts():
    fleet = Fleet.model_validate(
        {
            "apiVersion": "tinyops/v1",
            "kind": "Fleet",
            "metadata": {"name": "wrist"},
            "spec": {"model": "activity", "boards": {"nano33ble": {"sensor": "stream"}}, "proof": "same-bytes"},
        }
    )
    assert missed_proof(fleet, "nano33ble", {"model": "same-bytes", "firmware": "same-source"}) == (
        "proof: the firmware for nano33ble is same-source, the fleet accepts same-bytes and better",
    )
    assert missed_proof(fleet, "linux", {"model": "same-bytes", "firmware": "none"}) == ()
