"""A board that samples its own sensor gives the results of the stream, unasked, and yields to a host that feeds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_twin_boards import stream_file

from fakes.firmware_edits import Edit, as_rendered, replacing
from fakes.reversing import board_spec, build_firmware, compile_image, contract_of
from tinyops import twin
from tinyops.errors import SpecError, ToolError
from tinyops.twin.golden import Stream, read_stream
from tinyops.twin.prove import play

pytestmark = pytest.mark.build

RATE_HZ = 100
# Frame n is (n, -n), as in the golden stream; due n/rate seconds after its start. At another rate it fails.
SYNTHETIC = """
typedef struct { tinyops_port *port; uint32_t started_ms, rate_millihz, taken; } synthetic_sensor;
static synthetic_sensor synthetic;
static int32_t start_synthetic(void *context, uint32_t rate_millihz) {
  synthetic.port = context;
  synthetic.started_ms = synthetic.port->now_ms(context);
  synthetic.rate_millihz = rate_millihz;
  return rate_millihz == 100000u ? 0 : -9;
}
static int32_t poll_synthetic(void *context, int16_t *values, uint32_t count) {
  const uint32_t ms = synthetic.port->now_ms(context) - synthetic.started_ms;
  if (count != 2) {
    return -9;
  }
  if (synthetic.taken >= ms * (synthetic.rate_millihz / 1000u) / 1000u) {
    return 0;
  }
  values[0] = (int16_t)synthetic.taken;
  values[1] = (int16_t)-values[0];
  synthetic.taken++;
  return 1;
}
static uint32_t miss_nothing(void *context) { (void)context; return 7; }
static const tinyops_port_sensor sensor = {start_synthetic, poll_synthetic, miss_nothing};

int main(void) {
"""
OPENED = "  tinyops_port_open(&port);\n"


with_sensor = replacing({"src/main.c": ("int main(void) {\n", SYNTHETIC)})
opening_it = replacing({"src/main.c": (OPENED, OPENED + "  port.sensor = &sensor;\n")})


def both(given: dict[str, bytes]) -> dict[str, bytes]:
    return opening_it(with_sensor(given))


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Path]]:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))

    def make(name: str, rate_hz: float, edit: Edit = both) -> dict[str, Path]:
        contract = contract_of(name)
        contract["input"]["rate_hz"] = rate_hz
        (tmp_path / "contract.json").write_text(json.dumps(contract))
        files = {"contract.json": tmp_path / "contract.json"} | compile_image(name, tmp_path, contract)
        if board_spec(name).model_form == "image":
            files |= build_firmware(name, tmp_path, contract, edit=edit)
        return files

    return make


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    yield read_stream(stream_file(tmp_path / "stream.bin"))


def recorded(stream: Stream, rate_millihz: int | None) -> twin.Replay:
    counts = b"".join(value.to_bytes(2, "little", signed=True) for frame in stream.frames for value in frame)
    return twin.Replay(counts, 2, rate_millihz)


@pytest.mark.parametrize("name", ["microbit", "nano33ble", "pico"])
def test_a_sensor_on_the_board_gives_the_results_of_the_stream(
    name: str, built: Callable[..., dict[str, Path]], stream: Stream
) -> None:
    with twin.open_twin(name, board_spec(name), built(name, RATE_HZ)) as board:
        results = [board.link.next_result(20.0) for _ in stream.results]
        assert [result.values for result in results] == list(stream.results)
        assert [result.index for result in results] == list(range(len(stream.results)))
        # The host takes the model over: the sensor, which never ends, comes no more between its frames.
        play(board, stream)
        assert board.link.stats().inferences >= 2 * len(stream.results)


def test_a_sensor_that_cannot_start_leaves_the_board_to_its_host(
    built: Callable[..., dict[str, Path]], stream: Stream
) -> None:
    with twin.open_twin("microbit", board_spec("microbit"), built("microbit", 99)) as board:
        play(board, stream)
        assert board.link.stats().inferences == len(stream.results)


@pytest.mark.parametrize("name", ["linux", "nano33ble", "esp32c3"])
def test_a_replayed_recording_gives_the_results_of_the_stream(
    name: str, built: Callable[..., dict[str, Path]], stream: Stream
) -> None:
    """As fast as the board takes it, at a rate of its own, at the one that the firmware asks for."""
    files, spec = built(name, RATE_HZ, edit=as_rendered), board_spec(name)
    for rate_millihz in (0, 200_000, None):
        with twin.open_twin(name, spec, files, replay=recorded(stream, rate_millihz)) as board:
            assert [board.link.next_result(20.0).values for _ in stream.results] == list(stream.results)
            play(board, stream)


def test_what_cannot_be_replayed_is_said(stream: Stream, tmp_path: Path) -> None:
    with (
        pytest.raises(ToolError, match="mega2560: its twin has no sensor"),
        twin.open_twin("mega2560", board_spec("mega2560"), {}, replay=recorded(stream, None)),
    ):
        pass
    (tmp_path / "contract.json").write_text(json.dumps(contract_of("nano33ble")))
    files = {"contract.json": tmp_path / "contract.json"}
    with (
        pytest.raises(SpecError, match="nano33ble: samples of 3 values make no frame of the model's 2"),
        twin.open_twin("nano33ble", board_spec("nano33ble"), files, replay=twin.Replay(bytes(6), 3)),
    ):
        pass
