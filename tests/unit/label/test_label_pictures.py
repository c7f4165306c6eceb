"""What the page draws and plays: envelopes, gaps, sound, pixels."""

from __future__ import annotations

import io
import wave
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.labelling import motion_take, tone_take
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.take import take_bytes
from tinyops.errors import SpecError
from tinyops.label.envelope import BINS, COLUMNS_MAX, envelope, spectrogram
from tinyops.label.pixels import pixels
from tinyops.label.signals import Shown, measured, show
from tinyops.label.slots import Slots
from tinyops.label.sound import wav
from tinyops.specs.model import Signal

SOUND = Signal(sensor="microphone", channels=("level",), units=("1",), full_scale=(1.0,), rate_hz=16000)
TONE = IndexEntry("sha256:" + "a" * 64, format="take")


def shown(values: np.ndarray, gaps: tuple[tuple[int, int], ...] = (), rate_hz: float | None = 100.0) -> Shown:
    return Shown(values, Slots(gaps, len(values)), rate_hz, (1.0,) * values.shape[1], {})


@st.composite
def gapped(draw: st.DrawFn) -> Shown:
    frames = draw(st.integers(1, 40))
    places = sorted(draw(st.sets(st.integers(0, frames), max_size=4)))
    gaps = tuple((at, draw(st.integers(0, 9))) for at in places)
    return shown(np.arange(frames * 2, dtype=float).reshape(frames, 2) * [1, -1], gaps)


