"""Workflows run here: every `run:` line by bash in a checkout of a real Git repository, actions by what they do.

Replaced by what is installed: `apt-get`, `pip`, `python -m venv` and `make setup`, which only note that they were
called; the container, which is this machine; and the actions below. Everything else is done as written.
"""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fakes.expressions import condition, evaluate

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"(actions/[\w/-]+)@[0-9a-f]{40}")
SHIM = """\
#!/bin/bash
echo "{name} $*" >> "$CALLS"
{body}
"""
# What stands for programs that install things: pip and make leave a tinyops behind, as the real ones do.
SHIMS = {
    "apt-get": "",
    "make": 'mkdir -p .venv/bin && cp "$SHIMS/python" "$SHIMS/tinyops.later" .venv/bin/',
    "tinyops.later": 'exec "$REAL_PYTHON" -m tinyops "$@"',
    "python": """\
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin" && cp "$SHIMS/python" "$3/bin/python" ;;
  "-m pip")
    file="${@: -1}"; cat "$file" >> "$CALLS" || exit 1
    cp "$SHIMS/tinyops.later" "$(dirname "$0")/tinyops" ;;
  *) exec "$REAL_PYTHON" "$@" ;;
esac""",
}


@dataclass
class Ran:
    """A job that ended: how, what it printed step by step, what it set, and which programs it called to install."""

    name: str
    result: str
    logs: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    calls: str = ""
    summary: str = ""

    @property
    def log(self) -> str:
        return "\n".join(self.logs)


class Failed(Exception):
    """A step that failed."""


@dataclass
class Hub:
    """What outlives a run: the repository, artifacts by run, caches, and who GitHub is."""

    folder: Path
    bare: Path
    repository: str
    server: str
    tokens: Mapping[str, str]  # write, read
    secrets: Mapping[str, str]
    artifacts: dict[int, dict[str, Path]] = field(default_factory=dict)
    caches: list[tuple[str, Path]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, text: str, event_name: str, event: dict[str, Any], *, ref: str = "main", fork: bool = False) -> Run:
        """Runs all jobs of a workflow. From a fork there are no secrets, and the token can only read."""
        run = Run(self, YAML(typ="safe").load(text), next(self.numbers), event_name, event, ref, fork)
        run.all_jobs()
        return run


class Run:
    def __init__(self, hub: Hub, workflow: Any, number: int, event_name: str, event: Any, ref: str, fork: bool) -> None:
        self.hub, self.workflow, self.number, self.event, self.fork = hub, workflow, number, event, fork
        self.event_name, self.ref = event_name, ref
        self.jobs: dict[str, list[Ran]] = {}

    @property
    def results(self) -> dict[str, str]:
        return {name: _together(ran) for name, ran in self.jobs.items()}

    def all_jobs(self) -> None:
        for name, job in self.workflow["jobs"].items():
            needed = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            needs = {n: {"result": _together(self.jobs[n]), "outputs": _outputs(self.jobs[n])} for n in needed}
            contexts = {"github": self._github(), "needs": needs, "secrets": {}}
            fine = all(need["result"] == "success" for need in needs.values())
            wanted = condition(str(job["if"]), contexts, FUNCTIONS) if "if" in job else True
            if not wanted or not (fine or "cancelled()" in str(job.get("if"))):
                self.jobs[name] = [Ran(name, "skipped")]
                continue
            self.jobs[name] = [self._job(name, job, {**contexts, "matrix": entry}) for entry in _matrix(job, contexts)]

    def _github(self) -> dict[str, Any]:
        token = self.hub.tokens["read" if self.fork else "write"]
        return {"event": self.event, "event_name": self.event_name, "ref_name": self.ref, "token": token} | {
            "run_id": self.number,
            "run_attempt": 1,
            "repository": self.hub.repository,
        }

    def _job(self, name: str, job: Any, contexts: dict[str, Any]) -> Ran:
        return Job(self, name, job, contexts).run()


