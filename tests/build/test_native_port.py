"""Parts of the Linux port on the host, with sanitizers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tinyops.device.identify.machine import number_of_machine

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
STRICT = ["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ID = "3d1219c7c4c5404aaa1f6d2a48adfda4"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("native") / "machine_number"
    sources = [ROOT / "tests/runtime/machine_number.c", RUNTIME / "port/native/machine_id.c"]
    sources.append(RUNTIME / "digest/sha256.c")
    includes = ["-I", RUNTIME / "include", "-I", RUNTIME / "port/native"]
    subprocess.run(["gcc", *STRICT, *SANITIZE, *includes, *sources, "-o", path], check=True, timeout=60)
    return path


def number(program: Path, text: str) -> str:
    return subprocess.run([program, text], check=True, capture_output=True, text=True, timeout=10).stdout


def test_a_machines_number_is_the_same_in_c_and_python_and_as_systemd_has_it(program: Path) -> None:
    assert number(program, f"{ID}\n") == "c12fb4b1c76a47fb853405203bb14dbe" == number_of_machine(ID)


@pytest.mark.parametrize(
    "text", ["", "\n", "uninitialized\n", ID, f"{ID}\n\n", f"{ID}0\n", f"{ID[:-1]}\n", f"{ID[:-1]}g\n", ID.upper()]
)
def test_what_is_no_machine_id_has_no_number(program: Path, text: str) -> None:
    assert number(program, text) == ""
