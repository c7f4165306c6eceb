"""Models, layouts and compilers that cannot build a board, the whole way: each one clear error, and no trace left."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.projects import finished_model
from tinyops.cli import main
from tinyops.toolchain import installed

pytestmark = pytest.mark.build

MINE = """\
apiVersion: tinyops/v1
kind: Board
metadata: {name: mine}
extends: microbit
spec:
  layout:
    firmware: [{origin: 0x5000, bytes: 4096}, {origin: 0xd000, bytes: 4096}]
"""
# The real compiler until it is asked to compile what WHEN matches; then what THEN says.
WRAPPER = """#!/bin/sh
case "$*" in
  *--version*|*-dump*) ;;
  WHEN) THEN ;;
esac
exec REAL "$@"
"""
CRASH, HANG = "kill -SEGV $$", "exec sleep 60"
IMAGE, FIRMWARE = "*-fpie*", "*main.c*"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))  # a console that nobody is at
    (tmp_path / "model.tflite").write_bytes(finished_model())
    return tmp_path


@pytest.fixture
def compiler(bench: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Puts another arm-none-eabi-gcc in front of the real one."""
    real = shutil.which("arm-none-eabi-gcc")
    assert real is not None

    def put(when: str, then: str) -> None:
        program = bench / "bin/arm-none-eabi-gcc"
        program.parent.mkdir()
        program.write_text(WRAPPER.replace("WHEN", when).replace("THEN", then).replace("REAL", real))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        installed.cache_clear()

    yield put
    installed.cache_clear()


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(argv)
    out, err = capsys.readouterr()
    assert out == "" and err.count("error: ") == 1 and "Traceback" not in err, err
    return code, err[err.index("error: ") :]


def test_a_firmware_that_overflows_its_slot(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bench / "specs/boards").mkdir(parents=True)
    (bench / "specs/boards/mine.yaml").write_text(MINE)
    code, said = refused(capsys, "twin", "mine", "model.tflite")
    assert code == 66 and "mine: the firmware does not fit: firmware slot: " in said and " of 3,328 bytes, " in said
    held = said.partition("boards that would hold it: ")[2].split(", ")
    assert "microbit" in held and "mine" not in held


@pytest.mark.parametrize(
    "command", [("twin", "microbit", "model.tflite"), ("bench", "model.tflite", "--board", "microbit")]
)
def test_an_image_that_overflows_its_slot(
    command: tuple[str, ...], bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench / "model.tflite").write_bytes(finished_model(40, 6000))
    code, said = refused(capsys, *command)
    assert code == 66 and "a model slot of microbit has 85,763: short by " in said
    held = said.partition("boards that would hold it: ")[2].strip().split(", ")
    assert "nano33ble" in held and not {"microbit", "mega2560", "uno-r4"} & set(held)


@pytest.mark.parametrize(
    ("when", "then", "said"),
    [
        (IMAGE, CRASH, "arm-none-eabi-gcc (model image) failed: killed by SIGSEGV"),
        (IMAGE, HANG, "arm-none-eabi-gcc (model image): stopped after 2 s without an end"),
        (FIRMWARE, CRASH, "microbit: PlatformIO failed: exit status 1"),
        (FIRMWARE, HANG, "PlatformIO: stopped after 2 s without an end"),
    ],
)
def test_a_compiler_that_crashes_or_hangs(
    when: str,
    then: str,
    said: str,
    compiler: Callable[[str, str], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiler(when, then)
    if then == HANG:
        limit = "compiler.image.build.TIMEOUT_S" if when == IMAGE else "firmware.pio.BUILD_TIMEOUT_S"
        monkeypatch.setattr(f"tinyops.{limit}", 2)
    code, text = refused(capsys, "twin", "microbit", "model.tflite")
    assert code == 70 and said in text
