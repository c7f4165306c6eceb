"""The workflows of a new repository and of this one, run line by line: from a fork's pull request to releases."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fakes.github_discussions import discussing
from fakes.github_server import READ_TOKEN, REPOSITORY, TOKEN, GitHub, serving_github
from fakes.projects import DESK, FINISHED, KEY, STREAM, Repository, fleet, locked, repository
from fakes.release_stores import check_exchanges
from fakes.workflows import ROOT, Hub, Run, git_environment, write_shims
from tinyops.boards import load_catalog
from tinyops.scaffold import scaffold

pytestmark = pytest.mark.build

DIRECTORY = "{kind: directory, path: ../.tinyops/releases}"
HALL = fleet("hall", "tiny", {"linux": STREAM})
INSTALLS = "tinyops[build,github,trust] @ git+https://git.example.org/tinyops@" + "0" * 40


class Bench:
    """A bare repository that people push to, and the hub that runs its workflows."""

    def __init__(self, tmp: Path, github: GitHub, workflows: dict[str, str]) -> None:
        self.tmp, self.github, self.workflows = tmp, github, workflows
        self.made = locked(repository(tmp / "bench", FINISHED, DESK))
        self.root = self.made.root
        key = (self.root / ".tinyops/secrets" / KEY).read_text()
        shutil.copy(self.root / ".tinyops/trusted.pem", self.root / "specs/trusted.pem")
        shutil.rmtree(self.root / ".tinyops")
        self.made.write(".gitignore", ".tinyops/\n.venv/\ncache/\nbuilt/\nplan/\n")
        self.made.write(".github/tinyops.txt", INSTALLS + "\n")
        for name, text in workflows.items():
            self.made.write(f".github/workflows/{name}.yml", text)
        self.bare = tmp / "hub.git"
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare], check=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(self.bare))
        tokens = {"write": TOKEN, "read": READ_TOKEN}
        self.hub = Hub(tmp / "runs", self.bare, REPOSITORY, github.url, tokens, {KEY: key})

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=git_environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self) -> Run:
        """To the default branch: what apply.yml waits for."""
        self.git("push", "--quiet", "origin", "main")
        event = {"repository": {"default_branch": "main"}, "ref": "refs/heads/main"}
        return self.hub.run(self.workflows["apply"], "push", event)

    def pull(self, number: int, branch: str) -> tuple[Run, Run]:
        """A fork's branch as a pull request: its plan, and the comment of that."""
        head = self.git("rev-parse", branch)
        base = self.git("rev-parse", "main")
        self.git("checkout", "--quiet", "--detach", "main")
        self.git("merge", "--quiet", "--no-ff", "--no-edit", branch)
        self.git("push", "--quiet", "--force", "origin", f"HEAD:refs/pull/{number}/merge")
        self.git("checkout", "--quiet", "main")
        discussing(self.github).pull(number, head).head = head
        pull = {"number": number, "head": {"sha": head, "ref": branch}, "base": {"sha": base, "ref": "main"}}
        plan = self.hub.run(self.workflows["plan"], "pull_request", {"pull_request": pull}, fork=True)
        return plan, self.comment(plan, head, branch)

    def comment(self, plan: Run, head: str, branch: str) -> Run:
        run = {"id": plan.number, "event": "pull_request", "conclusion": plan.results["plan"], "head_sha": head}
        run |= {"head_branch": branch, "head_repository": {"full_name": "mallory/wearables"}, "pull_requests": []}
        return self.hub.run(self.workflows["comment"], "workflow_run", {"workflow_run": run})

    def drift(self) -> Run:
        return self.hub.run(self.workflows["drift"], "schedule", {"schedule": "17 5 * * *"})


def log_of(run: Run) -> str:
    return "\n".join(f"== {ran.name}: {ran.result}\n{ran.log}" for jobs in run.jobs.values() for ran in jobs)


def went_well(run: Run) -> None:
    assert set(run.results.values()) <= {"success", "skipped"}, log_of(run)


def built_by(run: Run, job: str) -> list[str]:
    lines = [line.split() for ran in run.jobs[job] for line in ran.log.splitlines()]
    return sorted(" ".join(words[: words.index("done")]) for words in lines if "done" in words and "in" in words)


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serving_github() as running:
        discussing(running)
        yield running
        check_exchanges(running)
        assert running.leaks == []


