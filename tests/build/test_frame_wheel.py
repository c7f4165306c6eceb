"""What a user gets from `pip install`: everything that runs, nothing that tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.build


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sources(*patterns: str) -> set[str]:
    return {
        p.relative_to(ROOT).as_posix()
        for pattern in patterns
        for p in (ROOT / "tinyops").rglob(pattern)
        if p.is_file() and not {"__pycache__", ".mypy_cache", ".ruff_cache"} & set(p.parts)
    }


def test_every_source_of_the_package_is_in_it(names: set[str]) -> None:
    wanted = sources("*")
    assert wanted <= names, sorted(wanted - names)
    assert "tinyops/runtime/include/tinyops/model.h" in names


def test_the_catalogue_is_in_it(names: set[str]) -> None:
    boards = {f"tinyops/board_catalog/{p.name}" for p in (ROOT / "board_catalog").glob("*.yaml")}
    assert boards
    assert boards <= names


def test_nothing_else_is_in_it(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"tinyops"}
    assert not [name for name in names if "test" in Path(name).parts or "__pycache__" in name]


def test_base_install_is_light_and_has_its_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA")).rsplit("/", 1)[0]
        metadata = archive.read(f"{info}/METADATA").decode()
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    heavy = ("tensorflow", "platformio", "numpy", "cffi", "tflite")
    assert base
    assert not [line for line in base if any(name in line for name in heavy)]
    assert "tinyops = tinyops.__main__:main" in scripts
