"""A fleet of one chain of two machines, whose agents fetch its parts and run their programs: from release to result."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from fakes.chained import chain_document, layered, parts_of, repository_of
from fakes.models import compiled_model, contract_bytes
from fakes.projects import Repository
from fakes.releases import Publisher
from tinyops.device.agent import Agent, run_agent
from tinyops.device.settings import AgentSettings, PartSettings
from tinyops.link import Link, LinkClosed, LinkTimeout, Refused, Result
from tinyops.reconcile.fleets import fleet_status
from tinyops.reconcile.world import observe
from tinyops.twin.chained import ChainLink, NotAvailable, RunningPart
from tinyops.twin.golden import Golden
from tinyops.twin.machine import SocketStream, VirtualBoard

pytestmark = pytest.mark.build

FLEETS = "specs/fleets.yaml"
MORE = """\
  split: {cuts: [2]}
  on_part_lost: {act: report-unavailable, after_ms: 500}
"""
REPORTS = "  reports: {kind: directory, path: ../reports}\n  signing:"
AGENT = """\
apiVersion: tinyops/v1
kind: Agent
metadata: {{name: {name}}}
spec:
  store: "{store}"
  trust: {{keys: {keys}}}
  state: {name}
  reports: {{to: "{reports}"}}
  interval_s: 1
  listen: ""
  device: {{fleet: pair, board: {part}, chain: hall, part: {{{streams}}}}}
"""
PARTS = ("p0", "p1")
WAIT_S = 40.0
LOOK_S = 0.1
ASK_S = 0.03


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        ends = [held.enter_context(socket.socket()) for _ in range(count)]
        for end in ends:
            end.bind(("127.0.0.1", 0))
        return [int(end.getsockname()[1]) for end in ends]


@dataclass
class Machine:
    """With an agent, started and ended as systemd does; what it says is kept."""

    name: str
    bench: Repository
    config: Path
    said: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def state(self) -> Path:
        return self.config.parent / self.name

    def start(self) -> None:
        self.process = self.bench.start("agent", "--config", self.config)
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with contextlib.suppress(ValueError):
            self.said += process.stderr

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(WAIT_S)
            self.process = None

    def programs(self) -> list[int]:
        """Numbers of the processes that run this machine's part."""
        slots = str(self.state.resolve() / "slots").encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes().split(b"\0")
                if words[0].startswith(slots) and slots in words[1:]:
                    found.append(int(place.name))
        return found


