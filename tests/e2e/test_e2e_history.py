"""A scratch repository driven through its life, commit by commit: plan, exit code and release at each step."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import STREAM, Repository, applied_finished, fleet
from fakes.tflite import dense

pytestmark = pytest.mark.build

FLEETS = "specs/fleets.yaml"
MODEL = "models/tiny.tflite"


@dataclass
class Life:
    """The repository, under Git. `commits` counts them; every one is planned, applied and planned again."""

    bench: Repository
    commits: list[str] = field(default_factory=list)

    def git(self, *arguments: str) -> str:
        command = [
            "git",
            "-C",
            str(self.bench.root),
            "-c",
            "user.name=Mia",
            "-c",
            "user.email=mia@example.org",
            *arguments,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]

    def step(
        self, message: str, *, plan: int = 2, apply: int = 0, moves: bool = True, held: tuple[str, ...] = ()
    ) -> tuple[Any, Any]:
        """Commits, plans and applies; says what the plan was, and what is released after it."""
        self.commit(message)
        planned = self.bench.run("plan", "--json", "--detailed-exitcode")
        assert planned.code == plan, f"{message}: plan ends with {planned.code}\n{planned.out}{planned.err}"
        before = self.released()
        done = self.bench.run("apply")
        assert done.code == apply, f"{message}: apply ends with {done.code}\n{done.out}{done.err}"
        after = self.released()
        assert after["version"] - before["version"] == moves, message
        assert [h["fleet"] for h in after["held"]] == list(held), message
        if moves:
            assert after["commit"] == self.commits[-1]
        again = self.bench.run("plan", "--json")
        assert all(c["action"] in ("keep", "held") for c in again.json["changes"]) or held, message
        return planned.json, after

    def released(self) -> Any:
        return self.bench.manifest()

    def model(self, name: str) -> str:
        return str(next(iter(self.released()["fleets"][name]["boards"].values()))["model"]["digest"])

    def other_weights(self, seed: int) -> None:
        """Another file for the model, as someone would who made it better; pins stay as they are."""
        old = hashlib.sha256((self.bench.root / MODEL).read_bytes()).hexdigest()
        data = dense(2, 20, weight_scale=0.25 * 1.01**seed).build([0], [3])
        self.bench.write(MODEL, data)
        self.bench.edit(FLEETS, f'sha256: "sha256:{old}', f'sha256: "sha256:{hashlib.sha256(data).hexdigest()}')

    def edit(self, old: str, new: str) -> None:
        self.bench.edit(FLEETS, old, new)

    def verb(self, *arguments: str, code: int = 0) -> str:
        done = self.bench.run(*arguments)
        assert done.code == code, done.out + done.err
        return done.out + done.err


@pytest.fixture
def life(tmp_path: Path) -> Life:
    bench = applied_finished().copy(tmp_path / "bench")
    bench.write(".gitignore", ".tinyops/\ncache/\n")
    life = Life(bench)
    life.git("init", "-q", "-b", "main")
    life.commit("The first")
    return life


def actions(plan: Any) -> dict[str, str]:
    found = plan["changes"]
    return {f"{c['kind']}:{c['subject']}": c["action"] for c in found if c["action"] not in ("keep",)}


SHELF = fleet("shelf", "tiny", {"linux": STREAM})
DATASET = "spec:\n  dataset: shakes\n"


def test_a_repository_through_its_life(life: Life) -> None:
    bench = life.bench

    # Additions and edits.
    life.step("Nothing", plan=0, moves=False)
    bench.write(FLEETS, (bench.root / FLEETS).read_text() + "---\n" + SHELF)
    plan, _ = life.step("A second fleet")
    assert actions(plan) == {
        **dict.fromkeys(("fleet:shelf", "firmware:shelf/linux", "twin:shelf/linux", "release:bench"), "create")
    }
    life.edit("metadata: {name: shelf}", "metadata: {name: shelf, description: In the kitchen.}")
    life.step("A description", plan=0, moves=False)
    first = life.model("shelf")
    life.edit("{name: shelf, description: In the kitchen.}\nspec:\n", "{name: shelf}\nspec:\n  security_counter: 1\n")
    life.commit("A counter that rises by accident")
    assert "fleet shelf: security_counter 0 → 1: no device goes back below it, so not to v2" in life.verb(
        "plan", code=68
    )
    bench.lift("security_counter", "shelf")
    plan, after = life.step("A counter rises")
    assert [(o["limit"], o["author"]) for o in after["overrides"]] == [("security_counter", "mia")]
    assert actions(plan) == {"fleet:shelf": "update", "release:bench": "create"}
    assert after["fleets"]["shelf"]["security_counter"] == 1
    life.edit("security_counter: 1", "security_counter: 0")
    life.commit("A counter that falls")
    assert "security_counter 0 is lower than the released 1" in life.verb("plan", code=68)
    life.git("revert", "--no-edit", "HEAD")
    life.step("And not", plan=0, moves=False)

    # A renamed model moves, there and back; nothing is built.
    life.edit("metadata: {name: tiny}", "metadata: {name: small}")
    life.edit("  model: tiny\n", "  model: small\n")
    plan, after = life.step("Tiny is small now")
    assert actions(plan)["squeeze:small/int8"] == "move"
    assert (life.model("shelf"), after["fleets"]["shelf"]["model"]) == (first, "small")
    life.git("revert", "--no-edit", "HEAD")
    plan, after = life.step("And tiny again")
    assert (life.model("shelf"), after["fleets"]["shelf"]["model"]) == (first, "tiny")

    # Boards and models are not taken away by accident.
    life.edit("    microbit: {sensor: {kind: stream, port: serial}}\n", "")
    life.commit("No microbit any more")
    assert "fleet desk would lose microbit: 50% of its boards, limits.destroy_share is 10%" in life.verb(
        "plan", code=68
    )
    life.git("revert", "--no-edit", "HEAD")
    life.edit("{name: desk}\nspec:\n", "{name: desk}\nspec:\n  prevent_destroy: true\n")
    plan, _ = life.step("Nothing leaves")
    assert [r["new"] for c in plan["changes"] if c["kind"] == "fleet" for r in c["reasons"]] == ["true"]
    life.edit("    microbit: {sensor: {kind: stream, port: serial}}\n", "")
    life.commit("No microbit, once more")
    bench.lift("destroy_share", "desk")
    assert "fleet desk has prevent_destroy, and microbit would leave it" in life.verb("plan", code=68)
    life.git("checkout", "-q", "--", ".")
    life.git("revert", "--no-edit", "HEAD")
    life.step("And it stays", plan=0, moves=False)
    text = (bench.root / FLEETS).read_text()
    bench.write(
        FLEETS, text[: text.index("---\napiVersion: tinyops/v1\nkind: Fleet\nmetadata: {name: desk}")] + "---\n" + SHELF
    )
    bench.edit(
        "specs/project.yaml", "  signing:", "  retired: [{fleet: desk, action: keep, until: 2999-01-01}]\n  signing:"
    )
    life.commit("Retired by accident")
    assert "fleet desk was released with prevent_destroy: it cannot be retired" in life.verb("plan", code=68)
    life.git("revert", "--no-edit", "HEAD")

    # Production is pinned to what staging runs; staging runs ahead and is promoted.
    assert "Promote desk (v6) to shelf: committed" in life.verb("promote", "desk", "shelf", "--commit")
    assert life.git("log", "-1", "--format=%s") == "Promote desk (v6) to shelf"
    life.step("Production is pinned")
    assert life.model("shelf") == first
    life.other_weights(1)
    life.step("Other weights for staging")
    second = life.model("desk")
    assert (life.model("shelf"), second != first) == (first, True)
    life.verb("promote", "desk", "shelf", "--commit")
    plan, _ = life.step("Promoted")
    assert life.model("shelf") == second

    # A rollback is a new release with older content, and builds nothing even without the store.
    assert "Roll shelf back to its model of v8" in life.verb("rollback", "shelf", "--commit")
    bench.clear_store()
    life.step("Rolled back")
    assert life.model("shelf") == first
    assert "v99 does not hold fleet shelf" in life.verb("rollback", "shelf", "--to", "v99", code=64)
    life.verb("promote", "desk", "shelf", "--commit")
    life.step("Forward again")
    assert life.model("shelf") == second
    life.edit('digest: "sha256:', 'digest: "sha256:' + "0" * 64 + '"} #')
    life.commit("A pin that nobody has")
    assert "no release holds an int8 model sha256:0000" in life.verb("plan", code=65)
    life.git("revert", "--no-edit", "HEAD")
    life.step("And not that", plan=0, moves=False)

    # Promotion waits for the soak that the spec asks for, and comes from the fleet that it names.
    life.edit(
        "name: shelf}\nspec:\n", "name: shelf}\nspec:\n  promote_when: {fleet: desk, converged_share: 0, soak_h: 1}\n"
    )
    bench.edit(
        "specs/project.yaml", "  signing:", "  reports: {kind: directory, path: ../.tinyops/reports}\n  signing:"
    )
    life.other_weights(5)
    life.step("Staging again, production waits")
    assert "has had this model for 0.0 hours, promote_when wants 1" in life.verb("promote", "desk", "shelf", code=68)
    assert "is promoted from desk only" in life.verb("promote", "shelf", "shelf", code=68)
    life.edit("converged_share: 0, soak_h: 1", "converged_share: 0.9, soak_h: 0")
    life.step("It wants devices, too", plan=0, moves=False)
    assert "0.0% of fleet desk runs what is released" in life.verb("promote", "desk", "shelf", code=68)
    life.edit("  promote_when: {fleet: desk, converged_share: 0.9, soak_h: 0}\n", "")
    life.step("It asks for nothing", plan=0, moves=False)
    third = life.model("desk")

    # Suspended: the specs move, the fleet does not, and that is no error.
    life.verb("suspend", "desk", "--reason", "trade fair", "--author", "mia")
    life.other_weights(2)
    plan, _ = life.step("Suspended", plan=0, moves=False)
    desk = next(c for c in plan["changes"] if c["subject"] == "desk")
    assert (desk["action"], desk["reasons"][0]["field"]) == ("held", "suspended: trade fair")
    assert life.model("desk") == third
    life.verb("resume", "desk", "--commit")
    assert "is not suspended" in life.verb("resume", "desk", code=64)
    life.step("Resumed")
    assert life.model("desk") != third
    life.verb("resume", "shelf", "--unpin")
    life.step("Production follows its spec again")
    assert life.model("shelf") == life.model("desk")

    # A missed gate holds its fleets, an override lets one of them go.
    before = life.model("desk")
    life.edit(DATASET, "spec:\n  gates: {accuracy_min: 0.9}\n  dataset: shakes\n")
    life.step("A gate above what is released", plan=67, apply=67, moves=False)
    life.other_weights(3)
    life.step("Weights that miss it, too", apply=67, held=("desk", "shelf"))
    assert life.model("desk") == before
    said = life.verb("apply", code=67)
    digest = said.partition('digest: "')[2].partition('"')[0]
    lifted = f'{{gate: accuracy_min, digest: "{digest}", reason: for the trade fair, author: mia, until: 2999-12-31}}'
    life.edit("name: desk}\nspec:\n", f"name: desk}}\nspec:\n  overrides: [{lifted}]\n")
    life.step("An override for one fleet", apply=67, held=("shelf",))
    assert life.model("desk") != before
    life.edit("accuracy_min: 0.9", "accuracy_min: 0.1")
    life.step("A gate that both reach")
    assert life.model("shelf") == life.model("desk")

    # A fleet leaves: not by accident, and its entry stays.
    text = (bench.root / FLEETS).read_text()
    bench.write(FLEETS, text[: text.index("---\napiVersion: tinyops/v1\nkind: Fleet\nmetadata: {name: shelf}")])
    life.commit("The shelf is gone")
    assert "fleet shelf is released but no spec names it" in life.verb("plan", code=68)
    bench.edit(
        "specs/project.yaml", "  signing:", "  retired: [{fleet: shelf, action: keep, until: 2999-01-01}]\n  signing:"
    )
    _, after = life.step("It is retired")
    assert after["fleets"]["shelf"]["retired"] == {"action": "keep", "until": "2999-01-01"}

    bench.edit("specs/project.yaml", "fleet: shelf, action: keep", "fleet: other, action: keep")
    life.commit("The line goes too early")
    assert "fleet shelf is retired until 2999-01-01, and the project's `retired` no longer" in life.verb(
        "plan", code=68
    )
    life.git("revert", "--no-edit", "HEAD")
    bench.edit("specs/project.yaml", "until: 2999-01-01", "until: 2020-01-01")
    plan, after = life.step("Its last day has passed")
    assert actions(plan)["fleet:shelf"] == "delete" and set(after["fleets"]) == {"desk"}

    # Any two states can be compared.
    first, last = life.commits[0], life.commits[-1]
    same = bench.ok("diff", last, "--json", "--detailed-exitcode").json
    assert {c["action"] for c in same["changes"]} == {"keep"}
    commits = life.verb("diff", first, last, "--detailed-exitcode", code=2)
    assert "weights" not in commits and "file.model.tflite sha256:" in commits
    releases = life.verb("diff", "v2", f"v{after['version']}", "--detailed-exitcode", code=2)
    assert "~ update  squeeze   tiny/int8" in releases and "- delete  fleet     shelf" in releases
    assert "steps and fleets differ" in life.verb("diff", "v2", last)
    assert life.verb("diff", "v1", "v1").startswith("v1 → v1: 0 of ")
    assert "Git gives no such commit here" in life.verb("diff", "nowhere", code=64)

    # What happened can be read.
    listed = bench.ok("history", "--json", "--limit", "100").json["releases"]
    assert [entry["tag"] for entry in listed] == [f"v{n}" for n in range(after["version"], 0, -1)]
    assert {entry["author"] for entry in listed[:-1]} == {"Mia"}
    lifted = {(o["fleet"], o["gate"], o["author"]) for entry in listed for o in entry["overridden"]}
    assert lifted == {("desk", "accuracy_min", "mia"), ("shelf", "security_counter", "mia")}
    assert "moved without accuracy_min, by mia: for the trade fair" in bench.ok("history").out
    assert bench.ok("drift").out == f"v{after['version']}: no device reports yet.\n"
    assert int(life.git("rev-list", "--count", "HEAD")) >= 30
