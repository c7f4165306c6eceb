"""Builds the example's model for a Linux board and a phone behind it, replays a recording on the board, and takes a
picture of the phone's page: docs/images/phone-chain.png.

.venv/bin/python .ci/record_phone_chain.py     takes it again, from a run that takes about a minute
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from playwright.sync_api import expect
from recording import ROOT, SCREEN, applied, check

from tinyops.reconcile.virtual import released_chain
from tinyops.reconcile.world import observe
from tinyops.twin.chain_step import read_chain
from tinyops.twin.chromium import open_browser
from tinyops.twin.joined import Joint
from tinyops.twin.page_server import read_page, serving
from tinyops.twin.page_streams import PageStream
from tinyops.twin.recorded import read_replay, signal_of
from tinyops.twin.step import open_twin, read_contract
from tinyops.twin.wire import Terms

PICTURE = ROOT / "docs" / "images" / "phone-chain.png"
FLEET = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist}
spec:
  model: activity
  chain:
    parts:
      - {name: band, board: linux, sensor: {kind: stream}}
      - {name: phone, board: phone}
    links: [{from: band, to: phone, kind: tcp}]
"""
RESULTS, RESULTS_MS = 4, 30_000


def main() -> None:
    with applied(FLEET) as root:
        _picture(root)
    check(PICTURE)


def _picture(root: Path) -> None:
    found = released_chain(observe(root), "wrist")
    band = read_chain(found.step, found.files)[1][0]
    releases, stream = root / ".tinyops" / "releases", PageStream.pair()
    files = read_page(releases / "latest" / "firmware.wrist.phone.page.zip")
    signal = signal_of(read_contract(band.files["contract.json"]))
    replay = read_replay(root / "specs" / "data" / "walk.csv", signal, loop=True)
    with (
        closing(stream),
        serving(files, releases, {"bridge": stream}) as server,
        open_twin(band.board, band.spec, band.files, lock=band.lock, replay=replay) as virtual,
        closing(Joint(lambda: virtual.line, lambda: stream.ours, Terms())),
        open_browser("the picture") as (browser, _),
    ):
        page = browser.new_page(viewport=SCREEN, device_scale_factor=1.5)
        page.goto(f"{server.url}?upstream={server.url.replace('http', 'ws', 1)}bridge")
        page.wait_for_selector("body[data-ready=yes]")
        page.click("#connect")
        expect(page.locator("#history li")).to_have_count(RESULTS, timeout=RESULTS_MS)
        page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