def wait_until(what: Callable[[], object], said: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < deadline, said()
        time.sleep(LOOK_S)


class Asked(ChainLink):
    """Keeps what each result says itself: its tensor is read later, when the part may run another set."""

    found = b""

    def _take_answer(self, timeout_s: float | None) -> Result:
        result = super()._take_answer(timeout_s)
        self.found = result.values
        return result


class Pair:
    """The repository, its two machines, and whoever asks the chain: at the last part's line, and over its bridge."""

    def __init__(self, folder: Path) -> None:
        link = "kind: tcp"
        fleet = chain_document("pair", "layers", "linux", "linux", link=link, more=MORE)
        self.bench = repository_of(folder / "bench", {"layers": layered()}, fleet)
        self.bench.edit("specs/project.yaml", "  signing:", REPORTS)
        self.bench.write("specs/pair.csv", "id,board\n")
        self.bench.edit(FLEETS, "  split:", "  devices: {file: pair.csv}\n  split:")
        self.between, self.line, self.bridge = free_ports(3)
        (folder / "machines").mkdir()
        streams = {
            "p0": f'line: "tcp-listen:127.0.0.1:{self.between}"',
            "p1": f'upstream: "tcp:127.0.0.1:{self.between}", line: "tcp-listen:127.0.0.1:{self.line}", '
            f'bridge: "tcp-listen:127.0.0.1:{self.bridge}"',
        }
        self.machines = {part: self._machine(folder / "machines", part, streams[part]) for part in PARTS}
        self.sets: dict[str, Golden] = {}  # of every release, by set
        self.inputs: list[bytes] = []
        self.answers: list[tuple[int, bytes]] = []  # to which input
        self.enough = threading.Event()

    def _machine(self, folder: Path, part: str, streams: str) -> Machine:
        config = folder / f"{part}.yaml"
        places = {
            "store": self.bench.releases,
            "keys": self.bench.root / ".tinyops/trusted.pem",
            "reports": self.bench.root / "reports",
        }
        config.write_text(AGENT.format(name=f"{part}-hall", part=part, streams=streams, **places))
        return Machine(f"{part}-hall", self.bench, config)

    def enrol(self) -> None:
        for part, machine in self.machines.items():
            key = self.bench.ok("agent", "--config", machine.config, "--identity", "--json").json["public_key"]
            words = ("--id", machine.name, "--board", part, "--public-key", key, "--chain", "hall")
            self.bench.ok("enrol", "--fleet", "pair", *words)

    def apply(self) -> str:
        """The set that is released now."""
        self.bench.ok("apply", timeout_s=300)
        released = parts_of(self.bench, "pair")
        self.sets[released.split.set] = released.golden
        self.inputs = self.inputs or [given for given, _ in released.golden.vectors]
        assert [given for given, _ in released.golden.vectors] == self.inputs
        return released.split.set

    def other_model(self, seed: int) -> None:
        was = hashlib.sha256((self.bench.root / "models/layers.tflite").read_bytes()).hexdigest()
        data = layered(seed=seed)
        self.bench.write("models/layers.tflite", data)
        self.bench.edit(FLEETS, was, hashlib.sha256(data).hexdigest())

    @contextlib.contextmanager
    def asked(self) -> Iterator[Asked]:
        with contextlib.ExitStack() as held:
            parts = []
            for part, port in zip(PARTS, (self.bridge, self.line), strict=True):
                end = held.enter_context(socket.create_connection(("127.0.0.1", port), WAIT_S))
                link = Link(SocketStream(end, part), name=part, timeout_s=1.0)
                parts.append(RunningPart(part, cast(VirtualBoard, None), link))
            yield Asked(parts)

    def ask(self) -> None:
        """All the time, whatever the machines do meanwhile: what each answer is of is looked at later."""
        number = 0
        while not self.enough.is_set():
            with contextlib.suppress(LinkClosed, OSError), self.asked() as chain:
                while not self.enough.is_set():
                    number = (number + 1) % len(self.inputs)
                    with contextlib.suppress(NotAvailable, LinkTimeout, Refused):
                        chain.write_input(self.inputs[number])
                        chain.invoke(3.0)
                        self.answers.append((number, chain.found))
                    time.sleep(ASK_S)
            time.sleep(LOOK_S)

    def judge(self) -> list[str]:
        """Of which released set each answer is. What is of none is of a mixture."""
        found = []
        for number, answer in self.answers:
            of = [name for name, golden in self.sets.items() if golden.vectors[number][1] == answer]
            assert of, f"{answer.hex()} is no released model's answer to input {number}"
            found.append(of[0])
        return found

    def answers_are_of(self, wanted: str) -> None:
        """As many as there are inputs, of those that come from now on."""
        begun = len(self.answers)
        wait_until(lambda: self.judge()[begun:].count(wanted) > len(self.inputs), self.said)

    def said(self) -> str:
        return "\n".join(f"{m.name}: {line.rstrip()}" for m in self.machines.values() for line in m.said[-40:])

    def chains(self) -> list[dict[str, Any]]:
        (fleet,) = self.bench.ok("fleet", "status", "--json").json["fleets"]
        found: list[dict[str, Any]] = fleet["chains"]
        return found

    def whole(self) -> bool:
        return self.chains() == [{"name": "hall", "state": "whole", "parts": []}]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.enough.set()
    for machine in made.machines.values():
        machine.end(signal.SIGKILL)


def test_agents_bring_a_chain_from_release_to_release_and_back(pair: Pair) -> None:
    old = pair.apply()
    pair.enrol()
    assert [chain["state"] for chain in pair.chains()] == ["missing"]
    for machine in pair.machines.values():
        machine.start()
    wait_until(lambda: all(machine.programs() for machine in pair.machines.values()), pair.said)
    threading.Thread(target=pair.ask, daemon=True).start()
    pair.answers_are_of(old)
    wait_until(pair.whole, pair.said)
    runs = {name: machine.programs() for name, machine in pair.machines.items()}

    pair.other_model(seed=9)
    new = pair.apply()
    pair.answers_are_of(new)
    wait_until(pair.whole, pair.said)
    assert runs == {name: machine.programs() for name, machine in pair.machines.items()}, "they switch by themselves"

    pair.bench.ok("rollback", "pair")
    assert pair.apply() == old
    pair.answers_are_of(old)
    wait_until(pair.whole, pair.said)
    answers = pair.judge()
    changes = [(a, b) for a, b in itertools.pairwise(answers) if a != b]
    assert changes == [(old, new), (new, old)]

    _a_part_that_may_not_run_keeps_all(pair, old)
    _programs_are_kept_running_and_end_with_their_agent(pair, old)
    _a_stopped_agent_is_named(pair)


def _a_part_that_may_not_run_keeps_all(pair: Pair, old: str) -> None:
    """Its gate is missed: the fleet keeps its entry, whole, and nothing moves on the machines."""
    before = pair.bench.manifest()
    pair.bench.ok("resume", "pair", "--unpin")
    pair.bench.edit(FLEETS, "name: p1, board: linux", "name: p1, board: linux, gates: {ram_bytes_max: 10}")
    pair.other_model(seed=11)
    said = pair.bench.run("apply", timeout_s=300)
    after = pair.bench.manifest()
    assert after["version"] == before["version"] + 1, said.err
    assert after["fleets"]["pair"]["boards"] == before["fleets"]["pair"]["boards"]
    carried = after["fleets"]["pair"]["carried"]
    assert carried["version"] == before["version"] and "p1" in carried["reason"] and "ram" in carried["reason"]
    time.sleep(3.0)  # some polls
    pair.answers_are_of(old)
    assert pair.whole()


def _programs_are_kept_running_and_end_with_their_agent(pair: Pair, old: str) -> None:
    first, last = pair.machines.values()
    (number,) = last.programs()
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: last.programs() not in ([], [number]), pair.said)
    pair.answers_are_of(old)
    assert any("was killed by signal 9; it is started again in 1 s" in line for line in last.said)
    pair.enough.set()
    last.end()
    first.end(signal.SIGKILL)
    wait_until(lambda: not last.programs() and not first.programs())


