"""A fleet through its releases: a Linux device, and behind it an emulated micro:bit and Nano 33 BLE, update by
themselves; a bad release is stopped at the canary. At each moment `drift`, `plan` and the rollout tell it truthfully.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import select
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.github_server import REPOSITORY, TOKEN, serving_github
from fakes.projects import FINISHED, STREAM, Repository, fleet, locked, repository
from fakes.tflite import dense
from fakes.web import serving
from tinyops.manifest.progress import position

pytestmark = pytest.mark.build

FLEETS, LIST = "specs/fleets.yaml", "specs/desk.csv"
TWINS = ("microbit", "nano33ble")
PROJECT = """\
  metadata: {kind: directory, path: ../metadata}
  reports: {kind: directory, path: ../reports}
  signing:
    online: {key: {secret: TINYOPS_ONLINE_KEY}}
"""
ROLLOUT = """\
  devices: {file: desk.csv}
  rollout:
    waves: [{canary: 1}, {share: 1}]
    soak_h: 0
    health: {min_reporting_share: 1}
"""
START_S = 120
# A Nano's twin is another machine and cannot run its firmware; here the twin's own is released in its place, so that a
# gateway meets what it released. Models are the same bytes on both.
TWIN_FIRMWARE = """\
from tinyops.firmware import building
from tinyops.twin import step
step.check_copies = lambda *files: None  # that firmware.bin is firmware.elf: here it is not
from tinyops.twin.flashed import firmware_body
take = building._take

def take_twins(project, request, target, out):
    take(project, request, target, out)
    if request.board == "nano33ble":
        for number, name in enumerate(("", "_b")):
            body = firmware_body(out / f"twin{name}.elf", request.layout.firmware[number].origin)
            (out / f"firmware{name}.bin").write_bytes(body)

