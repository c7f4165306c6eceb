"""Doctor says what is there, what is missing, and what to type."""

from __future__ import annotations

import importlib.metadata
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinyops import doctor, toolchain

ROOT = Path(__file__).resolve().parents[3]
DIST = [
    "pydantic>=2.10",
    "numpy>=2.0; extra == 'build'",
    "numpy>=2.0; extra == 'train'",
    "tensorflow-cpu==2.21.0; extra == 'train'",
    'pyserial>=3.5; extra == "serial"',
]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A PATH of which the test says what is on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    toolchain.installed.cache_clear()
    yield tmp_path
    toolchain.installed.cache_clear()


def put(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def by_name(found: list[doctor.Check]) -> dict[str, doctor.Check]:
    return {check.name: check for check in found}


def test_extra_requirements_of_one_extra_only() -> None:
    assert doctor.extra_requirements(DIST, "train") == {
        "numpy": "numpy>=2.0",
        "tensorflow-cpu": "tensorflow-cpu==2.21.0",
    }
    assert doctor.extra_requirements(DIST, "serial") == {"pyserial": "pyserial>=3.5"}
    assert doctor.extra_requirements(DIST, "agent") == {}


@pytest.mark.parametrize(
    ("found", "wanted", "ok"), [("1.2", None, True), ("1.2", "1.2", True), ("1.2", "1.20", False), (None, None, False)]
)
def test_judge_wants_exactly_the_locked_version(found: str | None, wanted: str | None, ok: bool) -> None:
    check = doctor.judge("thing", ("twin",), found, wanted, "type this")
    assert check.ok is ok
    assert check.advice == ("" if ok else "type this")


def test_a_tool_that_is_missing_names_its_debian_package(tools: Path) -> None:
    check = by_name(doctor.checks(cache=tools))["qemu-system-arm"]
    assert (check.found, check.ok) == (None, False)
    assert "apt-get install qemu-system-arm" in check.advice
    assert check in doctor.missing(doctor.checks(cache=tools))


def test_a_tool_of_another_version_names_both(tools: Path) -> None:
    put(tools, "gcc", "echo 'gcc (Debian 12.2.0-14+deb12u1) 12.2.0'")
    check = by_name(doctor.checks({"gcc": "13.1.0"}, cache=tools))["gcc"]
    assert (check.found, check.wanted, check.ok) == ("12.2.0", "13.1.0", False)
    assert "13.1.0" in check.advice
    assert by_name(doctor.checks({"gcc": "12.2.0"}, cache=tools))["gcc"].ok


def test_newlib_is_asked_of_the_compiler(tools: Path) -> None:
    version = "echo 'arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205'"
    put(tools, "arm-none-eabi-gcc", f"test $1 = -E || {{ {version}; exit; }}\necho '#define _NEWLIB_VERSION \"3.3.0\"'")
    assert by_name(doctor.checks(cache=tools))["newlib"].found == "3.3.0"
    put(tools, "arm-none-eabi-gcc", f"test $1 = -E && exit 1\n{version}")
    check = by_name(doctor.checks(cache=tools))["newlib"]
    assert not check.ok
    assert "libnewlib-arm-none-eabi" in check.advice


def test_a_package_that_is_missing_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def version(name: str) -> str:
        if name in ("numpy", "pyserial"):
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.20.0"

    monkeypatch.setattr(importlib.metadata, "requires", lambda _: DIST)
    monkeypatch.setattr(importlib.metadata, "version", version)
    found = by_name(doctor.checks(cache=tmp_path))
    assert found["numpy"].advice.endswith("-m pip install 'numpy>=2.0'")
    assert found["tensorflow-cpu"].wanted == "2.21.0"
    assert found["tensorflow-cpu"].advice.endswith("-m pip install 'tensorflow-cpu==2.21.0'")
    assert found["pyserial"].optional
    assert "pyserial" not in by_name(doctor.missing(list(found.values())))


def test_the_lock_has_the_last_word_on_a_version(tmp_path: Path) -> None:
    found = by_name(doctor.checks({"platformio": "0.0.1"}, cache=tmp_path))["platformio"]
    assert (found.wanted, found.ok) == ("0.0.1", False)


def test_every_package_that_the_extras_want_has_its_steps() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = {re.split("[=>]", line)[0].replace(".", "-") for extra in doctor.EXTRAS for line in extras[extra]}
    assert asked == set(doctor.PACKAGES)


def test_a_cache_that_does_not_exist_yet_is_judged_by_the_folder_above(tmp_path: Path) -> None:
    found = by_name(doctor.checks(cache=tmp_path / "a" / "b"))
    assert found["cache"].found == str(tmp_path)
    assert found["disk"].ok


def test_a_cache_that_cannot_be_written_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    check = by_name(doctor.checks(cache=tmp_path / "a"))["cache"]
    assert not check.ok
    assert f"chown -R $(id -u) {tmp_path}" in check.advice
