"""Collectors built and booted in the boards' twins: they say whose they are, and send what a replayed sensor gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes.collectors import IMU, Recorder, request_for
from tinyops.artifacts import Progress
from tinyops.build.collector import CONTRACT, Made, flash_file, make_collector
from tinyops.firmware.forms.form import Request
from tinyops.link import Status, Type
from tinyops.link.client import Link
from tinyops.link.protocol import REPLIES
from tinyops.twin import Replay, open_twin

pytestmark = pytest.mark.build

SIGNAL = IMU.model_copy(update={"rate_hz": 400.0})  # no board's own sensor: its port's, which the twin lends
SAMPLES = 400
HELLO = [field.name for field in REPLIES[Type.HELLO].fields]


def quiet(_: Progress) -> None:
    pass


def make(request: Request, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("TINYOPS_CACHE", str(folder / "cache"))
    return make_collector(request, folder / "out", build=True, report=quiet)


def files_of(made: Made) -> dict[str, Path]:
    return {path.name: path for path in made.files} | {"contract.json": made.folder / CONTRACT}


def recorder(link: object) -> Recorder:
    assert isinstance(link, Link)
    stream = link.stream
    return Recorder(lambda: stream.read(20), lambda data: stream.write(data, 20))


def check_hello(told: Recorder, request: Request) -> None:
    hello = dict(zip(HELLO, told.ask(Type.HELLO), strict=True))
    contract = hello["contract"]
    assert isinstance(contract, bytes) and f"sha256:{contract.hex()}" == request.contract_digest
    assert (hello["frame_values"], hello["state"], hello["image_bytes"]) == (6, Status.ABSENT, 0)


@pytest.mark.parametrize(("board", "flashed"), [("microbit", "firmware.hex"), ("pico", "firmware.uf2")])
def test_a_board_without_a_sensor_says_so(
    board: str, flashed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An AVR, flashed: tests/build/test_flashing_boards.py."""
    request = request_for(board, SIGNAL)
    made = make(request, tmp_path, monkeypatch)
    assert flash_file(request, made) == made.folder / flashed
    assert made.facts is not None and made.facts["contract"] == request.contract_digest
    with open_twin(board, request.spec, files_of(made)) as virtual:
        told = recorder(virtual.link)
        check_hello(told, request)
        assert told.ask(Type.COLLECT_START, 1, 0) == (Status.NO_SENSOR,)
        assert told.ask(Type.COLLECT_STOP) == (0, 0) and told.ask(Type.INVOKE) == (Status.TYPE,)
        assert int(told.ask(Type.STATS)[0]) > 0


def test_what_an_emulated_nano_sends_is_what_its_sensor_replays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for("nano33ble", SIGNAL)
    made = make(request, tmp_path, monkeypatch)
    counts = np.random.default_rng(5).integers(-32768, 32768, (SAMPLES, 6), np.int16)
    replay = Replay(counts.astype("<i2").tobytes(), 6)
    with open_twin("nano33ble", request.spec, files_of(made), replay=replay) as virtual:
        told = recorder(virtual.link)
        check_hello(told, request)
        assert told.ask(Type.COLLECT_START, 7, 0) == (400_000, 6)
        told.until(SAMPLES, 6, 7)
        assert told.ask(Type.COLLECT_STOP) == (SAMPLES, 0)
        assert told.ask(Type.COLLECT_START, 8, 800_000) == (800_000, 6), "a retake, at another rate"
        told.until(SAMPLES, 6, 8)
        assert told.ask(Type.COLLECT_STOP) == (SAMPLES, 0)
    assert {take for take, *_ in told.samples} == {7, 8}
    for take in (7, 8):
        data = b"".join(values for number, _, _, values in told.samples if number == take)
        assert data == replay.counts
