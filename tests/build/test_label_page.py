"""The page of `tinyops label` in Chromium: what people do with mouse and keys, and the text of the index after it."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes import labelling, projects
from fakes.tflite import dense
from tinyops.datasets.adding import Addition, add_recordings, take_addition
from tinyops.datasets.editing import edit_index
from tinyops.datasets.index import IndexEntry, parse_index

pytestmark = pytest.mark.build
sync_api = pytest.importorskip("playwright.sync_api")
ROWS_MAX = 60
SCREEN = {"width": 1280, "height": 800}


class Labelled:
    """The page of one dataset in a browser of its own; what goes wrong in it is a problem."""

    def __init__(self, browser: Any, url: str, index: Path, **options: Any) -> None:
        self.url, self.index = url, index
        self.context = browser.new_context(**{"viewport": SCREEN, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.problems: list[str] = []
        self.fetched: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.heard(message.text))
        self.page.on("request", lambda request: self.fetched.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("body[data-open]")

    def heard(self, text: str) -> None:
        """A refusal (422) is said on the page, too; that a test reads canvases is no fault of the page."""
        if "422" not in text and "getImageData" not in text:
            self.problems.append(text)

    @property
    def entries(self) -> tuple[IndexEntry, ...]:
        return parse_index(self.index.read_bytes(), "i")

    def pieces(self, take: str) -> list[tuple[int | None, int | None, str]]:
        return [(e.begin, e.end, e.label) for e in self.entries if e.take == take]

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self, what: str) -> None:
        """Waits until the page has said so."""
        self.page.wait_for_function(
            "what => document.getElementById('status').textContent.includes(what)", arg=what, polling=20
        )

    def x(self, frame: float) -> float:
        """Where a frame of the open recording is on the screen."""
        box = self.page.locator("#overlay").bounding_box()
        script = (
            "f => { const { view, times } = tinyopsLabel.editor; return (times.slotOf(f) - view.begin) / view.span }"
        )
        return float(box["x"] + box["width"] * self.page.evaluate(script, frame))

    def drag(self, begin: float, end: float) -> None:
        box = self.page.locator("#overlay").bounding_box()
        mouse, y = self.page.mouse, box["y"] + 60
        mouse.move(self.x(begin), y)
        mouse.down()
        mouse.move(self.x((begin + end) / 2), y + 5)
        mouse.move(self.x(end), y + 5)
        mouse.up()

    def click(self, frame: float) -> None:
        self.page.mouse.click(self.x(frame), self.page.locator("#overlay").bounding_box()["y"] + 60)

    def range(self) -> dict[str, int]:
        found: dict[str, int] = self.page.evaluate("tinyopsLabel.editor.range")
        return found

    def wide(self) -> int:
        """Pixels by which the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def close(self) -> None:
        self.context.close()
        assert self.problems == []
        own = self.url.rpartition("/")[0]
        assert all(url.startswith((own, "blob:")) for url in self.fetched), "the page needs nothing from elsewhere"


