"""This machine's own devices: ALSA through its file plugin, a camera from ffmpeg's pictures, a pipe."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes.capturing import SIGNAL, Bench, Scripted, opened, three
from tinyops.collect.capture.opening import Form, open_source
from tinyops.collect.capture.wanted import Wanted, line_form
from tinyops.collect.capture.ways.kind import Opening
from tinyops.collect.capture.ways.registry import WAYS
from tinyops.errors import SpecError
from tinyops.link.client import LinkClosed
from tinyops.specs.model import Signal

SHORT = Wanted(label="shake", take="one", seconds=0.06, count=1)
SOUND = Signal(sensor="microphone", channels=("sound",), units=("1",), full_scale=(1.0,), rate_hz=16000.0)
PICTURE = Signal(sensor="camera", channels=("light",), units=("1",), full_scale=(1.0,), size=(12, 16))


@pytest.mark.skipif(shutil.which("arecord") is None, reason="arecord is not installed (alsa-utils)")
def test_a_microphone_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = (np.arange(16000) % 1000).astype("<i2")
    (tmp_path / "sound.raw").write_bytes(samples.tobytes())
    (tmp_path / "asound.conf").write_text(
        'pcm.nothing { type null }\npcm.spoken { type file slave.pcm "nothing" file "/dev/null" '
        f'infile "{tmp_path}/sound.raw" format "raw" }}\n'
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(tmp_path / "asound.conf"))
    bench = Bench(tmp_path, SOUND)
    with opened("--microphone", "spoken", SOUND) as source:
        bench.session(source, SHORT, Scripted()).run()
    (take,) = bench.takes()
    assert take.values.shape == (960, 1)
    assert take.values.any()
    assert set(np.diff(take.values[take.values[:, 0] != 0, 0].astype(int)).tolist()) <= {1, -998, -999, 0}


@pytest.mark.skipif(shutil.which("arecord") is None, reason="arecord is not installed (alsa-utils)")
def test_a_microphone_that_is_not_there_is_said() -> None:
    with (
        pytest.raises(LinkClosed, match=r"microphone no-such-device: arecord failed"),
        opened("--microphone", "no-such-device", SOUND),
    ):
        pass


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_camera_that_is_a_test_picture(tmp_path: Path) -> None:
    bench = Bench(tmp_path, PICTURE)
    way = next(w for w in WAYS if w.option == "--camera")
    form = Form("auto", line_form(PICTURE, "", "", ""))
    source = open_source(way, "lavfi:testsrc=size=64x48:rate=20", Opening(PICTURE, rate_hz=20.0), form)
    with contextlib.closing(source):
        bench.session(source, replace(SHORT, seconds=0.6), Scripted()).run()
    (take,) = bench.takes()
    assert len(take.values) >= 2
    assert take.values.shape[1] == 12 * 16
    assert take.facts.size == (12, 16)
    assert take.values.max() > 20_000 and take.values.min() >= 0


def test_a_pipe_is_recorded_from_its_first_line(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    reading, writing = os.pipe()
    os.write(writing, b"booting\n" + b"".join(three(n) for n in range(30)) + b"7,8,9")
    os.close(writing)
    way = next(w for w in WAYS if w.option == "--stdin")
    before = os.dup(0)
    os.dup2(reading, 0)
    try:
        source = open_source(way, "", Opening(SIGNAL), Form("auto", line_form(SIGNAL, "", "", "")))
        with contextlib.closing(source):
            bench.session(source, replace(SHORT, seconds=None), Scripted()).run()
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)
    (take,) = bench.takes()
    assert len(take.values) == 30


@pytest.mark.parametrize(("option", "address"), [("--microphone", "default"), ("--camera", "lavfi:testsrc")])
def test_a_signal_of_another_sensor_is_refused(option: str, address: str) -> None:
    other = PICTURE if option == "--microphone" else SIGNAL
    with pytest.raises(SpecError), opened(option, address, other):
        pass
