"""The preview of features in Chromium: every picture decodes, nothing is fetched or refused, it fits a telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyops.features.stage_json import stage_json
from tinyops.features.stages import LogMel
from tinyops.recordings import Recordings
from tinyops.report.features_page import features_page
from tinyops.train.preview import About, Wanted, make_preview

pytestmark = pytest.mark.build
pytest.importorskip("playwright.sync_api")

SIGNAL = {"sensor": "microphone", "channels": ["audio"], "units": ["1"], "rate_hz": 16000.0, "size": None}


def written(folder: Path) -> Path:
    counts = np.random.default_rng(1).normal(0, 2000, (4 * 16000, 1)).astype(np.int16)
    labels, test = np.array([0, 1, 1, 0], np.int32), np.array([False, False, False, True])
    recordings = Recordings(counts, np.arange(5) * 16000, labels, test, ("a" * 200, "<b>", "c", "d"))
    stage = LogMel(length=480, step=320, fft=512, window="hann", low_hz=20, high_hz=4000, mels=40)
    given = {"features": [stage_json(stage)], "window_frames": 50, "hop_frames": 50, "frame_samples": 320}
    augment = [{"kind": "shift", "at_most_s": 0.1}, {"kind": "mask_time", "at_most_s": 0.1}]
    settings = {"input": given, "training": {"seed": 1, "augment": augment}}
    dataset = {"signal": SIGNAL, "classes": ["hum", "word"]}
    preview = make_preview(recordings, dataset, settings, Wanted(), {})
    page = folder / "features.html"
    page.write_text(features_page(preview, About("speech", "spotter", SIGNAL, augment)))
    return page


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_is_whole(chromium: Any, tmp_path: Path, scheme: str, width: int) -> None:
    problems: list[str] = []
    asked: list[str] = []
    with chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page: Any = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("request", lambda request: asked.append(request.url[:5]))
        page.goto(f"file://{written(tmp_path)}")
        sizes = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.naturalHeight])")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        overflow = page.evaluate("document.documentElement.scrollWidth") - width
    assert problems == [] and set(asked) <= {"file:", "data:"}
    # Three recordings, three variations of each; two means; the scale of colours.
    assert sorted(sizes) == [[49, 40]] * (3 * 4 + 2) + [[256, 1]]
    assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(13, 17, 23)") and overflow <= 0
