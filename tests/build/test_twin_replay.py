"""Real motion replayed into an emulated Nano: its results are those of the host's features and of tflite-micro."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes.reversing import board_spec, build_firmware
from fakes.staged import staged
from fakes.tflite import dense
from tinyops import compiler, twin
from tinyops.artifacts import Progress, Step
from tinyops.build.reference import reference_outputs
from tinyops.compiler import image
from tinyops.features import StagedFeatures
from tinyops.features.host import extract_rows, quantise_rows
from tinyops.features.stages import Filter, Statistics
from tinyops.link.smp import BoardManager
from tinyops.toolchain import installed
from tinyops.twin.recorded import Replay, read_replay, signal_of

pytestmark = pytest.mark.build

WALK = Path(__file__).parents[2] / "specs/data/walk.csv"
BOARD = "nano33ble"
SIGNAL = {
    "sensor": "imu",
    "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
    "units": ["m/s2"] * 3 + ["rad/s"] * 3,
    "full_scale": [40.0] * 3 + [35.0] * 3,
    "rate_hz": 10.0,
    "size": None,
}
WINDOW, HOP, RESULTS = 40, 10, 30
SCALE, ZERO_POINT = 0.5, 3  # of the model's input


def features() -> StagedFeatures:
    stages = (Filter("high", 1, (0.3,)), Statistics(20, 10, ("mean", "deviation", "maximum")))
    plain = staged(*stages, rate_hz=10.0, channels=6, frames=(WINDOW, HOP))
    return type(plain)(**{**vars(plain), "gain": (0.004,) * plain.row_values})


def silent(_: Progress) -> None:
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    path = folder / "int8.tflite"
    path.write_bytes(dense(4, features().window_values).build([0], [3]))
    (folder / "features.json").write_text(json.dumps(features().to_json()))
    return path


@pytest.fixture(scope="module")
def files(folder: Path, model: Path) -> dict[str, Path]:
    """What the Nano's twin boots: its firmware, the model in its slot."""
    spec, tool = board_spec(BOARD), installed("arm-none-eabi-gcc")

    def run(function: Any, kind: str, settings: dict[str, Any], inputs: dict[str, Path]) -> dict[str, Path]:
        out = folder / kind
        out.mkdir()
        lock = {"compiler": {"name": tool.name, "version": tool.version}}
        function(Step(kind, BOARD, {"cpu": spec.cpu, "board": BOARD, **settings}, lock), inputs, out, silent)
        return {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}

    settings = {"classes": list("abcd"), "signal": SIGNAL, "arena_bytes": spec.layout.arena_bytes}
    given = {"int8.tflite": model, "features.json": folder / "features.json"}
    compiled = run(compiler.run, "compile", settings, given)
    built = run(image.run, "image", {"slot_bytes": spec.layout.model[0].bytes}, compiled)
    contract = json.loads(compiled["contract.json"].read_text())
    return build_firmware(BOARD, folder, contract) | built | {"contract.json": compiled["contract.json"]}


def wanted(model: Path, counts: NDArray[np.int16]) -> list[bytes]:
    """What the host makes of the same counts, as if they came from a sensor."""
    made = features()
    rows = quantise_rows(extract_rows(counts, made), made, SCALE, ZERO_POINT)
    windows = [rows[n * made.hop_rows :][: made.rows] for n in range((len(counts) - WINDOW) // HOP + 1)]
    (outputs,) = reference_outputs(model, (np.stack(windows).reshape(len(windows), 1, -1),), 1)
    return [bytes(output) for output in outputs]


def replayed(files: dict[str, Path], replay: Replay, count: int) -> tuple[list[bytes], int]:
    """So many results of the Nano, and how many frames its sensor lost meanwhile."""
    with twin.open_twin(BOARD, board_spec(BOARD), files, replay=replay) as board:
        results = [board.link.next_result(20.0) for _ in range(count)]
        assert [result.index for result in results] == list(range(count))
        health = BoardManager(board.link.stream, name=BOARD).health()
        assert health.sensor == 1
        return [result.values for result in results], health.missed_frames


def looped(replay: Replay, results: int) -> NDArray[np.int16]:
    counts = np.frombuffer(replay.counts, "<i2").reshape(-1, replay.values).astype(np.int16)
    return np.tile(counts, (10, 1))[: WINDOW + (results - 1) * HOP]


@pytest.mark.parametrize("rate_hz", [0, 400])
def test_real_motion_gives_the_results_that_the_host_computes(
    rate_hz: float, files: dict[str, Path], model: Path
) -> None:
    replay = read_replay(WALK, signal_of(json.loads(files["contract.json"].read_text())), rate_hz=rate_hz, loop=True)
    found, missed = replayed(files, replay, RESULTS)
    assert found == wanted(model, looped(replay, RESULTS))
    assert len(set(found)) > RESULTS // 3
    assert missed == 0


def test_what_nobody_takes_in_time_is_missed(files: dict[str, Path]) -> None:
    """The emulator stands still for longer than the sensor keeps frames, and its clock catches up."""
    replay = read_replay(WALK, signal_of(json.loads(files["contract.json"].read_text())), rate_hz=400, loop=True)
    with twin.open_twin(BOARD, board_spec(BOARD), files, replay=replay) as board:
        board.link.next_result(20.0)
        for call in (signal.SIGSTOP, signal.SIGCONT):
            board.process.send_signal(call)
            time.sleep(0.5)
        missed = BoardManager(board.link.stream, name=BOARD).health().missed_frames
    assert missed > 0
