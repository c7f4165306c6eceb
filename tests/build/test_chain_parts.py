"""Parts of a model, made by the steps: bit-exact with the whole in tflite-micro."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fakes.chain_boards import chain_settings, split_with
from fakes.pass_models import cell
from fakes.row_models import camera_network
from fakes.state_models import delay_line
from tinyops.artifacts import Step
from tinyops.chains import part_step
from tinyops.errors import ToolError
from tinyops.features import TensorFeatures, read_features
from tinyops.graph import parse_graph
from tinyops.images import find_self_test
from tinyops.split.document import read_part
from tinyops.squeeze.golden import pack_golden, pack_stream
from tinyops.squeeze.oracle import run_vectors
from tinyops.squeeze.streaming import streamed_inputs
from tinyops.twin.golden import read_golden, read_stream

pytestmark = pytest.mark.build


def whole(data: bytes, folder: Path, vectors: int) -> Path:
    """What a squeeze would make of a finished model: golden.bin. split.json is in folder/out already."""
    (graph, model) = parse_graph(data, "whole"), folder / "int8.tflite"
    size = graph.tensors[graph.inputs[0]].bytes
    inputs = np.random.default_rng(3).integers(-128, 128, (vectors, size)).astype(np.int8)
    golden = folder / "golden.bin"
    golden.write_bytes(pack_golden(inputs, run_vectors(model, inputs, ends=(1, len(graph.outputs)))))
    return golden


def make(name: str, folder: Path) -> Path:
    out = folder / name
    out.mkdir()
    files = {f: folder / f for f in ("int8.tflite", "golden.bin", "features.json")}
    inputs = {**files, "split.json": folder / "out" / "split.json"}
    if (folder / "stream.bin").exists():
        inputs["stream.bin"] = folder / "stream.bin"
    part_step.run(Step("part", f"door/{name}", {"part": name}), inputs, out, lambda _: None)
    return out


def check_chain(folder: Path, names: str) -> None:
    """Each part's vectors, run by itself, are those of its files; what one sends is what the next takes."""
    golden = read_golden(folder / "golden.bin")
    sent = [given for given, _ in golden.vectors]
    for position, name in enumerate(names):
        out = make(name, folder)
        own, told = read_golden(out / "golden.bin"), read_part(out / "part.json")
        assert (told.position, told.parts, told.name) == (position, len(names), name)
        assert (own.input_bytes, own.output_bytes) == (told.take_bytes, told.give_bytes)
        extra = len(own.vectors) - len(golden.vectors)
        assert extra == (1 if position else 1 - bool(find_self_test(*own.vectors[0]) is None))
        assert not extra or find_self_test(*own.vectors[0]) is not None
        assert [given for given, _ in own.vectors[extra:]] == sent
        sent = [made for _, made in own.vectors[extra:]]
    assert sent == [made for _, made in golden.vectors]


@pytest.mark.parametrize("make_model", [lambda: cell(2)], ids=["cell"])
def test_parts_with_several_tensors_between_them(tmp_path: Path, make_model: object) -> None:
    data = make_model()  # type: ignore[operator]
    split_with(data, chain_settings([None] * 3, [None] * 3), tmp_path)
    whole(data, tmp_path, 4)
    check_chain(tmp_path, "abc")


def test_parts_that_do_not_compute_the_whole_are_a_defect(tmp_path: Path) -> None:
    data = delay_line()
    split_with(data, chain_settings([None] * 2, [None] * 2), tmp_path)
    golden = whole(data, tmp_path, 3)
    wrong = bytearray(golden.read_bytes())
    wrong[-1] ^= 1
    golden.write_bytes(wrong)
    with pytest.raises(ToolError, match="for vector 2 they give other outputs than the whole"):
        make("a", tmp_path)


def test_the_first_part_streams_what_the_whole_streams(tmp_path: Path) -> None:
    """The same frames, and what it sends on for each window; the others take tensors."""
    data = camera_network()
    split_with(data, chain_settings([None] * 2, [None] * 2, cuts=(2,)), tmp_path)
    whole(data, tmp_path, 2)
    raw = {"kind": "raw", "frame_values": 10, "window_frames": 12, "hop_frames": 4, "offset": [0] * 10}
    (tmp_path / "features.json").write_text(json.dumps({**raw, "gain": [0.001] * 10}))
    features = read_features(tmp_path / "features.json")
    assert not isinstance(features, TensorFeatures)
    tensor = parse_graph(data, "whole").tensors[0]
    frames = np.random.default_rng(2).integers(-20000, 20000, (24, 10)).astype(np.int16)
    windows = streamed_inputs(frames, features, tensor.scale, tensor.zero_point)
    model = tmp_path / "int8.tflite"
    (tmp_path / "stream.bin").write_bytes(pack_stream(frames, run_vectors(model, windows)))
    out, far = make("a", tmp_path), make("b", tmp_path)
    stream = read_stream(out / "stream.bin")
    assert stream.frames == read_stream(tmp_path / "stream.bin").frames and len(stream.results) == 4
    assert list(stream.results) == [row.tobytes() for row in run_vectors(out / "int8.tflite", windows)]
    assert (out / "features.json").read_bytes() == (tmp_path / "features.json").read_bytes()
    assert json.loads((far / "features.json").read_bytes()) == {"kind": "tensor"} and not (far / "stream.bin").exists()