@given(gapped(), st.data())
def test_an_envelope_is_the_lowest_and_highest_of_each_column(what: Shown, data: st.DataObject) -> None:
    total = what.slots.total
    begin = data.draw(st.integers(0, total - 1))
    end = data.draw(st.integers(begin + 1, total))
    columns = data.draw(st.integers(1, end - begin))
    lost = dict(what.slots.gaps)
    slots: list[int | None] = []  # the frame in each slot, by hand
    for frame in range(what.frames + 1):
        slots += [None] * lost.get(frame, 0)
        slots += [frame] if frame < what.frames else []
    assert len(slots) == total
    found = envelope(what, begin, end, columns)
    for column in range(columns):
        upto = [begin + (end - begin) * n // columns for n in (column, column + 1)]
        frames = [f for f in slots[upto[0] : upto[1]] if f is not None]
        for channel in range(2):
            values = what.values[frames, channel] if frames else np.array([np.nan])
            assert found[channel, column] == pytest.approx([values.min(), values.max()], nan_ok=True)


@pytest.mark.parametrize(
    ("begin", "end", "columns"), [(0, 0, 1), (5, 4, 1), (0, 11, 1), (0, 10, 0), (0, 10, COLUMNS_MAX + 1)]
)
def test_what_is_no_part_of_a_recording_is_refused(begin: int, end: int, columns: int) -> None:
    with pytest.raises(SpecError, match="places of frames have no"):
        envelope(shown(np.zeros((10, 1))), begin, end, columns)


def test_a_tone_is_loudest_at_its_frequency() -> None:
    time = np.arange(16000) / 16000
    what = shown(np.sin(2 * np.pi * 2000 * time)[:, None], rate_hz=16000)
    found = spectrogram(what, 0, 0, 16000, 50)
    assert found.shape == (50, BINS)
    assert set(found[5:45].argmax(axis=1)) == {2000 * BINS // 8000 - 1}
    assert found[25].max() > 240 and np.median(found[25]) == 0


@pytest.mark.parametrize("frames", [1, 40, 700])
def test_a_short_recording_has_a_spectrogram_too(frames: int) -> None:
    assert spectrogram(shown(np.zeros((frames, 1))), 0, 0, frames, min(frames, 30)).shape[1] == BINS


def test_sound_comes_out_as_it_was_recorded() -> None:
    take = tone_take(1)
    what = show(take_bytes(take), TONE, SOUND)
    with wave.open(io.BytesIO(wav(what, 0, 100, 1100))) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (16000, 1, 2)
        heard = np.frombuffer(reader.readframes(2000), "<i2")
    assert np.array_equal(heard, take.values[100:1100, 0])
    for channel, begin, end in ((1, 0, 5), (0, 5, 5), (0, 0, 16001)):
        with pytest.raises(SpecError, match="cannot be played at once"):
            wav(what, channel, begin, end)
    with pytest.raises(SpecError, match="100 frames a second are no sound"):
        wav(shown(np.zeros((9, 1))), 0, 0, 9)
    for rate_hz in (1e300, 768_001.0):
        with pytest.raises(SpecError, match="are no sound"):
            wav(replace(shown(np.zeros((9, 1))), rate_hz=rate_hz), 0, 0, 9)


def test_a_take_shows_where_frames_are_missing() -> None:
    take = motion_take(1, 600, ((250, 40), (400, 5)))
    signal = Signal(
        sensor="imu",
        channels=take.facts.channels,
        units=take.facts.units,
        full_scale=take.facts.full_scale or (),
        rate_hz=100,
    )
    what = show(take_bytes(take), TONE, signal)
    assert (what.frames, what.slots.total, what.rate_hz) == (600, 645, 99.7)
    assert what.parts == ((0, 250), (250, 400), (400, 600))
    found = envelope(what, 0, 645, 645)
    assert np.isnan(found[0, 250:290]).all() and np.isnan(found[0, 440:445]).all()
    assert np.isfinite(found).all(axis=(0, 2)).sum() == 600
    with pytest.raises(SpecError, match="the dataset's signal"):
        show(take_bytes(take), TONE, SOUND)


def test_pixels_are_grey_or_coloured() -> None:
    grey = shown(np.array([[0.0, 0.5, 1.0, 0.25]]))
    assert list(pixels(grey, 0, (2, 2))) == [0, 0, 0, 255, 128, 128, 128, 255, 255, 255, 255, 255, 64, 64, 64, 255]
    coloured = shown(np.array([[0.0, 0.5, 1.0]]))
    assert list(pixels(coloured, 0, (1, 1))) == [0, 128, 255, 255]
    assert list(pixels(shown(np.full((1, 1), 7.0)), 0, (1, 1))) == [0, 0, 0, 255]
    with pytest.raises(SpecError, match="no frame 1"):
        pixels(grey, 1, (2, 2))


def test_frames_lost_at_the_ends_belong_to_the_whole_file_only() -> None:
    what = shown(np.arange(20.0)[:, None] / 20, ((0, 3), (10, 4), (20, 5)))
    assert measured(TONE, what).lost == 12
    assert measured(IndexEntry(TONE.sha256, format="take", begin=0, end=20), what).lost == 4
    assert measured(IndexEntry(TONE.sha256, format="take", begin=10, end=20), what).lost == 0


def test_what_is_no_number_is_drawn_as_a_hole_and_never_played() -> None:
    bad = shown(np.array([[np.nan], [np.inf], [-np.inf], [0.5]]), rate_hz=16000)
    found = envelope(bad, 0, 4, 4)
    assert np.isnan(found[0, :3]).all() and found[0, 3, 0] == 0.5
    assert spectrogram(bad, 0, 0, 4, 4).shape == (4, BINS)
    assert len(wav(bad, 0, 0, 4)) == 44 + 8
    assert len(pixels(bad, 0, (1, 1))) == 4
    with pytest.raises(SpecError, match="no numbers"):
        measured(TONE, bad)


def test_what_a_device_says_of_itself_is_cleaned() -> None:
    take = tone_take(0)
    facts = take.facts.model_copy(update={"board": "left\u202eright\x1b[31m"})
    found = show(take_bytes(replace(take, facts=facts)), TONE, SOUND).facts
    assert found["board"] == "left\ufffdright\ufffd[31m"
