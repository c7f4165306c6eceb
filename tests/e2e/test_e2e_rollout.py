"""Releases that reach twenty devices in waves: through, stopped at the canary, held, tried again, rolled back."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import Repository, applied_finished
from fakes.rollouts import report
from fakes.tflite import dense
from tinyops.manifest.entry import Entry, choose_content, read_entry
from tinyops.manifest.keys import SigningKey, load_trust
from tinyops.manifest.progress import Progress, position, progress_file, read_progress
from tinyops.manifest.report import report_path, seal_report
from tinyops.reconcile.rollout.stepping import Stepped, step
from tinyops.reconcile.world import observe

pytestmark = pytest.mark.build

FLEETS, LIST, ONLINE = "specs/fleets.yaml", "specs/desk.csv", "TINYOPS_ONLINE_KEY"
ROLLOUT = """\
  devices: {file: desk.csv}
  rollout:
    waves: [{canary: 2}, {share: 0.25}, {share: 0.5}, {share: 1}]
    soak_h: 24
    health: {self_test: pass, min_reporting_share: 0.8}
    silent_after_h: 72
    on_failure: revert
"""
HOST = """\
  metadata: {kind: directory, path: ../metadata, url: "https://acme.example/bench"}
  reports: {kind: directory, path: ../reports}
  signing:
    online: {key: {secret: TINYOPS_ONLINE_KEY}}
