"""Which variant each board has: rows, a page and a picture that no name breaks out of."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from fakes.choices import HOSTILE, candidate, choice, choose_record, chosen, recorded
from tinyops.report.choices_page import HEADERS, choice_rows, choices_of, choices_page
from tinyops.report.front_drawing import front_svg

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own


def drawn(**changes: object) -> ET.Element:
    return parsed(front_svg(choice(**changes), f"wrist/microbit {HOSTILE}"))


def marks(root: ET.Element, kind: str) -> list[ET.Element]:
    return [node for node in root.iter() if node.get("class") == kind]


def test_the_picked_one_comes_first_then_the_front_then_the_others() -> None:
    rows = choice_rows(chosen())
    assert [(row[0], row[1]) for row in rows] == [
        *(("→", "w0.5"), ("·", "int8"), ("·", "w0.25")),
        *(("", "c0.3"), ("", "d0.5"), ("", "w0.01")),
    ]
    assert rows[0][2:] == ("0.945", "19/20", "20,000", "5,000", "19,000", "2,000", "200,000", "")
    assert rows[4][4:] == (*["-"] * 5, "needs 20,000 bytes more flash than there is room for a model")
    assert all(len(row) == len(HEADERS) for row in rows)


def test_what_was_chosen_by_is_said_in_a_line() -> None:
    assert chosen().allowed == (
        "prefer size, loss_max 0.01, 50,000 bytes for a model, 9,000 bytes of arena, flash_bytes_max 45,000"
    )
    gates = {"accuracy_min": 0.9, "recall_min": {"walk": 0.8}}
    assert chosen(budget={"model_gates": gates}).allowed.endswith("accuracy_min 0.9, recall_min walk 0.8")


def test_decisions_are_found_among_the_steps_of_a_release() -> None:
    records = [choose_record("wrist", "nano"), choose_record("desk", "linux")]
    found = choices_of({record.step: record for record in records})
    assert [one.title for one in found] == ["desk/linux", "wrist/nano"]
    assert choices_of({}) == []


def test_a_picture_has_a_panel_a_figure_and_a_mark_a_variant_that_has_figures() -> None:
    root = drawn()
    assert [node.text for node in marks(root, "head")] == ["bytes of flash", "bytes of RAM", "instructions"]
    assert len(marks(root, "on")) == 3 * 3 and len(marks(root, "off")) == 3 and len(marks(root, "picked")) == 3
    assert len(marks(root, "limit")) == 1 + 3  # flash_bytes_max, and loss_max in each
    titles = [node.text or "" for node in root.iter(f"{SVG}title")]
    assert "int8: 0.950, 40,000 bytes of flash; takes 20,000 bytes more flash (prefer: size)" in titles
    for kind in ("on", "off", "picked"):
        for node in marks(root, kind):
            assert 0 < float(node.get("cx", "-1")) < float(root.get("width", "0"))
            assert 0 < float(node.get("cy", "-1")) < float(root.get("height", "0"))


def test_equal_figures_and_no_figures_are_drawn_too() -> None:
    one = choice(candidates=[candidate("int8", 1.0, 5)], front=["int8"], picked="int8", budget={})
    assert len(marks(parsed(front_svg(one, "x")), "picked")) == 3
    nothing = choice(candidates=[candidate("int8", None, None)], picked="int8", front=[])
    assert marks(parsed(front_svg(nothing, "x")), "head") == []
    uncounted = [{**c, "instructions": None} for c in recorded()["candidates"]]
    heads = marks(drawn(candidates=uncounted), "head")
    assert [node.text for node in heads] == ["bytes of flash", "bytes of RAM"]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_nothing_on_the_page_breaks_out_of_its_place() -> None:
    page = choices_page(f"wearables {HOSTILE}", [chosen()])
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.found
    assert "\x1b" not in page and "\u202e" not in page
    assert page.count("<tr") == 1 + 6 and "No model is searched" not in page
    style = re.search(r"style-src 'sha256-[A-Za-z0-9+/]{43}='", page)
    assert style is not None and page.count("<style>") == 1
    assert "No model is searched" in choices_page("wearables", [])


def test_pictures_of_a_page_have_one_scale_whatever_was_counted() -> None:
    uncounted = choice(
        candidates=[candidate("int8", 0.9, 40_000) | {"instructions": None}], picked="int8", front=["int8"]
    )
    alone, beside = (parsed(front_svg(uncounted, "wrist/linux", alone=alone)) for alone in (True, False))
    assert len(marks(alone, "head")) == len(marks(beside, "head")) == 2
    assert beside.get("viewBox") == drawn().get("viewBox") != alone.get("viewBox")
