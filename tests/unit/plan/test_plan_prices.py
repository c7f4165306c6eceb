"""Prices: old and new figures of every board that does not stay, bytes over the air, devices; and their comment."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from fakes.targets import target
from tinyops.manifest.document import BoardEntry, FileRef, ModelFile, Proofs, SlotImage
from tinyops.plan import Action, Bound, Change, Plan, Reason
from tinyops.plan.document import read_plan
from tinyops.plan.gates import Miss
from tinyops.plan.markdown import LIMIT, mark, plan_comment
from tinyops.plan.prices import Costs, Figures, Interval, PlanFile, Price, prices

BOUND = Bound(*("sha256:" + digit * 64 for digit in "1234"))
ACCURACY = {"point": 0.96, "low": 0.9, "high": 0.98}


def file(word: str, count: int) -> dict[str, Any]:
    return {"tag": "v1", "asset": f"{word}.bin", "bytes": count, "digest": "sha256:" + word[0] * 64}


def board(model: str = "a", firmware: str | None = "c", point: float = 0.96, flash: int = 24_000) -> BoardEntry:
    return BoardEntry(
        contract="sha256:" + "0" * 64,
        contract_file=FileRef(**file("b", 10)),
        model=ModelFile(**file(model, 9_000), kind="image" if firmware != model else "linked"),
        firmware=FileRef(**file(firmware, 15_000)) if firmware else None,
        golden=FileRef(**file("d", 10)),
        proof=Proofs(model="same-bytes", firmware="same-source" if firmware else None),
        figures={
            "accuracy_int8": {**ACCURACY, "point": point},
            "int8_loss": 0.01,
            "flash_bytes": flash,
            "ram_bytes": 3_000,
            "instructions": 200_000,
            "image_bytes": 9_000,
        },
    )


def release(images: Mapping[str, tuple[str, int]] | None = None, **boards: BoardEntry) -> Any:
    """Of a fleet; `images` are those of a board's slots, with what their signatures cover, and their bytes."""
    facts = {
        "images": {name: digest for name, (digest, _) in (images or {}).items()},
        "signed_bytes": {name: count for name, (_, count) in (images or {}).items()},
    }
    steps = {"twin:wrist/nano": SimpleNamespace(facts=facts if images else {})}
    return SimpleNamespace(fleets={"wrist": SimpleNamespace(model="activity", boards=boards)}, steps=steps)


def change(kind: str, subject: str, action: Action = Action.KEEP, **more: Any) -> Change:
    return Change(kind, subject, action, **more)


def moving(**actions: Action) -> Plan:
    """A plan over one fleet of one board; `actions` of the steps that are not kept."""
    subjects = {"squeeze": "activity/int8", "image": "activity/nano", "firmware": "wrist/nano", "twin": "wrist/nano"}
    facts = {"accuracy_int8": ACCURACY, "int8_loss": 0.01}
    steps = [
        change(k, s, actions.get(k, Action.KEEP), released=facts if k == "squeeze" else {}) for k, s in subjects.items()
    ]
    return Plan("wearables", 3, BOUND, (*steps, change("fleet", "wrist", actions.get("fleet", Action.UPDATE))))


def priced(
    plan: Plan,
    before: Any = None,
    after: Any = None,
    boards: tuple[str, ...] = ("nano",),
    devices: Mapping[str, Mapping[str, int]] | None = None,
    missed: tuple[Miss, ...] = (),
) -> tuple[Price, ...]:
    fleets = {"wrist": {board: target("wrist", board, "activity") for board in boards}} if boards else {}
    costs = Costs(fleets, before, after, devices or {}, {"wrist": missed} if missed else {}, lambda b, n: n / 64_000)
    return prices(plan, costs)


def test_without_a_build_what_stays_is_known_and_the_rest_is_not() -> None:
    (price,) = priced(
        moving(image=Action.UPDATE, twin=Action.UPDATE), release(nano=board()), devices={"wrist": {"nano": 7}}
    )
    assert price.now == Figures(accuracy=Interval(0.96, 0.9, 0.98), int8_loss=0.01)
    assert (price.whole, price.air_bytes, price.devices) == (False, None, 7)
    (price,) = priced(moving(squeeze=Action.UPDATE, image=Action.UPDATE, twin=Action.UPDATE), release(nano=board()))
    assert (price.now, price.devices) == (Figures(), None)


def test_a_fleet_whose_files_stay_sends_nothing_to_anybody() -> None:
    (price,) = priced(moving(), release(nano=board()), devices={"wrist": {"nano": 7}})
    assert price.now == price.was and price.was is not None
    assert (price.whole, price.air_bytes, price.devices) == (True, 0, 0)
    assert price.was.milliseconds == 3.125
    (price,) = priced(moving(twin=Action.UPDATE), release(nano=board()))
    assert (price.whole, price.air_bytes) == (False, 0)