building._take = take_twins
"""
# A model that runs where it is built and proved, and crashes in the field, where there is a file of that name.
CRASHING = """\
static void __attribute__((constructor)) tinyops_test_fault(void) {{
  long answer; /* of access(2): a model has no C library */
  __asm__ volatile("syscall" : "=a"(answer) : "a"(21L), "D"("{field}"), "S"(0L) : "rcx", "r11", "memory");
  if (answer == 0) __builtin_trap();
}}
"""
WRAPPER = """\
#!/bin/sh
for word in "$@"; do case "$word" in -shared) exec {compiler} "$@" {fault};; esac; done
exec {compiler} "$@"
"""


def names_in_order() -> tuple[str, str, str]:
    """Ids of the Linux device, the micro:bit and the Nano, of which the first is the canary."""
    for number in itertools.count():
        names = (f"pi-{number}", f"mb-{number}", f"nano-{number}")
        if min(names, key=lambda name: position("desk", name)) == names[0]:
            return names
    raise AssertionError


PI, MICROBIT, NANO = names_in_order()


@dataclass
class Board:
    """A twin on a serial port, which keeps its flash in a folder."""

    child: subprocess.Popen[str]
    port: str

    def stop(self) -> None:
        self.child.terminate()
        self.child.communicate(timeout=START_S)


@dataclass(frozen=True)
class Stands:
    """A fleet as a whole: how many devices in each state; of each wave whether it is reached, and its devices; who
    needs a person, why, and what to do."""

    state: str
    states: dict[str, int]
    waves: list[tuple[bool, dict[str, int]]] = field(default_factory=list)
    needs: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Story:
    """The repository, its devices, where its releases are, and the server of its metadata."""

    bench: Repository
    store: str = ""
    server: str = ""
    boards: dict[str, Board] = field(default_factory=dict)

    # -- releases -----------------------------------------------------------------------------------

    def set_up(self) -> None:
        bench = self.bench
        bench.ok("keys", "new", "TINYOPS_SPARE_KEY")
        for name in ("TINYOPS_ONLINE_KEY", "MIA_KEY"):
            bench.ok("trust", "key", name)
        bench.edit("specs/project.yaml", "  signing:\n", PROJECT)
        bench.edit(FLEETS, "  model: tiny\n", f"  model: tiny\n{ROLLOUT}")
        bench.write(LIST, f"id,board,labels,public_key,enrolled,revoked,silicon,image_keys\n{PI},linux,,,,,,\n")
        bench.ok("trust", "init", "--root", "MIA_KEY")

    def apply(self) -> None:
        bench = self.bench
        bench.write("twins/sitecustomize.py", TWIN_FIRMWARE)
        paths = f"{bench.root / 'twins'}:{bench.environment()['PYTHONPATH']}"
        done = bench.run("apply", timeout_s=600, PYTHONPATH=paths)
        assert done.code == 0, done.out + done.err

    def other_weights(self, scale: float) -> None:
        bench = self.bench
        old = hashlib.sha256((bench.root / "models/tiny.tflite").read_bytes()).hexdigest()
        data = dense(2, 20, weight_scale=scale).build([0], [3])
        bench.write("models/tiny.tflite", data)
        bench.edit(FLEETS, old, hashlib.sha256(data).hexdigest())

    @contextlib.contextmanager
    def bad_compiler(self) -> Iterator[None]:
        """Models for Linux that this one makes crash in the field."""
        folder = self.bench.root / "bad"
        fault = self.bench.write("bad/fault.c", CRASHING.format(field=self.bench.root / "in-the-field"))
        compiler = shutil.which("gcc")
        wrapper = self.bench.write("bad/gcc", WRAPPER.format(compiler=compiler, fault=fault))
        wrapper.chmod(0o755)
        before = self.bench.environment()["PATH"]
        self.bench.env["PATH"] = f"{folder}:{before}"
        try:
            yield
        finally:
            self.bench.env["PATH"] = before

    # -- devices ------------------------------------------------------------------------------------

    def boot(self, board: str) -> Board:
        state = self.bench.root / f"flash-{board}"
        words = ("twin", board, "--fleet", "desk", "--state", state, "--serial", board, "--pty-only")
        child = self.bench.start(*words)
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], START_S)
        line = child.stdout.readline() if ready else ""
        assert "/dev/pts/" in line, line + (child.communicate()[1] if child.poll() is not None else "")
        found = Board(child, "/dev/pts/" + line.split("/dev/pts/")[1].split()[0])
        self.boards[board] = found
        return found

    def enrol(self, board: str, name: str) -> None:
        self.bench.ok("enrol", self.boards[board].port, "--fleet", "desk", "--id", name)

    def configure(self) -> None:
        """The agent's own file, on the Linux device, and what it was given when it was set up."""
        root = max((self.bench.root / "metadata").glob("*.root.json"))
        shutil.copy(root, self.bench.root / "root.json")
        (self.bench.root / "walk.csv").write_text("ax,ay\n" + "0.5,0.25\n" * 40)
        ports = "".join(f"      - {self.boards[board].port}\n" for board in TWINS)
        self.bench.write(
            "agent.yaml",
            f"""\
apiVersion: tinyops/v1
kind: Agent
metadata: {{name: {PI}}}
spec:
  store: "{self.store}"
  trust: {{root: root.json, metadata: "{self.server}/metadata"}}
  state: agent
  reports: {{to: reports}}
  device: {{fleet: desk, board: linux, replay: walk.csv}}
  gateway:
    addresses:
{ports}""",
        )

    def poll(self, *, code: int = 0) -> str:
        done = self.bench.run("agent", "--config", "agent.yaml", "--once", timeout_s=300)
        assert done.code == code, done.out + done.err
        return done.out + done.err

    def trust_gateway(self) -> None:
        """Enrols the machine with Linux by what its agent says of itself."""
        key = self.bench.ok("agent", "--config", "agent.yaml", "--identity", "--json").json["public_key"]
        words = ("--id", PI, "--board", "linux", "--public-key", key)
        self.bench.ok("enrol", "--fleet", "desk", *words, "--replace", PI)

    # -- what is told -------------------------------------------------------------------------------

    def step(self) -> Any:
        """What `tinyops rollout step` says of the fleet; there is only one."""
        (found,) = self.bench.ok("rollout", "step", "--json").json["fleets"]
        return found

    def states(self) -> dict[str, tuple[str, int | None]]:
        """By device, its state as drift has it, and the release that it reports to run."""
        done = self.bench.ok("drift", "--json", "--all")
        return {d["device"]: (d["state"], d["version"]) for d in done.json["devices"]}

    def fleet(self) -> Stands:
        """Where the only fleet stands, as `fleet status` has it."""
        status = self.bench.ok("fleet", "status", "--json").json
        (found,) = status["fleets"]
        assert sum(found["states"].values()) == len(found["devices"]) == sum(b["devices"] for b in found["boards"])
        waves = [(w["reached"], w["states"]) for w in (found["rollout"] or {"waves": []})["waves"]]
        needs = [(need["device"], need["why"].partition(" on ")[0], need["do"]) for need in status["needs"]]
        return Stands(found["state"], found["states"], waves, needs)


