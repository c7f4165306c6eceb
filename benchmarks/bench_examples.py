"""What the examples of `tinyops init --example` reach with subjects held out, and what they cost on boards.

python benchmarks/bench_examples.py [--example NAME] [--seeds N] [--splits N] [--boards NAME ...] [--plain]

Recordings come from the shared data (`../shared/data` or TINYOPS_SHARED_DATA), each checked by the digest in the
example's index. Accuracy is of test recordings, of subjects that training never saw, as the int8 model computes them.
Two intervals of 95 %: Wilson's, which takes recordings for independent, and one over subjects, which does not.
Each seed trains again; each split holds other subjects back; --plain trains without augmentation, to say what that is
worth.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from _repository import ROOT
from _timing import heading, table

import tinyops.collect
import tinyops.squeeze
import tinyops.train
from tinyops.artifacts import Progress, Step
from tinyops.boards.loader import load_catalog
from tinyops.build.steps import desired_steps
from tinyops.datasets.index import parse_index
from tinyops.datasets.objects import Folder, Objects
from tinyops.features import FrameFeatures, read_features
from tinyops.features.host import quantise_rows
from tinyops.process import run
from tinyops.reconcile.locking import lock_of
from tinyops.reconcile.storing import open_store
from tinyops.recordings import Windows, cut_windows, in_rows, judge, load
from tinyops.scaffold import scaffold, write_scaffold
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import LOCK_FILE, Lock, dump_lock
from tinyops.squeeze.oracle import run_vectors
from tinyops.statistics import Z_95, rate

SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", ROOT.parent / "shared" / "data")) / "datasets"
# Where the shared data has an example's files, as its index names them.
DATA = {"keywords": "speech_commands_test_subset", "activity": "har_phone_watch", "anomaly": "har_phone_watch"}
BOARDS = ("nano33ble", "microbit-v2", "pico")
STREAM = {"sensor": {"kind": "stream", "port": "serial"}}
BUILD_TIMEOUT_S = 3600
BUILT_S = 5  # what took less was trained by the build


@dataclass(frozen=True)
class Trained:
    """What one training reached: right ones and all of each test subject."""

    split: int
    seed: int
    facts: dict[str, Any]
    by_subject: Mapping[str, tuple[int, int]]
    recall: dict[str, float]
    seconds: float

    @property
    def right(self) -> int:
        return sum(right for right, _ in self.by_subject.values())

    @property
    def total(self) -> int:
        return sum(total for _, total in self.by_subject.values())

    def over_subjects(self) -> tuple[float, float]:
        """The interval of 95 % of a ratio estimator, subjects being what was drawn."""
        share, count = self.right / self.total, len(self.by_subject)
        squares = sum((right - share * total) ** 2 for right, total in self.by_subject.values())
        error = math.sqrt(squares * count / (count - 1)) / self.total
        return max(share - Z_95 * error, 0.0), min(share + Z_95 * error, 1.0)


class Repository:
    """An example's repository in a folder, its recordings in a cache of its own."""

    def __init__(self, example: str, folder: Path, boards: Sequence[str]) -> None:
        self.example, self.root, self.catalog = example, folder, load_catalog()
        write_scaffold(folder, scaffold(example, self.catalog, example=example))
        (self.index,) = (folder / "data").glob("*.csv")
        entries = parse_index(self.index.read_bytes(), self.index.name)
        self.subjects = {entry.id: entry.subject for entry in entries}
        objects = Objects(Folder(SHARED / DATA[example]))
        for entry in entries:
            objects.keep(entry, objects.read(entry))
        if boards:
            self.give_boards(boards)
        self.lock: Lock = lock_of(folder)  # of the programs that these boards need
        (folder / LOCK_FILE).write_bytes(dump_lock(self.lock))

    def steps(self) -> dict[str, Step]:
        repository = load_repository(self.root, catalog=self.catalog)
        found = desired_steps(repository, self.lock, self.catalog)
        return {s.kind: s for s in found if s.kind in ("collect", "train", "squeeze")}

    def built(self, steps: Mapping[str, Step]) -> Path | None:
        """What `plan --build` squeezed, in a folder; None where it did not run."""
        store = open_store(load_repository(self.root, catalog=self.catalog), remote=False)
        digests: dict[str, str] = {}  # by step and output
        for kind in ("collect", "train", "squeeze"):
            step = steps[kind]
            inputs = {name: digests[f"{ref.step}:{ref.output}"] for name, ref in step.inputs.items()}
            record = store.lookup(step.key(inputs))
            if record is None:
                return None
            digests |= {f"{step.id}:{file}": artifact.digest for file, artifact in record.outputs.items()}
        out = self.root / "squeezed"
        out.mkdir()
        for file, artifact in record.outputs.items():
            path = store.find(artifact)
            assert path is not None
            shutil.copyfile(path, out / file)
        return out

    def give_boards(self, boards: Sequence[str]) -> None:
        """The fleet on these boards, fed by their hosts: what a model costs does not depend on what feeds it."""
        (file,) = (self.root / "specs").glob("fleets.yaml")
        (model,) = load_repository(self.root, catalog=self.catalog).models
        spec = {"model": model, "boards": dict.fromkeys(boards, STREAM)}
        document = {"apiVersion": "tinyops/v1", "kind": "Fleet", "metadata": {"name": "first"}, "spec": spec}
        file.write_text(json.dumps(document))


