"""`tinyops bench` on every model there is: bit-exact with tflite-micro, or refused by a sentence that names why."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from fakes.moving_network import moving_network
from fakes.state_models import wake_word
from fakes.tflite import dense
from tinyops.boards.loader import load_catalog
from tinyops.build import bench as bench_module
from tinyops.build.bench import Bench, bench
from tinyops.cli import main
from tinyops.errors import SpecError
from tinyops.link import Hello
from tinyops.twin import prove
from tinyops.twin.machine import VirtualBoard

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
FOUND = sorted((SHARED / "models").glob("*/*.tflite"))
# What a refusal names: an operator or a tensor, or what the model as a whole is.
NAMED = re.compile(r"(operator|tensor) \d+ |custom operator '|float-only|hybrid|subgraphs")
MUST_RUN = {
    *("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8", "str_ww_ref_model"),
    *("pretrainedResnet_large_int8", "model_ToyCar_quant_fullint_floatio", "hello_world_int8"),
    *("micro_speech_quantized", "person_detect", "simple_add_model", "mcunet_vww", "mcunetv2_large"),
    *("keyword_scrambled", "mnist_lstm_int8", "dtln_noise_suppression"),
    *("ptq_mnist_lenet-300-100", "mcunet_vww", "mcunetv2_large"),
}
# All others, and by what they are refused.
REFUSED = {
    **dict.fromkeys(("ad01_fp32", "pretrainedResnet", "vww_96_float", "hello_world_float", "magic_wand"), "float-only"),
    **dict.fromkeys(("kws_ref_model_float32", "model_ToyCar_quant_dynamic"), "is a hybrid"),
    **dict.fromkeys(("audio_preprocessor_float", "audio_preprocessor_int8"), "custom operator 'SignalWindow'"),
    "mnist_lstm_float": "float-only",
    "testconv1-edgetpu": "custom operator 'edgetpu-custom-op'",
}


def measured(model: Path, board: str, inputs: Path | None = None) -> Bench:
    catalog = load_catalog()
    return bench(model, catalog[board], catalog, prefer="balanced", inputs=inputs, report=lambda _: None)


@pytest.mark.skipif(not FOUND, reason="no models in the shared data (TINYOPS_SHARED_DATA)")
def test_there_are_models() -> None:
    assert {path.stem for path in FOUND} == MUST_RUN | REFUSED.keys()


@pytest.mark.parametrize("model", FOUND, ids=lambda path: path.stem)
def test_a_model_is_bit_exact_or_refused_by_name(model: Path) -> None:
    try:
        result = measured(model, "linux")
    except SpecError as error:
        assert model.stem not in MUST_RUN, error
        assert error.message.startswith(f"{model.name}: ")
        assert NAMED.search(error.message), error.message
        assert REFUSED[model.stem] in error.message
        return
    assert model.stem not in REFUSED
    assert result.bit_exact, result.differences
    assert result.vectors == 16
    assert result.ram.total == result.ram.arena + result.ram.stack
    assert result.flash.total > result.flash.weights


@pytest.mark.parametrize("board", ["nano33ble", "microbit"])
def test_several_inputs_and_outputs_on_a_microcontroller(board: str, tmp_path: Path) -> None:
    """Operators that move values, on cores that read words at any address and on those that must not."""
    path = tmp_path / "moving.tflite"
    path.write_bytes(moving_network())
    result = measured(path, board)
    assert result.bit_exact, result.differences
    assert result.vectors == 16


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(dense(8, 16).build([0], [3]))
    return path


def test_a_model_with_state_starts_from_a_cleared_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the twin has run an inference before."""
    greet = prove.greet

    def after_an_inference(virtual: VirtualBoard, expected: prove.Expected) -> Hello:
        hello = greet(virtual, expected)
        virtual.link.write_input(b"\x55" * hello.input_bytes)
        virtual.link.invoke(timeout_s=60)
        return hello

    monkeypatch.setattr(prove, "greet", after_an_inference)
    path = tmp_path / "wake.tflite"
    path.write_bytes(wake_word())
    assert measured(path, "linux").differences == ()


@pytest.mark.parametrize("board", ["nano33ble", "microbit"])
def test_a_microcontroller_is_measured(
    small: Path, board: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.random.default_rng(3).integers(-128, 128, (5, 16)).astype(np.int8)
    np.save(tmp_path / "x.npy", rows)
    assert main(["bench", str(small), "--board", board, "--inputs", str(tmp_path / "x.npy"), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["bit_exact"] is True
    assert value["vectors"] == 5
    assert value["macs"] == 8 * 16
    assert value["flash_bytes"]["total"] == value["flash_bytes"]["code"] + value["flash_bytes"]["weights"]
    assert value["flash_bytes"]["weights"] >= 8 * 16 + 8 * 4
    assert value["ram_bytes"]["static"] == 0
    assert 0 < value["ram_bytes"]["stack"] < 2048
    assert 8 * 16 / 2 < value["instructions"] < 100 * 8 * 16
    assert value["instructions_resolution"] > 0


def test_instructions_of_operators_add_up_to_those_of_the_model(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = next((path for path in FOUND if path.stem == "ad01_int8"), small)
    assert main(["bench", str(model), "--board", "nano33ble", "--per-operator", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    counted = [layer["instructions"] for layer in value["operators"]]
    assert all(count > 0 for count in counted)
    assert sum(counted) == pytest.approx(value["instructions"], rel=0.05, abs=500)


def test_two_runs_measure_the_same(small: Path) -> None:
    assert measured(small, "nano33ble") == measured(small, "nano33ble")


def test_a_wrong_output_is_a_result_with_its_own_status(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def off_by_one(*arguments: object) -> tuple[np.ndarray, ...]:
        (found,) = reference(*arguments)  # type: ignore[arg-type]
        found[4, 2] ^= 1
        return (found,)

    reference = bench_module.reference_outputs
    monkeypatch.setattr(bench_module, "reference_outputs", off_by_one)
    assert main(["bench", str(small), "--board", "linux"]) == 70
    said = capsys.readouterr().out
    assert "bit_exact     false: 1 outputs differ" in said
    assert "vector 4: 1 of 8 bytes of output 'output' differ" in said


def test_an_image_too_large_names_bytes_and_boards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.tflite").write_bytes(dense(400, 800).build([0], [3]))
    assert main(["bench", str(tmp_path / "m.tflite"), "--board", "microbit"]) == 66
    said = capsys.readouterr().err
    assert re.search(r"has 16\d,\d{3} bytes, a model slot of microbit has 85,763: short by", said)
    held = said.split("boards that would hold it: ")[1].splitlines()[0].split(", ")
    assert {"linux", "nano33ble"} <= set(held) and not {"microbit", "uno-r4"} & set(held)


def test_a_missing_emulator_is_a_tool_error(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tinyops import toolchain
    from tinyops.process import find_tool

    def without(name: str, *, hint: str = "") -> Path:
        return find_tool("no-such-qemu" if name.startswith("qemu") else name, hint=hint)

    toolchain.installed.cache_clear()
    monkeypatch.setattr(toolchain, "find_tool", without)
    try:
        assert main(["bench", str(small), "--board", "nano33ble"]) == 70
    finally:
        toolchain.installed.cache_clear()
    assert "not on PATH" in capsys.readouterr().err
