"""A fleet that polls one static server through a rollout in four waves: requests, bytes, time, and the server's share.

python benchmarks/bench_rollout.py [--devices 10000] [--processes 2]

A real repository is released twice, `tinyops rollout step` opens wave after wave, and nginx serves its folder. Each
device is the agent's own code from TUF metadata to the verified files of the model, with a folder of its own, and signs
a report; what it does not do is run the model. The clock is simulated: a round is a quarter of a day, a wave soaks for
half of one. What is counted is nginx's: requests, and all bytes of HTTP both ways, heads included.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from _timing import heading, table

from fakes.nginx import PROGRAM, free_port
from fakes.projects import Repository, applied_finished
from fakes.rollouts import report
from fakes.tflite import dense
from tinyops.device.assemble import GatewaySetup
from tinyops.device.believing import open_offers, open_store
from tinyops.device.memory import Memory
from tinyops.device.offers import wanted
from tinyops.files import digest_bytes
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import position
from tinyops.manifest.report import report_path, seal_report
from tinyops.reconcile.rollout.stepping import step
from tinyops.reconcile.world import observe

FLEET, BOARD = "desk", "linux"
ROUND = timedelta(hours=6)
ROUNDS_MAX = 40
FLEETS = "specs/fleets.yaml"
ROLLOUT = """\
  devices: {file: desk.csv, max: 100000}
  rollout:
    waves: [{canary: 20}, {share: 0.05}, {share: 0.3}, {share: 1}]
    soak_h: 12
    health: {self_test: pass, min_reporting_share: 0.8}
"""
PROJECT = """\
  metadata: {kind: directory, path: ../metadata}
  reports: {kind: directory, path: ../reports}
  signing:
    online: {key: {secret: TINYOPS_ONLINE_KEY}}
"""
CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format counted "$request_length $bytes_sent"; access_log {folder}/access.log counted buffer=64k flush=1s;
  default_type application/octet-stream; keepalive_requests 1000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Place:
    """Where devices ask, and where they keep and leave what they have."""

    address: str
    root: Path
    states: Path
    reports: Path

    def setup(self, device: str) -> GatewaySetup:
        return GatewaySetup(
            store=f"{self.address}/.tinyops/releases",
            state=self.states / device,
            trust=None,
            threshold=1,
            root=self.root,
            metadata=f"{self.address}/metadata",
            token_file=None,
            mirror=None,
            timeout_s=60,
        )


@dataclass
class Device:
    """A device between two polls. `secret` is its key; `runs` is the digest of its model, `since` when that came."""

    name: str
    secret: bytes
    runs: str = ""
    version: int = 0
    since: datetime = datetime.min
    sequence: int = 0


@dataclass(frozen=True)
class Count:
    """What a server had to do: requests, bytes both ways, seconds of its processor."""

    requests: int
    bytes: int
    cpu_s: float

    def since(self, before: Count) -> Count:
        return Count(self.requests - before.requests, self.bytes - before.bytes, self.cpu_s - before.cpu_s)


@dataclass
class Server:
    """nginx over a folder, and its books."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def count(self) -> Count:
        time.sleep(1.2)  # it writes its log once a second
        pairs = [line.split() for line in self.log.read_text().splitlines()]
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        total = sum(int(asked) + int(sent) for asked, sent in pairs)
        return Count(len(pairs), total, ticks / os.sysconf("SC_CLK_TCK"))


