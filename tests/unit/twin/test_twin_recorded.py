"""Files of recordings become what a sensor would have measured; what cannot be is named."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from tinyops.boards import load_catalog
from tinyops.cli import main
from tinyops.datasets.take import Clock, Take, TakeFacts, take_bytes
from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.specs.model import OnboardSensor, Signal, StreamSensor
from tinyops.twin.recorded import HEADER, Replay, on_chip, read_replay, signal_of
from tinyops.twin.step import check_reads

MOTION = Signal(sensor="imu", channels=("ax", "gx"), units=("m/s2", "rad/s"), full_scale=(40.0, 20.0), rate_hz=50.0)
SOUND = Signal(sensor="microphone", channels=("audio",), units=("1",), full_scale=(1.0,), rate_hz=8000.0)


def counts(replay: Replay) -> list[list[int]]:
    return np.frombuffer(replay.counts, "<i2").reshape(-1, replay.values).tolist()


def test_a_csv_becomes_counts_of_full_scale_in_the_order_of_the_signal(tmp_path: Path) -> None:
    (tmp_path / "walk.csv").write_text("gx,ax\n10,20\n-20,-100\n0.0003,0.0006\n")
    found = read_replay(tmp_path / "walk.csv", MOTION, rate_hz=12.5, loop=True)
    assert counts(found) == [[16384, 16384], [-32768, -32768], [0, 0]]
    assert (found.values, found.samples, found.rate_millihz, found.loop) == (2, 3, 12_500, True)
    assert HEADER.unpack(found.file()[: HEADER.size])[1:5] == (2, 3, 12_500, 1)


def test_without_a_rate_the_firmware_has_it_and_zero_is_as_fast_as_it_takes(tmp_path: Path) -> None:
    np.save(tmp_path / "walk.npy", np.ones((4, 2)))
    assert HEADER.unpack(read_replay(tmp_path / "walk.npy", MOTION).file()[: HEADER.size])[3:5] == (0xFFFFFFFF, 0)
    assert read_replay(tmp_path / "walk.npy", MOTION, rate_hz=0).rate_millihz == 0


def test_sound_and_takes_are_replayed(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "yes.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([5, -7, 32767], "<i2").tobytes())
    assert counts(read_replay(tmp_path / "yes.wav", SOUND)) == [[5], [-7], [32767]]
    facts = TakeFacts(
        sensor="imu",
        channels=MOTION.channels,
        units=MOTION.units,
        full_scale=MOTION.full_scale,
        rate_hz=50.0,
        clock=Clock(source="device"),
        started="2026-01-01T00:00:00Z",
    )
    values = np.array([[1, 2], [-3, 4]], np.int16)
    (tmp_path / "a.take").write_bytes(take_bytes(Take(facts, values)))
    assert counts(read_replay(tmp_path / "a.take", MOTION)) == values.tolist()


@pytest.mark.parametrize(
    "name, text", [("a.csv", "ax,gx\n"), ("a.csv", "1,2,3\n"), ("a.csv", "nan,1\n"), ("a.txt", "")]
)
def test_what_cannot_be_replayed_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError, match=name if text != "nan,1\n" else "NaN"):
        read_replay(tmp_path / name, MOTION)


@pytest.mark.parametrize("rate_hz", [-1, 1_000_001, float("nan")])
def test_an_impossible_rate_is_refused(rate_hz: float, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not a rate"):
        read_replay(tmp_path / "none.csv", MOTION, rate_hz=rate_hz)


@pytest.mark.parametrize("size, values", [(0, 1), (3, 1), (6, 2), (4, 0)])
def test_only_whole_samples_can_be_replayed(size: int, values: int) -> None:
    with pytest.raises(SpecError, match="not whole samples"):
        Replay(bytes(size), values)


def test_a_model_that_takes_tensors_has_no_signal() -> None:
    with pytest.raises(SpecError, match="no frames of a known signal"):
        signal_of({"input": {"frame_values": None}, "arena_bytes": 1})
    given = MOTION.model_dump(mode="json", exclude_none=True) | {"frame_values": 2, "window_frames": 40}
    assert signal_of({"input": given, "arena_bytes": 1}) == MOTION


def test_options_without_a_recording_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--rate", "5"], ["--loop"]):
        assert main(["twin", "linux", *options]) == UsageError.exit_code
        assert "there is no recording to replay" in capsys.readouterr().err


@pytest.mark.parametrize("board, sensor", [("microbit", "onboard-accelerometer"), ("pico", "analog")])
def test_a_firmware_that_reads_no_sensor_has_nothing_to_replay(board: str, sensor: str) -> None:
    spec = load_catalog()[board].spec
    check_reads(board, spec, OnboardSensor(kind="onboard", name=sensor))
    with pytest.raises(ToolError, match=f"{board}: its fleet binds no sensor that its firmware reads") as caught:
        check_reads(board, spec, StreamSensor(kind="stream", port="serial"))
    assert sensor in caught.value.hint
    check_reads("nano33ble", load_catalog()["nano33ble"].spec, StreamSensor(kind="stream", port="serial"))


def test_a_chips_model_takes_all_its_channels_in_its_own_unit() -> None:
    accelerometer = next(s for s in load_catalog()["microbit"].spec.sensors if s.name == "onboard-accelerometer")
    signal = {"sensor": "accelerometer", "channels": ["az", "ax"], "units": ["m/s2"] * 2, "full_scale": [19.6, 9.8]}
    contract = {"input": {**signal, "rate_hz": 25, "frame_values": 2}, "arena_bytes": 1}
    g = 9.80665
    given = np.array([[round(g / 19.6 * 32768), -16384]], "<i2")
    found = on_chip(Replay(given.tobytes(), 2), contract, accelerometer, "microbit")
    assert counts(found) == [[round(-4.9 / g * 2000), 0, 2000]]
    assert (found.rate_millihz, found.values) == (25_000, 3)
    with pytest.raises(SpecError, match="measures by its own clock"):
        on_chip(Replay(given.tobytes(), 2, 0), contract, accelerometer, "microbit")
    contract["input"]["rate_hz"] = 33
    with pytest.raises(SpecError, match="does not deliver this signal: it does not run at 33 Hz"):
        on_chip(Replay(given.tobytes(), 2), contract, accelerometer, "microbit")
