import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tinyops.artifacts import ALL_OUTPUTS, FACTS, Artifact, Condition, InputRef, Record, Source, Step, wanted_now
from tinyops.files import canonical_json
from tinyops.plan import Action, Bound, Plan, Released, Wish, make_plan
from tinyops.plan.diff import field_reasons
from tinyops.plan.document import plan_schema, read_plan
from tinyops.plan.prices import PlanFile
from tinyops.plan.render import plan_text, summary

BOUND = Bound(*("sha256:" + digit * 64 for digit in "1234"))
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


def plan(
    desired: tuple[Step, ...], records: dict[str, Record], fleets=FLEETS, was=FLEETS, wish=None, **options
) -> Plan:
    return make_plan(
        project="wearables",
        steps=desired,
        fleets=fleets,
        released=Released(3, records, was, **options),
        bound=BOUND,
        wish=wish or Wish(),
    )


def actions(of: Plan) -> dict[str, str]:
    return {change.id: change.action.value for change in of.changes}


def test_nothing_released_means_everything_is_created():
    found = plan(steps(), {}, was={})
    assert set(actions(found).values()) == {"create"}
    assert len(found.pending) == 6
    assert [str(r) for r in found.changes[-1].reasons] == ["version v3 → v4"]


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
        "release:wearables": "create",
    }
    assert [str(r) for r in by_id["release:wearables"].reasons] == ["version v3 → v4"]
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
    found = plan(steps(), released(steps()), wish=Wish(frozenset({"image:activity/nano"})))
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
    saved = PlanFile(made).to_json()
    assert read_plan(canonical_json(saved)) == PlanFile(made)
    saved["changes"][0]["reasons"][0]["new"] = "41"
    with pytest.raises(ValueError, match="edited"):
        read_plan(canonical_json(saved))


def document() -> dict[str, Any]:
    return json.loads(canonical_json(PlanFile(plan(steps(epochs=40), released(steps()))).to_json()))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("schema",), "tinyops/plan/v1", "schema: Input should be 'tinyops/plan/v2'"),
        (("extra",), 1, "extra: Extra inputs are not permitted"),
        (("changes", 0, "subject"), "../../etc", "changes.0.subject"),
        (("changes", 0, "action"), "destroy", "changes.0.action"),
        (("changes", 0, "reasons", 0, "field"), "a\n## b", "must be one line without control characters"),
        (("changes", 0, "reasons", 0, "field"), "\u202egnp", "must be one line without control characters"),
        (("changes", 0, "reasons", 0, "new"), "x" * 2401, "at most 2400 characters"),
        (("released_version",), -1, "released_version"),
        (("released_version",), "3", "released_version: Input should be a valid integer"),
        (("bound", "files"), "sha256:abc", "bound.files"),
    ],
)
def test_a_hostile_plan_is_refused_at_its_field(path: tuple[str | int, ...], value: object, said: str):
    hostile: Any = document()
    *folders, last = path
    place = hostile
    for folder in folders:
        place = place[folder]
    place[last] = value
    with pytest.raises(ValueError, match=re.escape(said)):
        read_plan(json.dumps(hostile).encode())


def test_nesting_without_end_is_refused():
    with pytest.raises(ValueError, match="not a plan"):
        read_plan(b'{"changes":' + b"[" * 100_000)


def test_the_schema_takes_what_is_written_and_refuses_what_is_not():
    check = jsonschema.Draft202012Validator(plan_schema())
    assert [*check.iter_errors(document())] == []
    assert [*check.iter_errors({**document(), "bound": {}})] != []


def renamed(model: str) -> tuple[Step, ...]:
    train, image, firmware, _ = steps()
    return (
        Step("train", model, train.settings, {}, {}, train.sources),
        Step("image", f"{model}/nano", {}, image.lock, {"w": InputRef(f"train:{model}", ALL_OUTPUTS)}),
        firmware,
        Step("twin", "wrist/nano", {}, {}, {"i": InputRef(f"image:{model}/nano", "out")}),
    )


def test_a_renamed_model_moves_and_nothing_is_made_again():
    found = plan(renamed("gait"), released(steps()), fleets={"wrist": {"model": "gait"}})
    assert actions(found) == {
        "train:gait": "move",
        "image:gait/nano": "move",
        "firmware:wrist/nano": "keep",
        "twin:wrist/nano": "keep",
        "fleet:wrist": "update",
        "release:wearables": "create",
    }
    assert found.moves == {"train:gait": "train:activity", "image:gait/nano": "image:activity/nano"}
    assert [str(r) for c in found.changes if c.kind == "fleet" for r in c.reasons] == ["model activity → gait"]
    text = plan_text(found)
    assert "  > move    train     gait (was activity)\n" in text
    assert "2 to move" in text


def test_what_an_earlier_release_holds_is_taken_from_there():
    old = released(steps())
    now = {i: replace(r, key="sha256:" + "9" * 64, settings={"training": {"epochs": 7}}) for i, r in old.items()}
    keys = {(r.step.partition(":")[0], r.key): (r, 1) for r in old.values()}
    found = plan(steps(), now, earlier=lambda kind, key: keys.get((kind, key)))
    train, image = found.changes[:2]
    assert [str(r) for r in train.reasons] == ["training.epochs 7 → 20", "as in v1"]
    assert (image.follows, image.key) == ((), old["image:activity/nano"].key)