def test_a_fleet_that_is_kept_has_no_price() -> None:
    assert priced(moving(fleet=Action.KEEP), release(nano=board())) == ()


@pytest.mark.parametrize(
    ("after", "air"),
    [
        (board(), 0),
        (board(model="e"), 9_000),
        (board(firmware="e"), 15_000),
        (board(model="e", firmware="f"), 24_000),
        (board(model="e", firmware=None), 9_000),
        (board(model="e", firmware="e"), 15_000),  # linked into its firmware: one file
    ],
)
def test_bytes_over_the_air_are_those_of_the_files_that_changed(after: BoardEntry, air: int) -> None:
    (price,) = priced(moving(image=Action.UPDATE), release(nano=board()), release(nano=after))
    assert (price.whole, price.air_bytes) == (True, air)
    (new,) = priced(moving(image=Action.CREATE), None, release(nano=board(model="e", firmware="f")))
    assert (new.was, new.air_bytes) == (None, 24_000)


SLOTS = {"model.img": ("m1", 9_262), "firmware_a.img": ("a1", 15_498), "firmware_b.img": ("b1", 15_502)}


@pytest.mark.parametrize(
    ("changed", "air", "first"),
    [
        ({}, 0, 24_764),
        ({"model.img": ("m2", 9_262)}, 9_262, 24_764),  # the same file under another security counter
        ({"firmware_a.img": ("a2", 15_498), "firmware_b.img": ("b2", 15_502)}, 15_502, 24_764),  # the larger one
        ({"model.img": ("m2", 9_000), "firmware_b.img": ("b2", 15_400)}, 24_498, 24_498),
    ],
)
def test_what_goes_into_slots_is_counted_with_its_signature(
    changed: dict[str, tuple[str, int]], air: int, first: int
) -> None:
    before, after = release(SLOTS, nano=board()), release({**SLOTS, **changed}, nano=board())
    (price,) = priced(moving(image=Action.UPDATE), before, after)
    (new,) = priced(moving(image=Action.CREATE), None, after)
    assert (price.air_bytes, new.air_bytes) == (air, first)
    (linked,) = priced(moving(image=Action.UPDATE), before, release(SLOTS, nano=board(model="e", firmware="e")))
    assert linked.air_bytes == 0, "a model that is linked is its firmware's image"


def test_another_proof_may_mean_other_images_of_the_same_files() -> None:
    image = SlotImage(**file("f", 9_262), image="0" * 64, signed_by="1" * 64)
    signed = release(SLOTS, nano=board().model_copy(update={"images": {"model": image}}))
    (price,) = priced(moving(twin=Action.UPDATE), signed)
    assert (price.whole, price.air_bytes) == (False, None)


def test_boards_that_come_and_go_and_steps_that_failed() -> None:
    found = priced(moving(), release(pico=board()), boards=("nano",))
    assert [(p.board, p.was is None, p.now is None) for p in found] == [("nano", True, False), ("pico", False, True)]
    failed = Miss("image:activity/nano", "no gcc")
    (price,) = priced(moving(image=Action.UPDATE), release(nano=board()), release(nano=board()), missed=(failed,))
    assert (price.whole, price.missed) == (False, (failed,))


# -- the comment -------------------------------------------------------------------------------


def tokens(text: str) -> list[Token]:
    return [
        t for token in MarkdownIt("commonmark").enable("table").parse(text) for t in (token, *(token.children or ()))
    ]


def cells(text: str) -> list[list[str]]:
    """The rows of the tables, as a reader sees them."""
    found: list[list[str]] = []
    inside = False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        inside = token.type == "table_open" or (inside and token.type != "table_close")
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and inside and token.children is not None:
            found[-1].append("".join(child.content for child in token.children))
    return found


def comment(price: Price, *changes: Change) -> str:
    fleet = change("fleet", price.fleet, Action.UPDATE)
    return plan_comment(PlanFile(Plan("wearables", 3, BOUND, (*changes, fleet)), (price,)))


