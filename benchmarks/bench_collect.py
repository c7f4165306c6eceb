"""What recording costs: devices of software that send all that a line of 1 Mbaud can carry, each sample looked at.

python benchmarks/bench_collect.py [--seconds 600] [--case imu --case sound --case full]

Each case is a device in a process of its own behind a pseudo terminal, and a `tinyops collect` in another, all at once.
A device sends in real time and never more than 100,000 bytes a second, as a line of 1 Mbaud does; what a collector has
not taken when as much waits as Linux keeps of a serial line is lost. At the end each take is compared with what its
device sent.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests")]

from _timing import heading, table  # noqa: E402

from fakes.collecting_device import CollectingDevice, on_terminal, ramp, samples_payload  # noqa: E402
from tinyops.datasets.editing import read_index  # noqa: E402
from tinyops.datasets.objects import Folder, data_folder, read_entry  # noqa: E402
from tinyops.datasets.take import read_take  # noqa: E402
from tinyops.link.codec import Frame, encode  # noqa: E402
from tinyops.link.protocol import DATA_MAX, Type  # noqa: E402
from tinyops.specs.model import Signal  # noqa: E402

LINE_BYTES_S = 100_000  # 1 Mbaud, ten bits a byte
HELD_BYTES = 640 * 1024  # what Linux keeps of a serial line for whoever reads; of a pseudo terminal it keeps 12 KB
CASES = {"imu": (6, 400.0), "sound": (1, 16_000.0), "full": (1, 0.0)}


@dataclass(frozen=True)
class Case:
    """A device; `full` sends as often as the line lets it."""

    name: str
    channels: int
    rate_hz: float

    @property
    def signal(self) -> Signal:
        names = tuple(f"c{n}" for n in range(self.channels))
        scales, units = (1.0,) * self.channels, ("1",) * self.channels
        return Signal(sensor="bench", channels=names, units=units, full_scale=scales, rate_hz=self.rate_hz)

    @property
    def bytes_s(self) -> float:
        """On the line, framing and all."""
        frames = DATA_MAX // (2 * self.channels)
        payload = samples_payload(1, 1 << 20, ramp(12_345, frames, self.channels).tobytes(), 1 << 20)
        return len(encode(Frame(Type.SAMPLES, 0, payload))) * self.rate_hz / frames

    @property
    def spec(self) -> str:
        signal = self.signal.model_dump(mode="json", exclude_none=True)
        source = {"kind": "recordings", "index": f"../{self.name}.csv"}
        value = {"classes": ["a", "b"], "signal": signal, "sources": [source]}
        document = {"apiVersion": "tinyops/v1", "kind": "Dataset", "metadata": {"name": self.name}, "spec": value}
        return json.dumps(document)


@dataclass(frozen=True)
class Outcome:
    """What became of a case; `cpu_s` is the collector's, user and system."""

    case: Case
    wanted: int
    recorded: int
    lost: int
    wrong: int
    seconds: float
    cpu_s: float


def case_of(name: str) -> Case:
    channels, rate_hz = CASES[name]
    if rate_hz == 0.0:
        one = Case(name, channels, 1000.0)
        rate_hz = float(int(LINE_BYTES_S / one.bytes_s * 1000.0))
    return Case(name, channels, rate_hz)


def serve(name: str) -> None:
    """The device: until standard input ends."""
    case = case_of(name)
    assert case.bytes_s <= LINE_BYTES_S
    with on_terminal(CollectingDevice(case.signal, rate_hz=case.rate_hz), held=HELD_BYTES) as port:
        print(port, flush=True)
        sys.stdin.read()


def record(cases: list[Case], seconds: float, root: Path) -> list[Outcome]:
    """All cases at once."""
    (root / "specs").mkdir()
    devices, collectors = [], []
    for case in cases:
        (root / "specs" / f"{case.name}.yaml").write_text(case.spec)
        argv = [sys.executable, __file__, "--device", case.name]
        device = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert device.stdout is not None
        devices.append((case, device, device.stdout.readline().strip()))
    began = time.monotonic()
    for case, _, port in devices:
        argv = [sys.executable, "-m", "tinyops", "collect", case.name, "-C", str(root), "--port", port, "--json"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        collector = subprocess.Popen([*argv, "--seconds", str(seconds)], stdout=subprocess.DEVNULL, env=environment)
        collectors.append((case, collector))
    found = []
    for case, collector in collectors:
        _, status, usage = os.wait4(collector.pid, 0)
        collector.returncode = os.waitstatus_to_exitcode(status)
        assert collector.returncode == 0, f"{case.name}: exit status {collector.returncode}"
        found.append(judge(case, seconds, root, time.monotonic() - began, usage.ru_utime + usage.ru_stime))
    for _, device, _ in devices:
        device.communicate()
    return found


def judge(case: Case, seconds: float, root: Path, took_s: float, cpu_s: float) -> Outcome:
    """Reads the take back from its dataset and compares each value with what the sensor measured."""
    index = root / f"{case.name}.csv"
    (line,) = read_index(index)
    take = read_take(read_entry(Folder(data_folder(index)), line), case.name)
    wrong = int((take.values != ramp(0, len(take.values), case.channels)).sum()) if not take.facts.lost else -1
    return Outcome(case, round(seconds * case.rate_hz), len(take.values), take.facts.lost, wrong, took_s, cpu_s)


def show(found: list[Outcome]) -> None:
    heading("recording: `tinyops collect` over pseudo terminals, all at once")
    rows = [
        [
            o.case.name,
            f"{o.case.channels} x {o.case.rate_hz:,.0f} Hz",
            f"{o.case.bytes_s:,.0f}",
            f"{o.wanted:,}",
            f"{o.recorded:,}",
            f"{o.lost:,}",
            f"{o.wrong:,}",
            f"{100 * o.cpu_s / o.seconds:.1f} %",
        ]
        for o in found
    ]
    head = ["case", "signal", "bytes a second", "frames", "recorded", "lost", "wrong values", "of one core"]
    table(head, rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all, at once")
    parser.add_argument("--device", choices=list(CASES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.device:
        serve(arguments.device)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = record([case_of(name) for name in arguments.case or CASES], arguments.seconds, Path(folder))
    show(found)
    return int(any(o.lost or o.wrong or o.recorded != o.wanted for o in found))


if __name__ == "__main__":
    raise SystemExit(main())