def test_only_moves_the_fleets_that_are_named():
    desk = (*steps(gcc="13.1.0"), Step("twin", "desk/nano", {"x": 2}, {}, {"i": InputRef("train:activity", "out")}))
    was = (*steps(), Step("twin", "desk/nano", {"x": 1}, {}, {"i": InputRef("train:activity", "out")}))
    both = {"wrist": {"model": "activity"}, "desk": {"model": "activity"}}
    found = plan(desk, released(was), fleets=both, was=both, wish=Wish(only=frozenset({"desk"})))
    assert actions(found) == {
        "train:activity": "keep",
        "image:activity/nano": "held",
        "firmware:wrist/nano": "held",
        "twin:wrist/nano": "held",
        "twin:desk/nano": "update",
        "fleet:desk": "update",
        "fleet:wrist": "held",
        "release:wearables": "create",
    }
    assert found.only == ("desk",)
    assert "not asked for" in plan_text(found)


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


@pytest.mark.parametrize(("kind", "said"), [("usb-gateway", 1), ("own-bootloader", 0)])
def test_a_firmware_that_only_a_cable_brings_is_marked(kind: str, said: int):
    def made(gcc: str) -> tuple[Step, ...]:
        facts = {"facts": {"update": {"kind": kind}}}
        return tuple(replace(one, settings=facts) if one.kind == "firmware" else one for one in steps(gcc=gcc))

    found = plan(made("13.1.0"), released(made("12.2.1")))
    (firmware,) = [change for change in found.changes if change.kind == "firmware"]
    reasons = [str(reason) for reason in firmware.reasons]
    assert reasons[0] == "lock.gcc 12.2.1 → 13.1.0"
    assert reasons.count("its devices take it over a cable alone: `tinyops flash`") == said


def search(first: str = "", other: str = "") -> tuple[Step, ...]:
    """A step that decides whether another runs, and one that reads both."""
    wanted = Condition("fits:m", "searched")
    inputs = {"fits": InputRef("fits:m", FACTS), "w": InputRef("train:m/w", FACTS)}
    return (
        Step("fits", "m", {"first": first}),
        Step("train", "m/w", {"other": other}, condition=wanted, fallible=True),
        Step("choose", "wrist/nano", {}, {}, {**inputs, "file": InputRef("train:m/w", "out", optional=True)}),
    )


def searched(made: tuple[Step, ...], *, holds: bool, failed: bool = False) -> dict[str, Record]:
    """What a run of those steps leaves behind, whose first found that a search is needed, or not."""
    records: dict[str, Record] = {}
    for step in wanted_now(made, records):
        inputs = {name: records[ref.step].output_digest(ref.output) for name, ref in step.inputs.items()}
        facts: dict[str, Any] = {"searched": holds} if step.kind == "fits" else {"ram_bytes": 7}
        outputs = {"out": Artifact(f"sha256:{step.id}", 4)}
        if failed and step.kind == "train":
            facts, outputs = {"failed": "no filters left"}, {}
        records[step.id] = Record(step.id, step.key(inputs), step.settings, step.lock, inputs, {}, outputs, facts)
    return records


@pytest.mark.parametrize(("holds", "failed", "count"), [(True, False, 3), (True, True, 3), (False, False, 2)])
def test_nothing_changes_after_a_search_nor_after_none(holds: bool, failed: bool, count: int) -> None:
    records = searched(search(), holds=holds, failed=failed)
    assert len(records) == count
    found = plan(search(), records)
    assert not found.pending and len(found.changes) == count + 1


def test_what_waits_for_a_decision_is_counted_and_not_listed() -> None:
    found = plan(search(), {}, was={})
    assert actions(found) == {
        "fits:m": "create",
        "choose:wrist/nano": "create",
        "fleet:wrist": "create",
        "release:wearables": "create",
    }
    assert "1 more step waits for what it says" in plan_text(found)
    (choose,) = [c for c in found.changes if c.kind == "choose"]
    assert (choose.key, choose.follows) == (None, ("fits:m",))
    again = plan(search("other"), searched(search(), holds=False))
    assert (actions(again)["fits:m"], actions(again)["choose:wrist/nano"]) == ("update", "update")
    assert "train:m/w" not in actions(again)


def test_a_searched_model_shows_what_its_variants_follow_from() -> None:
    records = searched(search(), holds=True)
    assert actions(plan(search(other="x"), records))["train:m/w"] == "update"
    assert actions(plan(search(first="x"), records))["train:m/w"] == "keep"


def test_variants_that_are_not_needed_any_more_leave() -> None:
    records = searched(search(), holds=True)
    now = {**records, **searched(search("x"), holds=False)}
    found = actions(plan(search("x"), now))
    assert (found["fits:m"], found["train:m/w"]) == ("keep", "delete")


def test_lists_are_told_in_words() -> None:
    old = {"boards": ["microbit"], "variants": ["int8", "w0.5"], "layers": [{"kind": "flatten"}], "unmet": ["a"]}
    new = {"boards": ["microbit", "pico"], "variants": ("int8",), "layers": [], "unmet": ["b"]}
    assert [str(r) for r in field_reasons(old, new)] == [
        "boards microbit → microbit, pico",
        "layers flatten → nothing",
        "unmet[0] a → b",
        "variants int8, w0.5 → int8",
    ]