def scaffolded(tmp: Path, github: GitHub) -> Bench:
    files = scaffold("bench", load_catalog())
    workflows = {n: files[f".github/workflows/{n}.yml"].decode() for n in ("plan", "comment", "apply", "drift")}
    bench = Bench(tmp, github, workflows)
    bench.made.edit("specs/project.yaml", DIRECTORY, f'{{kind: github, repository: {REPOSITORY}, url: "{github.url}"}}')
    return bench


def our_own(tmp: Path, github: GitHub) -> Bench:
    names = ("plan", "comment", "apply", "drift")
    bench = Bench(tmp, github, {n: (ROOT / f".github/workflows/{n}.yml").read_text() for n in names})
    bench.made.edit("specs/project.yaml", DIRECTORY, DIRECTORY.replace("}", ", ephemeral: true}"))
    bench.made.write(".ci/requirements-base.txt", (ROOT / ".ci/requirements-base.txt").read_text())
    return bench


def released(bench: Bench) -> str:
    """The newest release, wherever this repository keeps them."""
    if bench.hub.caches:
        found = [path for key, path in bench.hub.caches if key.startswith("tinyops-releases-")]
        if found:
            return str((found[-1] / "latest").readlink())
    return bench.github.state.latest_tag()


@pytest.mark.parametrize("kind", [scaffolded, our_own])
def test_from_a_forks_pull_request_to_a_release(tmp_path: Path, github: GitHub, kind: Any) -> None:
    bench: Bench = kind(tmp_path, github)
    bench.commit("first")
    first = bench.push()
    went_well(first)
    assert released(bench) == "v1"
    assert built_by(first, "models") and built_by(first, "images")
    assert built_by(first, "apply") == [], "apply takes what the jobs built"
    assert not set(built_by(first, "models")) & set(built_by(first, "images")), "nothing is made twice"

    # A fork's pull request: planned with the base branch's tinyops, without secrets; commented on by the second.
    bench.git("checkout", "--quiet", "-b", "change")
    bench.made.write("specs/hall.yaml", HALL)
    bench.made.write(".github/tinyops.txt", "evil\n")
    bench.commit("a hall")
    bench.git("checkout", "--quiet", "main")
    plan, comment = bench.pull(7, "change")
    went_well(plan)
    went_well(comment)
    assert "`hall`" in plan.jobs["plan"][0].summary
    assert "evil" not in plan.jobs["plan"][0].calls
    held = discussing(github)
    (said,) = held.of(7)
    assert said.body.startswith("<!-- tinyops plan of bench -->") and "`hall`" in said.body
    went_well(bench.comment(plan, bench.git("rev-parse", "change"), "change"))  # run again: nothing new
    assert len(held.of(7)) == 1 and held.edits == 0

    # The same artifact for a pull request that it is not of.
    held.pull(8, "b" * 40)
    (bench.hub.artifacts[plan.number]["plan"] / "pull-request").write_text("8\n")
    stolen = bench.comment(plan, bench.git("rev-parse", "change"), "change")
    went_well(stolen)
    assert "has moved on to another commit" in log_of(stolen) and held.of(8) == []

    # Specs that are wrong: a red plan, no comment, and the second workflow is not red for it.
    bench.git("checkout", "--quiet", "-b", "wrong")
    bench.made.write("specs/wrong.yaml", "kind: Nonsense\n")
    bench.commit("wrong")
    bench.git("checkout", "--quiet", "main")
    wrong, silent = bench.pull(9, "wrong")
    assert wrong.results == {"plan": "failure"}
    assert "specs/wrong.yaml:1:" in log_of(wrong)
    went_well(silent)
    assert held.of(9) == []

    # Merged, and somebody watches meanwhile: an issue while it waits, closed when it is released.
    bench.git("merge", "--quiet", "change")
    bench.made.write(".github/tinyops.txt", INSTALLS + "\n")
    bench.commit("and the line as it was")
    bench.git("push", "--quiet", "origin", "main")
    went_well(bench.drift())
    (issue,) = [i for i in held.issues.values() if not i.head]
    assert issue.state == "open" and "wait to be applied" in issue.body
    second = bench.push()
    went_well(second)
    assert released(bench) == "v2"
    assert built_by(second, "models") == [] and built_by(second, "apply") == []
    went_well(bench.drift())
    assert (issue.state, issue.reason) == ("closed", "completed")

    # Nothing to do: no jobs, no release; and a branch whose history was rewritten is refused.
    idle = bench.push()
    went_well(idle)
    assert idle.results == {"matrix": "success", "models": "skipped", "images": "skipped", "apply": "success"}
    assert released(bench) == "v2"
    bench.git("commit", "--quiet", "--amend", "--message", "history that was rewritten")
    bench.git("push", "--quiet", "--force", "origin", "main")
    back = bench.push()
    assert back.results["apply"] == "failure"
    assert "which this checkout does not know" in log_of(back)
    assert released(bench) == "v2"

    everything = "\n".join(log_of(run) for run in (first, plan, comment, stolen, wrong, second, idle, back))
    for secret in (TOKEN, READ_TOKEN, bench.hub.secrets[KEY].split("\n")[1]):
        assert secret not in everything


