"""From a sensor to a model that runs on it: an emulated Nano replays real motion; what it measures is recorded, then
labelled in a browser, committed, planned, trained and released, and the same emulated board classifies the motion of
somebody whom the model has never seen.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import PROJECT, Repository, locked
from tinyops.datasets.index import IndexEntry, parse_index
from tinyops.link import Link
from tinyops.link.serial_port import SerialStream
from tinyops.twin.chromium import open_browser

pytestmark = pytest.mark.build
sync_api = pytest.importorskip("playwright.sync_api")

SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
MOTION = SHARED / "datasets" / "har_phone_watch"
RATE_HZ = 100
PIECE_FRAMES, WINDOW, HOP = 3 * RATE_HZ, RATE_HZ, RATE_HZ // 5
LEAST_SHARE = 0.7  # of windows of a person whom the model has never seen
RECORDED, UNSEEN = ("s02", "s05", "s10", "s16"), "s23"
STILL, WALKING = ("SEATED",), ("WALKING",)
CHANNELS = "ax,ay,az,gx,gy,gz"
SPECS = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: moves}
spec:
  classes: [seated, walking]
  signal:
    sensor: imu
    channels: [ax, ay, az, gx, gy, gz]
    units: [m/s2, m/s2, m/s2, rad/s, rad/s, rad/s]
    full_scale: [39.2, 39.2, 39.2, 34.9, 34.9, 34.9]
    rate_hz: 100
  sources: [{kind: recordings, index: ../data/moves.csv}]
  split: {by: subject, test: [s16]}
---
apiVersion: tinyops/v1
kind: Model
metadata: {name: walk}
spec:
  dataset: moves
  input: {window_s: 1, hop_s: 0.2, features: [raw]}
  architecture:
    kind: layers
    layers:
      - {kind: conv1d, filters: 8, kernel: 5, stride: 2, batch_norm: true}
      - {kind: conv1d, filters: 12, kernel: 5, stride: 2, batch_norm: true}
      - {kind: global_average_pool}
  training: {epochs: 30, batch: 16, learning_rate: 0.003, seed: 1}
---
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrists}
spec:
  model: walk
  proof: rendered
  boards: {nano33ble: {sensor: onboard-imu, transport: usb, framework: arduino}}
  devices: {enrol: open, max: 5}
"""


def motion(subject: str) -> list[list[str]]:
    """Three seconds on a chair, then three of walking, of one person: six columns at 100 Hz."""
    rows: dict[tuple[str, ...], list[list[str]]] = {STILL: [], WALKING: []}
    for path in sorted((MOTION / subject).glob("*_sw.csv")):
        for row in csv.reader(path.read_text().splitlines()[1:]):
            for labels in rows:
                if row[7] in labels:
                    rows[labels].append(row[:6])
    assert all(len(found) >= PIECE_FRAMES for found in rows.values())
    return rows[STILL][:PIECE_FRAMES] + rows[WALKING][:PIECE_FRAMES]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    if not MOTION.is_dir():
        pytest.skip("the shared recordings of motion are not here")
    if shutil.which("chromium") is None and os.environ.get("CI") != "true":
        pytest.skip("chromium is not on PATH: run `make setup`")
    bench = Repository(tmp_path_factory.mktemp("collect"))
    bench.write("specs/project.yaml", PROJECT)
    bench.write("specs/moves.yaml", SPECS)
    bench.write("data/moves.csv", "sha256,label\n")
    for subject in (*RECORDED, UNSEEN):
        lines = [CHANNELS, *(",".join(row) for row in motion(subject))]
        bench.write(f"cache/{subject}.csv", "\n".join(lines) + "\n")
    bench.write(".gitignore", ".tinyops/\ncache/\ncollector/\n")
    git(bench, "init", "-q")
    return locked(bench)


def git(bench: Repository, *words: str) -> str:
    names = ("-c", "user.name=Mia", "-c", "user.email=mia@example.org")
    argv = ["git", *names, *words]
    return subprocess.run(argv, cwd=bench.root, check=True, capture_output=True, text=True, timeout=30).stdout


@contextlib.contextmanager
def twin(bench: Repository, subject: str, *image: str) -> Iterator[str]:
    """An emulated Nano whose sensor measures that person's motion; its serial port."""
    argv = ("twin", "nano33ble", *image, "--json", "--replay", f"cache/{subject}.csv", "--pty-only")
    with bench.start(*argv) as child:
        try:
            assert child.stdout is not None and child.stderr is not None
            line = child.stdout.readline()
            assert "pty" in line, line + child.stdout.read() + child.stderr.read()
            yield str(json.loads(line)["pty"])
        finally:
            os.killpg(child.pid, signal.SIGTERM)
            child.communicate(timeout=30)


