"""Known answers: the device's integer features beside float libraries, each within a stated error."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes.staged import cut, log_mel_db, made_up_sound, speech, staged
from tinyops.features.filters import butterworth
from tinyops.features.host import extract_rows
from tinyops.features.stages import STATISTICS, Filter, LogMel, Mfcc, Samples, Spectrum, Statistics
from tinyops.features.tables import cosine_table, log_table, mel_bands, twiddle_table, window_sum, window_table

signal = pytest.importorskip("scipy.signal", reason="scipy is not installed")
fft = pytest.importorskip("scipy.fft", reason="scipy is not installed")

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
DB = 10 * np.log10(2) / 512  # a unit of the device's logarithms
Samples_ = NDArray[np.int16]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def noise(count: int, channels: int = 1, spread: float = 4000, seed: int = 1) -> Samples_:
    drawn = np.random.default_rng(seed).normal(0, spread, (count, channels))
    return np.clip(drawn, -32768, 32767).astype(np.int16)


# -- tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), [("hann", "hann"), ("hamming", "hamming"), ("rectangular", "boxcar")])
@pytest.mark.parametrize("length", [2, 7, 240, 480, 1024])
def test_windows_are_scipys(kind: str, name: str, length: int) -> None:
    wanted = signal.get_window(name, length) * 32768
    assert np.abs(np.array(window_table(kind, length)) - wanted[: length // 2 + 1]).max() <= 0.5 + 1e-9 or length == 2
    assert abs(window_sum(kind, length) - wanted.sum()) <= length / 2


@pytest.mark.parametrize("points", [16, 1024])
def test_twiddles_are_rounded_sines_and_cosines(points: int) -> None:
    angle = 2 * np.pi * np.arange(points // 2) / points
    wanted = -np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(-1) * 32768
    assert np.abs(np.array(twiddle_table(points)) - wanted).max() <= 0.5 + 1e-9


def test_logarithms_and_cosines() -> None:
    assert np.abs(np.array(log_table()) - np.log2(1 + np.arange(65) / 64) * 32768).max() <= 0.5 + 1e-9
    k, m = np.mgrid[:13, :40]
    wanted = np.cos(np.pi * k * (2 * m + 1) / 80) * 32768
    assert np.abs(np.array(cosine_table(40, 13)).reshape(13, 40) - np.minimum(wanted, 32767)).max() <= 0.5 + 1e-9


# -- filters: within 1 count of scipy's in double precision ---------------------------------------


@pytest.mark.parametrize("order", [1, 2, 5, 8])
@pytest.mark.parametrize(
    ("passes", "name", "corners"),
    [
        ("low", "lowpass", (1000.0,)),
        ("high", "highpass", (100.0,)),
        ("band", "bandpass", (300.0, 3400.0)),
        ("stop", "bandstop", (900.0, 1100.0)),
    ],
)
def test_designs_are_scipys(passes: str, name: str, corners: tuple[float, ...], order: int) -> None:
    mine = np.array([[*s[:3], 1, *s[3:]] for s in butterworth(passes, order, corners, 16000.0)])
    wanted = signal.butter(order, corners if len(corners) > 1 else corners[0], name, fs=16000, output="sos")
    _, here = signal.sosfreqz(mine, 512)
    _, there = signal.sosfreqz(wanted, 512)
    assert np.abs(here - there).max() < 1e-9


DESIGNS = [
    *(("low", (corner,)) for corner in (32.0, 160.0, 3000.0, 7840.0)),
    *(("high", (corner,)) for corner in (32.0, 100.0, 7840.0)),
    *(("band", corners) for corners in ((32.0, 7840.0), (32.0, 40.0), (300.0, 3400.0), (1000.0, 1010.0))),
    *(("stop", corners) for corners in ((32.0, 40.0), (49.0, 51.0), (900.0, 1100.0))),
]


@pytest.mark.parametrize(("passes", "corners"), DESIGNS)
def test_filters_are_within_a_count(passes: str, corners: tuple[float, ...], folder: Path) -> None:
    """From the lowest corner to the highest; noise, long plateaus at full scale and near silence."""
    plateaus = [np.full((12000, 1), level, np.int16) for level in (30000, -30000)]
    samples = np.concatenate([noise(8000, spread=9000), *plateaus, made_up_sound()])
    for order in (1, 5) if corners[0] in (160.0, 100.0, 300.0, 900.0) else (2, 8):
        features = staged(Filter(passes, order, corners), Samples())
        assert not list(features.filters[0].faults(16000.0))
        sections = butterworth(passes, order, corners, 16000.0)
        exact = signal.sosfilt([[*s[:3], 1, *s[3:]] for s in sections], samples.astype(np.float64), axis=0)
        found = extract_rows(samples, features, folder=folder)
        assert np.abs(found - np.clip(exact, -32768, 32767)).max() <= 1.0, order


def test_sections_of_the_users_own(folder: Path) -> None:
    section = (0.25, 0.5, 0.25, -0.3, 0.2)
    found = extract_rows(noise(500), staged(Filter(sections=(section,)), Samples()), folder=folder)
    exact = signal.sosfilt([[*section[:3], 1, *section[3:]]], noise(500).astype(np.float64), axis=0)
    assert np.abs(found - exact).max() <= 0.5 + 1e-3


def test_a_filter_saturates_and_recovers(folder: Path) -> None:
    """Full-scale square waves through a resonance leave 16 bits; afterwards all is as if they had not."""
    square = np.where(np.arange(3000) // 8 % 2, 32767, -32768)
    samples = np.concatenate([square, noise(3000)[:, 0]]).astype(np.int16)[:, None]
    features = staged(Filter("band", 2, (900.0, 1100.0)), Samples())
    found = extract_rows(samples, features, folder=folder)[:, 0]
    sections = butterworth("band", 2, (900.0, 1100.0), 16000.0)
    exact = signal.sosfilt([[*s[:3], 1, *s[3:]] for s in sections], samples[:, 0].astype(np.float64))
    assert np.abs(found - np.clip(exact, -32768, 32767)).max() <= 1.0
    assert found.max() == 32767 and np.abs(exact).max() > 32768


# -- statistics: exact, roots within 1 count ------------------------------------------------------


def test_statistics_are_numpys(folder: Path) -> None:
    samples = np.concatenate([noise(900, 3) + np.array([0, 5000, -9000], np.int16), np.zeros((90, 3), np.int16)])
    samples = np.concatenate([samples, np.full((90, 3), -32768, np.int16), np.tile([[32767], [-32768]], (60, 3))])
    samples = samples.astype(np.int16)
    features = staged(Statistics(90, 30, STATISTICS), rate_hz=100.0, channels=3)
    found = extract_rows(samples, features, folder=folder).reshape(-1, len(STATISTICS), 3)
    view = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), 90, axis=0)[::30]  # [rows, 3, 90]
    below, mean = view < 0, view.mean(axis=2)
    above = view < mean[:, :, None]
    wanted = {
        "mean": np.floor(mean + 0.5),
        "minimum": view.min(axis=2),
        "maximum": view.max(axis=2),
        "zero_crossings": (below[:, :, 1:] != below[:, :, :-1]).sum(axis=2),
        "mean_crossings": (above[:, :, 1:] != above[:, :, :-1]).sum(axis=2),
    }
    for name, values in wanted.items():
        assert (found[:, STATISTICS.index(name)] == values).all(), name
    rms = np.minimum(np.sqrt((view**2).mean(axis=2)), 32767)
    assert np.abs(found[:, STATISTICS.index("rms")] - rms).max() <= 0.51
    assert np.abs(found[:, STATISTICS.index("deviation")] - np.minimum(view.std(axis=2), 32767)).max() <= 0.51


# -- spectra ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "points"), [(16, 16), (100, 128), (480, 512), (1024, 1024)])
def test_magnitudes_are_amplitudes(length: int, points: int, folder: Path) -> None:
    """Within a count, and beside a loud bin within 2^-15 of that one."""
    features = staged(Spectrum(length, length, points, high_hz=8000.0, scale="magnitude"))
    samples = np.concatenate([noise(4096), made_up_sound(), np.full((2048, 1), -32768, np.int16)])
    window = signal.get_window("hann", length)
    exact = np.abs(np.fft.rfft(cut(samples, length, length) * window, points)) * 2 / window.sum()
    found = extract_rows(samples, features, folder=folder)
    allowed = 1 + exact.max(axis=1, keepdims=True) / 32768
    assert (np.abs(found - np.minimum(exact, 32767)) <= allowed).all()


def test_a_spectrum_begins_and_ends_where_it_is_told_to(folder: Path) -> None:
    whole = staged(Spectrum(64, 64, 64, high_hz=8000.0))
    part = staged(Spectrum(64, 64, 64, low_hz=500.0, high_hz=2000.0))
    assert (part.row_values, whole.row_values) == (7, 33)
    samples = noise(640)
    found = extract_rows(samples, whole, folder=folder)
    assert (extract_rows(samples, part, folder=folder) == found[:, 2:9]).all()


def test_channels_do_not_mix(folder: Path) -> None:
    samples = noise(2000, 3)
    together = staged(Spectrum(100, 50, 128, high_hz=8000.0), channels=3)
    alone = staged(Spectrum(100, 50, 128, high_hz=8000.0))
    found = extract_rows(samples, together, folder=folder).reshape(-1, 65, 3)
    for c in range(3):
        assert (found[:, :, c] == extract_rows(samples[:, c : c + 1].copy(), alone, folder=folder)).all()


SOUNDS = {"made up": lambda: [made_up_sound()], "speech": lambda: speech(36)}


@pytest.mark.parametrize("sound", SOUNDS)
def test_log_mel_is_within_a_hundredth_of_a_decibel(sound: str, folder: Path) -> None:
    """Over the 60 dB below a recording's loudest band; 80 dB below it, the worst of all is 3 dB off."""
    stage = LogMel(480, 320, 512)
    sounds = SOUNDS[sound]()
    if not sounds:
        pytest.skip("the shared data is not there")
    wanted = [log_mel_db(samples, stage) for samples in sounds]
    found = [extract_rows(samples, staged(stage), folder=folder) * DB for samples in sounds]
    errors = np.concatenate([f - w for f, w in zip(found, wanted, strict=True)])
    below = np.concatenate([w - w.max() for w in wanted])
    loud = errors[below > -60]
    assert loud.size > 1000
    assert np.sqrt((loud**2).mean()) <= 0.01
    assert np.abs(loud).max() <= 0.5


