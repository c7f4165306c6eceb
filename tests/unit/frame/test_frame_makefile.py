"""The two commands and what is around them: help, scripts, files that must agree with each other."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ("run", "test", "lint", "demo", "pin", "c-sources")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "MAKEFLAGS": "", "MAKELEVEL": ""}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )


def test_make_alone_lists_every_command() -> None:
    done = make()
    assert done.returncode == 0, done.stderr
    listed = set(re.findall(r"^  make (\w+) +\S", done.stdout, flags=re.MULTILINE))
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)
    assert phony is not None
    assert listed == set(phony.group(1).split())


@pytest.mark.parametrize("target", ["demo", "test", "lint", "format", "bench", "pin"])
def test_commands_that_need_packages_set_the_machine_up_first(target: str) -> None:
    done = make("--dry-run", target)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert ".ci/bootstrap.py" in lines[1], lines
    assert len(lines) > 2


def test_a_machine_without_python_gets_one_line() -> None:
    done = make("setup", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "there is no no-such-python. Type: sudo apt-get install python3 python3-venv" in done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_programs_that_stop_at_the_first_error(name: str) -> None:
    path = ROOT / ".ci" / name
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", path], capture_output=True).returncode == 0
    if name != "c-sources":
        assert "\nset -euo pipefail\n" in path.read_text()


def run_with_fake_tinyops(folder: Path, script: str, lock_status: int, **env: str) -> tuple[int, str, list[str]]:
    """Runs a script of .ci beside programs that only write down how they are called: exit status, output, calls."""
    (folder / ".ci").mkdir()
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("demo", "lint", "c-sources"):
        (folder / ".ci" / name).write_bytes((ROOT / ".ci" / name).read_bytes())
        (folder / ".ci" / name).chmod(0o755)
    (folder / "tinyops" / "runtime").mkdir(parents=True)
    (folder / "tests").mkdir()
    for name in ("tinyops", "ruff", "mypy", "lint-imports", "clang-format"):
        answer = f'[ "$*" = "lock --check" ] && {{ echo "the lock says"; exit {lock_status}; }}\nexit 0'
        (tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> calls\n{answer}\n')
        (tools / name).chmod(0o755)
    base = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run([folder / ".ci" / script], env={**base, **env}, capture_output=True, text=True, timeout=60)
    calls = (folder / "calls").read_text().splitlines()
    return done.returncode, done.stdout + done.stderr, [call for call in calls if call.startswith("tinyops")]


def test_demo_goes_from_key_to_agent_and_ends_with_what_is_next(tmp_path: Path) -> None:
    status, output, calls = run_with_fake_tinyops(tmp_path, "demo", 0)
    assert status == 0
    assert [call.split()[1] for call in calls] == ["lock", "keys", "plan", "apply", "agent", "plan"]
    assert not [call for call in calls if "--lock" in call]
    assert [line.split()[1] for line in output.splitlines()[-3:]] == ["model", "data", "board"]


def test_demo_makes_a_lock_for_a_machine_with_other_compilers(tmp_path: Path) -> None:
    status, output, calls = run_with_fake_tinyops(tmp_path, "demo", 70)
    assert status == 0
    assert "tinyops lock --out .tinyops/machine.lock.yaml" in calls
    assert "tinyops apply --lock .tinyops/machine.lock.yaml" in calls
    assert "not the ones in specs/tinyops.lock.yaml" in output


def test_demo_stops_at_a_wrong_lock(tmp_path: Path) -> None:
    status, output, calls = run_with_fake_tinyops(tmp_path, "demo", 65)
    assert (status, calls) == (65, ["tinyops lock --check"])
    assert "the lock says" in output


@pytest.mark.parametrize(("lock", "env", "wanted"), [(0, {}, 0), (70, {}, 0), (70, {"CI": "true"}, 70), (65, {}, 65)])
def test_lint_forgives_other_compilers_outside_ci_only(
    tmp_path: Path, lock: int, env: dict[str, str], wanted: int
) -> None:
    status, _, calls = run_with_fake_tinyops(tmp_path, "lint", lock, **env)
    assert status == wanted
    assert calls == ["tinyops render --check", "tinyops lock --check"]


def test_c_sources_are_the_ones_that_people_write() -> None:
    done = subprocess.run([ROOT / ".ci" / "c-sources"], capture_output=True, text=True, check=True)
    names = done.stdout.rstrip("\0").split("\0")
    assert "tinyops/runtime/include/tinyops/model.h" in names
    assert not [name for name in names if name.startswith("generated/")]


def test_layers_of_pyproject_are_the_documented_ones() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    checked = next(c["layers"] for c in contracts if c["name"] == "layers")
    documented = (ROOT / "docs" / "architecture.md").read_text().split("```")[1].split("\n")

    def rows(lines: list[str]) -> list[set[str]]:
        return [set(re.findall(r"\w+", line)) for line in lines if line]

    assert rows(checked) == rows(documented)


def test_workflows_ask_for_no_more_than_they_need() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text()
        assert re.search(r"^permissions:", text, flags=re.MULTILINE), path
        assert "pull_request_target" not in text, path
    plan = (ROOT / ".github" / "workflows" / "plan.yml").read_text()
    assert "secrets." not in plan
    assert "contents: read" in plan
    assert ": write" not in plan
