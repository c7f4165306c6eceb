"""A dataset of many recordings: planned with nothing to do, counted, compared with a commit; whole processes.

python benchmarks/bench_data.py [recordings ...]
"""

from __future__ import annotations

import hashlib
import math
import sys
import tempfile
from pathlib import Path

from _repository import release
from _timing import heading, interleaved, table, timed, tinyops

from tinyops.datasets.index import IndexEntry, format_index, parse_index
from tinyops.process import run

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 5
CLASSES = ("rest", "walk", "run", "turn")
SUBJECTS = 40
FEW = 10  # what any plan takes; the rest is the dataset's
LIMIT_S = 0.3  # for 10,000 recordings

SPECS = {
    "project": """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: large}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: TINYOPS_IMAGE_KEY}}}
""",
    "motions": """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: motions}
spec:
  classes: [rest, walk, run, turn]
  signal:
    sensor: imu
    channels: [ax, ay, az, gx, gy, gz]
    units: [g, g, g, dps, dps, dps]
    full_scale: [4, 4, 4, 2000, 2000, 2000]
    rate_hz: 100
  sources: [{kind: recordings, index: ../data/motions.csv}]
  split: {by: subject, test: 0.25, seed: 7}
""",
    "activity": """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: activity}
spec:
  dataset: motions
  input: {window_s: 1, hop_s: 1, features: [raw]}
  architecture: {kind: layers, layers: [{kind: flatten}, {kind: dense, units: 4}]}
  training: {epochs: 2}
""",
    "wrist": """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist}
spec:
  model: activity
  boards: {linux: {sensor: {kind: stream}}}
""",
}


def main(sizes: tuple[int, ...]) -> None:
    heading("A dataset of many recordings, with nothing to do: whole processes")
    rows = []
    for recordings in sizes:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_measure(Path(folder), recordings))
    headers = (
        "recordings",
        "index",
        "parse",
        "plan",
        "data stats",
        "data diff",
        f"plan of {FEW}",
        "the dataset's part",
    )
    table(headers, rows)
    print(
        f"the dataset's part: a plan with nothing to do, less one of {FEW} recordings; the fastest of {ROUNDS} rounds"
    )


def _measure(folder: Path, recordings: int) -> tuple[str, ...]:
    root, few = folder / "many", folder / "few"
    write(few, FEW)
    release(few)
    index = write(root, recordings)
    release(root)
    data = index.read_bytes()
    parse_s = min(timed(lambda: parse_index(data, "x")) for _ in range(ROUNDS))
    cases = {
        "plan": lambda: tinyops("plan", cwd=root),
        "stats": lambda: tinyops("data", "stats", "motions", cwd=root),
        "diff": lambda: tinyops("data", "diff", "--dataset", "motions", cwd=root),
        "few": lambda: tinyops("plan", cwd=few),
    }
    for case in cases.values():
        case()  # specs are parsed once
    times = {name: min(found.seconds) for name, found in interleaved(cases, ROUNDS).items()}
    beside = max(times["plan"] - times["few"], 0)
    verdict = f" ({'over' if beside > LIMIT_S else 'within'} {LIMIT_S:g} s)" if recordings == 10_000 else ""
    return (
        f"{recordings:,}",
        f"{len(data) / 2**20:.1f} MiB",
        *(f"{1000 * seconds:.0f} ms" for seconds in (parse_s, *times.values())),
        f"{1000 * beside:.0f} ms{verdict}",
    )


def write(root: Path, recordings: int) -> Path:
    """A repository with its index under Git; the recordings themselves are nowhere, as nothing reads them."""
    (root / "specs").mkdir(parents=True)
    for name, text in SPECS.items():
        (root / "specs" / f"{name}.yaml").write_text(text)
    index = root / "data" / "motions.csv"
    index.parent.mkdir()
    index.write_bytes(format_index(_entry(number) for number in range(recordings)))
    tinyops("lock", cwd=root)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.com", "-C", str(root)]
    for arguments in (["init", "-q"], ["add", "specs", "data"], ["commit", "-qm", "data"]):
        run([*git, *arguments], timeout_s=60)
    return index


def _entry(number: int) -> IndexEntry:
    """One whose figures are like no other's, as measured ones are."""
    six = [math.sin(number + channel / 7) for channel in range(6)]
    return IndexEntry(
        sha256="sha256:" + hashlib.sha256(str(number).encode()).hexdigest(),
        label=CLASSES[number % len(CLASSES)],
        subject=f"s{number % SUBJECTS:02}",
        take=f"20261129-{number // 4:06}",
        device="nano-7",
        time=f"2026-11-{1 + number % 28:02}T20:15:{number % 60:02}Z",
        bytes=12_000 + number,
        frames=1000,
        rate_hz=100 + six[0] / 10,
        lost=number % 3,
        clipped=0,
        low=tuple(-abs(v) - 1 for v in six),
        high=tuple(abs(v) + 1 for v in six),
        mean=tuple(v / 10 for v in six),
        spread=tuple(abs(v) / 3 for v in six),
        format="take",
    )


if __name__ == "__main__":
    main(tuple(int(text) for text in sys.argv[1:]) or SIZES)
