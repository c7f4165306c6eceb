"""Where a large fleet stands: `tinyops fleet status`, `fleet log` and `drift` over signed reports, whole processes.

python benchmarks/bench_fleet.py [devices ...]
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from _repository import release
from _timing import budget, heading, interleaved, table, timed, tinyops

from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import DeviceReport, Health, LastUpdate, Running, Slot, report_path, seal_report
from tinyops.reconcile.reporting import MEMORY_FILE

SIZES = (1_000, 10_000)
ROUNDS = 5
LIMIT_S = 1.0
FLEETS = 4
BOARDS = ("nano33ble", "microbit", "linux")
CLASSES = ("Standing", "Running", "Walking", "Badminton")
PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: large}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  reports: {kind: directory, path: ../reports}
  signing: {image: {by: ci, key: {secret: TINYOPS_IMAGE_KEY}}}
"""
DATASET = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: motions}
spec:
  classes: [Standing, Running, Walking, Badminton]
  signal: {sensor: imu, channels: [x], units: [g], full_scale: [4], rate_hz: 10}
  sources: [{kind: files, index: motions.index, format: csv}]
"""
MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: activity}
spec:
  dataset: motions
  input: {window_s: 4, hop_s: 1, features: [raw]}
  architecture: {kind: layers, layers: [{kind: conv1d, filters: 12, kernel: 5}, {kind: global_average_pool}]}
  training: {epochs: 40, batch: 16, learning_rate: 0.003, seed: 1}
"""
FLEET = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: fleet-NUMBER}
spec:
  model: activity
  boards:
BOARDS
  devices: {enrol: closed, file: fleet-NUMBER.csv}
"""


@dataclass(frozen=True)
class Measured:
    devices: int
    report_bytes: int
    seconds: Mapping[str, float]
    processor_s: Mapping[str, float]

    def row(self) -> tuple[str, ...]:
        times = [f"{self.seconds[name]:.2f} s" for name in CASES]
        processor = [f"{self.processor_s[name]:.2f} s" for name in ("first", "status")]
        within = budget(self.seconds["status"], LIMIT_S)
        return (f"{self.devices:,}", f"{self.report_bytes:,}", *times, *processor, within)


CASES = ("first", "status", "status --json", "log", "drift")


def processor_s(case: Callable[[], object]) -> float:
    """Processor time of the processes that a call starts: other work on the machine disturbs it less."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    case()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(sizes: tuple[int, ...]) -> None:
    heading("Where a fleet stands: whole processes, every report's signature checked")
    found = []
    for devices in sizes:
        with tempfile.TemporaryDirectory() as folder:
            found.append(_measure(Path(folder) / "large", devices))
    headers = ("devices", "a report, bytes", "first ever", *CASES[1:], "processor, first", "status", "status")
    table(headers, [measured.row() for measured in found])
    print(f"first ever: nothing parsed or checked before; others: medians of {ROUNDS}")


def _measure(root: Path, devices: int) -> Measured:
    write(root, devices)
    _forget(root)
    first = timed(lambda: tinyops("fleet", "status", cwd=root))
    _forget(root)
    processor = {"first": processor_s(lambda: tinyops("fleet", "status", cwd=root))}
    _check(root, devices)
    cases = {
        "status": lambda: tinyops("fleet", "status", cwd=root),
        "status --json": lambda: tinyops("fleet", "status", "--json", cwd=root),
        "log": lambda: tinyops("fleet", "log", "d-7", cwd=root),
        "drift": lambda: tinyops("drift", cwd=root),
    }
    times = {name: sample.median_s for name, sample in interleaved(cases, ROUNDS).items()}
    processor["status"] = processor_s(lambda: tinyops("fleet", "status", cwd=root))
    size = report_path(root / "reports", "fleet-3", "d-7").stat().st_size
    return Measured(devices, size, {"first": first, **times}, processor)


def _forget(root: Path) -> None:
    """What earlier commands remember: parsed specs, and which reports were verified."""
    shutil.rmtree(root / ".tinyops" / "parsed", ignore_errors=True)
    (root / MEMORY_FILE).unlink(missing_ok=True)


