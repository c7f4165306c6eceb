"""The preview of features: pictures that a decoder reads back, rows as training sees them, names that stay text."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from tinyops.errors import UsageError
from tinyops.features.stage_json import stage_json
from tinyops.features.stages import LogMel, Statistics
from tinyops.features.values import float_inputs
from tinyops.recordings import Recordings, cut_windows, in_rows
from tinyops.report.features_page import draw_rows, features_json, features_page, features_text
from tinyops.report.pictures import SPREADS, blocks, colours, grey_image, line, png, shades, sparkline
from tinyops.train.augment.varied import read_augmentation, training_side, varied_rows
from tinyops.train.preview import About, Preview, Wanted, make_preview

SIGNAL = {"sensor": "microphone", "channels": ["audio"], "units": ["1"], "rate_hz": 16000.0, "size": None}
MOTION = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "rate_hz": 100.0, "size": None}
LOG_MEL = stage_json(LogMel(length=480, step=320, fft=512, window="hann", low_hz=20, high_hz=4000, mels=20))
STEPS = [{"kind": "mix", "of": "hum", "factor": [0.1, 0.5]}, {"kind": "mask_bands", "at_most": 4}]
HOSTILE = '"><script>alert(1)</script>\u202e\x1b[31m'


def recordings(channels: int = 1, frames: int = 16000, ids: tuple[str, ...] = ("a", "b", "c", "d")) -> Recordings:
    rng = np.random.default_rng(4)
    counts = rng.normal(0, 2000, (4 * frames, channels)).astype(np.int16)
    test = np.array([False, False, True, False])
    return Recordings(counts, np.arange(5) * frames, np.array([0, 1, 1, 1], np.int32), test, ids)


def described(signal: dict[str, Any] = SIGNAL) -> dict[str, Any]:
    return {"signal": signal, "classes": ["hum", "word"]}


def settings(features: Any = None, augment: list[dict[str, Any]] | None = None, window: int = 50) -> dict[str, Any]:
    given = {"features": [LOG_MEL] if features is None else features, "window_frames": window, "hop_frames": window}
    if given["features"] != "raw":
        given["frame_samples"] = 16000 // window if features is None else 1
    return {"input": given, "training": {"seed": 1, **({"augment": augment} if augment else {})}}


def preview(**wanted: Any) -> Preview:
    return make_preview(recordings(), described(), settings(augment=STEPS), Wanted(**wanted), {})


def about(dataset: str = "speech", augment: list[dict[str, Any]] = STEPS) -> About:
    return About(dataset, "spotter", SIGNAL, augment)


def decoded(image: bytes) -> tuple[int, int, list[bytes], bytes]:
    """Width, height, lines of indices and palette of one of our PNGs; every checksum checked."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(image):
        length, kind = struct.unpack_from(">I4s", image, at)
        data = image[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", image, at + 8 + length) == (zlib.crc32(kind + data),)
        chunks[kind], at = data, at + 12 + length
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 3)
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (width + 1) and not any(raw[i] for i in range(0, len(raw), width + 1))
    return width, height, [raw[i + 1 : i + 1 + width] for i in range(0, len(raw), width + 1)], chunks[b"PLTE"]


def test_a_png_holds_its_values() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert decoded(png(values, colours())) == (4, 3, [bytes(row) for row in values.tolist()], colours())


def test_lightness_rises_with_the_value() -> None:
    red, green, blue = np.frombuffer(colours(), np.uint8).reshape(-1, 3).T.astype(float)
    assert (np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) > -0.6).all()


def test_a_heat_map_has_time_to_the_right_and_the_first_value_below() -> None:
    inputs = np.zeros((30, 10))
    inputs[29, 0] = SPREADS  # the newest row, its first value
    width, height, lines, _ = decoded(base64.b64decode(draw_rows(inputs).image.partition(",")[2]))
    assert (width, height) == (30, 10) and lines[9][29] == 255 and lines[0][0] == shades(np.zeros((1, 1)))[0, 0]


def test_few_values_are_lines_and_one_row_is_bars() -> None:
    assert len(draw_rows(np.zeros((30, 6))).lines) == 6
    bars = draw_rows(np.array([[SPREADS, -SPREADS, 0.0]])).bars
    assert [height for _, _, height in bars] == [75.0, 75.0, 0.5] and bars[0][1] == 0.0 and bars[1][1] == 75.0


def test_an_image_is_grey_from_its_darkest_to_its_lightest() -> None:
    *_, lines, _ = decoded(base64.b64decode(grey_image(np.array([[5, 105]])).partition(",")[2]))
    assert lines == [bytes([0, 255])]


