"""Real motion replayed into an emulated Nano: its results are those of the host's features and of tflite-micro."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes.accelerometer import FULL_SCALE, build, sense
from fakes.motion_model import HOP, WINDOW, MotionModel
from fakes.reversing import board_spec
from tinyops import twin
from tinyops.errors import UsageError
from tinyops.features.values import counts_from_values
from tinyops.link.smp import BoardManager
from tinyops.twin.console import Console
from tinyops.twin.recorded import Replay, on_chip, read_replay, signal_of

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
SIM = ROOT / "tinyops/runtime/port/sim"
WALK = ROOT / "specs/data/walk.csv"
STRICT = ["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
STRICT += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SIGNAL = {
    "sensor": "imu",
    "channels": ["ax", "ay", "az", "gx", "gy", "gz"],
    "units": ["m/s2"] * 3 + ["rad/s"] * 3,
    "full_scale": [40.0] * 3 + [35.0] * 3,
    "rate_hz": 10.0,
    "size": None,
}
RESULTS = 30


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> tuple[MotionModel, dict[str, Path]]:
    model = MotionModel(tmp_path_factory.mktemp("replay"), SIGNAL)
    return model, model.build("nano33ble")


def replayed(board: str, files: dict[str, Path], replay: Replay, count: int) -> tuple[list[bytes], int]:
    """So many results of the board, and how many frames its sensor lost meanwhile."""
    with twin.open_twin(board, board_spec(board), files, replay=replay, hurried=board != "pico") as virtual:
        results = [virtual.link.next_result(20.0) for _ in range(count)]
        assert [result.index for result in results] == list(range(count))
        health = BoardManager(virtual.link.stream, name=board).health()
        assert health.sensor == 1
        return [result.values for result in results], health.missed_frames


def walk(files: dict[str, Path], rate_hz: float | None = None) -> Replay:
    return read_replay(WALK, signal_of(json.loads(files["contract.json"].read_text())), rate_hz=rate_hz, loop=True)


def looped(replay: Replay, results: int) -> NDArray[np.int16]:
    counts = np.frombuffer(replay.counts, "<i2").reshape(-1, replay.values).astype(np.int16)
    return np.tile(counts, (10, 1))[: WINDOW + (results - 1) * HOP]


@pytest.mark.parametrize("rate_hz", [0, 400])
def test_real_motion_gives_the_results_that_the_host_computes(
    rate_hz: float, nano: tuple[MotionModel, dict[str, Path]]
) -> None:
    model, files = nano
    replay = walk(files, rate_hz)
    found, missed = replayed("nano33ble", files, replay, RESULTS)
    assert found == model.results(looped(replay, RESULTS))
    assert len(set(found)) > RESULTS // 3
    assert missed == 0


def test_the_console_shows_results_as_they_come(nano: tuple[MotionModel, dict[str, Path]]) -> None:
    model, files = nano
    replay = walk(files, 0)
    with twin.open_twin("nano33ble", board_spec("nano33ble"), files, replay=replay) as board:
        console = Console(board, None)
        said = [console.do("watch"), console.do("watch 3")]
        for wrong in ("watch 0", "watch -1", "watch some", "watch 100000"):
            with pytest.raises(UsageError, match="not a number of results"):
                console.do(wrong)
    found = [one for answer in said if answer for one in answer.value["results"]]
    wanted = [np.frombuffer(output, np.int8).tolist() for output in model.results(looped(replay, 4))]
    assert found == [{"index": n, "output": output} for n, output in enumerate(wanted)]


def missed_after_stop(board: Any) -> int:
    for call in (signal.SIGSTOP, signal.SIGCONT):
        board.process.send_signal(call)
        time.sleep(0.3)
    return BoardManager(board.link.stream, name=board.name).health().missed_frames


def test_what_nobody_takes_in_time_is_missed(nano: tuple[MotionModel, dict[str, Path]]) -> None:
    """The emulator stands still for longer than the sensor keeps frames, and its clock catches up if it slept."""
    with twin.open_twin("nano33ble", board_spec("nano33ble"), nano[1], replay=walk(nano[1], 400)) as board:
        board.link.next_result(20.0)
        missed = next((found for _ in range(10) if (found := missed_after_stop(board))), 0)
    assert missed > 0


def test_a_microbit_reads_its_own_chip(tmp_path: Path) -> None:
    """The bytes that a micro:bit is flashed with read an accelerometer over its bus; what the same driver reads on this
    machine is what the model is given."""
    channels = {"channels": ["ax", "ay", "az"], "units": ["m/s2"] * 3, "full_scale": [FULL_SCALE] * 3}
    model = MotionModel(tmp_path, SIGNAL | channels | {"sensor": "accelerometer", "rate_hz": 50.0})
    spec, files = board_spec("microbit"), model.build("microbit", {"kind": "onboard", "name": "onboard-accelerometer"})
    contract = json.loads(files["contract.json"].read_text())
    motion = counts_from_values(np.genfromtxt(WALK, delimiter=",", names=True)[["ax", "ay", "az"]].tolist(), [40.0] * 3)
    replay = Replay(motion.astype("<i2").tobytes(), 3, loop=True)
    found, missed = replayed("microbit", files, replay, 12)
    measured = on_chip(replay, contract, spec.sensors[0], "microbit")
    sensed = sense(build(tmp_path), measured, "mma8653", frames=WINDOW + 11 * HOP)
    assert found == model.results(sensed.counts)
    assert len(set(found)) > 4
    assert missed == 0


def test_a_pico_reads_its_own_converter(tmp_path: Path) -> None:
    """Three inputs by rounds, carried by DMA; steps of the converter are eight counts."""
    inputs = {"channels": ["adc2", "adc0", "adc1"], "units": ["1"] * 3, "full_scale": [1.0] * 3}
    model = MotionModel(tmp_path, SIGNAL | inputs | {"sensor": "analog", "rate_hz": 400.0})
    files = model.build("pico", {"kind": "onboard", "name": "analog"})
    waves = np.sin(np.arange(150)[:, None] / np.array([3.0, 7.0, 19.0])) * np.array([0.4, 0.3, 0.45]) + 0.5
    counts = (np.rint(waves * 4095) * 8).astype(np.int16)
    replay = Replay(counts.astype("<i2").tobytes(), 3)
    found, missed = replayed("pico", files, replay, 12)
    assert found == model.results(counts)[:12]
    assert len(set(found)) > 4
    assert missed == 0


# The sensor itself, by a clock of the test's: under sanitizers, as the emulators compile it.


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sensor") / "run_replay"
    sources = [ROOT / "tests/runtime/run_replay.c", SIM / "replay.c"]
    subprocess.run(["gcc", *STRICT, "-I", SIM, *sources, "-o", path], check=True, timeout=60)
    return path


def asked(program: Path, recording: bytes, folder: Path, *orders: str) -> list[str]:
    """The sensor's answers, or what is wrong with the recording."""
    path = folder / "recording"
    path.write_bytes(recording)
    lines = "".join(f"{order}\n" for order in orders)
    done = subprocess.run([program, path], input=lines, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) in ((0, ""), (1, "")), done.stderr
    return done.stdout.splitlines()


