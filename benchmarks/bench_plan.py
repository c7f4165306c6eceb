"""Plans over a large repository, with nothing to do and with one field changed.

1,000 models, fleets of 10,000 devices on three kinds of board.

python benchmarks/bench_plan.py [models ...]
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from _repository import release
from _timing import heading, interleaved, program, ratio, table, timed, tinyops

from tinyops.process import run

SIZES = (100, 300, 1000)
ROUNDS = 3
DEVICES_PER_MODEL = 10
MODELS_PER_FLEET = 20  # every release holds an entry for each fleet and board, and at most 900 files
BOARDS = ("nano33ble", "microbit", "linux")

PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: large}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: TINYOPS_IMAGE_KEY}}}
"""
DATASET = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: motions}
spec:
  classes: [still, moving]
  signal: {sensor: imu, channels: [x], units: [g], full_scale: [4], rate_hz: 10}
  sources: [{kind: files, index: motions.index, format: csv}]
"""
MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: model-NUMBER}
spec:
  dataset: motions
  input: {window_s: 4, hop_s: 1, features: [raw]}
  architecture:
    kind: layers
    layers:
      - {kind: conv1d, filters: 12, kernel: 5}
      - {kind: max_pool, size: 2}
      - {kind: global_average_pool}
  training: {epochs: 40, batch: 16, learning_rate: 0.003, seed: NUMBER}
  gates: {accuracy_min: 0.8, int8_loss_max: 0.05}
"""
FLEET = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: fleet-NUMBER}
spec:
  model: model-NUMBER
  boards:
BOARDS
  devices: {enrol: closed, file: fleet-NUMBER.csv}
"""


@dataclass(frozen=True)
class Measured:
    """`cold_s`: nothing parsed before. `steps` counts steps and fleets."""

    models: int
    steps: int
    manifest_bytes: int
    cold_s: float
    warm_s: float
    changed_s: float
    peak_bytes: int

    @property
    def model_s(self) -> float:
        return self.warm_s / self.models

    def row(self, first: Measured) -> tuple[str, ...]:
        return (
            f"{self.models:,}",
            f"{self.models * DEVICES_PER_MODEL:,}",
            f"{self.steps:,}",
            f"{self.manifest_bytes / 2**20:.1f} MiB",
            f"{self.cold_s:.2f} s",
            f"{self.warm_s:.2f} s",
            f"{self.changed_s:.2f} s",
            f"{1000 * self.model_s:.2f} ms",
            ratio(self.model_s, first.model_s),
            f"{self.peak_bytes / 2**20:.0f} MiB",
        )


def main(sizes: tuple[int, ...]) -> None:
    heading("A plan over many models, with nothing to do and with one field changed: whole processes")
    found = []
    for models in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found.append(_measure(Path(folder) / "large", models))
    headers = ("models", "devices", "steps and fleets", "manifest", "cold", f"warm, median of {ROUNDS}", "one change")
    table((*headers, "a model", "of the first", "peak memory"), [measured.row(found[0]) for measured in found])
    print("cold: nothing parsed before; a ratio of 1 or less: it grows no faster than the number of models")


def _measure(root: Path, models: int) -> Measured:
    write(root, models)
    release(root)
    shutil.rmtree(root / ".tinyops" / "parsed")
    cold_s = timed(lambda: tinyops("plan", cwd=root))
    steps = _check(root)
    changed = _with_one_field_changed(root)
    cases = {"warm": lambda: tinyops("plan", cwd=root), "changed": lambda: tinyops("plan", cwd=changed)}
    times = interleaved(cases, ROUNDS)
    return Measured(
        models=models,
        steps=steps,
        manifest_bytes=(root / ".tinyops" / "releases" / "latest" / "manifest.json").stat().st_size,
        cold_s=cold_s,
        warm_s=times["warm"].median_s,
        changed_s=times["changed"].median_s,
        peak_bytes=_peak_bytes(root),
    )


def write(root: Path, models: int) -> None:
    """A repository whose first model in every so many has a fleet; `tinyops lock` pins it."""
    specs = root / "specs"
    specs.mkdir(parents=True)
    (specs / "project.yaml").write_text(PROJECT)
    (specs / "motions.yaml").write_text(DATASET)
    (specs / "motions.index").write_text(f"{'0' * 64} still a.csv\n")
    for number in range(models):
        (specs / f"model-{number}.yaml").write_text(MODEL.replace("NUMBER", str(number)))
    for number in range(0, models, MODELS_PER_FLEET):
        lines = "\n".join(f"    {board}: {{sensor: {{kind: stream}}}}" for board in BOARDS)
        (specs / f"fleet-{number}.yaml").write_text(FLEET.replace("NUMBER", str(number)).replace("BOARDS", lines))
        names = (f"device-{number}-{n},{BOARDS[n % 3]}" for n in range(DEVICES_PER_MODEL * MODELS_PER_FLEET))
        (specs / f"fleet-{number}.csv").write_text("id,board\n" + "\n".join(names) + "\n")
    tinyops("lock", cwd=root)


def _with_one_field_changed(root: Path) -> Path:
    """A copy in which one model is trained for longer: every plan finds that change, and what follows from it."""
    copy = root.with_name(f"{root.name}-changed")
    shutil.copytree(root, copy, symlinks=True)
    spec = copy / "specs" / "model-0.yaml"
    spec.write_text(spec.read_text().replace("epochs: 40", "epochs: 41"))
    done = tinyops("plan", "--detailed-exitcode", cwd=copy, check=False)
    if done.returncode != 2 or "epochs" not in done.stdout:
        raise SystemExit(f"the plan does not name the one change\n{done.stdout}")
    return copy


def _check(root: Path) -> int:
    """Counts the steps; a plan with something to do would measure something else."""
    done = tinyops("plan", "--json", "--detailed-exitcode", cwd=root, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the plan has changes, so this would not measure a plan with nothing to do\n{done.stdout}")
    return len(json.loads(done.stdout)["changes"])


def _peak_bytes(root: Path) -> int:
    """Peak resident memory of one plan, asked of a process that starts nothing else."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = run([sys.executable, "-c", code, program(), "plan"], timeout_s=600, cwd=root)
    return int(done.stdout) * 1024


if __name__ == "__main__":
    main(tuple(int(text) for text in sys.argv[1:]) or SIZES)