def write(root: Path, devices: int) -> None:
    """A repository with one release and a signed report of every device, each with a key of its own."""
    specs = root / "specs"
    specs.mkdir(parents=True)
    (specs / "project.yaml").write_text(PROJECT)
    (specs / "motions.yaml").write_text(DATASET)
    (specs / "motions.index").write_text(f"{'0' * 64} Standing a.csv\n")
    (specs / "activity.yaml").write_text(MODEL)
    keys = [SigningKey.generate() for _ in range(devices)]
    for number in range(FLEETS):
        lines = "\n".join(f"    {board}: {{sensor: {{kind: stream}}}}" for board in BOARDS)
        (specs / f"fleet-{number}.yaml").write_text(FLEET.replace("NUMBER", str(number)).replace("BOARDS", lines))
        rows = [f"d-{n},{BOARDS[n % 3]},{keys[n].public.raw.hex()}\n" for n in range(number, devices, FLEETS)]
        (specs / f"fleet-{number}.csv").write_text("id,board,public_key\n" + "".join(rows))
    tinyops("lock", cwd=root)
    manifest = release(root).manifest
    assert manifest is not None
    offered = {board: entry.model.digest for board, entry in manifest.fleets["fleet-0"].boards.items()}
    for number, key in enumerate(keys):
        _write_report(root / "reports", number, offered[BOARDS[number % 3]], key)


def _write_report(folder: Path, number: int, model: str, key: SigningKey) -> None:
    """Nearly all run the release; some are behind, some silent, some gave up, some crash."""
    report = make_report(number, model, key)
    path = report_path(folder, report.fleet, report.device)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(seal_report(report, key))


def make_report(number: int, model: str, key: SigningKey) -> DeviceReport:
    now = datetime.now(UTC) - timedelta(minutes=number % 600)
    old = "sha256:" + "ab" * 32
    kind = {3: "behind", 5: "silent", 8: "gave up", 13: "crashes"}.get(number % 1000, "")
    time = time_text(now - timedelta(days=5) if kind == "silent" else now)
    since = time_text(now - timedelta(days=2))
    other = kind in ("behind", "gave up")
    refused = LastUpdate(version=1, digest=model, result="reverted", reason="self-test: vector 3", time=time)
    went_well = LastUpdate(version=1, digest=model, result="installed", reason="", time=since)
    counts = (4_000 + number % 97, 1_500, 2_500, 900 - number % 89)
    return DeviceReport(
        device=f"d-{number}",
        fleet=f"fleet-{number % FLEETS}",
        board=BOARDS[number % 3],
        sequence=17,
        time=time,
        running=Running(model=old if other else model, contract=old, version=1, security_counter=0, since=since),
        slot=Slot(state="reverted" if kind == "gave up" else "confirmed"),
        last_update=refused if kind == "gave up" else went_well,
        health=Health(
            inferences=sum(counts),
            classes=dict(zip(CLASSES, counts, strict=True)),
            errors=number % 3,
            uptime_s=172_800,
            crashes=9 if kind == "crashes" else 0,
            self_test="pass",
            confidence=(0, 0, 0, 5, 40, 120, 300, 800, 2_000, sum(counts) - 3_265),
        ),
        problem=None,
        agent="tinyops/0.1.0",
        public_key=key.public.raw.hex(),
    )


def _check(root: Path, devices: int) -> None:
    """Every report was read and judged: a status of nothing would be fast."""
    status = json.loads(tinyops("fleet", "status", "--json", cwd=root).stdout)
    found = [device for fleet in status["fleets"] for device in fleet["devices"]]
    states = {state: sum(device["state"] == state for device in found) for state in ("converged", "behind", "gave up")}
    gone = sum(number % 1000 in (3, 5, 8) for number in range(devices))
    if len(found) != devices or states["converged"] != devices - gone:
        raise SystemExit(f"{devices} devices were written, the status says {len(found)}: {states}")


if __name__ == "__main__":
    main(tuple(int(text) for text in sys.argv[1:]) or SIZES)