def counting(samples: int, values: int = 1, rate: int | None = 100_000, *, loop: bool = False) -> Replay:
    """Sample n is n, -n, n, …"""
    counts = [(-1) ** value * sample for sample in range(samples) for value in range(values)]
    return Replay(np.array(counts, "<i2").tobytes(), values, rate, loop)


def test_a_sample_is_due_at_its_time_and_not_before(program: Path, tmp_path: Path) -> None:
    orders = ["start 5000 1", "poll 5000 2", "poll 14999 2", "wait 5001 0", "poll 15000 2", "wait 15000 0"]
    orders += ["poll 25000 2", "poll 99000 2", "wait 99000 0", "start 90000 1", "poll 90000 2"]
    found = asked(program, counting(3, 2).file(), tmp_path, *orders)
    assert found == ["0", "1 0 0", "0", "10", "1 1 -1", "10", "1 2 -2", "0", "-1", "0", "1 0 0"]


def test_rates_that_divide_no_microsecond_stay_in_step_for_days(program: Path, tmp_path: Path) -> None:
    """44.1 kHz: sample 44100 x 86400 x 30 is due thirty days later to the microsecond."""
    days_us = 30 * 86_400 * 1_000_000
    at = 44_100 * 86_400 * 30 % 7
    orders = ["start 0 1", f"sample {days_us - 1} 0", f"sample {days_us} 0"]
    found = asked(program, counting(7, 1, 44_100_000, loop=True).file(), tmp_path, *orders)
    assert found == ["0", f"1 {(at - 1) % 7}", f"1 {at}"]


