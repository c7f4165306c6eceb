"""What plans say where each board gets a variant of its model: known after apply, then which, why, and why no other."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from fakes.choices import candidate, recorded
from fakes.targets import target
from tinyops.manifest.document import BoardEntry, FileRef, ModelFile, Proofs
from tinyops.plan import Action, Bound, Change, Plan
from tinyops.plan.document import plan_schema, read_plan
from tinyops.plan.markdown import plan_comment
from tinyops.plan.prices import Costs, Figures, Interval, PlanFile, Price, prices
from tinyops.plan.render import choice_line, plan_text

BOUND = Bound(*("sha256:" + digit * 64 for digit in "1234"))
CHOICE = recorded(
    why="the least flash of the 2 that are within 1 point of int8",
    front=["w0.5"],
    candidates=[
        candidate("int8", 0.95, 24_144, "takes 2,144 bytes more flash (prefer: size)"),
        candidate("w0.5", 0.95, 22_000),
        candidate("w0.1", None, None, "<script>\nno filters `left`"),
    ],
)


def file(word: str) -> dict[str, Any]:
    return {"tag": "v1", "asset": f"{word}.bin", "bytes": 9, "digest": "sha256:" + word[0] * 64}


def release(variant: str, model: str) -> Any:
    board = BoardEntry(
        contract="sha256:" + "0" * 64,
        contract_file=FileRef(**file("b")),
        model=ModelFile(**file(model), kind="image"),
        firmware=FileRef(**file("c")),
        golden=FileRef(**file("d")),
        proof=Proofs(model="same-bytes", firmware="same-source"),
        figures={"flash_bytes": 24_000, "variant": variant},
    )
    facts = {"variant": variant, "choice": {**CHOICE, "picked": variant}}
    steps = {
        "choose:wrist/nano": SimpleNamespace(step="choose:wrist/nano", facts=facts),
        "twin:wrist/nano": SimpleNamespace(facts={}),
    }
    return SimpleNamespace(fleets={"wrist": SimpleNamespace(model="activity", boards={"nano": board})}, steps=steps)


def plan(action: Action) -> Plan:
    kinds = {"choose": "wrist/nano", "image": "activity.wrist/nano", "firmware": "wrist/nano", "twin": "wrist/nano"}
    steps = [Change(kind, subject, action) for kind, subject in kinds.items()]
    return Plan("wearables", 3, BOUND, (*steps, Change("fleet", "wrist", Action.UPDATE)))


def priced(before: Any, after: Any = None, action: Action = Action.UPDATE) -> PlanFile:
    of = replace(
        target("wrist", "nano", "activity"),
        model_step="choose:wrist/nano",
        measured_step="choose:wrist/nano",
        compiled="activity.wrist/nano",
    )
    costs = Costs({"wrist": {"nano": of}}, before, after, {}, {}, lambda *_: None)
    made = plan(action)
    return PlanFile(made, prices(made, costs))


def shown(file: PlanFile) -> tuple[str, str]:
    """As text, without its changes, and the row of the comment's table."""
    text = plan_text(file.plan, prices=file.prices).partition("Variants:\n")[2].partition("\n\n")[0]
    return text, next(line for line in plan_comment(file).splitlines() if line.startswith("| `nano`"))


def test_a_variant_that_is_less_accurate_than_what_was_released_is_said_to_be() -> None:
    was = Figures(accuracy=Interval(0.9, 0.8, 0.95), variant="int8")
    worse = Figures(accuracy=Interval(0.5, 0.4, 0.6), variant="w0.5")
    price = Price("wrist", "nano", "activity", was, worse, True, 9, 1, chosen="the only one")
    assert choice_line(price) == (
        "  wrist/nano: int8 → w0.5: the only one; less accurate than what was released: 0.900 → 0.500 of the test side"
    )
    close = replace(worse, accuracy=Interval(0.895, 0.8, 0.95))
    assert choice_line(replace(price, now=close)) == "  wrist/nano: int8 → w0.5: the only one"


@pytest.mark.parametrize(
    ("file", "line", "cell"),
    [
        (priced(None), "  wrist/nano: known after apply", "`activity` ?"),
        (priced(release("int8", "a")), "  wrist/nano: int8 → known after apply", "`activity` `int8` → ?"),
        (
            priced(release("int8", "a"), release("w0.5", "e")),
            f"  wrist/nano: int8 → w0.5: {CHOICE['why']}",
            "`activity` `int8` → `w0.5`",
        ),
        (priced(release("w0.5", "a"), action=Action.KEEP), f"  wrist/nano: w0.5: {CHOICE['why']}", "`activity` `w0.5`"),
    ],
)
def test_a_plan_says_which_variant_a_board_gets_and_why(file: PlanFile, line: str, cell: str) -> None:
    text, row = shown(file)
    assert text == line
    assert row.split(" | ")[1] == cell


def test_a_plan_file_says_why_none_of_the_others_and_is_read_back() -> None:
    file = priced(release("int8", "a"), release("w0.5", "e"))
    (price,) = file.prices
    assert dict(price.lost)["int8"] == "takes 2,144 bytes more flash (prefer: size)"
    value = json.loads(json.dumps(file.to_json()))
    jsonschema.validate(value, plan_schema())
    again = read_plan(json.dumps(value).encode())
    assert again.prices == file.prices
    older = {n: v for n, v in value["prices"][0].items() if n not in ("chosen", "lost")}
    assert read_plan(json.dumps({**value, "prices": [older]}).encode()).prices[0].chosen is None


def test_names_and_reasons_break_out_of_no_comment() -> None:
    comment = plan_comment(priced(None, release("w0.5", "e")))
    assert "<summary>Why wrist/nano does not have 2 other variants</summary>" in comment
    assert "- `w0.1`: `` <script> no filters `left` ``" in comment


def test_where_nothing_is_chosen_nothing_is_said() -> None:
    made = plan(Action.UPDATE)
    costs = Costs({"wrist": {"nano": target("wrist", "nano", "activity")}}, None, None, {}, {}, lambda *_: None)
    (price,) = prices(made, costs)
    assert isinstance(price, Price) and price.chosen is None
    assert "Variants" not in plan_text(made, prices=(price,))