def test_a_row_shows_old_and_new_and_marks_what_misses_a_gate() -> None:
    missed = (
        Miss("accuracy_min", "0.950 wanted", None, "accuracy"),
        Miss("flash_bytes_max", "big", "nano", "flash_bytes"),
    )
    before, after = release(nano=board()), release(nano=board(model="e", point=0.92, flash=25_200))
    (price,) = priced(moving(image=Action.UPDATE), before, after, devices={"wrist": {"nano": 1200}}, missed=missed)
    text = comment(price, change("image", "activity/nano", Action.UPDATE, reasons=(Reason("seed", "1", "2"),)))
    head, row = cells(text)
    assert dict(zip(head, row, strict=True)) == {
        "board": "nano",
        "model": "activity",
        "accuracy [95 %]": "0.960 [0.900, 0.980] → 0.920 [0.900, 0.980] ✗",
        "int8 loss": "0.010",
        "flash": "24,000 → 25,200 (+5.0 %) ✗",
        "RAM": "3,000",
        "instructions": "200,000 (3.1 ms)",
        "image": "9,000",
        "over the air": "9,000",
        "devices": "1,200",
        "proof": "same-bytes/same-source",
    }
    assert "- ✗ `accuracy_min: 0.950 wanted`" in text
    assert text.startswith(f"{mark('wearables')}\n### `wearables`: v3 → v4\n")
    assert "  - `seed 1 → 2`" in text
    assert BOUND.specs not in text and "Plan `sha256:" in text


def test_what_is_known_after_apply_only_is_a_question_mark() -> None:
    (price,) = priced(moving(squeeze=Action.UPDATE, image=Action.UPDATE), release(nano=board()))
    _, row = cells(comment(price))
    assert (row[2], row[4], row[8]) == ("0.960 [0.900, 0.980] → ?", "24,000 → ?", "?")


def test_nothing_to_do_is_one_sentence() -> None:
    text = plan_comment(PlanFile(Plan("wearables", 3, BOUND, (change("fleet", "wrist"),))))
    assert "Merging this changes no model, no firmware and no device." in text


HOSTILE = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=80
) | st.sampled_from(
    [
        "`",
        "``` |",
        "`` ` ``",
        "a|b",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "@everyone",
        "--> <b>",
        "\\`|",
    ]
)


@given(reason=HOSTILE, proof=HOSTILE, gate=HOSTILE)
def test_no_text_of_a_plan_becomes_markup(reason: str, proof: str, gate: str) -> None:
    figures = Figures(proof_model=proof, proof_firmware=proof)
    price = Price("wrist", "nano", "activity", None, figures, True, 0, None, (Miss(gate, gate, None, "accuracy"),))
    text = comment(price, change("train", "activity", Action.UPDATE, reasons=(Reason(reason, reason, reason),)))
    found = tokens(text)
    html = [t.content.strip() for t in found if t.type.startswith("html")]
    assert html == [mark("wearables"), "<details>\n<summary>Why: 1 step</summary>", "</details>"]
    assert not [t for t in found if t.type in ("link_open", "image", "autolink", "fence", "code_block")]
    said = {t.content.strip() for t in found if t.type == "code_inline"}
    written = Reason(reason, reason, reason)
    assert {str(written).strip(), f"{gate}: {gate}".strip(), f"{proof}/{proof}".strip()} <= said
    assert cells(text)[1][10].strip() == f"{proof}/{proof}".strip()


def test_a_large_plan_stays_within_what_github_takes_and_counts_what_it_leaves_out() -> None:
    many = [replace(priced(moving(), release(nano=board()))[0], fleet=f"fleet-{n:04}") for n in range(900)]
    changes = [
        change("train", f"m-{n:04}", Action.UPDATE, reasons=(Reason("training.epochs", "1", "2"),)) for n in range(2000)
    ]
    changes += [change("fleet", price.fleet, Action.UPDATE) for price in many]
    text = plan_comment(PlanFile(Plan("wearables", 3, BOUND, tuple(changes)), tuple(many)))
    assert len(text) <= LIMIT
    left = [int(n.replace(",", "")) for n in re.findall(r"… and ([\d,]+) more (?:fleets|steps)", text)]
    shown = text.count("#### "), text.count("- ~ update train")
    assert (shown[0] + left[0], shown[1] + left[1]) == (900 + 1, 2000)  # the note on units is a section too
    assert text.rstrip().endswith("of the releases.")


def test_prices_survive_their_file_and_are_no_part_of_what_apply_is_bound_to() -> None:
    plan = moving(image=Action.UPDATE)
    made = PlanFile(plan, priced(plan, release(nano=board()), missed=(Miss("accuracy_min", "x", None, "accuracy"),)))
    data = json.dumps(made.to_json()).encode()
    assert read_plan(data) == made
    assert read_plan(data.replace(b"24000", b"23000")).plan == plan
    with pytest.raises(ValueError, match="air_bytes"):
        read_plan(data.replace(b'"air_bytes": null', b'"air_bytes": -1'))