def test_a_frame_of_many_samples_is_due_with_its_last(program: Path, tmp_path: Path) -> None:
    orders = ["start 0 1", "poll 29999 4", "poll 30000 4", "poll 70000 4", "poll 999999 4"]
    found = asked(program, counting(10).file(), tmp_path, *orders)
    assert found == ["0", "0", "1 0 1 2 3", "1 4 5 6 7", "0"]


def test_old_frames_are_missed_and_counted(program: Path, tmp_path: Path) -> None:
    """At 100 a second 25 are kept; at 10 it is 16 frames."""
    orders = ["start 0 1", "poll 990000 1", "missed 0 0", "poll 990000 1", "start 0 1", "missed 0 0"]
    assert asked(program, counting(1000).file(), tmp_path, *orders) == ["0", "1 75", "75", "1 76", "0", "0"]
    orders = ["start 0 1", "poll 3900000 2", "missed 0 0"]
    assert asked(program, counting(1000, 1, 10_000).file(), tmp_path, *orders) == ["0", "1 8 9", "4"]


def test_a_recording_begins_again_or_ends(program: Path, tmp_path: Path) -> None:
    orders = ["start 0 1", *(f"poll {n * 10_000} 1" for n in range(5)), "sample 50000 0"]
    assert asked(program, counting(3).file(), tmp_path, *orders) == ["0", "1 0", "1 1", "1 2", "0", "0", "1 2"]
    found = asked(program, counting(3, loop=True).file(), tmp_path, *orders)
    assert found == ["0", "1 0", "1 1", "1 2", "1 0", "1 1", "1 2"]


def test_the_rate_is_the_recordings_or_the_firmwares_or_none(program: Path, tmp_path: Path) -> None:
    orders = ["poll 0 1", "start 0 50000", "poll 0 1", "poll 10000 1", "poll 20000 1", "poll 20000 3", "poll 20000 0"]
    found = asked(program, counting(9, 2, None).file(), tmp_path, *(o.replace(" 1", " 2") for o in orders[:1]))
    assert found == ["-2"]
    found = asked(program, counting(9, 1, None).file(), tmp_path, "start 0 0", *orders)
    assert found == ["-1", "-2", "0", "1 0", "0", "1 1", "0", "-2"]
    found = asked(program, counting(9, 1, 0).file(), tmp_path, *orders[1:5])
    assert found == ["0", "1 0", "1 1", "1 2"]


def test_what_is_no_recording_is_refused(program: Path, tmp_path: Path) -> None:
    whole = counting(9, 2).file()
    for at in range(0, len(whole) - 1, 5):
        assert len(asked(program, whole[:at], tmp_path, "start 0 1")[0]) > 10, at
    for at in (0, 4, 5, 7, 8, 9, 11, 20, 30):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        assert len(asked(program, bytes(damaged), tmp_path, "start 0 1")[0]) > 10, at
    assert asked(program, whole + b"x", tmp_path, "start 0 1") == ["not as long as its header says"]
    assert asked(program, whole, tmp_path, "start 0 1") == ["0"]