def test_blocks_and_sparklines_are_as_wide_as_asked() -> None:
    rising = np.repeat(np.linspace(-SPREADS, SPREADS, 200)[:, None], 40, axis=1)
    found = blocks(rising, 50, 8)
    assert len(found) == 8 and found[0][0] == " " and found[0][-1] == "█" and len(found[0]) == 50
    assert sparkline(np.array([[0], [-100], [50]]), 100, 3) == "▁█▅"


def test_a_line_stays_within_its_picture() -> None:
    numbers = [float(n) for n in re.findall(r"[-\d.]+", line([-9, 0, 9], -1, 1, 100, 50))]
    assert numbers == [0, 50, 50, 25, 100, 0]


def test_it_shows_the_rows_that_training_sees() -> None:
    shown = preview(per_class=1).classes[0].examples[0]
    found = recordings()
    features = preview().features
    rows = in_rows(found, features)
    windows = cut_windows(rows, test=False, window_frames=features.rows, hop_frames=features.hop_rows)
    assert shown.id == "a" and (shown.plain.inputs == float_inputs(windows.counts[0], features)).all()


def test_its_variations_are_those_of_the_first_epochs() -> None:
    found, features = recordings(), preview().features
    only_samples = make_preview(found, described(), settings(augment=STEPS[:1]), Wanted(), {})
    training = {"augment": STEPS[:1], "seed": 1}
    augmentation = read_augmentation(training, SIGNAL, ["hum", "word"], found, {})
    for copy, shown in enumerate(only_samples.classes[0].examples[0].variations):
        rows = varied_rows(training_side(found), features, augmentation, copy)
        assert (shown.inputs == float_inputs(rows.frames(0), features)).all()


def test_masks_are_drawn_too() -> None:
    found = make_preview(recordings(), described(), settings(augment=STEPS[1:]), Wanted(variations=9), {})
    example = found.classes[0].examples[0]
    assert any((shown.inputs != example.plain.inputs).any() for shown in example.variations)
    assert all((shown.samples == example.plain.samples).all() for shown in example.variations)


def test_the_training_side_is_chosen_and_one_recording_on_request() -> None:
    chosen = [e.id for view in preview(per_class=5).classes for e in view.examples]
    assert chosen == ["a", "b", "d"]
    (only,) = preview(recording="c").classes
    assert [e.id for e in only.examples] == ["c"] and only.examples[0].test


def test_a_recording_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="no recording 'z'"):
        preview(recording="z")


class Text(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        assert not any(name in ("onload", "onclick", "onerror") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = features_page(preview(), about())
    assert "http" not in re.sub(r"http-equiv", "", page) and "script" not in Text(page).tags
    assert set(re.findall(r'src="([a-z:/+]+)', page)) == {"data:image/png"}
    assert "1 recordings to train, 0 to test" in page and "mix: of hum, factor 0.1 to 0.5" in page
    # Of 3 recordings each, with 3 variations; means of 2 classes; the scale.
    assert page.count("<img") == 3 * 4 + 2 + 1


def test_names_stay_text() -> None:
    found = make_preview(recordings(ids=(HOSTILE, "b", "c", "d")), described(), settings(), Wanted(), {})
    parsed = Text(features_page(found, about(HOSTILE, [])))
    assert "script" not in parsed.tags and "alert(1)" in parsed.text
    assert "\u202e" not in parsed.text and "\x1b" not in parsed.text + features_text(found)


def test_long_names_are_cut_and_pictures_are_not() -> None:
    page = features_page(preview(), about("M" * 5000))
    assert "M" * 121 not in page and max(map(len, re.findall(r' d="([^"]*)"', page))) > 1000


def test_text_and_json_say_the_same_classes() -> None:
    text, value = features_text(preview(per_class=1)), features_json(preview(per_class=1))
    assert "word: 2 recordings to train, 1 to test" in text and "varied, 3:" in text
    assert [c["shown"] for c in value["classes"]] == [["a"], ["b"]] and value["shape"] == [49, 20]


def test_few_values_have_names() -> None:
    stage = stage_json(Statistics(100, 100, ("mean", "rms")))
    found = make_preview(recordings(2, 300), described(MOTION), settings([stage], window=100), Wanted(), {})
    page = features_page(found, About("walks", "", MOTION, ()))
    assert [name in page for name in ("<td>mean ax</td>", "<td>rms ay</td>")] == [True, True]
    assert "as spotter sees it" not in page and "<rect" in page


def test_images_are_drawn_as_they_are() -> None:
    signal = {"sensor": "camera", "channels": ["grey"], "units": ["1"], "rate_hz": None, "size": [8, 8]}
    found = make_preview(recordings(64, 1), described(signal), settings("raw", window=1), Wanted(), {})
    page = features_page(found, About("digits", "", signal, ()))
    assert page.count('class="picture frame"') == 3 and "mean of each class" not in page