@contextlib.contextmanager
def serving(root: Path, folder: Path) -> Iterator[Server]:
    assert PROGRAM is not None, "no nginx here: apt-get install nginx-light"
    folder.mkdir()
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, root=root))
    process = subprocess.Popen([PROGRAM, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        assert process.poll() is None, (folder / "error.log").read_text()
        yield Server(process, f"http://127.0.0.1:{port}", folder / "access.log")
    finally:
        process.terminate()
        process.wait(20)


def poll(device: Device, place: Place, now: datetime) -> Device:
    """What an agent does at a poll, but for running the model."""
    setup = place.setup(device.name)
    setup.state.mkdir(parents=True, exist_ok=True)
    source = open_store(setup)
    offers = open_offers(setup, source, Memory(setup.state, lambda: now))
    offers.refresh()
    entry = wanted(offers.offered(FLEET, BOARD), position(FLEET, device.name), device.runs)
    if entry is not None and entry.model.digest != device.runs:
        for file in (entry.model, entry.golden, entry.contract_file):
            body = io.BytesIO()
            source.asset(file, body)
            assert digest_bytes(body.getvalue()) == file.digest
        device.runs, device.version, device.since = entry.model.digest, entry.version, now
    device.sequence += 1
    leave_report(device, place, now)
    return device


def leave_report(device: Device, place: Place, now: datetime) -> None:
    key = SigningKey.from_pem(device.secret, where=device.name)
    made = report(device.name, now, device.version)
    assert made.running is not None
    own = {
        "sequence": device.sequence,
        "fleet": FLEET,
        "board": BOARD,
        "public_key": key.public.raw.hex(),
        "running": made.running.model_copy(update={"model": device.runs, "since": time_text(device.since)}),
    }
    path = report_path(place.reports, FLEET, device.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(seal_report(made.model_copy(update=own), key))


def poll_all(part: tuple[Sequence[Device], Place, datetime]) -> list[Device]:
    devices, place, now = part
    return [poll(device, place, now) for device in devices]


def prepared(folder: Path, devices: Sequence[Device]) -> Repository:
    """A repository whose fleet has these devices, released once, its rollout declared."""
    bench = applied_finished().copy(folder / "bench")
    keys = {device.name: SigningKey.from_pem(device.secret, where=device.name).public.raw.hex() for device in devices}
    rows = [f"{name},{BOARD},,{key},2026-01-01," for name, key in keys.items()]
    bench.write("specs/desk.csv", "\n".join(["id,board,labels,public_key,enrolled,revoked", *rows, ""]))
    bench.edit("specs/project.yaml", "  signing:\n", PROJECT)
    bench.edit(FLEETS, "  model: tiny\n", f"  model: tiny\n{ROLLOUT}")
    bench.edit(FLEETS, "    microbit: {sensor: {kind: stream, port: serial}}\n", "")
    for name in ("TINYOPS_ONLINE_KEY", "MIA_KEY"):
        bench.ok("trust", "key", name)
    bench.ok("trust", "init", "--root", "MIA_KEY")
    bench.lift("destroy_share", FLEET)
    bench.ok("apply")
    return bench


def release_other_weights(bench: Repository) -> None:
    old = hashlib.sha256((bench.root / "models/tiny.tflite").read_bytes()).hexdigest()
    data = dense(2, 20, weight_scale=0.2525).build([0], [3])
    bench.write("models/tiny.tflite", data)
    bench.edit(FLEETS, old, hashlib.sha256(data).hexdigest())
    bench.ok("apply")


@dataclass
class Run:
    """The fleet, round after round."""

    bench: Repository
    devices: list[Device]
    place: Place
    server: Server
    pool: multiprocessing.pool.Pool
    processes: int
    now: datetime

    def round(self, name: str) -> list[str]:
        """Every device polls once; a row of the table."""
        before, begun = self.server.count(), time.monotonic()
        size = -(-len(self.devices) // (self.processes * 8))
        parts = [(self.devices[at : at + size], self.place, self.now) for at in range(0, len(self.devices), size)]
        self.devices = [device for part in self.pool.imap(poll_all, parts) for device in part]
        took = time.monotonic() - begun
        used = self.server.count().since(before)
        newest = max(device.version for device in self.devices)
        new, count = sum(device.version == newest for device in self.devices), len(self.devices)
        return [
            name,
            f"v{newest}: {new:,}",
            f"{used.requests:,}",
            f"{used.requests / count:.2f}",
            f"{used.bytes / count:,.0f}",
            f"{took:.0f}",
            f"{used.cpu_s:.1f}",
            f"{used.cpu_s / took:.0%}",
        ]

    def rollout(self) -> list[list[str]]:
        """Steps and polls until the rollout has ended."""
        rows = []
        for _ in range(ROUNDS_MAX):
            begun = time.monotonic()
            (made,) = step(observe(self.bench.root), self.now)
            took = time.monotonic() - begun
            progress = made.progress
            assert progress is not None and progress.state != "halted", made.decision.says
            if progress.state == "finished":
                return rows
            rows.append(self.round(f"wave {progress.waves}{', opened' if made.published else ''} ({took:.1f} s)"))
            self.now += ROUND
        raise AssertionError("the rollout does not end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    arguments = parser.parse_args()
    devices = [Device(f"d-{n:05}", SigningKey.generate().to_pem()) for n in range(arguments.devices)]
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 states of devices, not this machine's
    with tempfile.TemporaryDirectory(dir=memory) as name:
        folder = Path(name)
        bench = prepared(folder, devices)
        root = max((bench.root / "metadata").glob("*.root.json"))
        with (
            serving(bench.root, folder / "nginx") as server,
            multiprocessing.Pool(arguments.processes) as pool,
        ):
            place = Place(server.address, root, folder / "states", bench.root / "reports")
            now = datetime.now(UTC) + timedelta(minutes=1)
            run = Run(bench, devices, place, server, pool, arguments.processes, now)
            rows = [run.round("installed for the first time")]
            rows += [run.round("nothing new")]
            release_other_weights(bench)
            rows += run.rollout()
            rows += [run.round("nothing new")]
            newest = max(device.version for device in run.devices)
            assert all(device.version == newest for device in run.devices)
    heading(f"{arguments.devices:,} devices, {arguments.processes} processes that poll, nginx; a rollout in four waves")
    table(("round (its step)", "run the newest", "requests", "each", "bytes each", "s", "nginx, s", "of a core"), rows)


if __name__ == "__main__":
    main()
