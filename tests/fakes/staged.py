"""Staged features for tests, real and made-up sound, and the front end's C under sanitizers."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from fakes.compiled import BASE
from tinyops.compiler.options import RUNTIME
from tinyops.features import StagedFeatures
from tinyops.features.code import front_code, front_of
from tinyops.features.stages import (
    PASSES,
    SCALES,
    STATISTICS,
    WINDOWS,
    Filter,
    LogMel,
    Mfcc,
    Samples,
    Spectrum,
    Stage,
    Statistics,
    count_faults,
)

RUNNER = Path(__file__).parents[1] / "runtime" / "run_front.c"
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
SPEECH = SHARED / "datasets" / "speech_commands_test_subset"


def staged(
    *stages: Stage,
    rate_hz: float = 16000.0,
    channels: int = 1,
    frame_samples: int = 1,
    frames: tuple[int, int] = (1, 1),
) -> StagedFeatures:
    """Features that are not normalised; `frames` are those of a window and of a hop."""
    made = tuple(s.designed(rate_hz) if isinstance(s, Filter) else s for s in stages)
    last = made[-1]
    assert not isinstance(last, Filter)
    entries = last.values(rate_hz) * channels
    return StagedFeatures(rate_hz, channels, frame_samples, *frames, made, (0,) * entries, (1.0,) * entries)


def made_up_sound(seconds: float = 1.0) -> NDArray[np.int16]:
    """A chirp and noise that fade by 60 dB, at 16 kHz."""
    count = int(16000 * seconds)
    t = np.arange(count) / 16000
    chirp = np.sin(2 * np.pi * (100 + 1800 * t / seconds) * t)
    hiss = np.random.default_rng(2).normal(0, 0.2, count)
    return (16000 * 10 ** (-3 * t / seconds) * (chirp + hiss)).astype(np.int16)[:, None]


def speech(every: int) -> list[NDArray[np.int16]]:
    """Each so many-th recording of the shared speech commands; none where they are not there."""
    found = []
    for path in sorted(SPEECH.glob("*/*.wav"))[::every]:
        with wave.open(str(path)) as file:
            found.append(np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)[:, None])
    return found


def cut(samples: NDArray[np.int16], length: int, step: int) -> NDArray[np.float64]:
    """[rows, length] of the first channel."""
    return np.lib.stride_tricks.sliding_window_view(samples[:, 0].astype(np.float64), length)[::step]


def log_mel_db(samples: NDArray[np.int16], stage: LogMel, rate_hz: float = 16000.0) -> NDArray[np.float64]:
    """Power in bands in dB of counts squared, in double precision; not below 1."""
    from scipy import signal

    window = signal.get_window(stage.window, stage.length)
    power = np.abs(np.fft.rfft(cut(samples, stage.length, stage.step) * window, stage.fft)) ** 2
    mel = 1127 * np.log1p(np.arange(stage.fft // 2 + 1) * rate_hz / stage.fft / 700)
    edges = np.linspace(*1127 * np.log1p(np.array([stage.low_hz, stage.high_hz]) / 700), stage.mels + 2)
    rising = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    return 10 * np.log10(np.maximum(power @ np.maximum(0, np.minimum(rising, falling)), 1))


@st.composite
def any_features(draw: st.DrawFn) -> StagedFeatures:
    """Stages that are right, of any kind and of all sizes."""
    rate_hz = draw(st.sampled_from([50.0, 8000.0, 16000.0]))
    filters = tuple(draw(st.lists(designs(rate_hz), max_size=2)))
    rows = draw(st.one_of(spectral(rate_hz), statistics(), st.just(Samples())))
    stages = (*filters, rows)
    faults = [*(f for s in stages for f in s.faults(rate_hz)), *count_faults(stages)]
    if faults:  # a filter that 32 bits do not hold, or bands between two bins
        stages = (Samples(),)
    return staged(*stages, rate_hz=rate_hz, channels=draw(st.integers(1, 3)))


@st.composite
def designs(draw: st.DrawFn, rate_hz: float) -> Filter:
    passes = draw(st.sampled_from(PASSES))
    corners = sorted(draw(st.floats(rate_hz / 1000, rate_hz * 0.49)) for _ in range(2))
    return Filter(passes, draw(st.integers(1, 8)), tuple(corners if passes in ("band", "stop") else corners[:1]))


@st.composite
def statistics(draw: st.DrawFn) -> Statistics:
    length = draw(st.integers(2, 300))
    kinds = draw(st.lists(st.sampled_from(STATISTICS), min_size=1, unique=True))
    return Statistics(length, draw(st.integers(1, length)), tuple(kinds))


@st.composite
def spectral(draw: st.DrawFn, rate_hz: float) -> Spectrum | LogMel:
    fft = draw(st.sampled_from([16, 32, 64, 256, 1024]))
    length = draw(st.integers(4, fft))
    step = draw(st.integers(1, length))
    window = draw(st.sampled_from(WINDOWS))
    low = draw(st.floats(0, rate_hz / 4))
    high = draw(st.floats(low + rate_hz / 16, rate_hz / 2))
    kind = draw(st.sampled_from([Spectrum, LogMel, Mfcc]))
    if kind is Spectrum:
        return Spectrum(length, step, fft, window, low, high, draw(st.sampled_from(SCALES)))
    mels = draw(st.integers(1, 40))
    if kind is LogMel:
        return LogMel(length, step, fft, window, low, high, mels)
    return Mfcc(length, step, fft, window, low, high, mels, coefficients=draw(st.integers(1, mels)))


@functools.cache
def _objects(flags: tuple[str, ...]) -> tuple[tempfile.TemporaryDirectory[str], list[Path]]:
    """Objects of every hand-written source of features."""
    folder = tempfile.TemporaryDirectory(prefix="tinyops-features-")
    sources = sorted((RUNTIME / "features").glob("*.c"))
    argv = ["gcc", *BASE, *flags, "-I", str(RUNTIME / "include"), "-c", *map(str, sources)]
    subprocess.run(argv, check=True, cwd=folder.name)
    return folder, sorted(Path(folder.name).glob("*.o"))


def run_front(
    features: StagedFeatures, samples: NDArray[np.int16], flags: tuple[str, ...], block: int
) -> NDArray[np.int16]:
    """Rows as a program of its own computes them, `block` samples a push. Raises AssertionError when it fails."""
    front = front_of(features)
    with tempfile.TemporaryDirectory(prefix="tinyops-front-") as scratch:
        for name, text in front_code(features).items():
            (Path(scratch) / name).write_text(text)
        program = Path(scratch) / "run"
        sources = [Path(scratch) / "frontend.c", RUNNER, *_objects(flags)[1]]
        sizes = (f"-DCHANNELS={front.channels}", f"-DROW={front.row}", f"-DBLOCK={block}")
        argv = ["gcc", *BASE, *flags, *sizes, "-I", scratch, "-I", str(RUNTIME / "include"), "-o", str(program)]
        subprocess.run([*argv, *map(str, sources)], check=True)
        done = subprocess.run([program], input=samples.tobytes(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return np.frombuffer(done.stdout, np.int16).reshape(-1, front.row)
