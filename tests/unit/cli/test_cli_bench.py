"""`tinyops bench` without its tools: vectors, the user's own inputs, and how results are told."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fakes.compiled import compile_bytes, input_vectors, random_inputs
from fakes.tflite import Tflite, dense
from tinyops.build.bench import Bench, Flash, Ram, input_regions
from tinyops.build.profile import operator_calls, stopped_after
from tinyops.build.reference import VECTORS, golden_inputs, read_inputs
from tinyops.cli import main
from tinyops.errors import SpecError
from tinyops.graph import Graph, parse_graph
from tinyops.report.bench import bench_json, operator_rows, operator_table, shortened, summary

LAYER = {
    "number": 0,
    "operator": "CONV_2D",
    "name": "a/b;c",
    "outputs": [[1, 4]],
    "macs": 100,
    "weights_bytes": 40,
    "kernel": "k.c",
    "instructions": 250,
}
FREE = {
    "number": 1,
    "operator": "RESHAPE",
    "name": "r",
    "outputs": [[4]],
    "macs": 0,
    "weights_bytes": 0,
    "kernel": None,
    "instructions": None,
}
RESULT = Bench(
    model="m.tflite",
    model_digest="sha256:00",
    model_bytes=1000,
    board="nano33ble",
    twin="QEMU mps2-an386 (cortex-m4f)",
    prefer="balanced",
    tools={"gcc": "12.2.0"},
    vectors=16,
    differences=(),
    flash=Flash(900, 100),
    ram=Ram(0, 64, 344),
    instructions=250,
    resolution=40.0,
    macs=100,
    operators=(LAYER, FREE),
    not_covered=("sensors",),
)
# A header that claims 16 TiB.
HUGE = (
    b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '|i1', 'fortran_order': False, 'shape': (1, 17592186044416)}".ljust(117)
    + b"\n"
)


def graph() -> Graph:
    return parse_graph(dense().build([0], [3]), "m.tflite")


def test_golden_vectors_are_extremes_the_zero_point_and_noise() -> None:
    (found,) = golden_inputs(graph())
    assert found.shape == (VECTORS, 1, 4)
    assert found.dtype == np.int8
    assert [set(row.reshape(-1).tolist()) for row in found[:3]] == [{-128}, {127}, {3}]
    assert len({row.tobytes() for row in found}) == VECTORS
    assert np.array_equal(found, golden_inputs(graph())[0])


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int16", "int32"])
def test_golden_vectors_of_every_type(dtype: str) -> None:
    model = Tflite()
    taken = model.tensor((1, 3, 2), dtype)
    given = model.tensor((1, 6), dtype)
    model.operator("RESHAPE", [taken], [given], table="ReshapeOptions", newShape=[1, 6])
    (found,) = golden_inputs(parse_graph(model.build([taken], [given]), "m"))
    assert found.dtype == np.dtype(dtype)
    assert found.shape == (VECTORS, 1, 3, 2)
    assert np.isfinite(found).all()
    assert found.min() < found.max()


def test_several_inputs_lie_where_the_compiler_put_them() -> None:
    model = Tflite()
    left, right = (model.tensor((1, 5), scale=0.5, zero_point=z) for z in (1, 2))
    total = model.tensor((1, 5), scale=1.0)
    model.operator("ADD", [left, right], [total], table="AddOptions")
    compiled = compile_bytes(model.build([left, right], [total]))
    values = random_inputs(compiled, 3, seed=1)
    assert input_regions(compiled, values) == input_vectors(compiled, values)
    first, second = golden_inputs(compiled.graph)
    assert not np.array_equal(first[5], second[5]), "two inputs that are equal would hide that they are mixed up"


@pytest.mark.parametrize("shape", [(7, 1, 4), (7, 4)])
def test_rows_of_a_file_are_vectors(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.arange(28, dtype=np.int8).reshape(shape)
    np.save(tmp_path / "x.npy", values)
    (found,) = read_inputs(tmp_path / "x.npy", graph())
    assert found.shape == (7, 1, 4)
    assert found.tobytes() == values.tobytes()


def test_a_file_of_the_other_byte_order_means_the_same(tmp_path: Path) -> None:
    model = Tflite()
    taken, given = model.tensor((1, 2), "int16"), model.tensor((2,), "int16")
    model.operator("RESHAPE", [taken], [given], table="ReshapeOptions", newShape=[2])
    np.save(tmp_path / "x.npy", np.array([[1, 256]], ">i2"))
    (found,) = read_inputs(tmp_path / "x.npy", parse_graph(model.build([taken], [given]), "m"))
    assert found.tolist() == [[[1, 256]]]
    assert found.dtype.isnative


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((2, 4), np.float32), r"holds float32, the model's input 'input' is int8"),
        (np.zeros((2, 5), np.int8), r"has the shape \[2, 5\], wanted are 1 to 10,000 rows of \[1, 4\] or \[4\]"),
        (np.zeros(4, np.int8), r"has the shape \[4\]"),
        (np.zeros((0, 4), np.int8), r"has the shape \[0, 4\]"),
        (np.zeros((10_001, 4), np.int8), r"has the shape \[10001, 4\]"),
        (np.int8(3), "does not hold one array of rows"),
    ],
)
def test_inputs_that_do_not_match_are_refused(tmp_path: Path, values: object, said: str) -> None:
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(SpecError, match=said) as error:
        read_inputs(tmp_path / "x.npy", graph())
    if "float32" in said:
        assert "round(value / 0.5) + 3" in error.value.hint


@pytest.mark.parametrize("data", [None, b"", b"\x93NUMPY", b"PK\x03\x04", b"\x93NUMPY\x01\x00\xff\xff", HUGE])
def test_what_is_no_npy_file_is_refused(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "x.npy").write_bytes(data)
    with pytest.raises(SpecError, match=r"not a \.npy file"):
        read_inputs(tmp_path / "x.npy", graph())


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SpecError, match=r"not a \.npy file"):
        read_inputs(tmp_path / "x.npy", graph())


def test_json_has_every_figure() -> None:
    value = json.loads(json.dumps(bench_json(RESULT)))
    assert value["bit_exact"] is True
    assert value["flash_bytes"] == {"code": 900, "weights": 100, "total": 1000}
    assert value["ram_bytes"] == {"static": 0, "arena": 64, "stack": 344, "total": 408}
    assert (value["instructions"], value["instructions_per_mac"], value["instructions_resolution"]) == (250, 2.5, 40.0)
    assert value["operators"][0]["macs"] == 100


def test_text_says_what_is_wrong_and_what_was_not_counted() -> None:
    text = "\n".join(summary(RESULT))
    assert "true: 16 of 16" in text
    assert "250: the most of any vector, counted in steps of 40, 2.50 a MAC" in text
    wrong = replace(RESULT, differences=("vector 3: 2 of 4 bytes of output 'y' differ",), instructions=None)
    text = "\n".join(summary(wrong))
    assert "false: 1 outputs differ" in text
    assert "vector 3: 2 of 4 bytes" in text
    assert "not counted" in text
    assert bench_json(wrong)["bit_exact"] is False


def test_operators_have_rows() -> None:
    assert operator_rows(RESULT) == [
        ("0", "CONV_2D", "1x4", "100", "100.0 %", "40", "250", "2.50", "a/b"),
        ("1", "RESHAPE", "4", "-", "-", "-", "-", "-", "r"),
    ]
    headers, _ = operator_table(RESULT)
    assert "instructions" in headers
    headers, rows = operator_table(replace(RESULT, operators=(FREE, FREE)))
    assert "instructions" not in headers
    assert {len(row) for row in rows} == {len(headers)}


def test_a_model_stopped_after_an_operator_calls_only_those_before() -> None:
    model = Tflite()
    shape = (1, 4)
    tensors = [model.tensor(shape, scale=0.5 + i) for i in range(4)]
    for left, right in pairwise(tensors):
        model.operator("ADD", [left, left], [right], table="AddOptions")
    compiled = compile_bytes(model.build(tensors[:1], tensors[-1:]))
    assert operator_calls(compiled) == [0, 1, 2]
    for calls in range(4):
        text = stopped_after(compiled, calls).sources["model.c"].partition("tinyops_model_invoke(")[2]
        assert len(re.findall(r"^  op\d_add\(", text, re.MULTILINE)) == calls
        assert len(re.findall(r"^  \(void\)op\d_add;", text, re.MULTILINE)) == 3 - calls
    assert stopped_after(compiled, 3).sources == compiled.sources


def test_names_are_printable_and_short() -> None:
    assert shortened("a\x1b[31m\n;b") == "a?[31m?"
    assert len(shortened("x" * 500)) == 48


def test_refusals_come_before_any_tool_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = dense()
    changed.graph.operators[0].builtinOptions.fusedActivationFunction = 4
    (tmp_path / "m.tflite").write_bytes(changed.build([0], [3]))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bench", str(tmp_path / "m.tflite"), "--board", "linux"]) == 65
    assert "m.tflite: operator 0 FULLY_CONNECTED" in capsys.readouterr().err
    (tmp_path / "m.tflite").write_bytes(dense(12_000, 2).build([0], [3]))
    assert main(["bench", str(tmp_path / "m.tflite"), "--board", "microbit", "--json"]) == 66
    error = json.loads(capsys.readouterr().out)["error"]
    held = error["hint"].partition("boards that would hold it: ")[2].split(", ")
    assert {"linux", "nano33ble"} <= set(held) and "microbit" not in held


@pytest.mark.parametrize("command", ["compile", "inspect", "bench"])
def test_packages_that_are_missing_are_named_at_once(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.tflite").write_bytes(dense().build([0], [3]))
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> object:
        return None if name in ("ai_edge_litert", "tflite_micro") else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert main([command, str(tmp_path / "m.tflite"), "--board", "linux"]) == 70
    said = capsys.readouterr().err
    assert "not installed: ai-edge-litert" in said
    assert ("tflite-micro" in said) == (command == "bench")
    assert "pip install 'tinyops[build]'" in said
