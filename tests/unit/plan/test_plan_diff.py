from pathlib import Path

import pytest

from tinyops.artifacts import ALL_OUTPUTS, Artifact, InputRef, Record, Source, Step
from tinyops.plan import Action, Bound, Plan, make_plan
from tinyops.plan.diff import field_reasons
from tinyops.plan.render import plan_text, summary

BOUND = Bound("sha256:s", "sha256:l", "sha256:r")
FLEETS = {"wrist": {"model": "activity"}}


def steps(epochs: int = 20, gcc: str = "12.2.1", code: str = "sha256:c0de") -> tuple[Step, ...]:
    """A train step, an image of its weights and a firmware that depends on neither."""
    source = {"architecture.py": Source(Path("a.py"), code)}
    return (
        Step("train", "activity", {"training": {"epochs": epochs}}, {}, {}, source),
        Step("image", "activity/nano", {}, {"gcc": gcc}, {"w": InputRef("train:activity", ALL_OUTPUTS)}),
        Step("firmware", "wrist/nano", {}, {"gcc": gcc}),
        Step("twin", "wrist/nano", {}, {}, {"i": InputRef("image:activity/nano", "out")}),
    )


def released(made: tuple[Step, ...]) -> dict[str, Record]:
    """The records that a run of those steps leaves behind."""
    records: dict[str, Record] = {}
    for step in made:
        inputs = {name: records[ref.step].output_digest(ref.output) for name, ref in step.inputs.items()}
        sources = {name: source.digest for name, source in step.sources.items()}
        outputs = {"out": Artifact(f"sha256:{step.id}", 4)}
        key = step.key(inputs)
        records[step.id] = Record(step.id, key, step.settings, step.lock, inputs, sources, outputs, {"ram_bytes": 7})
    return records


def plan(desired: tuple[Step, ...], records: dict[str, Record], fleets=FLEETS, was=FLEETS, **options) -> Plan:
    return make_plan(
        project="wearables",
        steps=desired,
        fleets=fleets,
        released=records,
        released_fleets=was,
        released_version=3,
        bound=BOUND,
        **options,
    )


def actions(of: Plan) -> dict[str, str]:
    return {change.id: change.action.value for change in of.changes}


def test_nothing_released_means_everything_is_created():
    found = plan(steps(), {}, was={})
    assert set(actions(found).values()) == {"create"}
    assert len(found.pending) == 5


def test_the_same_specs_and_lock_change_nothing():
    found = plan(steps(), released(steps()))
    assert found.pending == ()
    assert summary(found) == "No changes. 5 steps and fleets are as released."


def test_a_changed_field_is_named_with_both_values_and_what_follows_is_known_after_apply():
    found = plan(steps(epochs=40), released(steps()))
    by_id = {c.id: c for c in found.changes}
    assert actions(found) == {
        "train:activity": "update",
        "image:activity/nano": "update",
        "firmware:wrist/nano": "keep",
        "twin:wrist/nano": "update",
        "fleet:wrist": "update",
    }
    assert [str(r) for r in by_id["train:activity"].reasons] == ["training.epochs 20 → 40"]
    assert by_id["train:activity"].key is not None
    assert by_id["image:activity/nano"].key is None
    assert by_id["image:activity/nano"].follows == ("train:activity",)
    assert by_id["fleet:wrist"].follows == ("image:activity/nano", "train:activity", "twin:wrist/nano")
    text = plan_text(found)
    assert "training.epochs 20 → 40" in text
    assert "follows train:activity" in text
    assert "released: 7 ram bytes" in text
    assert "firmware" not in text


def test_a_tool_of_the_lock_and_a_changed_file_are_reasons():
    found = plan(steps(gcc="13.1.0", code="sha256:0ther"), released(steps()))
    reasons = {c.id: [str(r) for r in c.reasons] for c in found.changes}
    assert reasons["firmware:wrist/nano"] == ["lock.gcc 12.2.1 → 13.1.0"]
    assert reasons["train:activity"] == ["file.architecture.py sha256:c0de → sha256:0ther"]


def test_replace_runs_a_step_that_did_not_change():
    found = plan(steps(), released(steps()), replace={"image:activity/nano"})
    assert actions(found)["image:activity/nano"] == "replace"
    assert actions(found)["train:activity"] == "keep"
    assert actions(found)["twin:wrist/nano"] == "update"


def test_what_is_no_longer_wanted_is_deleted():
    found = plan(steps()[:1], released(steps()), fleets={})
    assert actions(found)["firmware:wrist/nano"] == "delete"
    assert actions(found)["fleet:wrist"] == "delete"


def test_a_fleet_changes_by_its_own_fields_too():
    found = plan(steps(), released(steps()), fleets={"wrist": {"model": "activity", "security_counter": 1}})
    change = next(c for c in found.changes if c.id == "fleet:wrist")
    assert change.action is Action.UPDATE
    assert [str(r) for r in change.reasons] == ["security_counter 1"]


def test_a_plan_survives_its_file_and_refuses_an_edited_one():
    made = plan(steps(epochs=40), released(steps()))
    saved = made.to_json()
    assert Plan.from_json(saved) == made
    saved["changes"][0]["reasons"][0]["new"] = "41"
    with pytest.raises(ValueError, match="edited"):
        Plan.from_json(saved)
    with pytest.raises(ValueError, match="not a plan"):
        Plan.from_json({"schema": "tinyops/plan/v1"})


def test_reasons_name_leaves_of_nested_values_and_cut_long_ones():
    old = {"a": [1, 2], "b": {"c": "x" * 100}, "gone": 1}
    new = {"a": [1, 3], "b": {"c": "y"}, "new": True}
    found = [str(r) for r in field_reasons(old, new)]
    assert found == ["a[1] 2 → 3", f"b.c {'x' * 59}… → y", "gone 1 → (none)", "new true"]


def test_a_fleet_that_the_last_release_held_says_so():
    found = plan(steps(epochs=40), released(steps()), left_out={"wrist": "held since v3: accuracy_min: 0.9 wanted"})
    change = next(c for c in found.changes if c.id == "fleet:wrist")
    assert change.action is Action.UPDATE
    assert [str(r) for r in change.reasons] == ["held since v3: accuracy_min: 0.9 wanted"]
    unchanged = plan(steps(), released(steps()), left_out={"wrist": "held since v3: x"})
    assert unchanged.pending == ()
