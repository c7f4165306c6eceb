"""From graph to C: refusals, contracts, generated text."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from fakes.compiled import compile_bytes
from fakes.tflite import DTYPES, Tflite, dense
from tinyops.artifacts import Step
from tinyops.compiler import CompileOptions, Signal, compile_model, run
from tinyops.compiler.header import HEADER_BYTES, ModelHeader
from tinyops.compiler.ops.weighted import channel_factors
from tinyops.compiler.supported import supported_operators
from tinyops.compiler.view import OperatorView
from tinyops.errors import DoesNotFit, SpecError
from tinyops.features import RawFeatures, TensorFeatures
from tinyops.files import canonical_json, digest_bytes
from tinyops.graph import parse_graph

RAW = RawFeatures(2, 2, 1, (0, 0), (0.001, 0.001))
SIGNAL = Signal("imu", ("ax", "ay"), ("g", "g"), (2.0, 2.0), rate_hz=10.0)


def built(change=None) -> bytes:
    model = dense()
    if change:
        change(model)
    return model.build([0], [3])


def view_of(model: Tflite) -> OperatorView:
    graph = parse_graph(model.build([0], [3]), "m")
    return OperatorView(graph, graph.operators[0])


def refused(change, match: str) -> SpecError:
    with pytest.raises(SpecError, match=match) as error:
        compile_bytes(built(change))
    return error.value


def _field(index, name, value):
    return lambda m: setattr(m.graph.tensors[index], name, value)


def test_limits_name_operator_limit_and_what_is_there():
    error = refused(
        lambda m: setattr(m.graph.operators[0].builtinOptions, "fusedActivationFunction", 4), "fused activation"
    )
    assert "operator 0 FULLY_CONNECTED 'output'" in error.message
    assert error.message.endswith("is one of NONE, RELU, RELU6, RELU_N1_TO_1; here: TANH")


def test_limits_of_weights():
    refused(lambda m: setattr(m.graph.tensors[1].quantization, "zeroPoint", [3]), "weights have zero point 0")
    refused(_field(1, "buffer", 0), "before it is made")
    refused(lambda m: setattr(m.graph.operators[0].builtinOptions, "weightsFormat", 1), "default order")
    refused(_field(3, "shape", [1, 4]), "agree; here: input")
    refused(_field(3, "quantization", None), "is not quantised")


def test_accumulators_that_could_overflow():
    def change(model):
        model.model.buffers[2].data = np.frombuffer(np.full(3, 2**31 - 1, np.int32).tobytes(), np.uint8)

    refused(change, "within 32 bits for every input; here: up to 2,147,")


def test_scales_that_differ_absurdly():
    refused(lambda m: setattr(m.graph.tensors[3].quantization, "scale", [1e-30]), "factor below 2\\^30")


def test_dense_layers_multiply_scales_in_float32_and_others_do_not():
    model = dense()
    scales = [np.float32(0.1), np.float32(0.3)]
    for tensor, scale in zip((0, 1), scales, strict=True):
        model.graph.tensors[tensor].quantization.scale = np.array([scale])
    view = view_of(model)
    assert channel_factors(view) == (float(scales[0] * scales[1]),)
    model.graph.tensors[1].quantization.scale = np.full(3, scales[1])
    model.graph.tensors[1].quantization.zeroPoint = np.zeros(3, np.int64)
    view = view_of(model)
    assert channel_factors(view) == (float(scales[0]) * float(scales[1]),) * 3
    assert float(scales[0] * scales[1]) != float(scales[0]) * float(scales[1])


def test_all_problems_at_once():
    model = Tflite()
    tensors = [model.tensor((1, 4), scale=1.0) for _ in range(3)]
    model.operator("TANH", [0], [1])
    model.operator("FLOOR", [1], [2])
    with pytest.raises(SpecError) as error:
        compile_bytes(model.build([tensors[0]], [tensors[2]]))
    assert "operator 0 TANH" in error.value.message
    assert "operator 1 FLOOR" in error.value.message
    assert "supported are ABS, ADD, " in error.value.hint


def test_models_of_other_widths_are_refused_as_a_whole():
    def uint8_weights(model):
        model.graph.tensors[1].type = DTYPES["uint8"]
        model.graph.tensors[1].quantization.zeroPoint = [128]

    def int16_activations(model):
        model.graph.tensors[0].type = DTYPES["int16"]
        model.graph.tensors[0].quantization.zeroPoint = [0]

    error = refused(uint8_weights, "operator 0 FULLY_CONNECTED has uint8 weights, as converters of TensorFlow 1 wrote")
    assert "convert the original model again, with TFLITE_BUILTINS_INT8" in error.hint
    error = refused(int16_activations, "the output is int16 with one scale and zero point 0; here: .* is int8")
    assert "ACTIVATIONS_INT16_WEIGHTS_INT8" in error.hint


def test_an_operator_without_a_kernel_of_int16_activations_is_named():
    model = Tflite()
    source, output = (model.tensor((1, 4), "int16", scale=0.001) for _ in range(2))
    model.operator("LEAKY_RELU", [source], [output], table="LeakyReluOptions", alpha=0.1)
    with pytest.raises(SpecError, match=r"operator 0 LEAKY_RELU .* is int16 .* it has no kernel of int16") as error:
        compile_bytes(model.build([source], [output]))
    assert "quantise with int8 activations" in error.value.hint


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"bias": "int32"}, "the bias is an int64 constant"),
        ({"zero": 3}, "the input is int16 with one scale and zero point 0"),
        ({"most": 2**48}, "sums stay below 2\\^47"),
        ({"scale": 2.0**-13}, "scaled sums within 32 bits"),
    ],
)
def test_limits_of_int16_activations(change, match):
    model = Tflite()
    source = model.tensor((1, 4), "int16", scale=0.5, zero_point=change.get("zero", 0))
    weights = model.tensor((3, 4), scale=0.25, data=np.full((3, 4), 100))
    bias = model.tensor((3,), change.get("bias", "int64"), scale=0.125, data=[change.get("most", 7), 1, 2])
    output = model.tensor((1, 3), "int16", scale=change.get("scale", 2.0))
    model.operator("FULLY_CONNECTED", [source, weights, bias], [output], table="FullyConnectedOptions")
    with pytest.raises(SpecError, match=match):
        compile_bytes(model.build([source], [output]))


def test_float_only_and_hybrid_models():
    model = Tflite()
    source, output = model.tensor((1, 4), "float32"), model.tensor((1, 4), "float32")
    model.operator("ADD", [source, source], [output], table="AddOptions")
    with pytest.raises(SpecError, match="float-only"):
        compile_bytes(model.build([source], [output]))
    weights = model.tensor((1, 4), scale=1.0, data=[[1, 2, 3, 4]])
    model.operator("ADD", [source, weights], [model.tensor((1, 4), "float32")], table="AddOptions")
    with pytest.raises(SpecError, match="hybrid"):
        compile_bytes(model.build([source], [output]))


def test_names_from_a_file_cannot_leave_their_comment():
    model = dense()
    model.graph.tensors[0].name = '*/ int evil(void); /* \\\n#error "x" ??/'
    model.graph.tensors[3].name = "/*/ */ // \u202e"
    for text in compile_bytes(model.build([0], [3])).sources.values():
        stripped = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        assert "evil" not in stripped
        assert "#error" not in text
        assert text.isascii()


def test_the_same_model_gives_the_same_text():
    first, second = compile_bytes(built()), compile_bytes(built())
    assert first.sources == second.sources
    assert first.header == second.header


def test_generated_code_says_where_it_comes_from():
    sources = compile_bytes(built()).sources
    assert "/* Operator 0, FULLY_CONNECTED: (1, 4) with (3, 4), (3,) -> (1, 3), output */" in sources["model.c"]
    graph = parse_graph(built(), "test.tflite")
    for name in ("model.h", "model.c", "weights.h", "weights.c"):
        assert graph.digest in sources[name].splitlines()[1]
    assert {"kernels/fully_connected.c", "include/tinyops/model.h"} <= set(sources)
    assert not [name for name in sources if "conv" in name]


def test_contract_changes_with_the_task_and_not_with_the_weights():
    def contract(model: bytes, **options):
        graph = parse_graph(model, "m")
        return compile_model(graph, RAW, CompileOptions(**options)).contract

    model = dense(3, 4)
    options = {"signal": SIGNAL, "classes": ("a", "b", "c"), "arena_bytes": 4096}
    first = contract(model.build([0], [3]), **options)
    model.model.buffers[1].data = np.zeros(12, np.uint8)
    assert contract(model.build([0], [3]), **options) == first
    assert first["input"]["frame_values"] == 2
    assert first["output"] == {"classes": ["a", "b", "c"], "type": "int8", "bytes": 3}
    assert first["arena_bytes"] == 4096
    assert contract(model.build([0], [3]), **{**options, "classes": ("a", "b", "z")}) != first


def test_contract_of_a_tensor_model_without_classes():
    contract = compile_bytes(built()).contract
    assert contract["output"] == {"classes": None, "type": "int8", "bytes": 3}
    assert contract["input"]["frame_values"] == 0
    assert contract["input"]["tensors"] == [{"shape": [1, 4], "type": "int8"}]


def test_what_does_not_agree_with_the_model():
    graph = parse_graph(built(), "m")
    with pytest.raises(SpecError, match="3 values, there are 2 classes"):
        compile_model(graph, TensorFeatures(), CompileOptions(classes=("a", "b")))
    with pytest.raises(SpecError, match=r"input has 4 values .*deliver 3 rows of 2"):
        compile_model(graph, RawFeatures(2, 3, 1, (0,), (1.0,)), CompileOptions())
    with pytest.raises(SpecError, match="signal has 2 values in a frame, the features 1"):
        compile_model(graph, RawFeatures(1, 4, 1, (0,), (1.0,)), CompileOptions(signal=SIGNAL))


def test_an_arena_larger_than_the_boards():
    with pytest.raises(DoesNotFit, match="arena needs 32 bytes, tiny has 16: short by 16"):
        compile_bytes(built(), arena_bytes=16, board="tiny")
    assert compile_bytes(built(), arena_bytes=32).arena.bytes == 32


def test_header_fields():
    header = compile_bytes(built(), RAW).header
    assert header.input_bytes == 4
    assert header.output_bytes == 3
    assert (header.frame_values, header.window_frames, header.hop_frames) == (2, 2, 1)
    assert ModelHeader.unpack(header.pack()) == header
    assert len(header.pack()) == HEADER_BYTES == 92
    for data in (b"", header.pack()[:-1], b"X" + header.pack()[1:]):
        with pytest.raises(ValueError, match=r"short|image"):
            ModelHeader.unpack(data)
    with pytest.raises(ValueError, match="image of 0 bytes"):
        ModelHeader.parse(header.pack())


def test_step_writes_a_library_and_its_description(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "m").write_bytes(built())
    (tmp_path / "f").write_bytes(canonical_json(RAW.to_json()))
    settings = {"cpu": "x86-64", "board": "b", "arena_bytes": 1024, "classes": ["x", "y", "z"], "signal": None}
    inputs = {"int8.tflite": tmp_path / "m", "features.json": tmp_path / "f"}
    facts = run(Step("compile", "s", settings), inputs, tmp_path / "out", lambda p: None)
    described = json.loads((tmp_path / "out" / "compile.json").read_text())
    contract = json.loads((tmp_path / "out" / "contract.json").read_text())
    assert facts["contract"] == digest_bytes(canonical_json(contract))
    assert facts["operators"] == 1
    assert facts["macs"] == 12
    assert facts["weights_bytes"] == 12 + 3 * 4 + 4 + 1
    assert described["arena"]["bytes"] == facts["arena_bytes"]
    assert described["layers"][0]["operator"] == "FULLY_CONNECTED"
    assert (tmp_path / "out" / "features" / "window.c").exists()
    assert str(tmp_path) not in "".join(p.read_text() for p in (tmp_path / "out").rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({}, "settings are not usable"),
        ({"cpu": "z80", "board": "b"}, "cpu 'z80' is unknown"),
        ({"cpu": "x86-64", "board": "b", "prefer": "beauty"}, "prefer 'beauty' is unknown"),
        ({"cpu": "x86-64", "board": "b", "signal": {"sensor": "imu"}}, "settings are not usable"),
        ({"cpu": "x86-64", "board": "b", "arena_bytes": "many"}, "settings are not usable"),
    ],
)
def test_settings_that_are_wrong(tmp_path, settings, match):
    (tmp_path / "m").write_bytes(built())
    with pytest.raises(SpecError, match=match):
        run(Step("compile", "s", settings), {"int8.tflite": tmp_path / "m"}, tmp_path, lambda p: None)


def test_every_limit_is_a_sentence():
    listed = supported_operators()
    assert {"CONV_2D", "SOFTMAX", "RESHAPE"} <= set(listed)
    for sentences in listed.values():
        assert sentences
        assert all(s and not s.endswith(".") for s in sentences)