class Job:
    """One job on its own machine: a folder."""

    def __init__(self, run: Run, name: str, job: Any, contexts: dict[str, Any]) -> None:
        self.run_, self.job, self.hub = run, job, run.hub
        self.folder = run.hub.folder / f"run{run.number}-{name}-{next(run.hub.numbers)}"
        self.workspace, self.temp, self.shims = (self.folder / part for part in ("work", "temp", "shims"))
        for path in (self.workspace, self.temp, self.shims):
            path.mkdir(parents=True)
        self.steps: dict[str, Any] = {}
        self.ran = Ran(str(evaluate(str(job.get("name", name)), contexts, FUNCTIONS)), "success")
        given = {} if run.fork or "environment" not in job else dict(run.hub.secrets)
        secrets = defaultdict(str, given)  # one that is not set is empty
        self.contexts = {**contexts, "secrets": secrets, "runner": {"temp": str(self.temp)}, "steps": self.steps}
        self.functions = {**FUNCTIONS, "hashFiles": self._hash_files}
        self.env = self._environment()

    def _hash_files(self, *patterns: str) -> str:
        found = [p for pattern in patterns for p in sorted(self.workspace.glob(pattern))]
        return hashlib.sha256(b"".join(p.read_bytes() for p in found)).hexdigest() if found else ""

    def _environment(self) -> dict[str, str]:
        write_shims(self.shims)
        files = {f"GITHUB_{name.upper()}": str(self.temp / name) for name in ("output", "env", "path", "step_summary")}
        event = self.temp / "event.json"
        event.write_text(json.dumps(self.run_.event))
        home = self.folder / "home"
        home.mkdir()
        return {
            **files,
            "PATH": f"{self.shims}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "REAL_PYTHON": sys.executable,
            "SHIMS": str(self.shims),
            "CALLS": str(self.temp / "calls"),
            "RUNNER_TEMP": str(self.temp),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "mia",
            "GITHUB_EVENT_NAME": self.run_.event_name,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REF": f"refs/heads/{self.run_.ref}",
            "GITHUB_REF_NAME": self.run_.ref,
            "GITHUB_REPOSITORY": self.hub.repository,
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": str(self.run_.number),
            "GITHUB_SERVER_URL": self.hub.server,
            "GITHUB_WORKSPACE": str(self.workspace),
        }

    def run(self) -> Ran:
        for number, step in enumerate(self.job["steps"]):
            condition_text = str(step.get("if", "success()"))
            functions = {**self.functions, "success": lambda: self.ran.result == "success"}
            if not condition(condition_text, self.contexts, functions):
                continue
            if self.ran.result != "success" and "cancelled()" not in condition_text:
                continue
            outcome = "success"
            try:
                self._step(step)
            except Failed as error:
                outcome = "failure"
                self.ran.logs.append(str(error))
                if not step.get("continue-on-error", False):
                    self.ran.result = "failure"
            self.steps[step.get("id", f"step{number}")] = {"outcome": outcome, "outputs": self._taken("output")}
        for name, text in self.job.get("outputs", {}).items():
            self.ran.outputs[name] = str(evaluate(text, self.contexts, self.functions))
        calls, summary = self.temp / "calls", self.temp / "step_summary"
        self.ran.calls = calls.read_text() if calls.exists() else ""
        self.ran.summary = summary.read_text() if summary.exists() else ""
        return self.ran

    def _step(self, step: Any) -> None:
        given = {n: self._value(v) for n, v in {**self.job.get("env", {}), **step.get("env", {})}.items()}
        if "uses" in step:
            match = PINNED.fullmatch(step["uses"])
            assert match, f"{step['uses']} is not pinned"
            options = {n: self._value(v) for n, v in step.get("with", {}).items()}
            ACTIONS[match.group(1)](self, options)
            return
        assert self.run_.workflow["defaults"] == {"run": {"shell": "bash"}}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.workspace,
            env={**self.env, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        self.ran.logs.append(f"$ {step['run']}\n{done.stdout}")
        if done.returncode != 0:
            raise Failed(f"exit {done.returncode}")
        self.env.update(self._taken("env"))
        path = self.temp / "path"
        if path.exists():
            self.env["PATH"] = ":".join([*path.read_text().split(), self.env["PATH"]])
            path.unlink()

    def _value(self, value: Any) -> str:
        found = evaluate(str(value), self.contexts, self.functions) if isinstance(value, str) else value
        return found if isinstance(found, str) else json.dumps(found)

    def _taken(self, name: str) -> dict[str, str]:
        """What a step wrote into one of its files, once."""
        path = self.temp / name
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return dict(line.split("=", 1) for line in lines)

    # -- actions ------------------------------------------------------------------------------

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.workspace, env=self.env, capture_output=True, text=True, check=True
        )
        return done.stdout

    def checkout(self, options: Mapping[str, str]) -> None:
        assert options["persist-credentials"] == "false"
        depth = [] if options.get("fetch-depth") == "0" else ["--depth=1"]
        ref = options.get("ref", "main")
        if self.run_.event_name == "pull_request":
            ref = f"refs/pull/{self.run_.event['pull_request']['number']}/merge"
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", f"file://{self.hub.bare}")
        branches = ["+refs/heads/*:refs/remotes/origin/*"] if not depth else []
        self.git("fetch", "--quiet", *depth, "origin", *branches, f"+{ref}:refs/tinyops/checked-out")
        self.git("checkout", "--quiet", "--detach", "refs/tinyops/checked-out")

    def upload(self, options: Mapping[str, str]) -> None:
        path = self.workspace / options["path"]
        if not path.exists():
            if options["if-no-files-found"] == "error":
                raise Failed(f"{path}: no files")
            return
        kept = self.hub.folder / f"artifact-{self.run_.number}-{options['name']}"
        shutil.copytree(path, kept)
        self.hub.artifacts.setdefault(self.run_.number, {})[options["name"]] = kept

    def download(self, options: Mapping[str, str]) -> None:
        there = self.hub.artifacts.get(int(options.get("run-id", self.run_.number)), {})
        to = self.workspace / options["path"]
        if "name" in options:
            if options["name"] not in there:
                raise Failed(f"no artifact {options['name']}")
            shutil.copytree(there[options["name"]], to)
            return
        for name, path in there.items():
            if fnmatch.fnmatch(name, options["pattern"]):
                shutil.copytree(path, to / name)

    def restore(self, options: Mapping[str, str]) -> None:
        prefixes = (options["key"], *options.get("restore-keys", "").split())
        for prefix in prefixes:
            found = [path for key, path in self.hub.caches if key.startswith(prefix)]
            if found:
                shutil.copytree(found[-1], self.workspace / options["path"], symlinks=True)
                return

    def save(self, options: Mapping[str, str]) -> None:
        path = self.workspace / options["path"]
        if path.exists():
            kept = self.hub.folder / f"cache-{len(self.hub.caches)}"
            shutil.copytree(path, kept, symlinks=True)
            self.hub.caches.append((options["key"], kept))

    def nothing(self, options: Mapping[str, str]) -> None:
        assert options["python-version"]