@contextlib.contextmanager
def served(index: Path, env: dict[str, str] | None = None) -> Iterator[str]:
    """The command as people start it; its address."""
    argv = [sys.executable, "-m", "tinyops", "label", index.stem, "-C", str(index.parents[1]), "--no-open", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


@pytest.fixture
def opening(chromium: Any) -> Iterator[Callable[..., Labelled]]:
    with contextlib.ExitStack() as held:

        def opened(index: Path, env: dict[str, str] | None = None, **options: Any) -> Labelled:
            page = Labelled(chromium, held.enter_context(served(index, env)), index, **options)
            held.callback(page.close)
            return page

        yield opened


def test_by_mouse_selected_labelled_split_trimmed_deleted_undone(
    opening: Callable[..., Labelled], tmp_path: Path
) -> None:
    index = labelling.motions(tmp_path, 2, labelled=False)
    before = index.read_bytes()
    opened = opening(index)
    opened.drag(200, 400)
    found = opened.range()
    assert abs(found["begin"] - 200) <= 2 and abs(found["end"] - 400) <= 2
    opened.keys("2")
    opened.saved("labelled wave. Saved.")
    begin, end = found["begin"], found["end"]
    assert opened.pieces("t-0000") == [(0, begin, ""), (begin, end, "wave"), (end, 600, "")]
    opened.click(300)
    opened.keys("s")
    opened.saved("split at frame")
    middle = opened.pieces("t-0000")[2][0]
    assert middle is not None and abs(middle - 300) <= 2
    assert opened.pieces("t-0000")[1:3] == [(begin, middle, "wave"), (middle, end, "wave")]
    opened.drag(middle, 250)  # the edge, not a selection
    opened.saved("edge moved")
    edge = opened.pieces("t-0000")[1][1]
    assert edge is not None and abs(edge - 250) <= 2
    opened.drag(begin + 12, 230)
    part = opened.range()
    opened.page.click("#trim")
    opened.saved("trimmed")
    assert (part["begin"], part["end"], "wave") in opened.pieces("t-0000")
    opened.click(560)
    opened.keys("Delete")
    opened.saved("1 piece deleted")
    assert opened.pieces("t-0000")[-1] == (edge, end, "wave")
    text = index.read_bytes()
    for _ in range(5):
        opened.page.click("#undo")
    opened.page.wait_for_selector("#undo[disabled]")
    assert index.read_bytes() == before
    for _ in range(5):
        opened.keys("Control+Shift+Z")
    opened.page.wait_for_selector("#redo[disabled]")
    assert index.read_bytes() == text


def test_by_keys_alone(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    index = labelling.motions(tmp_path, 3, labelled=False)
    opened = opening(index)
    opened.keys(*["ArrowRight"] * 10, *["Shift+ArrowRight"] * 20)
    assert opened.range() == {"begin": 60, "end": 180}
    opened.keys("Enter")
    opened.page.keyboard.type("sh")
    opened.keys("Enter")
    opened.saved("60–180 labelled shake. Saved.")
    opened.keys("]", "1")
    opened.saved("labelled rest")
    assert opened.pieces("t-0000") == [(0, 60, ""), (60, 180, "shake"), (180, 600, "rest")]
    opened.keys("[", "Control+ArrowRight", "b")
    opened.saved("edge moved from 60 to 61")
    opened.keys("End", "ArrowLeft", "e")
    opened.saved("edge moved from 180 to 173")
    assert opened.pieces("t-0000") == [(0, 61, ""), (61, 173, "shake"), (173, 600, "rest")]
    opened.keys("u")
    opened.page.keyboard.type("dana")
    opened.keys("Enter")
    opened.saved("subject of 3 pieces set to dana")
    assert [e.subject for e in opened.entries if e.take == "t-0000"] == ["dana"] * 3
    opened.page.focus("#classes [data-label=wave]")
    opened.keys("Enter")
    opened.saved("labelled wave")
    assert opened.page.evaluate("document.activeElement.dataset.label") == "wave", "who came by Tab stays there"
    opened.keys("ArrowDown", "Shift+ArrowDown", "3")
    opened.saved("2 pieces labelled shake")
    opened.keys("Escape", "Control+a", "Delete")
    opened.saved("pieces deleted")
    assert opened.entries == () and "nothing is recorded" in opened.page.inner_text("#title")
    opened.keys("Control+z")
    opened.saved("Undone")
    assert [e.label for e in opened.entries if e.take != "t-0000"] == ["shake", "shake"]
    opened.keys("?")
    assert opened.page.is_visible("#keys") and "split at the cursor" in opened.page.inner_text("#keytable")
    opened.keys("Escape", "/")
    opened.page.keyboard.type("t-0002")
    opened.keys("Enter")
    assert opened.page.inner_text("#found").startswith("2 of 3"), "the open one stays"
    opened.keys("Enter")
    opened.page.keyboard.type("jump")
    assert "wrist.yaml:" in opened.page.inner_text("#where") and "new one is added" in opened.page.inner_text("#where")


def test_a_thousand_recordings_cost_what_is_in_sight(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    index = labelling.motions(tmp_path, 1200, frames=60)
    opened = opening(index)
    page = opened.page
    assert page.locator(".row").count() <= ROWS_MAX
    for step in range(60):
        page.evaluate("y => { document.getElementById('list').scrollTop = y }", step * 900)
        assert page.locator(".row").count() <= ROWS_MAX
    page.click(".row >> nth=5")
    page.wait_for_function("() => document.body.dataset.open === tinyopsLabel.list.open")
    path = page.evaluate("tinyopsLabel.editor.path")
    opened.keys("3")
    opened.page.wait_for_function(
        "() => /labelled shake|nothing was changed/.test(document.getElementById('status').textContent)"
    )
    assert page.evaluate("tinyopsLabel.tracks.fetched") <= 2 * 6 * 2 * 4 * 2048
    signals = [url for url in opened.fetched if "/signal?" in url]
    assert 1 <= len(signals) <= 4, "of a thousand recordings those that were opened are fetched"
    assert len([url for url in opened.fetched if "/index?" in url]) <= 4
    page.click("#counts [data-label='']")
    assert page.inner_text("#found").startswith("24")
    opened.keys("Control+a", "1")
    opened.saved("pieces labelled rest. Saved.")
    assert not [e for e in opened.entries if not e.label]
    assert page.inner_text("#counts [data-label='']").split() == ["no", "label", "0"]
    opened.keys("Control+z")
    opened.saved("Undone")
    assert len([e for e in opened.entries if not e.label]) >= 239 and path
    assert page.locator(".row").count() <= ROWS_MAX


def test_lost_frames_are_a_hole_in_the_signal(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    opened = opening(labelling.motions(tmp_path, 2))
    opened.keys("ArrowDown")
    opened.page.wait_for_function("() => tinyopsLabel.editor.times?.slots === 645 && tinyopsLabel.tracks.part")
    assert "45 lost" in opened.page.inner_text("#facts")
    count = """slot => {
      const canvas = document.getElementById("signal"), { view } = tinyopsLabel.editor;
      const x = Math.round((slot - view.begin) / view.span * canvas.width);
      const { data } = canvas.getContext("2d").getImageData(x - 2, 0, 4, canvas.height);
      let blue = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i + 2] > 180 && data[i] < 80 && data[i + 3] > 200) blue += 1;
      return blue;
    }"""
    assert opened.page.evaluate(count, 270) == 0, "in the gap"
    assert opened.page.evaluate(count, 200) > 0 and opened.page.evaluate(count, 350) > 0
    opened.drag(240, 260)
    assert opened.range() == {"begin": 240, "end": 260}, "frames, not places on the screen"


def test_sound_is_seen_and_played_with_a_cursor(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    opened = opening(labelling.tones(tmp_path))
    page = opened.page
    page.wait_for_function("() => tinyopsLabel.tracks.sound")
    dark = """() => {
      const canvas = document.getElementById("signal");
      const { data } = canvas.getContext("2d").getImageData(0, canvas.height * 0.6, canvas.width, 40);
      return data.filter((value, at) => at % 4 === 3 && value === 255).length;
    }"""
    assert page.evaluate(dark) > 1000, "a spectrogram is drawn below"
    opened.keys("ArrowDown", "ArrowDown")
    page.wait_for_function("() => tinyopsLabel.editor.times?.frames === 48000")
    stops = "() => document.getElementById('play').textContent.includes('stop')"
    plays = "() => document.getElementById('play').textContent.includes('play')"
    for key, shown in ((" ", stops), (" ", plays), (" ", stops)):
        opened.keys(key)
        page.wait_for_function(shown)
    page.wait_for_function("() => tinyopsLabel.player.frame > 1600")
    page.wait_for_function(plays)  # to the end
    parts = [url.partition("begin=")[2] for url in opened.fetched if "/sound?" in url]
    assert parts[-2:] == ["0&end=32000", "32000&end=48000"]


def test_motion_is_played_as_a_cursor(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    opened = opening(labelling.motions(tmp_path, 1, frames=40))
    opened.keys("Home", " ")
    opened.page.wait_for_function("() => tinyopsLabel.player.frame > 3")
    opened.page.wait_for_function("() => !tinyopsLabel.player.playing")
    assert not any("/sound?" in url for url in opened.fetched)


def test_what_others_write_meanwhile_is_seen_and_kept(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    index = labelling.motions(tmp_path, 2)
    opened = opening(index)
    add_recordings(index, [take_addition(labelling.motion_take(9), name="t-0009", label="rest")])
    opened.page.evaluate("dispatchEvent(new Event('focus'))")
    opened.saved("changed by another program")
    assert opened.page.inner_text("#found").startswith("3 recordings")
    edit_index(index, lambda old: [e for e in old if e.take != "t-0000"])
    opened.keys("2")
    opened.saved("is not in the index")
    opened.page.evaluate("dispatchEvent(new Event('focus'))")
    opened.saved("this is how it is now")
    assert [e.take for e in opened.entries] == ["t-0001", "t-0009"]


def test_images_are_drawn_and_labelled(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    index = labelling.repository(tmp_path, "digits", ("cross", "bar"), labelling.IMAGES)
    drawn = [np.eye(8), np.tile([0.0, 1.0], (8, 4))]
    additions = []
    for number, picture in enumerate(drawn):
        data = io.BytesIO()
        np.save(data, picture)
        additions.append(Addition(data.getvalue(), IndexEntry("", file=f"{number}.npy")))
    add_recordings(index, additions)
    opened = opening(index)
    opened.page.wait_for_function("() => tinyopsLabel.images.picture")
    middle = """() => {
      const canvas = document.getElementById("signal"), at = (length) => length / 2 - 3;
      return canvas.getContext("2d").getImageData(at(canvas.width), at(canvas.height), 1, 1).data[0];
    }"""
    assert opened.page.evaluate(middle) == 255, "on the diagonal"
    assert opened.page.locator(".row canvas.thumb").count() == 2
    opened.keys("1", "ArrowDown")
    opened.page.wait_for_function("() => tinyopsLabel.images.path === '1.npy'")
    opened.keys("2")
    opened.saved("labelled bar")
    assert [(e.file, e.label, e.begin) for e in opened.entries] == [("0.npy", "cross", None), ("1.npy", "bar", None)]


def test_another_page_in_the_same_browser_changes_nothing(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    index = labelling.motions(tmp_path / "bench", 2)
    opened = opening(index)
    before = index.read_bytes()
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    serve = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: _quiet(*a, directory=str(tmp_path)))
    threading.Thread(target=serve.serve_forever, daemon=True).start()
    attack = """async url => {
      const body = JSON.stringify({ do: "delete", ids: [url[1]] }), tried = [];
      for (const [method, type] of [["POST", "text/plain"], ["POST", "application/json"], ["GET", null]]) {
        const options = type ? { method, body, mode: "no-cors", headers: { "Content-Type": type } } : { method };
        const answer = fetch(url[0] + (type ? "act" : "index"), options);
        tried.push(await answer.then((a) => `${a.type} ${a.ok}`, () => "refused"));
      }
      return tried;
    }"""
    elsewhere = opened.context.new_page()
    elsewhere.goto(f"http://127.0.0.1:{serve.server_port}/index.html")
    tried = elsewhere.evaluate(attack, [opened.url, opened.entries[0].id])
    assert tried[2] == "refused" and index.read_bytes() == before
    serve.shutdown()
    serve.server_close()


def _quiet(*arguments: Any, directory: str) -> http.server.SimpleHTTPRequestHandler:
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    return handler(*arguments, directory=directory)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("size", "scheme"), [((1280, 800), "dark"), ((390, 844), "light")])
def test_it_fits_a_small_screen_and_a_phone(
    opening: Callable[..., Labelled], tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    viewport = {"width": size[0], "height": size[1]}
    opened = opening(labelling.motions(tmp_path, 30), viewport=viewport, color_scheme=scheme, has_touch=True)
    page = opened.page
    assert opened.wide() <= 0
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(paper)
    page.tap("#theme")
    assert page.evaluate(paper) != before
    page.tap("#classes [data-label=shake]")
    opened.saved("labelled shake")
    page.locator("#overlay").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    assert box["height"] >= 160 and box["width"] >= size[0] * 0.6


MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: tiny}
spec:
  dataset: wrist
  input: {window_s: 0.5, hop_s: 0.25, features: [raw]}
  architecture: {kind: tflite, file: ../models/tiny.tflite, sha256: "SHA256"}
"""


def test_the_models_suggestions_are_drawn_and_accepted(opening: Callable[..., Labelled], tmp_path: Path) -> None:
    index = labelling.motions(tmp_path / "bench", 12, frames=300)
    bench = projects.Repository(tmp_path / "bench")
    model = dense(outputs=3, inputs=300).build([0], [3])
    bench.write("models/tiny.tflite", model)
    digest = "sha256:" + hashlib.sha256(model).hexdigest()
    bench.write(
        "specs/model.yaml",
        MODEL.replace("SHA256", digest) + "---\n" + projects.fleet("desk", "tiny", {"linux": projects.STREAM}),
    )
    projects.locked(bench)
    built = bench.run("plan", "--build", timeout_s=300)
    assert "squeeze:tiny/int8" not in built.err, built.err
    opened = opening(index, bench.environment())
    page = opened.page
    page.wait_for_function(
        "() => tinyopsLabel.guesses.state.total === 12 && tinyopsLabel.guesses.byPath.size === 12", timeout=60_000
    )
    assert "Suggestions by model tiny, up to date with specs and data" in page.inner_text("#seen")
    page.select_option("#order", "disagree")
    page.wait_for_timeout(100)
    listed = page.locator(".row .differs").count()
    assert 0 < listed <= 12
    page.select_option("#order", "index")
    page.click("#counts [data-label='']")
    page.click(".row >> nth=1")
    page.wait_for_function("() => document.body.dataset.open === tinyopsLabel.list.open")
    take = page.inner_text("#name")
    suggested = page.inner_text("#accept").removeprefix("accept ")
    assert suggested in ("rest", "wave", "shake") and opened.pieces(take) == [(None, None, "")]
    opened.keys("a")
    opened.saved("labelled as suggested")
    assert opened.pieces(take) == [(None, None, suggested)]
    runs = page.evaluate("tinyopsLabel.guesses.runs(tinyopsLabel.editor.path, 0, 300)")
    assert len(runs) > 1
    opened.keys("Shift+A")
    opened.saved(f"labelled {runs[0]['label']} and {len(runs) - 1} more. Saved.")
    assert opened.pieces(take) == [(run["begin"], run["end"], run["label"]) for run in runs]
    again = opening(index, bench.environment())
    again.page.wait_for_function("() => tinyopsLabel.guesses.byPath.size === 12", timeout=60_000)
    assert "built here from an earlier state of the data" in again.page.inner_text("#seen"), "labels change the index"
