"""Builds the example's model for a phone, replays a recording in its page and takes a picture: docs/images/phone.png.

.venv/bin/python .ci/record_phone.py           takes it again, from a run that takes about half a minute
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect
from recording import ROOT, SCREEN, applied, check

from tinyops.twin.chromium import open_browser
from tinyops.twin.page_server import read_page, serving

PICTURE = ROOT / "docs" / "images" / "phone.png"
FLEET = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist}
spec:
  model: activity
  boards:
    phone: {sensor: {kind: stream, port: serial}, transport: wifi}
"""


def main() -> None:
    with applied(FLEET) as root:
        releases = root / ".tinyops" / "releases"
        files = read_page(releases / "latest" / "firmware.wrist.phone.page.zip")
        with serving(files, releases) as server, open_browser("the picture") as (browser, _):
            page = browser.new_page(viewport=SCREEN, device_scale_factor=1.5)
            page.goto(server.url)
            page.wait_for_selector("body[data-ready=yes]")
            _replay(page, root / "specs" / "data" / "walk.csv")
            page.screenshot(path=PICTURE)
    check(PICTURE)


def _replay(page: Page, recording: Path) -> None:
    page.check("input[value=recording]")
    page.set_input_files("#file", recording)
    page.uncheck("#real-time")
    page.click("#start")
    expect(page.locator("#history li").first).to_be_visible()
    expect(page.locator("#start")).to_have_text("Play")


if __name__ == "__main__":
    main()