def _a_stopped_agent_is_named(pair: Pair) -> None:
    """Three days on, of which only the last part's agent has seen anything."""
    later = datetime.now(UTC) + timedelta(hours=73)
    last = pair.machines["p1"]
    settings = AgentSettings(
        store=str(pair.bench.releases),
        fleet="pair",
        board="p1",
        device=last.name,
        state=last.state,
        trust=pair.bench.root / ".tinyops/trusted.pem",
        chain="hall",
        reports=str(pair.bench.root / "reports"),
        once=True,
    )
    agent = Agent(settings, print, now=lambda: later)
    try:
        agent.poll()
    finally:
        agent.close()
    (fleet,) = fleet_status(observe(pair.bench.root), later).fleets
    (chain,) = fleet.chains
    assert (chain.name, chain.state, len(chain.parts)) == ("hall", "missing", 1)
    assert chain.parts[0].startswith("p0 (p0-hall) silent")


def test_a_new_program_for_the_same_model_waits_for_nobody_and_a_new_contract_neither(tmp_path: Path) -> None:
    publisher, newer = Publisher(tmp_path), compiled_model(bias=40)
    other = compiled_model(bias=40, contract=contract_bytes(rate_hz=20.0))
    settings = AgentSettings(
        store=str(publisher.store.root),
        fleet="wrist",
        board="linux",
        device="pi-7",
        state=tmp_path / "state",
        trust=publisher.trust_file,
        chain="hall",
        part=PartSettings("tcp-listen:127.0.0.1:1"),
        once=True,
    )
    slots = tmp_path / "state" / "slots"

    def programs(slot: str) -> set[bytes]:
        return {path.read_bytes() for path in (slots / slot).glob("part-*") if path.stat().st_mode & 0o100}

    publisher.publish(compiled_model().but(program=b"one"))
    assert run_agent(settings).slot.state == "confirmed" and programs("a") == {b"one"}
    publisher.publish(compiled_model().but(program=b"two"))
    report = run_agent(settings)
    assert report.slot.state == "confirmed" and report.running is not None and report.running.version == 2
    assert programs("a") == {b"one", b"two"} and not (slots / "b").exists()
    publisher.publish(newer.but(program=b"two"))
    assert run_agent(settings).slot.state == "trial", "its chain decides"
    assert (slots / "wanted").read_text() == "b\n"
    publisher.publish(other.but(program=b"three"))
    report = run_agent(settings)
    assert report.slot.state == "confirmed" and report.running is not None and report.running.version == 4
    assert programs("b") == {b"three"} and (slots / "runs").read_text() == "b\n" and not (slots / "wanted").exists()
