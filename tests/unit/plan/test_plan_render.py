"""Plans as text: signs, reasons, what follows, the figures that will change, the last line."""

from __future__ import annotations

from tinyops.plan import Action, Bound, Change, Plan, Reason
from tinyops.plan.render import plan_text, summary

BOUND = Bound("sha256:s", "sha256:l", "sha256:f", "sha256:r")
FACTS = {"accuracy_int8": {"point": 0.94, "low": 0.8}, "flash_bytes": 13048, "instructions": 0}


def plan(*changes: Change, version: int = 3) -> Plan:
    return Plan("wearables", version, BOUND, changes)


def test_each_action_has_a_sign_and_its_reasons_stand_below() -> None:
    text = plan_text(
        plan(
            Change("train", "activity", Action.UPDATE, (Reason("training.epochs", "20", "40"),)),
            Change("image", "activity/nano", Action.REPLACE, (Reason("asked for with --replace"),)),
            Change("collect", "motions", Action.CREATE, follows=("train:x",)),
            Change("twin", "old/nano", Action.DELETE),
            Change("firmware", "wrist/nano", Action.KEEP),
        )
    )
    assert text.splitlines()[:8] == [
        "wearables: released v3",
        "",
        "  ~ update  train     activity",
        "        training.epochs 20 → 40",
        "  ± replace image     activity/nano",
        "        asked for with --replace",
        "  + create  collect   motions",
        "  - delete  twin      old/nano",
    ]
    assert text.splitlines()[-1].startswith(
        "Plan: 1 to create, 1 to update, 1 to replace, 1 to delete; 1 unchanged. (sha256:"
    )


def test_what_is_kept_is_shown_only_when_asked_for() -> None:
    kept = plan(Change("train", "activity", Action.KEEP, released=FACTS))
    assert plan_text(kept) == "wearables: released v3\n\nNo changes. 1 steps and fleets are as released."
    assert "  = keep    train     activity\n" in plan_text(kept, verbose=True)
    assert "accuracy" not in plan_text(kept, verbose=True)


def test_figures_of_what_changes_are_the_released_ones() -> None:
    text = plan_text(plan(Change("twin", "wrist/nano", Action.UPDATE, released=FACTS)))
    assert "        released: accuracy 0.940, 13,048 flash bytes; new figures known after apply" in text


def test_a_fleet_names_the_images_that_follow_and_a_step_its_inputs() -> None:
    follows = ("firmware:wrist/nano", "image:activity/nano", "train:activity", "twin:wrist/nano")
    text = plan_text(
        plan(
            Change("fleet", "wrist", Action.UPDATE, follows=follows),
            Change("image", "activity/nano", Action.UPDATE, follows=("compile:activity/nano",)),
            Change("fleet", "desk", Action.UPDATE, follows=("twin:desk/linux",)),
        )
    )
    assert "follows firmware:wrist/nano, image:activity/nano\n" in text
    assert "follows compile:activity/nano\n" in text
    assert "follows twin:desk/linux\n" in text


def test_before_the_first_release() -> None:
    assert plan_text(plan(version=0)).startswith("wearables: nothing released yet\n")


def test_a_held_fleet_is_no_change_and_is_not_silent() -> None:
    held = plan(Change("fleet", "wrist", Action.HELD, (Reason("accuracy_min: 0.900 wanted, it is 0.500"),)))
    assert held.pending == ()
    assert "  ! held    fleet     wrist\n        accuracy_min: 0.900 wanted, it is 0.500\n" in plan_text(held)
    assert summary(held).startswith("Plan: 0 to create, 0 to update, 0 to replace, 0 to delete, 1 held; 0 unchanged.")
