"""Golden inputs, the int8 check, metrics: no interpreter, no data files."""

import struct
import zlib

import numpy as np
import pytest

from tinyops.errors import SpecError
from tinyops.features import RawFeatures
from tinyops.graph import Graph, Operator, Quantisation, Tensor
from tinyops.images import SEEDS, Golden, find_self_test, golden_input
from tinyops.recordings import Recordings, Windows, judge
from tinyops.squeeze.golden import (
    VECTORS,
    golden_inputs,
    most_telling,
    pack_golden,
    pack_stream,
    self_tests,
    spread,
    stream_frames,
    stream_windows,
)
from tinyops.squeeze.int8_graph import Int8Interface, check_int8
from tinyops.squeeze.metrics import Measured, metrics, validation_facts
from tinyops.squeeze.reference import reference

INTERFACE = Int8Interface((3, 2), 0.5, -7, (2,), 1 / 256, -128)
SELF_TEST = np.array([9, 8, 7, 6, 5, 4], np.int8)


def windows(labels: list[int]) -> Windows:
    counts = np.zeros((len(labels), 1, 1), np.int16)
    return Windows(counts, np.arange(len(labels)), np.array(labels, np.int32))


def test_golden_inputs_are_real_windows_extremes_and_noise() -> None:
    real = np.arange(40 * 6, dtype=np.int64).reshape(40, 6).astype(np.int8)
    inputs = golden_inputs(INTERFACE, SELF_TEST, real, [0] * 30 + [1] * 10)
    assert inputs.shape == (VECTORS, 6) and inputs.dtype == np.int8
    assert (inputs[0] == SELF_TEST).all()
    assert all((row == real).all(axis=1).any() for row in inputs[1:11])
    assert [set(row.tolist()) for row in inputs[11:14]] == [{-128}, {127}, {-7}]
    assert len({row.tobytes() for row in inputs}) == VECTORS


def test_without_windows_noise_fills_up() -> None:
    inputs = golden_inputs(INTERFACE, SELF_TEST, np.empty((0, 6), np.int8), [])
    assert len(inputs) == VECTORS
    assert inputs[4].tolist() == [66, 119, 108, 114, 116, -9]  # pinned: golden vectors never change by themselves


def test_the_self_test_is_made_from_a_seed_and_tells_most() -> None:
    candidates = self_tests(INTERFACE)
    assert [row.tobytes() for row in candidates] == [golden_input(seed, 6) for seed in SEEDS]
    outputs = np.array([[-128, 127, -128], [1, 2, 3], [4, 5, 6]], np.int8)
    assert most_telling(outputs) == 1
    output = bytes([250, 3])
    assert find_self_test(candidates[4].tobytes(), output) == Golden(5, zlib.crc32(output))
    assert find_self_test(bytes(6), output) is None


def test_real_windows_take_classes_in_turn() -> None:
    labels = [0] * 100 + [1] * 3 + [2] * 50
    chosen = spread(labels, 10)
    assert [labels[i] for i in chosen] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert len(set(chosen)) == 10
    assert spread([4], 10) == [0]


def test_more_classes_than_vectors_still_fit() -> None:
    assert [i // 2 for i in spread([i // 2 for i in range(60)], 10)] == list(range(10))


def test_golden_bin_is_as_documented() -> None:
    data = pack_golden(np.array([[1, -2, 3]], np.int8), np.array([[-1, 4]], np.int8))
    assert data == b"TOG1" + struct.pack("<III3b2b", 1, 3, 2, 1, -2, 3, -1, 4)


def graph(dtypes: tuple[str, str, str]) -> Graph:
    quantisation = Quantisation((0.5,), (3,))
    tensors = tuple(
        Tensor(i, name, (1, 4), dtype, quantisation if dtype == "int8" else None)
        for i, (name, dtype) in enumerate(zip(("in", "mid", "out"), dtypes, strict=True))
    )
    operators = (Operator(0, "ELU", (0,), (1,)), Operator(1, "SOFTMAX", (1,), (2,)))
    return Graph("m.tflite", "sha256:0", tensors, operators, (0,), (2,))


def test_an_integer_graph_has_an_interface() -> None:
    found = check_int8(graph(("int8", "int8", "int8")), trained=True)
    assert found == Int8Interface((4,), 0.5, 3, (4,), 0.5, 3)
    assert found.input_bytes == 4


def test_a_float_island_is_named() -> None:
    with pytest.raises(SpecError, match="int8 has no form of ELU in layer mid, SOFTMAX in layer out") as trained:
        check_int8(graph(("int8", "float32", "int8")), trained=True)
    assert "in place of ELU" in trained.value.hint
    with pytest.raises(SpecError, match=r"is not quantised: operator 0 ELU \(mid is float32\)") as caught:
        check_int8(graph(("int8", "float32", "int8")), trained=False)
    assert "TFLITE_BUILTINS_INT8" in caught.value.hint


@pytest.mark.parametrize(
    ("dtypes", "what"), [(("int16", "int8", "int8"), "input"), (("int8", "int8", "uint8"), "output")]
)
def test_other_integers_at_the_ends_are_refused(dtypes: tuple[str, str, str], what: str) -> None:
    with pytest.raises(SpecError, match=f"its {what} is u?int"):
        check_int8(graph(dtypes), trained=False)


def test_metrics_say_what_int8_costs() -> None:
    test = windows([0, 1, 1, 1])
    float_outputs = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.6, 0.4]])
    int8_outputs = np.array([[100, -100], [-100, 100], [1, 0], [100, -100]], np.int8)
    measured = [Measured(judge(o, test, ["a", "b"]), o.argmax(axis=1)) for o in (float_outputs, int8_outputs)]
    facts = metrics(*measured, {"train": 1, "test": 4})
    assert (facts["accuracy_float"]["right"], facts["accuracy_int8"]["right"]) == (3, 2)
    assert (facts["int8_loss"], facts["int8_changed_windows"]) == (0.25, 1)
    assert facts["recordings"] == {"train": 1, "test": 4}
    assert facts["confusion"] == [[1, 0], [2, 1]]


