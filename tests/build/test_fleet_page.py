"""The page of fleets in Chromium: what it shows, how it is searched, and that nothing on it is ever run or fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.fleets import NOW, Released, gave_up, report, wearables
from fakes.releases import FLEET
from tinyops.manifest.fields import time_text
from tinyops.manifest.report import Health
from tinyops.reconcile.fleet_status import Status, fleet_statuses, status_json
from tinyops.reconcile.needs import Looking, needs_of
from tinyops.report.fleet_page import write_page

pytestmark = pytest.mark.build
sync_api = pytest.importorskip("playwright.sync_api")

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    "\"'><svg onload=window.hacked=1>",
    "{{ 7 * 7 }}${window.hacked = 1}",
    "<!--<script>window.hacked = 1",
    "javascript:window.hacked=1",
    "left \u202etfel\u202c \u2028 \x1b[31mred\x1b[0m",
)


class Opened:
    """The page in a browser of its own; `problems` are errors, and whatever it tried to load or to run."""

    def __init__(self, browser: Any, folder: Path, status: Status, scheme: str = "light") -> None:
        self.index, _ = write_page(status_json(status), folder)
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.asked: list[str] = []
        self.page.goto(f"file://{self.index}")
        self.page.wait_for_selector("body[data-ready=yes]")

    def rows(self) -> list[str]:
        found: list[str] = self.page.locator("#table tbody tr td.name").all_inner_texts()
        return found

    def text(self, selector: str) -> str:
        found: str = self.page.inner_text(selector)
        return found

    def close(self) -> None:
        self.context.close()
        assert self.problems == []
        assert self.asked == [f"file://{self.index}"], "the page needs nothing but itself"


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Iterator[Opened]:
    made = Opened(chromium, tmp_path / "page", wearables(10_000))
    yield made
    made.close()


def test_ten_thousand_devices_are_searched_sorted_and_paged(opened: Opened) -> None:
    page = opened.page
    assert opened.text("#found") == "10,064 of 10,064" and opened.text("#where") == "page 1 of 202"
    assert len(opened.rows()) == 50
    page.fill("#query", "w-0204")
    assert opened.rows() == ["w-0204"] and "vector 3 differs" in opened.text("#table tbody")
    page.fill("#query", "TRUSTED w-")
    assert opened.rows() and all(name.startswith("w-") for name in opened.rows())
    page.fill("#query", "")
    page.select_option("#fleet", "bench")
    assert opened.text("#found") == "24 of 10,064" and opened.rows()[0] == "b-00"
    page.click("#table th:text-is('device')")
    page.click("#table th:text-is('device')")
    assert opened.rows()[0] == "b-23"
    page.select_option("#fleet", "")
    page.click("#after")
    assert opened.text("#where") == "page 2 of 202"
    page.select_option("#state", "cloned")
    assert opened.rows() == ["w-0700"] and page.is_disabled("#after") and page.is_disabled("#before")


def test_who_needs_a_person_comes_first_and_says_why(opened: Opened) -> None:
    heading = opened.text("#needs h2")
    assert heading.endswith("devices need a person")
    assert opened.text("#needs tbody tr").split("\t")[0] == "w-0700"
    first = opened.rows()[0]
    opened.page.check("#people")
    assert opened.text("#found").split()[0] == heading.split()[0]
    assert opened.rows()[0] == first
    opened.page.click("#table tbody tr")
    assert opened.page.is_visible("#detail") and first in opened.text("#detail h3")


def test_waves_boards_and_charts_are_drawn_in_proportion(opened: Opened) -> None:
    waves = opened.page.locator(f"#fleet-{FLEET} table.bars").first.locator("tr")
    assert waves.count() == 4
    widths = [float(bar.get_attribute("width")) for bar in waves.nth(3).locator("rect:not(.track)").all()]
    assert sum(widths) == pytest.approx(1000, abs=1)
    assert opened.page.locator(f"#fleet-{FLEET} rect.s-waiting").first.is_visible()
    assert "moved" in opened.text(f"#fleet-{FLEET} .verdict")
    assert opened.page.locator("#fleet-porch .chart").count() == 0
    assert "No device has reported yet" in opened.text("#fleet-porch")
    data = json.loads(opened.index.with_name("fleet.json").read_bytes())
    assert (data["schema"], len(data["fleets"])) == ("tinyops/fleet-status/v1", 3)


def test_light_and_dark_follow_the_system_and_the_button(chromium: Any, tmp_path: Path) -> None:
    found = {}
    for scheme in ("light", "dark"):
        opened = Opened(chromium, tmp_path / scheme, wearables(20), scheme)
        paper = "getComputedStyle(document.body).backgroundColor"
        before = opened.page.evaluate(paper)
        opened.page.click("#theme")
        found[scheme] = (before, opened.page.evaluate(paper))
        opened.close()
    assert found["light"] == found["dark"][::-1] and found["light"][0] != found["dark"][0]


def hostile() -> Status:
    """Devices that say everything that has ever broken a page, in every field that takes free text."""
    released = Released().reach(1, reason=HOSTILE[0])
    reports = []
    for number, text in enumerate(HOSTILE):
        health = Health(inferences=9, classes={text[:200]: 9}, errors=0, uptime_s=1)
        reports.append(gave_up(f"a-{number}", released.new, text, model=released.new, health=health))
        reports.append(report(f"b-{number}", released.base, problem=text, agent=text[:100], health=health))
    by = released.judging(in_waves=False)
    devices = [replace(device, why=device.why or HOSTILE[0]) for device in released.judge(*reports, in_waves=False)]
    statuses = fleet_statuses(devices, [FLEET], by)
    needs = needs_of(devices, Looking(NOW))
    return Status("wearables", 2, time_text(NOW), True, statuses, needs, tuple(HOSTILE))


def test_nothing_that_a_device_says_is_ever_run(chromium: Any, tmp_path: Path) -> None:
    opened = Opened(chromium, tmp_path / "page", hostile())
    page = opened.page
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, svg[onload], main script").count() == 0
    warnings = page.locator(".summary .warning").all_inner_texts()
    assert warnings[:6] == list(HOSTILE[:6])
    assert warnings[6] == "left \ufffdtfel\ufffd \ufffd \ufffd[31mred\ufffd[0m"
    shown = opened.text("#table tbody")
    assert all(text in shown for text in HOSTILE[:6]) and "\u202e" not in shown and "\x1b" not in shown
    for number in range(len(HOSTILE)):
        page.locator("#table tbody tr").nth(number).click()
        assert page.evaluate("window.hacked") is None
        page.keyboard.press("Escape")
    opened.close()


def test_the_policy_refuses_what_somebody_would_smuggle_in(chromium: Any, tmp_path: Path) -> None:
    index, _ = write_page(status_json(hostile()), tmp_path / "page")
    text = index.read_text().replace("<main", "<script>window.hacked = 1</script><img src=x onerror=hacked=1><main", 1)
    index.write_text(text)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"file://{index}")
    page.wait_for_selector("body[data-ready=yes]")
    assert page.evaluate("window.hacked") is None
    context.close()
