"""Builds the example's model for a phone, replays a recording in its page and takes a picture: docs/images/phone.png.

.venv/bin/python .ci/record_phone.py           takes it again, from a run that takes about half a minute
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect

from tinyops.process import run
from tinyops.twin.chromium import open_browser
from tinyops.twin.page_server import read_page, serving

ROOT = Path(__file__).resolve().parents[1]
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
PICTURE_BYTES_MAX = 150_000
SCREEN = {"width": 390, "height": 844}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shutil.copytree(ROOT / "specs", root / "specs")
        (root / "specs" / "fleets.yaml").write_text(FLEET)
        for arguments in ("keys new TINYOPS_IMAGE_KEY", "lock", "apply"):
            run([sys.executable, "-m", "tinyops", *arguments.split()], timeout_s=600, cwd=root)
        releases = root / ".tinyops" / "releases"
        files = read_page(releases / "latest" / "firmware.wrist.phone.page.zip")
        with serving(files, releases) as server, open_browser("the picture") as (browser, _):
            page = browser.new_page(viewport=SCREEN, device_scale_factor=1.5)
            page.goto(server.url)
            page.wait_for_selector("body[data-ready=yes]")
            _replay(page, root / "specs" / "data" / "walk.csv")
            page.screenshot(path=PICTURE)
    size = PICTURE.stat().st_size
    assert size < PICTURE_BYTES_MAX, f"{PICTURE} has {size:,} bytes"
    print(f"{PICTURE}: {size:,} bytes. Look at it before you commit it.")


def _replay(page: Page, recording: Path) -> None:
    page.check("input[value=recording]")
    page.set_input_files("#file", recording)
    page.uncheck("#real-time")
    page.click("#start")
    expect(page.locator("#history li").first).to_be_visible()
    expect(page.locator("#start")).to_have_text("Play")


if __name__ == "__main__":
    main()
