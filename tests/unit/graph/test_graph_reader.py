"""Reading .tflite files that are sound, broken or hostile."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from fakes.tflite import Tflite, dense, packed_int4, schema
from tinyops.errors import SpecError
from tinyops.graph import ConvOptions, FullyConnectedOptions, live_ranges, parse_graph, read_graph
from tinyops.graph.reader import MAX_BYTES


def refused(model: Tflite | bytes, match: str) -> SpecError:
    data = model if isinstance(model, bytes) else model.build([0], [3])
    with pytest.raises(SpecError, match=match) as error:
        parse_graph(data, "model.tflite")
    assert error.value.message.startswith("model.tflite: ")
    return error.value


def _with_int4(model: Tflite, values: np.ndarray, tensor: int = 1) -> Tflite:
    """The same with those values of four bits in a tensor."""
    changed = model.graph.tensors[tensor]
    changed.type = schema.TensorType.INT4
    model.model.buffers[changed.buffer].data = packed_int4(values)
    return model


@pytest.mark.parametrize("inputs", [4, 5])
def test_weights_of_four_bits_are_read_as_int8(inputs):
    values = (np.arange(3 * inputs) % 16 - 8).reshape(3, inputs)
    model = _with_int4(dense(3, inputs), values)
    weights = parse_graph(model.build([0], [3]), "model.tflite").tensors[1]
    assert (weights.dtype, weights.bytes) == ("int8", 3 * inputs)
    assert np.frombuffer(weights.data, np.int8).tolist() == values.reshape(-1).tolist()


def test_reads_tensors_operators_and_options():
    graph = parse_graph(dense(3, 4).build([0], [3]), "model.tflite")
    assert [t.name for t in graph.tensors] == ["input", "weights", "bias", "output"]
    assert graph.tensors[0].shape == (1, 4)
    assert (graph.tensors[0].scale, graph.tensors[0].zero_point) == (0.5, 3)
    assert graph.tensors[0].data is None
    assert np.frombuffer(graph.tensors[2].data, np.int32).tolist() == [0, 7, 14]
    assert graph.operators[0].inputs == (0, 1, 2)
    assert graph.operators[0].options == FullyConnectedOptions("NONE", False, False)
    assert (graph.inputs, graph.outputs) == ((0,), (3,))
    assert graph.digest.startswith("sha256:")


def test_pairs_are_height_and_width():
    model = Tflite()
    source = model.tensor((1, 8, 9, 1), scale=1.0)
    weights = model.tensor((1, 1, 1, 1), scale=1.0, data=[[[[1]]]])
    output = model.tensor((1, 4, 3, 1), scale=1.0)
    sides = {"strideH": 2, "strideW": 3, "dilationHFactor": 1, "dilationWFactor": 4}
    model.operator("CONV_2D", [source, weights, -1], [output], table="Conv2DOptions", padding=1, **sides)
    operator = parse_graph(model.build([source], [output]), "m").operators[0]
    assert operator.inputs == (0, 1, None)
    assert operator.options == ConvOptions("VALID", (2, 3), (1, 4), "NONE")


def test_live_ranges_of_a_chain_and_a_skip():
    model = Tflite()
    tensors = [model.tensor((1, 4), scale=1.0) for _ in range(4)]
    for a, b, out in ((0, 0, 1), (1, 1, 2), (2, 0, 3)):
        model.operator("ADD", [tensors[a], tensors[b]], [tensors[out]], table="AddOptions")
    graph = parse_graph(model.build([0], [3]), "m")
    assert live_ranges(graph) == {0: (-1, 2), 1: (0, 1), 2: (1, 2), 3: (2, 3)}


@pytest.mark.parametrize(
    "scale", [float("nan"), float("inf"), 0.0, -0.5, 1e-40], ids=["nan", "infinite", "zero", "negative", "denormal"]
)
def test_scales(scale):
    model = dense()
    model.graph.tensors[1].quantization.scale = np.array([scale], dtype=np.float32)
    assert "tensor 1 'weights': scale is" in refused(model, "scale is").message


def _shape(value):
    return lambda m: setattr(m.graph.tensors[0], "shape", value)


def _tensor(index, **fields):
    def change(model):
        for name, value in fields.items():
            setattr(model.graph.tensors[index], name, value)

    return change


def _quantisation(index, **fields):
    def change(model):
        for name, value in fields.items():
            setattr(model.graph.tensors[index].quantization, name, value)

    return change


def _operator(**fields):
    def change(model):
        for name, value in fields.items():
            setattr(model.graph.operators[0], name, value)

    return change


def _custom(model):
    code = model.model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "my-op"


def _unknown_code(model):
    model.model.operatorCodes[0].builtinCode = 32000


def _two_subgraphs(model):
    model.model.subgraphs.append(model.graph)


def _sparse(model):
    model.graph.tensors[1].sparsity = schema.SparsityParametersT()


def _offset_buffer(model):
    model.model.buffers[1].data = None
    model.model.buffers[1].offset, model.model.buffers[1].size = 1 << 40, 1 << 30


def _int4_bias(model):
    _with_int4(model, np.zeros(4), tensor=2)
    model.graph.tensors[2].shape = [4]


def _int4_scales(model):
    _with_int4(model, np.zeros((3, 4)))
    model.graph.tensors[1].quantization.scale = [1.0, 1.0, 1.0]


BROKEN = {
    "a negative extent": (_shape([1, -4]), "is dynamic or empty"),
    "an empty extent": (_shape([1, 0]), "is dynamic or empty"),
    "a huge shape": (_shape([1, 2**31 - 1, 2**31 - 1]), "elements, at most"),
    "too many dimensions": (_shape([1] * 40), "40 dimensions, at most"),
    "a dynamic width": (_tensor(0, shapeSignature=[1, -1]), r"shape \(1, -1\) is dynamic"),
    "a missing buffer": (_tensor(1, buffer=77), "buffer 77 does not exist"),
    "a buffer too short": (_tensor(1, shape=[3, 5]), "its buffer has 12 bytes"),
    "a buffer outside": (_offset_buffer, "outside the flatbuffer"),
    "an unknown type": (_tensor(0, type=100), "element type 100"),
    "a string tensor": (_tensor(0, type=schema.TensorType.STRING), "element type string"),
    "activations of four bits": (_tensor(0, type=schema.TensorType.INT4), "int4 is not supported of tensors that are"),
    "weights of four bits that are eight": (_tensor(1, type=schema.TensorType.INT4), "12 bytes, its shape .* needs 6"),
    "a bias of four bits": (_int4_bias, "its input 2 is int4, which is supported of weights of CONV_2D"),
    "a dense layer of four bits with scales": (_int4_scales, "its int4 weights have 3 scales; tflite-micro"),
    "a sparse tensor": (_sparse, "is sparse"),
    "a zero point outside": (_quantisation(0, zeroPoint=[300]), r"zero point 300 is outside -128\.\.127"),
    "scales that do not match": (_quantisation(1, scale=[1.0, 1.0]), "2 scales along dimension 0"),
    "zero points that do not match": (_quantisation(0, zeroPoint=[1, 2]), "1 scales but 2 zero points"),
    "an input outside": (_operator(inputs=[0, 99, 2]), "input 1 is tensor 99"),
    "a negative input": (_operator(inputs=[0, -7, 2]), "input 1 is tensor -7"),
    "an output outside": (_operator(outputs=[99]), "tensor 99 does not exist"),
    "no output": (_operator(outputs=[]), "empty"),
    "an output twice": (_operator(outputs=[3, 3]), "names a tensor twice"),
    "a cycle": (_operator(inputs=[3, 1, 2]), "before it is made"),
    "a written constant": (_operator(outputs=[1]), "writes tensor 1 'weights', which is there already"),
    "options of another kind": (_operator(builtinOptionsType=schema.BuiltinOptions.AddOptions), "has no FullyConn"),
    "a custom operator": (_custom, "custom operator 'my-op' is not supported"),
    "an unknown operator": (_unknown_code, "builtin operator 32000 is unknown"),
    "an operator code outside": (_operator(opcodeIndex=5), "operator code 5 does not exist"),
    "several subgraphs": (_two_subgraphs, "2 subgraphs, and subgraph 1 is called by 0"),
    "another version": (lambda m: setattr(m.model, "version", 4), "schema version 4"),
    "an activation of the future": (
        lambda m: setattr(m.graph.operators[0].builtinOptions, "fusedActivationFunction", 99),
        "ActivationFunctionType 99 is unknown",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_models_are_refused_by_name(what):
    change, match = BROKEN[what]
    model = dense()
    change(model)
    refused(model, match)


def test_a_foreign_element_type_says_how_to_convert():
    model = dense()
    _tensor(0, type=schema.TensorType.STRING)(model)
    with pytest.raises(SpecError, match="TFLITE_BUILTINS_INT8"):
        parse_graph(model.build([0], [3]), "m")


def test_a_free_batch_is_the_one_in_the_shape():
    model = dense()
    model.graph.tensors[0].shapeSignature = [-1, 4]
    assert parse_graph(model.build([0], [3]), "m").tensors[0].shape == (1, 4)


def test_output_that_nothing_makes():
    model = dense()
    model.tensor((1, 3), scale=1.0, name="orphan")
    with pytest.raises(SpecError, match="output tensor 4 'orphan' is made by no operator"):
        parse_graph(model.build([0], [4]), "m")


def test_buffers_that_share_bytes_cannot_multiply_memory():
    model = dense(64, 64)
    data = bytearray(model.build([0], [3]))
    big = struct.pack("<I", 64 * 64)
    at = data.find(big + bytes(model.model.buffers[1].data)[:32])
    assert at > 0
    data[at : at + 4] = struct.pack("<I", len(data) * 2)
    refused(bytes(data), "reaches outside the file|damaged file")


@pytest.mark.parametrize("data", [b"", b"TFL3", bytes(100), b"\x1c\0\0\0TFL3" + b"\xff" * 64])
def test_other_files(data):
    refused(data, "not a TensorFlow Lite file|damaged file|subgraphs|schema version")


def test_file_that_is_too_large(tmp_path):
    path = tmp_path / "model.tflite"
    with path.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(SpecError, match="larger than"):
        read_graph(path)


def test_file_that_is_missing(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        read_graph(tmp_path / "absent.tflite")


def test_truncated_files_are_refused_or_read():
    data = dense().build([0], [3])
    for length in range(0, len(data), 7):
        _never_crashes(data[:length])


def test_flipped_bits_are_refused_or_read():
    source = dense().build([0], [3])
    rng = random.Random(4)  # noqa: S311
    for _ in range(600):
        data = bytearray(source)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        _never_crashes(bytes(data))


def _never_crashes(data: bytes) -> None:
    try:
        graph = parse_graph(data, "model.tflite")
    except SpecError as error:
        assert error.message.startswith("model.tflite: ")
    else:
        assert graph.operators is not None
