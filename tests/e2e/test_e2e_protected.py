"""A protected fleet moves when enough people have signed the very plan, and nothing else lets it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fakes.projects import STREAM, Repository, applied_finished, fleet

pytestmark = pytest.mark.build

FLEETS = "specs/fleets.yaml"
APPROVERS = "specs/approvers.pem"


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    """Fleet desk is protected, shelf is not; both would change. Mia and Ada may approve."""
    bench = applied_finished().copy(tmp_path / "bench")
    trusted = (bench.root / ".tinyops/trusted.pem").read_bytes()
    for name in ("MIA_KEY", "ADA_KEY", "EVE_KEY"):
        bench.ok("keys", "new", name)
    halves = (bench.root / ".tinyops/trusted.pem").read_bytes().removeprefix(trusted)
    blocks = halves.split(b"-----BEGIN")
    bench.write(".tinyops/trusted.pem", trusted)
    bench.write(APPROVERS, b"-----BEGIN".join(blocks[:3]))
    bench.edit(FLEETS, "  model: tiny\n", "  model: tiny\n  protected: true\n")
    bench.edit(FLEETS, "{name: tiny}\nspec:\n", "{name: tiny}\nspec:\n  squeeze: {prefer: size}\n")
    text = (bench.root / FLEETS).read_text()
    bench.write(FLEETS, text + "---\n" + fleet("shelf", "tiny", {"linux": STREAM}))
    return bench


def test_others_go_ahead_and_the_protected_one_waits(bench: Repository) -> None:
    before = bench.manifest()["fleets"]["desk"]
    done = bench.run("apply")
    assert done.code == 67
    assert "held: fleet desk keeps what it has:\n  protected: 0 of 1 approvals of plan sha256:" in done.err
    assert "overrides" not in done.err  # nothing but people lifts it
    assert done.out.startswith("Published v2")
    notes = (bench.releases / "v2/notes.md").read_text()
    assert "#### + `shelf` (create)" in notes and "protected: 0 of 1 approvals of plan" in notes and "<!--" not in notes
    after = bench.manifest()["fleets"]
    assert "shelf" in after and {**after["desk"], "carried": None} == before
    again = bench.run("apply")
    assert (again.code, again.out.startswith("Nothing new was published. Still released: v2")) == (67, True)


def test_who_may_approves_and_then_it_moves(bench: Repository) -> None:
    bench.ok("plan", "--out", "p.json")
    assert bench.run("approve", "p.json", "--key", "EVE_KEY").code == 65
    approved = bench.ok("approve", "p.json", "--key", "MIA_KEY")
    assert "p.json.approval: approved with key" in approved.out
    assert bench.ok("apply", "p.json").out.startswith("Published v2")
    assert bench.manifest()["fleets"]["desk"].get("carried") is None
    assert bench.run("plan", "--detailed-exitcode").code == 0


def test_two_are_two(bench: Repository) -> None:
    bench.edit(FLEETS, "protected: true", "protected: 2")
    bench.ok("plan", "--out", "p.json")
    for name, count in (("MIA_KEY", 1), ("MIA_KEY", 1), ("ADA_KEY", 2)):
        assert bench.ok("approve", "p.json", "--key", name, "--json").json["approvals"] == count
    assert bench.ok("apply", "p.json").out.startswith("Published v2")


def test_an_approval_is_of_one_plan_and_cannot_be_altered(bench: Repository) -> None:
    bench.ok("plan", "--out", "p.json")
    bench.ok("approve", "p.json", "--key", "MIA_KEY")
    approval = bench.root / "p.json.approval"
    kept = approval.read_bytes()
    bench.edit(FLEETS, "prefer: size", "prefer: speed")
    bench.ok("plan", "--out", "p.json")
    assert bench.run("apply", "p.json").code == 67  # the approval is of the former plan

    bench.ok("plan", "--out", "p.json")
    other = json.loads(kept)
    other["signed"]["plan"] = json.loads((bench.root / "p.json").read_text())["digest"]
    approval.write_text(json.dumps(other))
    assert bench.run("apply", "p.json").code == 67
    approval.write_text("{}")
    damaged = bench.run("apply", "p.json")
    assert (damaged.code, "p.json.approval: not a signed envelope" in damaged.err) == (69, True)


def test_the_key_that_signs_releases_approves_nothing(bench: Repository) -> None:
    trusted = (bench.root / ".tinyops/trusted.pem").read_bytes()
    bench.write(APPROVERS, (bench.root / APPROVERS).read_bytes() + trusted)
    bench.ok("plan", "--out", "p.json")
    bench.ok("approve", "p.json", "--key", "TINYOPS_IMAGE_KEY")
    assert bench.run("apply", "p.json").code == 67


def test_without_approvers_a_protected_fleet_is_an_error_that_says_what_to_do(bench: Repository) -> None:
    (bench.root / APPROVERS).unlink()
    done = bench.run("apply")
    assert (done.code, "nobody may approve its plans" in done.err) == (65, True)
    assert subprocess.run(["ls", bench.releases / "v2"], capture_output=True).returncode != 0
