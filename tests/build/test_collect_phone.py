"""The page that records on a phone, in Chromium: takes with their gaps, kept over a reload, saved, and sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from fakes.collecting import TOKEN, forge
from fakes.collectors import IMU, request_for
from tinyops.datasets.take import read_take
from tinyops.firmware.forms.registry import form_of
from tinyops.twin.page_server import PageServer, serving

pytestmark = pytest.mark.build
sync_api = pytest.importorskip("playwright.sync_api")

MOVE = """async ([count, skipped]) => {
  for (let i = 0; i < count; i++) {
    const acceleration = { x: 9.8, y: -100, z: 0.5 };
    const rotationRate = { alpha: 0, beta: 90, gamma: 0 };
    dispatchEvent(new DeviceMotionEvent("devicemotion", { acceleration, rotationRate, interval: 16 }));
    await new Promise((resolve) => setTimeout(resolve, i === skipped ? 600 : 16));
  }
}"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    request = request_for("phone", IMU)
    with serving(form_of(request.spec).render(request), tmp_path) as running:
        yield running


@pytest.fixture
def page(chromium: Any, server: PageServer) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda m: problems.append(m.text) if "Content Security" in m.text else None)
    opened.goto(server.url)
    opened.wait_for_selector("body[data-ready=yes]")
    yield opened
    context.close()
    assert problems == []


def record(page: Any, events: int, skipped: int = -1) -> None:
    page.fill("#label", "arm <up>")
    page.fill("#subject", "p1")
    page.fill("#length", "0")
    page.click("#record")
    page.evaluate(MOVE, [events, skipped])
    page.click("#record")
    page.wait_for_selector("#takes li")


def saved(page: Any) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").first.click()
    assert download.value.suggested_filename.endswith(".take")
    return Path(download.value.path()).read_bytes()


def test_a_take_is_saved_as_the_file_that_datasets_read_with_its_gap(page: Any) -> None:
    record(page, 60, 30)
    take = read_take(saved(page), "take")
    facts, values = take.facts, take.values
    assert (facts.channels, facts.full_scale, facts.rate_hz) == (IMU.channels, IMU.full_scale, 50.0)
    assert facts.board == "phone" and facts.device.startswith("phone-") and facts.clock.source == "device"
    assert values.dtype == np.int16 and values.shape[1] == 6 and len(values) > 20
    row = [round(9.8 / 39.2 * 32768), -32768, round(0.5 / 39.2 * 32768), round(np.pi / 2 / 34.9 * 32768), 0, 0]
    assert all(abs(int(a) - b) <= 1 for value in values for a, b in zip(value, row, strict=True))
    ((at, lost),) = facts.gaps
    assert 0 < at < len(values) and lost >= 20
    assert f"{lost} lost" in page.inner_text("#takes li")


def test_takes_outlive_the_page_until_they_are_removed(page: Any) -> None:
    record(page, 40)
    before = saved(page)
    page.reload()
    page.wait_for_selector("body[data-ready=yes]")
    assert "arm up" in page.inner_text("#takes li") and saved(page) == before
    page.get_by_role("button", name="Remove").click()
    sync_api.expect(page.locator("#takes li")).to_have_count(0)
    page.reload()
    page.wait_for_selector("body[data-ready=yes]")
    assert page.locator("#takes li").count() == 0


def test_a_take_is_sent_to_the_receiver_of_its_own_server_and_stays_where_that_refuses(
    page: Any, tmp_path: Path
) -> None:
    """The receiver itself; only that both share a server is made here."""
    with forge() as start, start.collecting(tmp_path) as receiver:

        def forward(route: Any) -> None:
            asked = urlsplit(route.request.url)
            route.fulfill(response=route.fetch(url=f"http://127.0.0.1:{receiver.port}{asked.path}?{asked.query}"))

        page.route("**/v1/files*", forward)
        record(page, 40)
        recorded = saved(page)
        page.get_by_role("button", name="Send").click()
        sync_api.expect(page.locator("#complaint")).to_contain_text("Not taken")
        assert not list(receiver.root.rglob("*.take")) and saved(page) == recorded, "it is still there"
        page.fill("#token", TOKEN)
        page.get_by_role("button", name="Send").click()
        page.wait_for_selector("#takes .sent")
        (kept,) = receiver.root.rglob("*.take")
        assert kept.read_bytes() == recorded
        index = next(receiver.root.rglob("*.csv")).read_text()
        assert hashlib.sha256(recorded).hexdigest() in index and "arm up" in index and "p1" in index
    assert page.get_by_role("button", name="Send").count() == 0
