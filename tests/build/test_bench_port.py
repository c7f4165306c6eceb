"""`tinyops bench --port` through a real serial path to an emulated board, and to what is no such board."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.pty_board import bridged, terminal
from fakes.tflite import dense
from tinyops.boards.loader import load_catalog
from tinyops.build import hardware
from tinyops.build.bench import build_files, compile_file
from tinyops.cli import main
from tinyops.graph import read_graph
from tinyops.images import Kind, read_image
from tinyops.twin.released import hex_bytes

pytestmark = pytest.mark.build
CATALOG = load_catalog()


def model_file(folder: Path, outputs: int) -> Path:
    path = folder / f"dense{outputs}.tflite"
    path.write_bytes(dense(outputs, 16).build([0], [3]))
    return path


@contextmanager
def running(board: str, model: Path, folder: Path) -> Iterator[str]:
    """A port where a board answers that holds a model's files."""
    compiled = compile_file(read_graph(model), CATALOG[board], "balanced", CATALOG)
    files, _ = build_files(compiled, CATALOG[board], CATALOG, folder, lambda _: None)
    with bridged(CATALOG[board], files) as port:
        yield port


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands run, which is no repository of specs."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module", params=["microbit", "nano33ble"])
def line(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, str]]:
    folder = tmp_path_factory.mktemp(request.param)
    model = model_file(folder, 3)
    with running(request.param, model, folder) as port:
        yield request.param, model, port


def bench(capsys: pytest.CaptureFixture[str], board: str, model: Path, port: str, *more: str) -> tuple[int, dict]:
    status = main(["bench", str(model), "--board", board, "--port", port, "--json", *more])
    return status, json.loads(capsys.readouterr().out)


def test_a_board_is_measured(line, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board, model, port = line
    status, found = bench(capsys, board, model, port, "--out", "tried")
    assert status == 0, found
    assert found["bit_exact"] is True
    assert found["emulated"] is True
    assert (found["board"], found["cpu"], found["vectors"]) == (board, CATALOG[board].spec.cpu, 16)
    assert 0 < found["cycles"]["min"] <= found["cycles"]["median"] <= found["cycles"]["max"]
    assert 0 < found["microseconds"]["max"] < 10_000
    assert 0 < found["instructions"] < 100_000
    assert found["stack_bytes"] > 100
    written = json.loads(Path(found.pop("file")).read_text())
    assert written == {key: value for key, value in found.items() if key != "differences"}
    assert [path.parent.name for path in (here / "tried").rglob("*.json")] == [board]


def test_an_emulators_cycles_never_reach_measurements(line, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board, model, port = line
    status, found = bench(capsys, board, model, port)
    assert status == 70
    assert "an emulator answers" in found["error"]["message"]
    assert not (here / "measurements").exists()


def test_another_board_is_named(line, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board, model, port = line
    other = {"microbit": "nano33ble", "nano33ble": "microbit"}[board]
    status, found = bench(capsys, other, model, port, "--out", "tried")
    assert status == 70
    assert f"is a '{board}', not a {other}" in found["error"]["message"]


def test_another_model_is_named_and_its_files_are_there_to_flash(
    line, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board, _, port = line
    status, found = bench(capsys, board, model_file(tmp_path, 4), port, "--out", "tried")
    assert status == 70
    assert "its firmware was built for contract" in found["error"]["message"]
    flash = here / ".tinyops" / "flash" / board
    assert str(flash / "flash.hex") in found["error"]["hint"]
    assert "a board that was enrolled does not start them" in found["error"]["hint"]
    content, layout = hex_bytes(flash / "flash.hex"), CATALOG[board].spec.layout
    assert layout is not None and layout.own_bootloader is not None and layout.state is not None
    images = [
        read_image(bytes(content.get(slot.origin + i, 0) for i in range(slot.bytes)), where="it", in_slot=True)
        for slot in (layout.firmware[0], layout.model[0])
    ]
    assert [(image.kind, image.board, image.signature) for image in images] == [(k, board, None) for k in Kind]
    assert layout.own_bootloader.origin in content and content[layout.state.origin] == 0xFF
    assert layout.settings is not None and layout.settings.origin not in content


def test_the_same_contract_with_other_weights_is_another_image(
    line, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board, _, port = line
    model = tmp_path / "other.tflite"
    changed = dense(3, 16)
    changed.model.buffers[1].data = changed.model.buffers[1].data[::-1].copy()
    model.write_bytes(changed.build([0], [3]))
    status, found = bench(capsys, board, model, port, "--out", "tried")
    assert status == 70
    assert "it holds another model image" in found["error"]["message"]


@pytest.mark.parametrize(("noise", "said"), [(b"", "does not answer"), (b"booting...\r\n\0\0", "bytes that are no")])
def test_silence_and_noise_end_in_time(
    noise: bytes, said: str, here: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hardware, "HELLO_TIMEOUT_S", 1.0)
    done = threading.Event()
    with terminal() as (far, port):

        def talk() -> None:
            while noise and not done.wait(0.02):
                os.write(far, noise)

        thread = threading.Thread(target=talk)
        thread.start()
        started = time.monotonic()
        try:
            status, found = bench(capsys, "microbit", model_file(tmp_path, 3), port)
        finally:
            done.set()
            thread.join()
    assert status == 70
    assert said in found["error"]["message"]
    assert time.monotonic() - started < 5


def test_a_line_that_is_not_there(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = bench(capsys, "microbit", model_file(tmp_path, 3), str(tmp_path / "ttyACM0"))
    assert status == 70
    assert "there is no such serial line" in found["error"]["message"]


def test_linux_has_no_serial_line(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = bench(capsys, "linux", model_file(tmp_path, 3), "/dev/null")
    assert status == 64
    assert "leave --port away" in found["error"]["hint"]
