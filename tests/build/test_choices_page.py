"""The page of variants in Chromium: nothing is fetched or refused, light and dark, it fits a telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes.choices import chosen
from tinyops.report.choices_page import choices_page

pytestmark = pytest.mark.build
pytest.importorskip("playwright.sync_api")

PICKED = "getComputedStyle(document.querySelector('.picture .picked')).stroke"


@pytest.mark.parametrize(
    ("scheme", "width", "stroke"), [("light", 1200, "rgb(26, 138, 76)"), ("dark", 390, "rgb(63, 185, 80)")]
)
def test_the_page_is_whole(chromium: Any, tmp_path: Path, scheme: str, width: int, stroke: str) -> None:
    path = tmp_path / "variants.html"
    path.write_text(choices_page("wearables v3", [chosen()]))
    problems: list[str] = []
    asked: list[str] = []
    with chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page: Any = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: asked.append(request.url[:5]))
        page.goto(f"file://{path}")
        found = page.evaluate(PICKED)
        size = page.evaluate("document.querySelector('.picture svg').getBoundingClientRect().width")
        overflow = page.evaluate("document.documentElement.scrollWidth") - width
    assert problems == [] and set(asked) == {"file:"}
    assert found == stroke and size >= 640 and overflow <= 0