def fenced(language: str) -> str:
    """The one block of a language on the page about CI."""
    text = (ROOT / "docs/ci.md").read_text()
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(found)


class Elsewhere:
    """A checkout outside GitHub: its releases lie outside of it, programs that install only take notes."""

    def __init__(self, tmp: Path) -> None:
        made = locked(repository(tmp / "bench", FINISHED, DESK))
        made.edit("specs/project.yaml", "path: ../.tinyops/releases", "path: ../../releases")
        made.write("specs/project.yaml", (made.root / "specs/project.yaml").read_text() + REPORTS)
        (made.root / "reports").mkdir()
        made.write("reports/.keep", "")
        made.write(".gitignore", ".tinyops/\ncache/\nplan.*\n")
        made.write(".github/tinyops.txt", INSTALLS + "\n")
        shutil.copy(made.root / ".tinyops/trusted.pem", made.root / "specs/trusted.pem")
        self.made, self.bare, self.tmp = made, tmp / "hub.git", tmp
        self.key = tmp / "key.pem"
        shutil.copy(made.root / ".tinyops/secrets" / KEY, self.key)
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare], check=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(self.bare))
        self.push("first")
        self.checkout = tmp / "fleet"
        self.git("clone", "--quiet", str(self.bare), str(self.checkout))
        self.shims, self.calls = tmp / "shims", tmp / "calls"
        self.shims.mkdir()
        write_shims(self.shims)

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.made.root, env=git_environment(), check=True)

    def push(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", "main")

    def run(self, script: str, shell: str, **variables: str) -> tuple[int, str]:
        path = f"{self.shims}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        own = {"PATH": path, "SHIMS": str(self.shims), "CALLS": str(self.calls), "REAL_PYTHON": sys.executable}
        done = subprocess.run(
            [*shell.split(), script],
            cwd=self.checkout,
            env={**self.made.environment(), **own, "HOME": str(self.tmp), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout

    def released(self) -> str:
        return str((self.tmp / "releases/latest").readlink())


REPORTS = "  reports: {kind: directory, path: ../reports}\n"


def test_gitlabs_jobs_as_the_page_has_them(tmp_path: Path) -> None:
    place = Elsewhere(tmp_path)
    pipeline = YAML(typ="safe").load(fenced("yaml"))
    variables = {"CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_ID": "9", "CI_DEFAULT_BRANCH": "main"}

    def job(name: str, **more: str) -> tuple[int, str]:
        script = "\n".join([*pipeline["default"]["before_script"], *pipeline[name]["script"]])
        return place.run(script, "bash -eo pipefail -c", **variables, **more)

    code, log = job("plan")
    assert code == 0 and "`desk`" in log, log
    assert (place.checkout / "plan.json").exists() and INSTALLS in place.calls.read_text()
    code, log = job("apply", TINYOPS_IMAGE_KEY_FILE=str(place.key))
    assert code == 0 and "Published v1" in log, log
    assert "apt-get install -y -qq --no-install-recommends gcc" in place.calls.read_text()
    assert job("drift")[0] == 0
    place.made.write("specs/hall.yaml", HALL)
    place.push("a hall")
    code, log = job("apply", TINYOPS_IMAGE_KEY_FILE=str(place.key))  # it takes the branch's tip
    assert code == 0 and place.released() == "v2", log
    code, log = job("apply")
    assert code == 70 and "secret TINYOPS_IMAGE_KEY is nowhere to be found" in log


def test_crons_script_as_the_page_has_it(tmp_path: Path) -> None:
    place = Elsewhere(tmp_path)
    shutil.copytree(place.made.root / ".tinyops", place.checkout / ".tinyops", symlinks=True)
    shutil.copy(place.shims / "tinyops.later", place.shims / "tinyops")

    def tick() -> tuple[int, str]:
        return place.run(fenced("sh"), "sh -c", FLEET=str(place.checkout))

    code, log = tick()
    assert code == 0 and "Published v1" in log, log
    code, log = tick()
    assert code == 0 and "No changes" in log, log
    place.made.write("specs/hall.yaml", HALL)
    place.push("a hall")
    assert tick()[0] == 0 and place.released() == "v2"
    (place.checkout / "specs/porch.yaml").write_text(fleet("porch", "tiny", {"linux": STREAM}))
    code, log = tick()
    assert code == 68 and "specs/porch.yaml differ from the commit" in log


def test_a_commit_that_lies_beside_the_released_one(tmp_path: Path) -> None:
    """A shallow clone, a detached head, uncommitted files, history that was rewritten."""
    made: Repository = locked(repository(tmp_path / "bench", FINISHED, DESK))
    made.edit("specs/project.yaml", DIRECTORY, DIRECTORY.replace("}", ", ephemeral: true}"))
    made.write(".gitignore", ".tinyops/\ncache/\n")

    def git(*arguments: str, cwd: Path = made.root) -> str:
        done = subprocess.run(["git", *arguments], cwd=cwd, env=git_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(text: str) -> str:
        made.write("specs/note.txt", text)
        git("add", "-A")
        git("commit", "--quiet", "--message", text)
        return git("rev-parse", "HEAD")

    git("init", "--quiet", "--initial-branch=main")
    older = commit("first")
    commit("second")
    made.ok("apply")
    made.ok("apply", CI="true")  # the released commit itself; nothing to do
    git("checkout", "--quiet", "--detach", older)
    refused = made.run("apply")
    assert refused.code == 68 and f"{older[:12]} is neither that commit nor a descendant of it" in refused.err
    git("checkout", "--quiet", "main")

    made.write("specs/hall.yaml", HALL)
    dirty = made.run("apply", CI="true")
    assert dirty.code == 68 and "specs/hall.yaml differ from the commit" in dirty.err
    git("add", "-A")
    git("commit", "--quiet", "--message", "hall")
    git("checkout", "--quiet", "--detach")
    made.ok("apply", CI="false")  # a descendant, detached

    for number in range(3):
        commit(f"later {number}")
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth=1", f"file://{made.root}", str(shallow))
    shutil.copytree(made.root / ".tinyops", shallow / ".tinyops", symlinks=True)
    clone = Repository(shallow, dict(made.env))
    short = clone.run("apply")
    assert short.code == 68 and "shallow clone" in short.err and "fetch-depth: 0" in short.err
    git("fetch", "--quiet", "--unshallow", cwd=shallow)
    clone.ok("apply")

    shutil.rmtree(shallow / ".git")
    none = clone.run("apply")
    assert none.code == 68 and "is no Git checkout" in none.err
    git("init", "--quiet", "--initial-branch=main", cwd=shallow)
    unborn = clone.run("apply")
    assert unborn.code == 68 and "this branch has no commit yet" in unborn.err
    git("add", "-A", cwd=shallow)
    git("commit", "--quiet", "--message", "rewritten", cwd=shallow)
    lost = clone.run("apply")
    assert lost.code == 68 and "which this checkout does not know" in lost.err
    clone.lift("history")
    clone.write("specs/porch.yaml", fleet("porch", "tiny", {"linux": STREAM}))
    git("add", "-A", cwd=shallow)
    git("commit", "--quiet", "--message", "porch", cwd=shallow)
    clone.ok("apply")
    assert clone.manifest()["overrides"][0]["limit"] == "history"