def test_silence_is_nothing(folder: Path) -> None:
    rows = extract_rows(np.zeros((960, 1), np.int16), staged(LogMel(480, 320, 512)), folder=folder)
    assert rows.shape == (2, 40) and (rows == 0).all()


@pytest.mark.parametrize("sound", SOUNDS)
def test_mfcc_is_scipys_cosine_transform(sound: str, folder: Path) -> None:
    """Of the device's log-mel within 1 unit: what is left is rounding."""
    sounds = SOUNDS[sound]()
    if not sounds:
        pytest.skip("the shared data is not there")
    for samples in sounds[:5]:
        log_mel = extract_rows(samples, staged(LogMel(480, 320, 512)), folder=folder).astype(np.float64)
        exact = fft.dct(log_mel, type=2, norm="ortho", axis=1)[:, :13] / np.sqrt(40)
        found = extract_rows(samples, staged(Mfcc(480, 320, 512)), folder=folder)
        assert np.abs(found - exact).max() <= 1.0


@pytest.mark.parametrize("bands", [1, 20, 64])
def test_every_bin_counts_once(bands: int) -> None:
    """Between the second and the last but one edge the weights of a bin sum to 1."""
    found = mel_bands(16000.0, 512, bands, 100.0, 7600.0)
    assert len(found.rises) == found.starts[-1] - found.starts[0]
    assert all(0 <= r <= 32768 for r in found.rises)


def test_features_are_of_one_shape_with_their_model() -> None:
    picture = LogMel(480, 320, 512, shape="picture")
    features = staged(picture, channels=2, frame_samples=320, frames=(50, 25))
    assert (features.rows, features.hop_rows, features.row_values, features.shape) == (49, 25, 80, (49, 40, 2))