ACTIONS: Mapping[str, Callable[[Job, Mapping[str, str]], None]] = {
    "actions/checkout": Job.checkout,
    "actions/setup-python": Job.nothing,
    "actions/upload-artifact": Job.upload,
    "actions/download-artifact": Job.download,
    "actions/cache": Job.restore,
    "actions/cache/restore": Job.restore,
    "actions/cache/save": Job.save,
}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"fromJSON": json.loads, "cancelled": lambda: False}


def _matrix(job: Any, contexts: Mapping[str, Any]) -> list[dict[str, Any]]:
    matrix = job.get("strategy", {}).get("matrix")
    if matrix is None:
        return [{}]
    ((name, text),) = matrix.items()
    values = evaluate(text, contexts, FUNCTIONS)
    assert 0 < len(values) <= 256
    return [{name: value} for value in values]


def _together(ran: list[Ran]) -> str:
    results = {one.result for one in ran}
    return "failure" if "failure" in results else results.pop()


def _outputs(ran: list[Ran]) -> dict[str, str]:
    return {name: value for one in ran for name, value in one.outputs.items()}


def write_shims(folder: Path) -> None:
    for name, body in SHIMS.items():
        (folder / name).write_text(SHIM.format(name=name, body=body))
        (folder / name).chmod(0o755)
    (folder / "python3").symlink_to("python")


def git_environment() -> dict[str, str]:
    who = {f"GIT_{role}_{part}": "mia" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    return {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
