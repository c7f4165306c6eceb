"""Chains in plans: cuts that are kept, known after apply, replaced; and what a step keeps of its release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tinyops.artifacts import Artifact, InputRef, Record, Step, settled
from tinyops.plan import Action, Bound, Plan, Released, Wish, make_plan
from tinyops.plan.chains import ChainCuts, chain_cuts, chain_lines, together
from tinyops.plan.document import read_plan
from tinyops.plan.markdown import plan_comment
from tinyops.plan.prices import PlanFile
from tinyops.plan.render import plan_text
from tinyops.specs.model import Fleet

DIGEST = "sha256:" + "a" * 64
BOUND = Bound(DIGEST, DIGEST, DIGEST, "none")
SQUEEZE = Step("squeeze", "vww/int8", {"variant": "int8"})


def fleet(split: Any = None) -> Fleet:
    parts = [
        {"name": "near", "board": "microbit-v2", "sensor": {"kind": "stream"}},
        {"name": "far", "board": "linux"},
    ]
    chain = {"parts": parts, "links": [{"from": "near", "to": "far", "kind": "uart"}]}
    spec = {"model": "vww", "chain": chain, "split": split}
    said = {"apiVersion": "tinyops/v1", "kind": "Fleet", "metadata": {"name": "door"}, "spec": spec}
    return Fleet.model_validate_json(json.dumps(said))


def split_step(cuts: Any = "auto", **more: Any) -> Step:
    inputs = {"int8.tflite": InputRef(SQUEEZE.id, "int8.tflite")}
    keeps = {"keep": "cuts"} if cuts == "auto" else {}
    return Step("split", "door", {"cuts": cuts, **more}, {}, inputs, keeps=keeps)


def facts(cuts: list[int], how: str = "searched") -> dict[str, Any]:
    links = [{"from": "near", "tensor_bytes": 1152, "sent_bytes": 1212}]
    return {"cuts": cuts, "how": how, "links": links, "explanation": ["cut at x: the least time", "next best: `y`"]}


def recorded(step: Step, facts: dict[str, Any], *, model: str = DIGEST) -> Record:
    inputs = dict.fromkeys(step.inputs, model)
    outputs = {"int8.tflite": Artifact(model, 1)} if step.kind == "squeeze" else {}
    return Record(step.id, step.key(inputs), step.settings, step.lock, inputs, {}, outputs, facts)


def planned(step: Step, released: Record | None, wish: Wish | None = None) -> Plan:
    steps = {SQUEEZE.id: recorded(SQUEEZE, {})} | ({released.step: released} if released else {})
    twin = Step("twin", "door/near", {}, {}, {"split.json": InputRef(step.id, "split.json")})
    before = Released(1, steps, {"door": {}}) if released else Released()
    return make_plan(
        project="bench",
        steps=(SQUEEZE, step, twin),
        fleets={"door": {}},
        released=before,
        bound=BOUND,
        wish=wish or Wish(),
    )


def action(plan: Plan, step: str = "split:door") -> Action:
    return next(change.action for change in plan.changes if change.id == step)


def test_an_unchanged_chain_stays_as_it_is_whether_it_was_searched_or_kept() -> None:
    assert action(planned(split_step(), recorded(split_step(), facts([24])))) is Action.KEEP
    kept = split_step(keep=[24])
    assert action(planned(split_step(), recorded(kept, facts([24], "kept")))) is Action.KEEP


def test_what_changed_is_told_what_was_released() -> None:
    was = recorded(split_step(), facts([24]))
    plan = planned(split_step(prefer="ram"), was)
    assert action(plan) is Action.UPDATE
    step = settled(split_step(prefer="ram"), was, {"int8.tflite": DIGEST})
    assert step.settings["keep"] == [24]
    assert next(c.key for c in plan.changes if c.id == step.id) == step.key({"int8.tflite": DIGEST})


def test_another_model_keeps_the_cuts_and_an_unknown_one_too() -> None:
    was = recorded(split_step(), facts([24]))
    for digests in ({"int8.tflite": "sha256:" + "b" * 64}, None):
        assert settled(split_step(), was, digests).settings["keep"] == [24]
    assert "keep" not in settled(split_step(), None, None).settings
    assert "keep" not in settled(split_step([3]), was, None).settings


def test_asked_for_with_replace_nothing_is_kept() -> None:
    plan = planned(split_step(), recorded(split_step(), facts([24])), Wish(replace={"split:door"}))
    assert action(plan) is Action.REPLACE
    (key,) = (c.key for c in plan.changes if c.id == "split:door")
    assert "as released, which is looked at anew: known after apply" in cuts(plan, None, facts([24])).sentence
    assert key == split_step().key({"int8.tflite": DIGEST})


def test_cuts_that_the_spec_moves_are_a_replace() -> None:
    assert action(planned(split_step([20]), recorded(split_step(), facts([24])))) is Action.REPLACE
    assert action(planned(split_step([24]), recorded(split_step(), facts([24])))) is Action.UPDATE


def cuts(plan: Plan, split: Any = None, released: Any = None, built: Any = None) -> ChainCuts:
    records = {"split:door": recorded(split_step(), released)} if released else {}
    (found,) = chain_cuts(plan, {"door": fleet(split)}, records, {"split:door": built} if built else {})
    return found


@pytest.mark.parametrize(
    ("split", "released", "built", "said"),
    [
        (None, None, None, "door (near → far): cuts are known after apply"),
        ({"cuts": [20]}, None, None, "door (near → far): cut at 20"),
        (None, [24], None, "cut at 24 as released, which stays while it fits: known after apply"),
        (None, [24], [24], "cut at 24, as released; near sends 1,152 B in 1,212 an inference"),
        (None, [24], [20], "cut at 24 → 20: a replace, all its parts switch together"),
        ({"cuts": [20]}, [24], None, "cut at 24 → 20: a replace"),
        (None, None, [24], "door (near → far): cut at 24; near sends"),
    ],
)
def test_a_sentence_says_where_it_is_cut(split: Any, released: Any, built: Any, said: str) -> None:
    was = recorded(split_step(), facts(released)) if released else None
    plan = planned(split_step(prefer="ram"), was)
    found = cuts(plan, split, facts(released) if released else None, facts(built) if built else None)
    assert said in found.sentence and found.replaced == ("→ 20" in said)


def test_text_comment_and_json_show_the_chain_and_why() -> None:
    plan = planned(split_step(), None)
    file = PlanFile(plan, chains=(cuts(plan, built=facts([24])),))
    text = plan_text(plan, chains=file.chains)
    assert "Chains:\n  door (near → far): cut at 24" in text and "      cut at x: the least time" in text
    comment = plan_comment(file)
    assert "<summary>Why these cuts</summary>" in comment and "next best: 'y'" in comment
    assert "**replace**" not in comment
    read = read_plan(json.dumps(file.to_json()).encode())
    assert read.chains == file.chains and list(chain_lines(read.chains)) == list(chain_lines(file.chains))


def test_a_chain_that_stays_is_not_shown() -> None:
    released = recorded(split_step(), facts([24]))
    twin = Record("twin:door/near", "", {}, {}, {}, {}, {}, {})
    plan = planned(split_step(), released)
    kept = [c for c in plan.changes if c.kind == "fleet" and c.action is Action.KEEP]
    shown = chain_cuts(plan, {"door": fleet()}, {released.step: released, twin.step: twin}, {})
    assert bool(shown) is not bool(kept)


def test_what_parts_proved_together_is_said_and_what_they_did_not() -> None:
    ran = together({"bit_exact": True, "vectors": 64, "overhead": 4.861})
    assert ran == "its parts ran together: 64 golden vectors, bit for bit; links carry 4.86 % more than tensors"
    silent = together({"bit_exact": None, "vectors": 0, "not_booted": ["near\n", "far"]})
    assert silent == "its parts never ran together: nothing here boots near , far"


def test_parts_that_get_other_firmware_are_named_and_what_that_means() -> None:
    was = recorded(split_step(), facts([24]))
    firmware = Step("firmware", "door/near", {"contract": "new"}, {})
    before = Released(
        1,
        {SQUEEZE.id: recorded(SQUEEZE, {}), was.step: was, firmware.id: recorded(Step("firmware", "door/near"), {})},
        {"door": {}},
    )
    steps = (SQUEEZE, split_step(), firmware)
    plan = make_plan(
        project="bench", steps=steps, fleets={"door": {"at": 1}}, released=before, bound=BOUND, wish=Wish()
    )
    assert action(plan, "firmware:door/near") is Action.UPDATE
    (found,) = chain_cuts(plan, {"door": fleet()}, {was.step: was}, {})
    said = "near gets other firmware: the chain is unavailable while it starts; where the contract changes with it"
    assert said in plan_text(plan, chains=(found,)) and said in plan_comment(PlanFile(plan, chains=(found,)))
    read = read_plan(json.dumps(PlanFile(plan, chains=(found,)).to_json()).encode())
    assert read.chains == (found,) and found.firmware == ("near",)
    assert not cuts(planned(split_step(prefer="ram"), was), None, facts([24])).pause
