"""A device enrolled from the command down to its flash: the C server and settings behind a pseudo terminal."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.enrolment import enrolling_repository
from fakes.pty_board import terminal
from tinyops.cli import main
from tinyops.device.provision.devices_file import parse_devices
from tinyops.device.provision.format import Tag, decode_values, find_values
from tinyops.link.smp import BoardManager

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
STRICT = ["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
SANITIZE = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
PASSWORD = "canary-7f3a-password"
UNIT, CUT_STATUS = 256, 77


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("board") / "settings_board"
    sources = [
        *(RUNTIME / "settings").glob("*.c"),
        *(RUNTIME / "smp").glob("*.c"),
        RUNTIME / "digest/sha256.c",
        ROOT / "tests/runtime/settings_board.c",
    ]
    includes = ["-I", RUNTIME / "include"]
    subprocess.run(["gcc", *STRICT, *SANITIZE, *includes, *sources, "-o", path], check=True)
    return path


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYOPS_WIFI_PASSWORD", PASSWORD)
    return enrolling_repository(tmp_path / "repository")


@contextlib.contextmanager
def running(program: Path, flash: Path, cut: int = 0) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The board with power; yields its port and its process."""
    with terminal() as (far, port):
        command = [program, flash, "pico", "wrist", str(cut)]
        process = subprocess.Popen(command, stdin=far, stdout=far)
        try:
            yield port, process
        finally:
            process.kill()
            process.wait(timeout=10)


def enrol(root: Path, port: str, name: str, *more: str) -> int:
    return main(["enrol", "-C", str(root), port, "--fleet", "wrist", "--id", name, "--wifi", "plant", *more])


def public(program: Path, flash: Path) -> dict[int, bytes]:
    with running(program, flash) as (port, _), BoardManager.open(port) as manager:
        return decode_values(manager.read_settings(), where=port)


def test_a_board_keeps_who_it_is_over_a_reset_and_gives_no_secret_out(
    program: Path, repository: Path, tmp_path: Path
) -> None:
    flash = tmp_path / "flash"
    with running(program, flash) as (port, _):
        assert enrol(repository, port, "w-1") == 0
    seen = public(program, flash)
    (device,) = parse_devices((repository / "specs/wrist.csv").read_text(), where="f").devices.values()
    assert (seen[Tag.DEVICE], seen[Tag.FLEET], seen[Tag.BOARD]) == (b"w-1", b"wrist", b"pico")
    assert seen[Tag.REPORT_PUBLIC_KEY].hex() == device.public_key and max(seen) < 0x80
    found = find_values(flash.read_bytes(), UNIT)
    assert found is not None
    kept = decode_values(found[1], where="flash")
    assert kept[Tag.WIFI_PASSWORD] == PASSWORD.encode() and len(kept[Tag.REPORT_KEY]) == 32


def test_power_that_fails_at_any_operation_leaves_the_old_identity_or_the_new(
    program: Path, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, flash = tmp_path / "first", tmp_path / "flash"
    with running(program, first) as (port, _):
        assert enrol(repository, port, "w-1") == 0
    for cut in range(1, 10):
        shutil.copy(first, flash)
        with running(program, flash, cut) as (port, process):
            status = enrol(repository, port, f"w-{cut + 1}")
            if status == 0:
                break
            assert process.wait(timeout=10) == CUT_STATUS
        assert public(program, flash)[Tag.DEVICE] == b"w-1"
        assert "went away while it was enrolled" in capsys.readouterr().err
    assert cut == 4 and public(program, flash)[Tag.DEVICE] == b"w-5"  # erase, two pages of values, header
    assert set(parse_devices((repository / "specs/wrist.csv").read_text(), where="f").devices) == {"w-1", "w-5"}
