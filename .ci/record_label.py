"""Takes pictures of the labelling page on real recordings: docs/images/label-motion.png and label-sound.png.

.venv/bin/python .ci/record_label.py           trains a small model for its suggestions: about a minute

The recordings are those of the shared data (TINYOPS_SHARED_DATA): people with a watch, people who say words.
"""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tinyops.twin.chromium import open_browser

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
PICTURE_BYTES_MAX = 150_000
SCREEN = {"width": 1180, "height": 760}
COLOURS = 128
SEEN = "() => { const { state, byPath } = tinyopsLabel.guesses; return state.total > 0 && byPath.size === state.total }"
MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: activity}
spec:
  dataset: wrist
  input: {window_s: 0.4, hop_s: 0.2, features: [raw]}
  architecture:
    kind: layers
    layers:
      - {kind: conv1d, filters: 12, kernel: 5}
      - {kind: max_pool, size: 2}
      - {kind: conv1d, filters: 16, kernel: 3}
      - {kind: max_pool, size: 2}
      - {kind: global_average_pool}
  training: {epochs: 20, batch: 32, learning_rate: 0.004, seed: 1}
---
"""


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from fakes import labelling, projects

    with tempfile.TemporaryDirectory() as folder, open_browser("the picture") as (browser, _):
        motion = projects.Repository(Path(folder) / "motion")
        labelling.people_walking(motion.root)
        motion.write("specs/model.yaml", MODEL + projects.fleet("desk", "activity", {"linux": projects.STREAM}))
        projects.locked(motion)
        motion.run("plan", "--build", timeout_s=600)
        with _served(motion, "wrist") as url:
            page = _page(browser, url, "light")
            page.wait_for_function(SEEN, timeout=120_000)
            page.click("#list .row >> nth=6")
            page.wait_for_timeout(1000)
            _select(page, 0.36, 0.52)
            _take(page, IMAGES / "label-motion.png")
        words = projects.Repository(Path(folder) / "words")
        labelling.spoken_words(words.root)
        with _served(words, "words") as url:
            page = _page(browser, url, "dark")
            page.click("#list .row >> nth=1")
            page.wait_for_function("() => tinyopsLabel.tracks.sound")
            page.wait_for_timeout(500)
            _select(page, 0.09, 0.58)
            _take(page, IMAGES / "label-sound.png")


@contextlib.contextmanager
def _served(repository: object, dataset: str) -> Iterator[str]:
    argv = repository.command("label", dataset, "--no-open", "--json")
    with subprocess.Popen(
        argv, cwd=repository.root, env=repository.environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGTERM)


def _page(browser: object, url: str, scheme: str) -> object:
    page = browser.new_page(viewport=SCREEN, device_scale_factor=1, color_scheme=scheme)
    page.goto(url)
    page.wait_for_selector("body[data-open]")
    return page


def _select(page: object, begin: float, end: float) -> None:
    box = page.locator("#overlay").bounding_box()
    page.mouse.move(box["x"] + begin * box["width"], box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], box["y"] + 90, steps=4)
    page.mouse.up()
    page.wait_for_timeout(300)


def _take(page: object, path: Path) -> None:
    """With fewer colours: nobody sees the difference, and it has a third of the bytes."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    assert size < PICTURE_BYTES_MAX, f"{path} has {size:,} bytes"
    print(f"{path}: {size:,} bytes. Look at it before you commit it.")


if __name__ == "__main__":
    main()