def record(bench: Repository, subject: str) -> dict[str, Any]:
    """One take of six seconds."""
    with twin(bench, subject, "collector") as port:
        words = ("--port", port, "--subject", subject, "--take", f"take-{subject}", "--seconds", "5.9")
        found: dict[str, Any] = bench.ok("collect", "moves", "--json", *words).json
        return found


@dataclass
class Page:
    """The page of `tinyops label moves` in a browser."""

    page: Any

    def label(self, take: str) -> None:
        """The first half is the seated, the second is walking: selected by mouse, labelled by key."""
        self.page.get_by_text(take).first.click()
        self.page.wait_for_function(f"document.title.includes('{take}') || document.body.innerText.includes('{take}')")
        self._select(10, PIECE_FRAMES - 10)
        self._press("1", "labelled seated")
        self._select(PIECE_FRAMES + 10, 2 * PIECE_FRAMES - 20)
        self._press("2", "labelled walking")

    def _select(self, begin: int, end: int) -> None:
        mouse, y = self.page.mouse, self.page.locator("#overlay").bounding_box()["y"] + 60
        mouse.move(self._x(begin), y)
        mouse.down()
        mouse.move(self._x((begin + end) // 2), y)
        mouse.move(self._x(end), y)
        mouse.up()

    def _x(self, frame: int) -> float:
        box = self.page.locator("#overlay").bounding_box()
        script = (
            "f => { const { view, times } = tinyopsLabel.editor; return (times.slotOf(f) - view.begin) / view.span }"
        )
        return float(box["x"] + box["width"] * self.page.evaluate(script, frame))

    def _press(self, key: str, said: str) -> None:
        self.page.keyboard.press(key)
        script = "said => document.getElementById('status').textContent.includes(said)"
        self.page.wait_for_function(script, arg=said, polling=20)


def label(bench: Repository, takes: list[str]) -> None:
    with bench.start("label", "moves", "--no-open", "--json") as child, open_browser("test") as (browser, _):
        assert child.stdout is not None
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(20_000)
        page.goto(json.loads(child.stdout.readline())["url"])
        page.wait_for_selector("body[data-open]")
        for take in takes:
            Page(page).label(take)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)


def live_results(bench: Repository) -> dict[int, int]:
    """The class that the released model gives to each window of what the board measures, unasked."""
    found: dict[int, int] = {}
    with twin(bench, UNSEEN) as port, contextlib.closing(SerialStream(port)) as line:
        board = Link(line, name="nano33ble")
        while max(found, default=0) < (2 * PIECE_FRAMES - WINDOW) // HOP:
            result = board.next_result(30.0)
            found[result.index] = result.best
    return found


def entries(bench: Repository) -> tuple[IndexEntry, ...]:
    return parse_index((bench.root / "data/moves.csv").read_bytes(), "moves.csv")


def test_from_a_sensor_to_a_model_on_it(bench: Repository) -> None:
    bench.ok("collect", "firmware", "moves", "nano33ble", "--build", "--out", "collector")
    with ThreadPoolExecutor(len(RECORDED)) as pool:
        takes = list(pool.map(lambda subject: record(bench, subject), RECORDED))
    assert [take["lost"] for take in takes] == [0] * len(RECORDED)
    assert sorted(e.subject for e in entries(bench)) == list(RECORDED)
    assert all(e.label == "" and abs((e.rate_hz or 0) - RATE_HZ) < 1 for e in entries(bench))

    before = bench.run("plan")
    assert before.code == 65
    assert "4 recordings without a label are left out" in before.out
    assert "seated 0, walking 0; wanted at least 2 of each class" in before.out
    label(bench, [f"take-{subject}" for subject in RECORDED])
    found = [(e.subject, e.label) for e in entries(bench) if e.label]
    assert sorted(found) == [(s, c) for s in RECORDED for c in ("seated", "walking")]
    git(bench, "add", "data", "specs")
    git(bench, "commit", "-qm", "Four takes, labelled")
    assert git(bench, "show", "--stat", "HEAD").count(".take") == len(RECORDED)

    bench.ok("data", "check", "moves")
    plan = bench.ok("plan", "--json").json
    assert plan["changes"], plan
    applied = bench.run("apply", "--json", timeout_s=300)
    assert applied.code == 0, applied.out + applied.err
    assert bench.manifest()["fleets"]["wrists"]["boards"]["nano33ble"]["model"]
    assert "No changes" in bench.ok("plan").out

    guesses = live_results(bench)
    in_seated = [guess for window, guess in guesses.items() if window * HOP + WINDOW <= PIECE_FRAMES]
    in_walk = [guess for window, guess in guesses.items() if window * HOP >= PIECE_FRAMES]
    assert min(len(in_seated), len(in_walk)) >= 9, guesses
    assert in_seated.count(0) / len(in_seated) >= LEAST_SHARE, guesses
    assert in_walk.count(1) / len(in_walk) >= LEAST_SHARE, guesses