def silent(_: Progress) -> None:
    pass


def train_all(repository: Repository, seeds: int, splits: int, scratch: Path, *, plain: bool) -> Iterator[Trained]:
    """Every seed of every split; the first is the example as it is written, unless it is to be `plain`."""
    steps = repository.steps()
    if plain:
        kept = {n: v for n, v in steps["train"].settings["training"].items() if n not in ("augment", "copies")}
        steps["train"] = with_settings(steps["train"], training=kept)
    dataset = steps["collect"].settings["dataset"]
    first_split, first_seed = dataset["split"].get("seed", 0), steps["train"].settings["training"]["seed"]
    for split in range(first_split, first_split + splits):
        collect = with_settings(steps["collect"], dataset={**dataset, "split": {**dataset["split"], "seed": split}})
        data = made(scratch / f"collect-{split}")
        tinyops.collect.run(collect, {n: s.path for n, s in collect.sources.items()}, data, silent)
        for seed in range(first_seed, first_seed + seeds):
            begin = time.perf_counter()
            training = {**steps["train"].settings["training"], "seed": seed}
            as_written = (split, seed) == (first_split, first_seed) and not plain
            out = repository.built(steps) if as_written else None
            if out is None:
                out = train_once(steps, training, data, made(scratch / f"{split}-{seed}"))
            yield judged(repository, data, out, (split, seed), time.perf_counter() - begin)


def with_settings(step: Step, **settings: Any) -> Step:
    return replace(step, settings={**step.settings, **settings})


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def train_once(steps: Mapping[str, Step], training: dict[str, Any], data: Path, out: Path) -> Path:
    trained, squeezed = made(out / "train"), made(out / "squeeze")
    inputs = {name: data / name for name in ("recordings.npz", "dataset.json")}
    tinyops.train.run(with_settings(steps["train"], training=training), inputs, trained, silent)
    inputs |= {name: trained / name for name in ("float.tflite", "features.json", "training.json")}
    tinyops.squeeze.run(steps["squeeze"], inputs, squeezed, silent)
    return squeezed


def judged(repository: Repository, data: Path, out: Path, which: tuple[int, int], seconds: float) -> Trained:
    """Runs the int8 model once more, for who was right is in no file."""
    features = read_features(out / "features.json")
    facts, calibration = (json.loads((out / f"{n}.json").read_text()) for n in ("metrics", "calibration"))
    assert isinstance(features, FrameFeatures)
    recordings = load(data / "recordings.npz")
    rows = in_rows(recordings, features)
    windows = cut_windows(rows, test=True, window_frames=features.rows, hop_frames=features.hop_rows)
    given = calibration["input"]
    flat = windows.counts.reshape(-1, windows.counts.shape[2])
    inputs = np.asarray(quantise_rows(flat, features, given["scale"], given["zero_point"]), np.int8)
    outputs = run_vectors(out / "int8.tflite", inputs.reshape(len(windows), -1))
    by_subject: dict[str, tuple[int, int]] = {}
    for number in np.unique(windows.recording):
        mine = windows.recording == number
        one = Windows(windows.counts[mine], windows.recording[mine], windows.labels[mine])
        right = judge(outputs[mine], one, facts["classes"]).recordings.accuracy.right
        subject = repository.subjects[recordings.ids[number]]
        before = by_subject.get(subject, (0, 0))
        by_subject[subject] = (before[0] + right, before[1] + 1)
    trained = Trained(*which, facts, by_subject, {n: r["point"] for n, r in facts["recall"].items()}, seconds)
    assert trained.right == facts["accuracy_int8"]["right"], "the same as the squeeze step measured"
    return trained


