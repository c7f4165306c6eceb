"""A compiled model fed with frames: windows, hops, order of calls, and the same bytes as calibration saw."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from fakes.staged import staged
from fakes.tflite import Tflite, dense
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import HostModel, build_host
from tinyops.compiler.options import Signal
from tinyops.errors import SpecError
from tinyops.features import RawFeatures, TensorFeatures
from tinyops.features.code import front_of
from tinyops.features.host import extract_rows, quantise_rows
from tinyops.features.stages import Filter, LogMel, Spectrum
from tinyops.graph import parse_graph

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
OK, DUE, ERR_ARENA, ERR_STATE, ERR_UNSUPPORTED = 0, 1, -1, -2, -5
WINDOW, HOP = 3, 2
FEATURES = RawFeatures(2, WINDOW, HOP, (100, -50), (0.001, 0.0005))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    graph = parse_graph(dense(3, 2 * WINDOW).build([0], [3]), "test.tflite")
    folder = tmp_path_factory.mktemp("model")
    return HostModel(build_host(compile_model(graph, FEATURES, CompileOptions()).sources, folder))


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(-2000, 2000, (count, 2)).astype(np.int16)


def test_due_after_a_window_and_then_every_hop(model):
    model.init()
    due = [model.push(frame) for frame in frames(9)]
    assert due == [OK, OK, DUE, OK, DUE, OK, DUE, OK, DUE]


def test_prepare_before_a_window_is_complete(model):
    model.init()
    model.push(frames(1)[0])
    assert model.prepare() == ERR_STATE


def test_windows_are_the_newest_frames_in_time_order(model, tmp_path_factory):
    model.init()
    source = frames(12)
    wanted = quantise_rows(source, FEATURES, 0.5, 3, folder=tmp_path_factory.mktemp("features"))
    windows = 0
    for i, frame in enumerate(source):
        if model.push(frame) == DUE:
            assert model.prepare() == OK
            assert model.input() == wanted[i - WINDOW + 1 : i + 1].tobytes()
            model.invoke()
            windows += 1
    assert windows == 5


def test_inference_uses_the_window_up(model):
    model.init()
    for frame in frames(WINDOW):
        model.push(frame)
    before = [model.input() for _ in range(3) if model.prepare() == OK]
    assert len(before) == 3
    assert len(set(before)) == 1
    assert model.invoke() == OK
    assert model.prepare() == ERR_STATE


def test_init_forgets(model):
    for frame in frames(WINDOW):
        model.push(frame)
    model.init()
    assert model.prepare() == ERR_STATE


def test_arena_that_is_missing_or_not_aligned(model):
    library = model._library
    for arena in (None, model._arena + 4):
        for name in ("init", "prepare", "invoke"):
            assert getattr(library, f"tinyops_model_{name}")(arena) == ERR_ARENA
        assert library.tinyops_model_push(arena, None) == ERR_ARENA


def test_a_model_that_takes_tensors_only(tmp_path):
    graph = parse_graph(dense(3, 4).build([0], [3]), "test.tflite")
    found = HostModel(build_host(compile_model(graph, TensorFeatures(), CompileOptions()).sources, tmp_path))
    assert found.header.frame_values == 0
    assert found.push(frames(1)[0]) == ERR_UNSUPPORTED
    assert found.prepare() == ERR_UNSUPPORTED
    assert found.infer(np.zeros((1, 4), np.int8)).shape == (1, 3)


def test_every_header_names_its_fields_where_python_does(model):
    assert model.header.magic == 0x314D4F54
    assert model.header.abi == 1
    assert model.header.input_bytes == 6
    assert (model.header.init, model.header.image_bytes) == (0, 0)


def test_several_inputs_lie_side_by_side(tmp_path):
    tflite = Tflite()
    a, b = (tflite.tensor((1, 3), scale=1.0, name=n) for n in "ab")
    out = tflite.tensor((1, 3), scale=1.0)
    tflite.operator("ADD", [a, b], [out], table="AddOptions")
    graph = parse_graph(tflite.build([a, b], [out]), "test.tflite")
    compiled = compile_model(graph, TensorFeatures(), CompileOptions())
    assert compiled.header.input_bytes == 16 + 3
    vector = np.zeros((1, 19), np.int8)
    vector[0, :3], vector[0, 16:] = [1, 2, 3], [10, 20, 30]
    found = HostModel(build_host(compiled.sources, tmp_path)).infer(vector)
    assert found.view(np.int8).tolist() == [[11, 22, 33]]


def test_reshapes_between_edges_of_the_graph(tmp_path):
    """Two inputs and two outputs, one input reshaped into both an output and a sum: nothing shares bytes."""
    tflite = Tflite()
    a, b = (tflite.tensor((1, 4), scale=1.0, name=n) for n in "ab")
    first, second = tflite.tensor((2, 2), scale=1.0), tflite.tensor((4, 1), scale=1.0)
    total = tflite.tensor((1, 4), scale=1.0)
    shapes = [tflite.tensor((2,), "int32", data=shape) for shape in ((2, 2), (4, 1))]
    tflite.operator("RESHAPE", [b, shapes[0]], [first], table="ReshapeOptions", newShape=[2, 2])
    tflite.operator("RESHAPE", [b, shapes[1]], [second], table="ReshapeOptions", newShape=[4, 1])
    tflite.operator("ADD", [a, b], [total], table="AddOptions")
    graph = parse_graph(tflite.build([a, b], [total, first, second]), "test.tflite")
    compiled = compile_model(graph, TensorFeatures(), CompileOptions())
    vector = np.zeros((1, compiled.header.input_bytes), np.int8)
    vector[0, :4], vector[0, 16:20] = [1, 2, 3, 4], [10, 20, 30, 40]
    found = HostModel(build_host(compiled.sources, tmp_path)).infer(vector).view(np.int8)[0]
    assert found[:4].tolist() == [11, 22, 33, 44]
    assert found[16:20].tolist() == found[32:36].tolist() == [10, 20, 30, 40]


SINGLE = RawFeatures(6, 1, 2, (100, -50), (0.001, 0.0005))


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """A window of one frame, looked at every second frame."""
    graph = parse_graph(dense(3, 6).build([0], [3]), "test.tflite")
    compiled = compile_model(graph, SINGLE, CompileOptions())
    return HostModel(build_host(compiled.sources, tmp_path_factory.mktemp("single")))


def test_a_window_of_one_frame_is_its_own_ring(single, tmp_path_factory):
    source = np.random.default_rng(1).integers(-2000, 2000, (5, 6)).astype(np.int16)
    folder = tmp_path_factory.mktemp("features")
    wanted = [quantise_rows(frame.reshape(1, 6), SINGLE, 0.5, 3, folder=folder).tobytes() for frame in source]
    single.init()
    assert single.prepare() == ERR_STATE
    seen = []
    for frame in source:
        if single.push(frame) == DUE:
            assert single.prepare() == OK == single.prepare()
            seen.append(single.input())
            assert single.invoke() == OK
    assert seen == [wanted[0], wanted[2], wanted[4]]


def test_a_single_frame_is_gone_after_inference(single):
    single.init()
    assert single.push(np.zeros(6, np.int16)) == DUE
    assert single.prepare() == single.invoke() == OK
    assert single.prepare() == ERR_STATE
    assert single.push(np.zeros(6, np.int16)) == OK, "every second frame is looked at"
    assert single.push(np.zeros(6, np.int16)) == DUE
    assert single.prepare() == OK


APART = RawFeatures(2, 24, 24, (100, -50), (0.001, 0.0005))
TOGETHER = RawFeatures(2, 24, 10, (100, -50), (0.001, 0.0005))


def wide(features):
    """Two layers, of which the second is wider than the window: where it may, it writes over that."""
    tflite = dense(8, 48)
    weights = tflite.tensor((53, 8), scale=0.25, data=np.arange(424).reshape(53, 8) % 11 - 5)
    bias = tflite.tensor((53,), "int32", scale=0.25, data=np.arange(53) * 7)
    output = tflite.tensor((1, 53), scale=1.0, zero_point=-4)
    options = {"table": "FullyConnectedOptions", "fusedActivationFunction": 0}
    tflite.operator("FULLY_CONNECTED", [3, weights, bias], [output], **options)
    return compile_model(parse_graph(tflite.build([0], [output]), "test.tflite"), features, CompileOptions())


def windows_of(model, source, late=0):
    """(its last frame, the window) of each, looked at `late` frames after it was due."""
    model.init()
    due, found = -1, []
    for i, frame in enumerate(source):
        due = i + late if model.push(frame) == DUE else due
        if i == due:
            assert model.prepare() == OK == model.prepare()
            found.append((i, model.input()))
            assert model.invoke() == OK
            assert model.prepare() == ERR_STATE, "the model has written over it"
    return found


@pytest.mark.parametrize(
    ("features", "late", "ends"),
    [
        (TOGETHER, 0, [23, 33, 43, 53, 63]),
        (TOGETHER, 5, [28, 43, 58]),
        (APART, 0, [23, 47, 71]),
        (APART, 5, [28, 57]),
    ],
)
def test_no_window_has_rows_that_the_model_wrote_over(features, late, ends, tmp_path):
    """However late one is looked at: the next is due when the rows that are gone have come anew."""
    source = np.random.default_rng(5).integers(-2000, 2000, (72, 2)).astype(np.int16)
    rows = quantise_rows(source, features, 0.5, 3, folder=tmp_path)
    model = HostModel(build_host(wide(features).sources, tmp_path / "model"))
    assert windows_of(model, source, late) == [(end, rows[end - 23 : end + 1].tobytes()) for end in ends]


def test_the_model_writes_over_rows_that_are_not_in_the_next_window():
    """Of 48 bytes of window all are used up, or the first 20; the second layer gives 53."""
    arena = wide(APART).arena
    assert arena.bytes == 64 + 16 + 16, "the window under the second layer's output; the first layer's; state"
    arena = wide(TOGETHER).arena
    assert arena.bytes == 48 + 48 + 16 + 16, "the window, 53 - 20 bytes beside it, the first layer's, state"
    assert 0 < arena.outputs.offset + arena.outputs.bytes - arena.inputs.offset <= 20


def staged_model(folder, features):
    graph = parse_graph(dense(3, features.window_values).build([0], [3]), "test.tflite")
    return HostModel(build_host(compile_model(graph, features, CompileOptions()).sources, folder))


@pytest.mark.parametrize("samples", [1, 16, 24])
def test_rows_of_a_compiled_model_are_those_that_training_sees(samples, tmp_path):
    """Whatever the size of a frame: windows of 6 rows of 32 samples that overlap by half, every second row."""
    stages = (Filter("high", 1, (4.0,)), Spectrum(32, 16, 32, high_hz=50.0))
    window, hop = (112 + 32) // samples, 96 // samples  # 144: 32 samples more than 6 rows look at
    features = staged(*stages, rate_hz=100.0, channels=2, frame_samples=samples, frames=(window, hop))
    assert (features.rows, features.hop_rows) == (8, 6)
    model = staged_model(tmp_path / "model", features)
    source = np.random.default_rng(3).integers(-9000, 9000, (480, 2)).astype(np.int16)
    rows = quantise_rows(extract_rows(source, features, folder=tmp_path), features, 0.5, 3, folder=tmp_path)
    for attempt in range(2):  # after init all is as at the beginning
        model.init()
        windows = 0
        for end in range(samples, 480 + 1, samples):
            if model.push(source[end - samples : end]) == DUE:
                first = windows * features.hop_rows
                assert model.prepare() == OK
                assert model.input() == rows[first : first + 8].tobytes(), attempt
                assert model.invoke() == OK
                windows += 1
        assert windows == 4


def test_scratch_of_features_takes_no_room_of_its_own_beside_activations(tmp_path):
    """Only state and window outlive a push: what the FFT needs lies where the model runs."""
    features = staged(LogMel(480, 320, 512), frame_samples=320, frames=(50, 25))
    graph = parse_graph(dense(3, features.window_values).build([0], [3]), "test.tflite")
    arena = compile_model(graph, features, CompileOptions()).arena
    front = front_of(features)
    assert (arena.state.bytes, arena.inputs.bytes) == (16 + front.state_bytes, 49 * 40)
    assert arena.push_scratch.bytes == front.scratch_bytes == 2136
    assert arena.bytes < arena.state.bytes + 49 * 40 + 16 + front.scratch_bytes + 16
    scratch = arena.push_scratch
    for kept in (arena.state, arena.inputs):
        assert scratch.offset >= kept.offset + kept.bytes or scratch.offset + scratch.bytes <= kept.offset


def test_a_frame_of_several_samples_needs_a_stream():
    signal = Signal("camera", ("grey",), ("1",), (255.0,), size=(2, 2))
    features = RawFeatures(8, 1, 1, (0,), (1.0,))
    graph = parse_graph(dense(3, 8).build([0], [3]), "test.tflite")
    with pytest.raises(SpecError, match="the signal has 4 values in a frame, the features 8"):
        compile_model(graph, features, CompileOptions(signal=signal))
