"""Workflows, ours and those that init writes: of the published schema, least rights, pinned, no shell of others."""

from __future__ import annotations

import importlib.resources
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from tinyops.boards import load_catalog
from tinyops.scaffold import scaffold
from tinyops.trust.publishing import RENEW_SHARE
from tinyops.trust.roles import Lives

ROOT = Path(__file__).parents[3]
WRITTEN = {
    f"init {path.rpartition('/')[2]}": data.decode()
    for path, data in scaffold("x", load_catalog()).items()
    if path.startswith(".github/workflows/")
}
OURS = {path.name: path.read_text() for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
ALL = {**WRITTEN, **OURS}
SCHEMAS = "check_jsonschema.builtin_schemas.vendor"
WRITES = {
    "init comment.yml": {"pull-requests"},
    "comment.yml": {"pull-requests"},
    "init apply.yml": {"contents"},
    "init drift.yml": {"issues"},
    "drift.yml": {"issues"},
    "init metadata.yml": {"contents"},
}
each = pytest.mark.parametrize("name", ALL)


def load(name: str) -> Any:
    return YAML(typ="safe").load(ALL[name])


def steps_of(name: str) -> list[Any]:
    return [step for job in load(name)["jobs"].values() for step in job["steps"]]


def validator(name: str = "github-workflows") -> jsonschema.Draft7Validator:
    source = importlib.resources.files(SCHEMAS).joinpath(f"{name}.json")
    return jsonschema.Draft7Validator(json.loads(source.read_bytes()))


def test_there_are_five_of_each() -> None:
    names = ("plan", "comment", "apply", "drift", "metadata")
    assert {f"{n}.yml" for n in (*names, "ci")} == set(OURS)
    assert {f"init {n}.yml" for n in names} == set(WRITTEN)


@each
def test_they_are_of_the_published_schema(name: str) -> None:
    assert [error.message for error in validator().iter_errors(load(name))] == []


def test_the_schema_refuses_what_is_none() -> None:
    wrong = load("plan.yml")
    wrong["jobs"]["plan"]["step"] = wrong["jobs"]["plan"].pop("steps")
    assert list(validator().iter_errors(wrong))


def test_the_pages_gitlab_jobs_are_of_the_published_schema() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/ci.md").read_text(), re.MULTILINE | re.DOTALL)
    pipeline = YAML(typ="safe").load(block)
    assert [error.message for error in validator("gitlab-ci").iter_errors(pipeline)] == []
    pipeline["plan"]["scripts"] = pipeline["plan"].pop("script")
    assert list(validator("gitlab-ci").iter_errors(pipeline))


@each
def test_nothing_is_allowed_but_what_a_job_asks_for(name: str) -> None:
    document = load(name)
    assert document["permissions"] == {}
    given = {right for job in document["jobs"].values() for right, how in job["permissions"].items() if how == "write"}
    assert given == WRITES.get(name, set())
    assert all(isinstance(job["timeout-minutes"], int) for job in document["jobs"].values())


@each
def test_actions_are_pinned_by_commit_with_the_version_beside(name: str) -> None:
    used = [step["uses"] for step in steps_of(name) if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[\w/-]+@[0-9a-f]{40}", one) for one in used)
    assert len(re.findall(r"uses: actions/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n", ALL[name])) == len(used)


def test_one_commit_an_action() -> None:
    pins = {
        re.sub(r"(actions/[\w-]+)[\w/-]*@", r"\1@", pin) for t in ALL.values() for pin in re.findall(r"uses: (.*)", t)
    }
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


@each
def test_no_value_of_others_reaches_a_shell_as_text(name: str) -> None:
    assert not [step["run"] for step in steps_of(name) if "${{" in step.get("run", "")]


@each
def test_checkouts_leave_no_token_behind(name: str) -> None:
    found = [step["with"] for step in steps_of(name) if step.get("uses", "").startswith("actions/checkout@")]
    assert found and all(options["persist-credentials"] is False for options in found)


@pytest.mark.parametrize("name", ["plan.yml", "init plan.yml"])
def test_a_forks_run_has_no_secret_builds_nothing_and_keeps_nothing(name: str) -> None:
    assert "secrets." not in ALL[name]
    assert list(load(name)["on"]) == ["pull_request"]
    commands = " ".join(step.get("run", "") for step in steps_of(name))
    assert not re.search(r"tinyops (apply|ci|lock|keys)|--build", commands)
    assert not [s for s in steps_of(name) if re.match(r"actions/cache(/save)?@", s.get("uses", ""))]


@pytest.mark.parametrize("name", ["comment.yml", "init comment.yml"])
def test_the_trusted_run_never_has_the_pull_requests_files(name: str) -> None:
    assert list(load(name)["on"]) == ["workflow_run"]
    assert "secrets." not in ALL[name]
    (checkout,) = [s for s in steps_of(name) if s.get("uses", "").startswith("actions/checkout@")]
    assert "ref" not in checkout["with"] and "repository" not in checkout["with"]


@pytest.mark.parametrize("name", ["apply.yml", "init apply.yml"])
def test_only_the_job_that_releases_has_the_key_and_the_tip_is_what_it_takes(name: str) -> None:
    jobs = load(name)["jobs"]
    assert [n for n, job in jobs.items() if "secrets." in json.dumps(job)] == ["apply"]
    assert jobs["apply"]["environment"] == "release"
    for job in jobs.values():
        (checkout,) = [s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"] == {"persist-credentials": False, "fetch-depth": 0, "ref": "${{ github.ref_name }}"}
    assert load(name)["concurrency"] == {"group": "apply"}


@pytest.mark.parametrize("name", ["metadata.yml", "init metadata.yml"])
def test_what_signs_on_schedule_has_the_online_key_and_no_other(name: str) -> None:
    assert set(re.findall(r"secrets\.(\w+)", ALL[name])) == {"TINYOPS_ONLINE_KEY"}
    document = load(name)
    (job,) = document["jobs"].values()
    assert job["environment"] == "metadata" and "default_branch" in job["if"]
    (every,) = re.findall(r"\d+ \*/(\d+) \* \* \*", document["on"]["schedule"][0]["cron"])
    least = min(Lives().timestamp_d, Lives().snapshot_d)
    assert int(every) / 24 < least * (1 / 2 - 1 / RENEW_SHARE)  # signed again before anybody is warned
    assert document["on"]["push"]["paths"] == ["specs/trust/**"]
