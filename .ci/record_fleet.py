"""Draws the page of a made-up project in the middle of a rollout and takes a picture: docs/images/fleet.png.

.venv/bin/python .ci/record_fleet.py           takes it again, in a few seconds
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tinyops.reconcile.fleet_status import status_json
from tinyops.report.fleet_page import write_page
from tinyops.twin.chromium import open_browser

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "fleet.png"
PICTURE_BYTES_MAX = 250_000
SCREEN = {"width": 1180, "height": 1000}


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from fakes.fleets import wearables

    with tempfile.TemporaryDirectory() as folder, open_browser("the picture") as (browser, _):
        status = status_json(wearables())
        shown = [fleet for fleet in status["fleets"] if fleet["name"] != "porch"]
        shown.sort(key=lambda fleet: fleet["name"] != "wrist")
        index, _ = write_page({**status, "fleets": shown}, Path(folder))
        page = browser.new_page(viewport=SCREEN, device_scale_factor=1.25, color_scheme="light")
        page.goto(f"file://{index}")
        page.wait_for_selector("body[data-ready=yes]")
        page.screenshot(path=PICTURE)
    size = PICTURE.stat().st_size
    assert size < PICTURE_BYTES_MAX, f"{PICTURE} has {size:,} bytes"
    print(f"{PICTURE}: {size:,} bytes. Look at it before you commit it.")


if __name__ == "__main__":
    main()