def test_without_data_nothing_is_claimed() -> None:
    facts = metrics(None, None, None)
    assert {k for k, v in facts.items() if v is not None} == set()
    assert {"accuracy_int8", "accuracy_float", "int8_loss", "recall", "confusion"} <= set(facts)


def test_a_stream_is_the_start_of_a_test_recording_and_ends_with_a_window() -> None:
    counts = np.arange(2 * 25, dtype=np.int16).reshape(50, 1)
    recordings = Recordings(
        counts, np.array([0, 25, 50]), np.array([0, 1], np.int32), np.array([False, True]), ("a", "b")
    )
    frames = stream_frames(recordings, RawFeatures(1, 10, 4, (0,), (1.0,)))
    assert frames[:, 0].tolist() == list(range(25, 25 + 10 + 3 * 4))
    found = stream_windows(frames, 10, 4)
    assert [window[0, 0] for window in found] == [25, 29, 33, 37]
    assert found[-1][-1, 0] == frames[-1, 0]


def test_a_frame_of_a_stream_may_hold_several_samples() -> None:
    counts = np.arange(60, dtype=np.int16).reshape(30, 2)
    recordings = Recordings(counts, np.array([0, 30]), np.array([0], np.int32), np.array([True]), ("a",))
    frames = stream_frames(recordings, RawFeatures(2 * 4, 3, 2, (0, 0), (1.0, 1.0)))
    assert frames.tolist() == counts[: 4 * (3 + 2 * 2)].reshape(7, 8).tolist()


def test_a_stream_of_images_takes_one_frame_of_several() -> None:
    counts = np.arange(6, dtype=np.int16).reshape(6, 1)
    test = np.array([False, True, True, True, True, True])
    recordings = Recordings(counts, np.arange(7), np.zeros(6, np.int32), test, tuple("abcdef"))
    assert stream_frames(recordings, RawFeatures(1, 1, 1, (0,), (1.0,)))[:, 0].tolist() == [1, 2, 3, 4]


def test_a_stream_is_packed_little_endian() -> None:
    packed = pack_stream(np.array([[1, -2], [3, 4]], np.int16), np.array([[5, -6, 7]], np.int8))
    assert packed == b"TOS1" + struct.pack("<IIII", 2, 2, 1, 3) + struct.pack("<hhhh", 1, -2, 3, 4) + b"\x05\xfa\x07"


def test_the_reference_counts_what_the_model_saw() -> None:
    outputs = np.array([[127, -128], [-128, -1], [0, 0], [-102, -103]], np.int8)  # 255, 127, 128 and 26 of 256
    found = reference(np.array([0, 0, 1]), ("rest", "shake"), outputs, INTERFACE)
    assert found["classes"] == {"rest": 2, "shake": 1}
    assert found["confidence"] == [0, 1, 0, 0, 1, 1, 0, 0, 0, 1]
    assert found["confidence_mean"] == round((255 + 127 + 128 + 26) / 256 / 4, 6)


@pytest.mark.parametrize(("scale", "zero"), [(0.5, -128), (1 / 256, 0)])
def test_outputs_that_are_no_shares_have_no_confidence(scale: float, zero: int) -> None:
    interface = Int8Interface((3, 2), 0.5, -7, (2,), scale, zero)
    found = reference(np.array([1]), ("rest", "shake"), np.zeros((4, 2), np.int8), interface)
    assert (found["confidence"], found["confidence_mean"]) == ([], None)
    assert found["classes"] == {"rest": 0, "shake": 1}


def test_validation_has_no_recall_of_a_class_that_it_lacks() -> None:
    side, classes = windows([0, 1, 1]), ("a", "b", "c")
    exact = Measured.of(np.array([[9, 0, 0], [0, 9, 0], [0, 9, 0]]), side, classes)
    found = validation_facts(exact, Measured.of(np.array([[9, 0, 0], [0, 9, 0], [9, 0, 0]]), side, classes))
    assert found["int8_loss"] == pytest.approx(1 / 3, abs=1e-5) and found["accuracy_float"]["right"] == 3
    assert found["accuracy"]["right"] == 2 and found["accuracy"]["total"] == found["recordings"] == 3
    assert {name: recall["point"] for name, recall in found["recall"].items()} == {"a": 1.0, "b": 0.5}