"""
DAY = timedelta(days=1)


@dataclass
class Fleet:
    """A repository, its clock, and twenty devices that do as the signed files tell them."""

    bench: Repository
    now: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=1))
    names: tuple[str, ...] = tuple(f"d-{n}" for n in range(20))
    runs: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    sequence: int = 0

    def __post_init__(self) -> None:
        if self.keys:
            return
        self.keys = {name: SigningKey.generate() for name in self.names}
        rows = [f"{name},linux,,{key.public.raw.hex()},2026-01-01," for name, key in self.keys.items()]
        self.bench.write(LIST, "\n".join(["id,board,labels,public_key,enrolled,revoked", *rows, ""]))

    def step(self, days: float = 0) -> Stepped:
        self.now += days * DAY
        (made,) = step(observe(self.bench.root), self.now)
        return made

    def entry(self) -> Entry:
        trust = load_trust(self.bench.root / ".tinyops/trusted.pem")
        data = (self.bench.root / ".tinyops/releases/latest/entry-desk-linux.json").read_bytes()
        return read_entry(data, trust, where="entry")[0]

    def progress(self) -> Progress | None:
        """As a device believes it: signed by a key that the signed entry names."""
        path, rollout = self.bench.root / "metadata" / progress_file("desk"), self.entry().rollout
        if rollout is None or not path.exists():
            return None
        return read_progress(path.read_bytes(), rollout.trust, where="progress")[0]

    def poll(self, *, dead: Collection[str] = (), ill: Collection[str] = ()) -> dict[str, int]:
        """Every device takes what its entry and the progress tell it, and reports; how many run which release."""
        entry, progress = self.entry(), self.progress()
        for name in self.names:
            runs_new = self.runs.get(name) == entry.model.digest
            choice = choose_content(entry.rollout, progress, position("desk", name), runs_new=runs_new)
            content = entry.rollout.base if choice == "base" and entry.rollout else entry.content
            if choice != "keep" and content is not None:
                self.runs[name], self.versions[name] = content.model.digest, content.version
            if name not in dead:
                self.report(name, "fail" if name in ill and self.runs[name] == entry.model.digest else "pass")
        versions = sorted(self.versions.values())
        return {f"v{version}": versions.count(version) for version in dict.fromkeys(versions)}

    def report(self, name: str, self_test: str) -> None:
        made = report(name, self.now, self.versions[name], self_test=self_test)
        assert made.running is not None
        running = made.running.model_copy(update={"model": self.runs[name]})
        self.sequence += 1
        own = {
            "sequence": self.sequence,
            "fleet": "desk",
            "board": "linux",
            "public_key": self.keys[name].public.raw.hex(),
            "running": running,
        }
        path = report_path(self.bench.root / "reports", "desk", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seal_report(made.model_copy(update=own), self.keys[name]))

    def first(self, count: int) -> list[str]:
        return sorted(self.names, key=lambda name: position("desk", name))[:count]


@functools.cache
def released() -> Fleet:
    """Fleet desk on Linux alone, in v2; tests work on copies of it."""
    folder = tempfile.mkdtemp(prefix="tinyops-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    bench = applied_finished().copy(Path(folder) / "bench")
    bench.edit("specs/project.yaml", "  signing:\n", HOST)
    bench.edit(FLEETS, "  model: tiny\n", f"  model: tiny\n{ROLLOUT}")
    bench.edit(FLEETS, "    microbit: {sensor: {kind: stream, port: serial}}\n", "")
    made = Fleet(bench)
    for name in (ONLINE, "MIA_KEY"):
        bench.ok("trust", "key", name)
    bench.ok("trust", "init", "--root", "MIA_KEY")
    bench.lift("destroy_share", "desk")
    bench.ok("apply")
    return made


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    made = released()
    return Fleet(made.bench.copy(tmp_path / "bench"), keys=made.keys)


def other_weights(bench: Repository, scale: float) -> None:
    old = hashlib.sha256((bench.root / "models/tiny.tflite").read_bytes()).hexdigest()
    data = dense(2, 20, weight_scale=scale).build([0], [3])
    bench.write("models/tiny.tflite", data)
    bench.edit(FLEETS, old, hashlib.sha256(data).hexdigest())


def fleet_change(bench: Repository) -> dict[str, Any]:
    done = bench.run("plan", "--json")
    (found,) = [c for c in done.json["changes"] if c["kind"] == "fleet"]
    assert (done.code == 67) == (found["action"] == "held")
    return dict(found)


def test_a_rollout_through_four_waves(fleet: Fleet) -> None:
    bench = fleet.bench
    assert fleet.poll() == {"v2": 20} and fleet.entry().rollout is None
    assert bench.ok("rollout", "step").out.startswith("No fleet has a rollout under way: every device takes what")
    other_weights(bench, 0.2525)
    text = bench.ok("plan").out
    assert "rollout in 4 waves of 2, 3, 5, 10 devices, each soaking 24 h; after a failure devices go back" in text
    bench.ok("apply")
    rollout = fleet.entry().rollout
    assert rollout is not None and rollout.base is not None
    assert (rollout.id, rollout.base.version, rollout.progress) == (
        3,
        2,
        "https://acme.example/bench/rollout/desk.json",
    )
    assert fleet.poll() == {"v2": 20}  # nobody said that it begins
    for count in (2, 5, 10, 20):
        stepped = fleet.step()
        assert stepped.published, stepped.decision
        assert fleet.poll().get("v3", 0) == count
        assert fleet.step(0.5).decision.progress is None
        fleet.poll()
        fleet.now += 0.5 * DAY
        fleet.poll()
    assert fleet.step().decision.says == "every wave has soaked"
    assert fleet.poll() == {"v3": 20}
    log = (bench.root / "metadata/rollout/desk.log").read_text().splitlines()
    assert [json.loads(line)["signed"]["waves"] for line in log] == [1, 2, 3, 4, 4]
    assert "No changes." in bench.ok("plan").out
    other_weights(bench, 0.2530)
    bench.ok("apply")
    after = fleet.entry().rollout
    assert after is not None and after.base is not None and (after.id, after.base.version) == (4, 3)


def test_a_canary_that_dies_stops_it_and_what_it_ran_is_held(fleet: Fleet) -> None:
    bench = fleet.bench
    fleet.poll()
    other_weights(bench, 0.2525)
    bench.ok("apply")
    bad = fleet.entry().model.digest
    fleet.step()
    canaries = fleet.first(2)
    assert fleet.poll(ill=canaries) == {"v2": 18, "v3": 2}
    status = bench.ok("rollout", "status").out
    assert "next: halted: wave 1: 2 of 2 devices failed, 5% may: " in status
    assert all(f"{name}: its self-test fails" in fleet.step(0.1).decision.says for name in canaries)
    assert fleet.poll() == {"v2": 20}  # they went back
    progress = fleet.progress()
    assert progress is not None and [f"sha256:{q.digest}" for q in progress.quarantined] == [bad]
    change = fleet_change(bench)
    assert change["action"] == "held" and change["reasons"][0]["field"].startswith(
        "canary: failed canary in v3: wave 1"
    )
    assert bench.run("apply").code == 67  # held, and said so
    assert fleet.entry().version == 3
    assert not fleet.step(30).decision.says.startswith("wave") and fleet.poll() == {"v2": 20}

    other_weights(bench, 0.2530)  # another model: another rollout, from what devices have
    text = bench.ok("plan").out
    assert "the rollout of v3 is halted: devices that wait have v2" in text
    bench.ok("apply")
    rollout = fleet.entry().rollout
    assert rollout is not None and rollout.base is not None and (rollout.id, rollout.base.version) == (4, 2)
    assert fleet.step().decision.says == "wave 1 of 4 begins"
    assert fleet.poll() == {"v2": 18, "v4": 2}

    other_weights(bench, 0.2525)  # the bad one again, before that one has ended
    done = bench.run("apply")
    assert (done.code, "failed canary in v3" in done.out + done.err) == (67, True)
    assert fleet.entry().model.digest != bad


def test_a_person_lets_a_halted_one_go_on_by_name_once(fleet: Fleet) -> None:
    bench = fleet.bench
    fleet.poll()
    other_weights(bench, 0.2525)
    bench.ok("apply")
    fleet.step()
    fleet.poll(ill=fleet.first(2))
    fleet.step(0.1)
    (squeezed,) = [r for n, r in bench.manifest()["steps"].items() if n.startswith("squeeze:")]
    digest = squeezed["outputs"]["int8.tflite"]["digest"]
    lift = f'{{gate: canary, digest: "{digest}", reason: the bench was cold, author: eve, until: "2099-01-01"}}'
    bench.edit(FLEETS, "  devices:", f"  overrides: [{lift}]\n  devices:")
    assert "rollout once more v3" in bench.ok("plan").out
    bench.ok("apply")
    rollout = fleet.entry().rollout
    assert rollout is not None and rollout.base is not None and (rollout.id, rollout.base.version) == (4, 2)
    assert "No changes." in bench.ok("plan").out
    assert fleet.step().decision.says == "wave 1 of 4 begins"
    fleet.poll(ill=fleet.first(2))
    assert fleet.step(0.1).decision.says.startswith("halted")
    assert fleet_change(bench)["action"] == "held"  # an override is for one try


def test_a_rollback_in_the_middle_of_a_rollout_reaches_everybody_at_once(fleet: Fleet) -> None:
    bench = fleet.bench
    fleet.poll()
    other_weights(bench, 0.2525)
    bench.ok("apply")
    fleet.step()
    assert fleet.poll() == {"v2": 18, "v3": 2}
    bench.ok("rollback", "desk")
    bench.ok("apply")
    assert fleet.entry().rollout is None
    fleet.poll()
    assert set(fleet.runs.values()) == {fleet.entry().model.digest}
    assert bench.ok("rollout", "step").out.startswith("No fleet has a rollout")


def test_people_hold_resume_and_halt(fleet: Fleet) -> None:
    bench = fleet.bench
    fleet.poll()
    other_weights(bench, 0.2525)
    bench.ok("apply")
    assert bench.run("rollout", "hold", "desk", "--reason", "x", "--author", "eve").code == 64  # it has not begun
    assert "wave 1 of 4 begins" in bench.ok("rollout", "step").out
    assert bench.ok("rollout", "step", "desk", "--json").json["fleets"][0]["published"] is False
    bench.ok("rollout", "hold", "desk", "--reason", "the fair is on", "--author", "eve")
    text = bench.ok("rollout", "status").out
    assert "desk: rollout of v3 from v2: holding, wave 1 of 4\n  held: eve: the fair is on\n" in text
    fleet.poll()
    assert fleet.step(2).decision.says == "held: eve: the fair is on"
    bench.ok("rollout", "resume", "desk", "--reason", "it is over", "--author", "eve")
    out = bench.ok("rollout", "halt", "desk", "--reason", "it hums", "--author", "eve").out
    assert out.startswith("desk: the rollout of v3 is halted.")
    fleet.poll()
    assert set(fleet.versions.values()) == {2}
    assert bench.run("rollout", "step", "nobody").code == 64
    bench.write("reports/desk/forged.json", "{}")
    assert "not a report: " in bench.ok("rollout", "status").err
    changed = bench.root / "metadata/rollout/desk.json"
    changed.write_bytes(changed.read_bytes().replace(b'"halted"', b'"finished"'))
    done = bench.run("rollout", "step")
    assert (done.code, "0 of 1 trusted signatures are right" in done.err) == (69, True)
