"""Repositories with recordings to label: made up, or of real people's motion and speech."""

from __future__ import annotations

import os
import wave
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from fakes.projects import PROJECT
from tinyops.datasets.adding import Addition, add_entries, take_addition
from tinyops.datasets.objects import data_folder
from tinyops.datasets.take import Clock, Take, TakeFacts
from tinyops.files import digest_bytes

SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")) / "datasets"
DATASET = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: NAME}
spec:
  classes: CLASSES
  signal: SIGNAL
  sources:
    - {kind: recordings, index: ../data/NAME.csv}
"""
MOTION = (
    "{sensor: imu, channels: [ax, ay, az, gx, gy, gz], units: [m/s2, m/s2, m/s2, rad/s, rad/s, rad/s], "
    "full_scale: [40, 40, 40, 20, 20, 20], rate_hz: 100}"
)
SPEECH = '{sensor: microphone, channels: [level], units: ["1"], full_scale: [1], rate_hz: 16000}'
IMAGES = '{sensor: camera, channels: [grey], units: ["1"], full_scale: [1], size: [8, 8]}'
LEAST = 50  # frames of a piece: fewer are no movement
ACTIVITIES = ("seated", "standing up", "walking", "turning", "sitting down")
_AS_CLASS = {name.upper().replace(" ", "_"): name for name in ACTIVITIES}


def repository(root: Path, name: str, classes: tuple[str, ...], signal: str) -> Path:
    """A repository with one dataset whose index has no line yet; returns the index's path."""
    (root / "specs").mkdir(parents=True)
    (root / "specs" / "project.yaml").write_text(PROJECT)
    listed = "[" + ", ".join(classes) + "]"
    text = DATASET.replace("NAME", name).replace("CLASSES", listed).replace("SIGNAL", signal)
    (root / "specs" / f"{name}.yaml").write_text(text)
    index = root / "data" / f"{name}.csv"
    index.parent.mkdir()
    index.write_text("sha256,label\n")
    return index


def add(index: Path, additions: Sequence[Addition]) -> None:
    """As `add_recordings`, but not to outlive a power cut: a thousand files are written in a moment."""
    entries = []
    for addition in additions:
        entry = replace(addition.entry, sha256=digest_bytes(addition.data), bytes=len(addition.data))
        path = data_folder(index) / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(addition.data)
        entries.append(entry)
    add_entries(index, entries)


def motion_take(seed: int, frames: int = 600, gaps: tuple[tuple[int, int], ...] = ()) -> Take:
    """Six channels at 100 Hz: a wave whose pace the seed says, noise, gravity."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / 100
    waves = np.sin(2 * np.pi * (0.5 + seed % 4) * time + np.arange(6)) * np.array([6, 4, 3, 2, 1, 3])
    values = waves + random.normal(0, 0.3, (frames, 6)) + np.array([0, 0, 9.81, 0, 0, 0])
    scale = np.array([40, 40, 40, 20, 20, 20])
    facts = TakeFacts(
        sensor="imu",
        channels=("ax", "ay", "az", "gx", "gy", "gz"),
        units=("m/s2",) * 3 + ("rad/s",) * 3,
        full_scale=tuple(float(s) for s in scale),
        rate_hz=100,
        clock=Clock(source="device", measured_hz=99.7, jitter_ms=0.4),
        started=f"2026-11-29T{8 + seed // 60 % 12:02}:{seed % 60:02}:00Z",
        device=f"nano-{seed % 3}",
        board="nano33ble",
        gaps=gaps,
    )
    return Take(facts, np.clip(np.rint(values / scale * 32768), -32768, 32767).astype(np.int16))


def tone_take(seed: int, seconds: float = 1.0) -> Take:
    """A tone that rises, at 16 kHz."""
    time = np.arange(round(seconds * 16000)) / 16000
    values = 0.4 * np.sin(2 * np.pi * (300 + 100 * seed + 400 * time) * time) * np.hanning(len(time))
    facts = TakeFacts(
        sensor="microphone",
        channels=("level",),
        units=("1",),
        full_scale=(1.0,),
        rate_hz=16000,
        clock=Clock(source="device"),
        started="2026-11-29T09:00:00Z",
    )
    return Take(facts, np.rint(values * 32767).astype(np.int16)[:, None])


def motions(root: Path, number: int, *, labelled: bool = True, frames: int = 600) -> Path:
    """Recordings of made-up motion, some with gaps, every fifth without a label; returns the index."""
    classes = ("rest", "wave", "shake")
    index = repository(root, "wrist", classes, MOTION)
    additions = []
    for seed in range(number):
        gaps = ((250, 40), (400, 5)) if seed % 4 == 1 else ()
        label = classes[seed % 3] if labelled and seed % 5 else ""
        take = motion_take(seed, frames, gaps if frames > 400 else ())
        additions.append(
            take_addition(take, label=label, subject=("anna", "ben", "cleo")[seed % 3], name=f"t-{seed:04}")
        )
    add(index, additions)
    return index


def tones(root: Path, number: int = 3) -> Path:
    index = repository(root, "words", ("yes", "no"), SPEECH)
    add(index, [take_addition(tone_take(seed, 1 + seed), name=f"w-{seed}") for seed in range(number)])
    return index


def people_walking(root: Path, executions: int = 24) -> Path:
    """Recordings of eight people with a watch (CC BY 4.0), the pieces as their authors labelled them; the shortest
    wait for a label."""
    index = repository(root, "wrist", ACTIVITIES, MOTION)
    additions: list[Addition] = []
    for path in sorted((SHARED / "har_phone_watch").glob("s*/*_sw.csv"))[:executions]:
        rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
        values = np.array([row[:6] for row in rows], np.float32)
        labels = [_AS_CLASS[row[7]] for row in rows]
        whole = take_addition(_watch_take(path, values), subject=path.parent.name, name=path.stem)
        for begin, end in _runs(labels):
            label = labels[begin] if end - begin >= LEAST else ""
            additions.append(Addition(whole.data, replace(whole.entry, begin=begin, end=end, label=label)))
    add(index, additions)
    return index


def _watch_take(path: Path, values: np.ndarray) -> Take:
    facts = TakeFacts(
        sensor="imu",
        channels=("ax", "ay", "az", "gx", "gy", "gz"),
        units=("m/s2",) * 3 + ("rad/s",) * 3,
        rate_hz=100,
        clock=Clock(source="device"),
        started="2022-07-11T10:16:10Z",
        device="watch",
    )
    return Take(facts, values)


def _runs(labels: list[str]) -> list[tuple[int, int]]:
    edges = [0, *(n for n in range(1, len(labels)) if labels[n] != labels[n - 1]), len(labels)]
    return list(pairwise(edges))


def spoken_words(root: Path, per_word: int = 10, words: tuple[str, ...] = ("yes", "no", "up", "down")) -> Path:
    """Words that people said (CC BY 4.0), as takes; every third waits for its label."""
    index = repository(root, "words", words, SPEECH)
    additions = []
    for word in words:
        for number, path in enumerate(sorted((SHARED / "speech_commands_test_subset" / word).glob("*.wav"))[:per_word]):
            with wave.open(str(path)) as reader:
                counts = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")[:, None]
            facts = tone_take(0).facts
            label, speaker = word if number % 3 else "", path.stem.partition("_")[0]
            additions.append(
                take_addition(Take(facts, counts), label=label, subject=speaker, name=f"{word}-{number:02}")
            )
    add(index, additions)
    return index