def told(story: Story) -> None:
    """The first release reaches everybody, the second goes in waves, the third is bad, the fourth mends it."""
    bench = story.bench
    story.set_up()
    story.apply()
    for board, name in zip(TWINS, (MICROBIT, NANO), strict=True):
        story.boot(board)
        story.enrol(board, name)
    story.configure()
    assert {state for state, _ in story.states().values()} == {"unreported"}
    assert story.fleet() == Stands("unreported", {"unreported": 3})
    story.poll()
    story.trust_gateway()
    assert story.states() == dict.fromkeys((PI, MICROBIT, NANO), ("converged", 1))
    assert story.fleet() == Stands("converged", {"converged": 3})

    story.other_weights(0.2525)
    story.apply()
    story.poll()
    assert {version for _, version in story.states().values()} == {1}  # nobody said that it begins
    everybody_waits = [(False, {"waiting": 1}), (False, {"waiting": 2})]
    assert story.fleet() == Stands("rolling out", {"waiting": 3}, everybody_waits)
    assert story.step()["progress"]["waves"] == 1
    story.poll()
    assert story.states() == {PI: ("converged", 2), MICROBIT: ("waiting", 1), NANO: ("waiting", 1)}
    canary_has_it = [(True, {"converged": 1}), (False, {"waiting": 2})]
    assert story.fleet() == Stands("rolling out", {"converged": 1, "waiting": 2}, canary_has_it)
    assert story.step()["progress"]["waves"] == 2
    said = story.poll()
    assert story.states() == dict.fromkeys((PI, MICROBIT, NANO), ("converged", 2)), said
    everybody_has_it = [(True, {"converged": 1}), (True, {"converged": 2})]
    assert story.fleet() == Stands("converged", {"converged": 3}, everybody_has_it)
    assert story.step()["progress"]["state"] == "finished"

    story.other_weights(0.2530)
    with story.bad_compiler():
        story.apply()
    bench.write("in-the-field", "")
    assert story.step()["progress"]["waves"] == 1
    assert "golden vectors" in story.poll(code=69)
    assert story.states() == {PI: ("gave up", 2), MICROBIT: ("waiting", 2), NANO: ("waiting", 2)}
    failed = [(True, {"gave up": 1}), (False, {"waiting": 2})]
    why = [(PI, "reverted: crashed", "re-flash")]
    assert story.fleet() == Stands("rolling out", {"gave up": 1, "waiting": 2}, failed, why)
    halted = story.step()["progress"]
    assert (halted["state"], len(halted["quarantined"])) == ("halted", 3)
    went_back = Stands("halted", {"waiting": 3}, [(True, {"waiting": 1}), (False, {"waiting": 2})])
    assert story.fleet() == went_back
    story.poll()
    assert story.states() == dict.fromkeys((PI, MICROBIT, NANO), ("waiting", 2))
    assert story.fleet() == went_back
    plan = bench.run("plan")
    assert "held" in plan.out and "canary: failed canary in v3: wave 1: 1 of 1" in plan.out and plan.code == 67

    story.other_weights(0.2535)
    story.apply()
    for waves in (1, 2):
        assert story.step()["progress"]["waves"] == waves
        story.poll()
    assert story.states() == dict.fromkeys((PI, MICROBIT, NANO), ("converged", 4))
    assert story.fleet() == Stands("converged", {"converged": 3}, everybody_has_it)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """What the first release is made of: the store has it, so both stories build it once."""
    boards = {"linux": STREAM, **dict.fromkeys(TWINS, STREAM)}
    folder = tmp_path_factory.mktemp("fleet")
    bench = locked(repository(folder / "bench", FINISHED, fleet("desk", "tiny", boards)))
    Story(bench).apply()
    shutil.rmtree(bench.root / ".tinyops/releases")
    return bench


def test_a_fleet_through_its_releases_in_a_folder(built: Repository, tmp_path: Path) -> None:
    bench = built.copy(tmp_path / "bench")
    with serving(bench.root) as server, ending(Story(bench, f"{server.url}/.tinyops/releases", server.url)) as story:
        told(story)


def test_a_fleet_through_its_releases_on_github(built: Repository, tmp_path: Path) -> None:
    bench = built.copy(tmp_path / "bench")
    with serving_github() as github, serving(bench.root) as server:
        where = f'{{kind: github, repository: {REPOSITORY}, url: "{github.url}"}}'
        bench.edit("specs/project.yaml", "{kind: directory, path: ../.tinyops/releases}", where)
        bench.env["GITHUB_TOKEN"] = TOKEN
        with ending(Story(bench, f"github:{github.url}/{REPOSITORY}", server.url)) as story:
            told(story)
        assert github.leaks == []


@contextlib.contextmanager
def ending(story: Story) -> Iterator[Story]:
    try:
        yield story
    finally:
        for board in story.boards.values():
            board.stop()
