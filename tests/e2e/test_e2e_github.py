"""`tinyops apply` and `plan` with releases on GitHub: published, killed and carried on, fetched by a fresh machine."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.github_server import REPOSITORY, TOKEN, Fault, GitHub, serving_github
from fakes.projects import DESK, FINISHED, STREAM, Repository, fleet, locked, repository
from fakes.release_stores import check_exchanges

pytestmark = pytest.mark.build

DIRECTORY = "{kind: directory, path: ../.tinyops/releases}"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serving_github() as running:
        yield running
        check_exchanges(running)
        assert running.leaks == []


@pytest.fixture
def made(tmp_path: Path, github: GitHub) -> Repository:
    found = locked(repository(tmp_path / "bench", FINISHED, DESK))
    found.edit("specs/project.yaml", DIRECTORY, f'{{kind: github, repository: {REPOSITORY}, url: "{github.url}"}}')
    found.env["GITHUB_TOKEN"] = TOKEN
    return found


def test_from_the_first_release_to_a_fresh_machine(made: Repository, github: GitHub, tmp_path: Path) -> None:
    state = github.state
    first = made.ok("apply")
    assert state.latest_tag() == "v1"
    assert "files to upload" in first.err
    assert "No changes" in made.ok("plan").out
    assert "#### + `desk` (create)" in state.published()["v1"].body

    # Killed when all is uploaded and v2 is to be published; the next apply carries on with the draft.
    made.write("specs/hall.yaml", fleet("hall", "tiny", {"linux": STREAM}))
    killed: list[int] = []
    github.fault("kill", "PATCH", r"/releases/\d+$", pid=lambda: killed[0])
    child = made.start("apply")
    killed.append(child.pid)
    out, err = child.communicate(timeout=120)
    assert child.returncode == -9, (out, err)
    assert [r.tag for r in state.drafts()] == ["v2"]
    there = {a.id for a in state.assets.values() if not a.name.endswith(".json")}
    second = made.ok("apply")
    assert "goes on with the draft that an earlier run left" in second.err
    assert state.latest_tag() == "v2"
    assert state.drafts() == []
    assert {a.id for a in state.assets.values() if not a.name.endswith(".json")} == there
    assert "No changes" in made.ok("plan").out

    # A machine that has nothing but the checkout builds from released files.
    fresh = made.copy(tmp_path / "fresh")
    fresh.clear_store()
    shutil.rmtree(fresh.root / ".tinyops" / "github")
    assert "No changes" in fresh.ok("plan").out
    github.asked.clear()
    again = fresh.ok("apply", "--replace", "twin:desk/linux")
    assert again.built == ["run twin desk/linux"]
    assert len([path for place, _, path in github.asked if place == "objects"]) > 1  # beside the manifest

    # A device takes its entry from there.
    made.ok(
        *("agent", "--once", "--store", f"github:{github.url}/{REPOSITORY}", "--trust", ".tinyops/trusted.pem"),
        *("--fleet", "desk", "--board", "linux", "--state", tmp_path / "device"),
    )
    assert list((tmp_path / "device").rglob("*.so"))

    for text in (first.out + first.err, out + err, second.out + second.err, again.out + again.err):
        assert TOKEN not in text
    for path in (p for folder in (made.root, fresh.root) for p in folder.rglob("*") if p.is_file()):
        assert TOKEN.encode() not in path.read_bytes(), path


def test_two_merges_at_once(made: Repository, github: GitHub) -> None:
    """The second is told who is at work, and changes nothing; the first ends as if it were alone."""
    uploading, go_on = threading.Event(), threading.Event()

    def wait_for(method: str, path: str, _: int) -> bool:
        if method == "POST" and "/assets?" in path and not uploading.is_set():
            uploading.set()
            github.lock.release()  # others are to be served meanwhile
            go_on.wait(60)
            github.lock.acquire()
        return False

    github.faults.append(Fault("drop", wait_for))
    first = made.start("apply")
    assert uploading.wait(60)
    second = made.run("apply")
    go_on.set()
    out, err = first.communicate(timeout=120)
    assert second.code == 75
    assert f"(process {first.pid}) holds the lease for apply, since" in second.err
    assert first.returncode == 0, (out, err)
    assert sorted(github.state.published()) == ["v1"]
    assert github.state.drafts() == []


def test_what_goes_wrong_has_its_exit_code(made: Repository, github: GitHub) -> None:
    made.env.pop("GITHUB_TOKEN")
    done = made.run("apply")
    assert done.code == 70
    assert "secret GITHUB_TOKEN is nowhere to be found" in done.err
    assert made.run("plan").code == 0  # a public repository
    done = made.run("apply", GITHUB_TOKEN="ghs_revoked")
    assert done.code == 69
    assert "401 Unauthorized" in done.err
    made.edit("specs/project.yaml", github.url, "http://127.0.0.1:1")
    done = made.run("plan", "--json", GITHUB_TOKEN=TOKEN)
    assert done.code == 69
    assert "GitHub cannot be reached: Connection refused" in json.loads(done.out)["error"]["message"]


def test_a_protected_fleet_moves_when_reviewers_let_the_run_into_its_environment(
    made: Repository, github: GitHub
) -> None:
    made.ok("apply")
    made.edit("specs/fleets.yaml", "  model: tiny\n", "  model: tiny\n  protected: 2\n  prevent_destroy: true\n")
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_RUN_ID": "77"}
    actions["GITHUB_SERVER_URL"] = github.url
    github.state.approvals[77] = [("mia", "approved"), ("mia", "approved"), ("eve", "rejected")]
    github.state.approvals[78] = [("mia", "approved"), ("ada", "approved")]
    held = made.run("apply", **actions)
    assert (held.code, "protected: 1 of 2 approvals" in held.err) == (67, True)
    assert made.run("apply").code == 65  # outside of Actions nobody may approve: there is no list of approvers
    made.ok("apply", **{**actions, "GITHUB_RUN_ID": "78"})
    assert github.state.latest_tag() == "v2"