def build(repository: Repository) -> list[dict[str, Any]]:
    """Figures of `tinyops plan --build` on each board, in its twin."""
    argv = [sys.executable, "-m", "tinyops", "plan", "--build", "--json", "-C", repository.root]
    done = run(argv, timeout_s=BUILD_TIMEOUT_S, cwd=ROOT, env=dict(os.environ), check=False)
    value = json.loads(done.stdout)
    if "figures" not in value:
        raise SystemExit(f"plan --build: {value.get('error', value)}\n{done.stderr[-2000:]}")
    figures: list[dict[str, Any]] = value["figures"]
    return figures


def accuracy_row(trained: Trained) -> list[str]:
    wilson, subjects = rate(trained.right, trained.total), trained.over_subjects()
    lost = trained.facts["int8_loss"]
    return [
        f"{trained.split}",
        f"{trained.seed}",
        f"{wilson.point:.3f}",
        f"{trained.right}/{trained.total}",
        f"{wilson.low:.3f} to {wilson.high:.3f}",
        f"{subjects[0]:.3f} to {subjects[1]:.3f}",
        f"{len(trained.by_subject)}",
        f"{lost:+.3f}",
        f"{trained.seconds:.0f}" if trained.seconds > BUILT_S else "-",
    ]


def cost_row(figures: dict[str, Any]) -> list[str]:
    """Bytes on the board; `image` is the model alone."""
    names = ("flash_bytes", "ram_bytes", "instructions", "image_bytes")
    return [figures["board"], *(f"{figures[name]:,}" if figures.get(name) else "-" for name in names)]


def show(example: str, results: Sequence[Trained]) -> None:
    heading(f"{example}: int8, of {len(results[0].recall)} classes, subjects held out")
    headers = ["split", "seed", "accuracy", "right", "95 % over recordings", "95 % over subjects", "subjects"]
    table([*headers, "float - int8", "s"], [accuracy_row(r) for r in results])
    points = [r.right / r.total for r in results]
    spread = f", standard deviation {statistics.stdev(points):.3f}" if len(points) > 1 else ""
    print(f"\nmean {statistics.mean(points):.3f}, {min(points):.3f} to {max(points):.3f}{spread}")
    recall = {name: statistics.mean(r.recall[name] for r in results) for name in results[0].recall}
    print("recall: " + ", ".join(f"{name} {value:.2f}" for name, value in recall.items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--example", choices=sorted(DATA), action="append")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each split")
    parser.add_argument("--splits", type=int, default=1, help="splits, each of other subjects")
    parser.add_argument("--boards", nargs="*", default=list(BOARDS), help="whose twins measure; none: accuracy alone")
    parser.add_argument("--plain", action="store_true", help="without augmentation")
    arguments = parser.parse_args()
    for example in arguments.example or sorted(DATA):
        if not (SHARED / DATA[example]).is_dir():
            print(f"{example}: skipped, {DATA[example]} is not in the shared data (TINYOPS_SHARED_DATA)")
            continue
        measure(example, arguments)
    return 0


def measure(example: str, wanted: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="tinyops-example-") as name:
        os.environ["TINYOPS_CACHE"] = str(Path(name) / "cache")
        repository = Repository(example, made(Path(name) / "repository"), wanted.boards)
        figures = build(repository) if wanted.boards else []
        results: list[Trained] = []
        scratch = made(Path(name) / "trained")
        for trained in train_all(repository, wanted.seeds, wanted.splits, scratch, plain=wanted.plain):
            print(" ".join(accuracy_row(trained)), file=sys.stderr, flush=True)
            results.append(trained)
        show(example, results)
        if figures:
            heading(f"{example}: what it costs, in each board's twin")
            table(["board", "flash", "RAM", "instructions", "image"], [cost_row(f) for f in figures])


if __name__ == "__main__":
    sys.exit(main())
