"""Sums of int16 activations beyond 32 bits, as C: rounding, both halves of the bias, blocks, limits."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fakes.tflite import ACTIVATIONS, Tflite
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import HostModel, build_host
from tinyops.compiler.ops.int16_weighted import filters_of
from tinyops.compiler.view import OperatorView
from tinyops.features import TensorFeatures
from tinyops.graph import parse_graph

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
VALUES, OUTPUTS, VECTORS = 700, 40, 4  # values in three blocks
FACTOR = 2.0**-17  # so that outputs lie within int16, mostly


def test_every_output_is_rounded_once_and_limited(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    weights = rng.integers(-127, 128, (OUTPUTS, VALUES))
    weights[0] = 127  # with the largest inputs, blocks of 256 products are as large as they get
    bias = rng.integers(-(2**31), 2**31, OUTPUTS)
    bias[1:3] = 2**33 + 2**31 + 7, -(2**33) - 2**31 - 7
    model = Tflite()
    source = model.tensor((1, VALUES), "int16", scale=2.0**-12)
    scales = rng.uniform(0.5, 1, OUTPUTS).astype(np.float32)
    output = model.tensor((1, OUTPUTS), "int16", scale=2.0**-12 / FACTOR)
    inputs = [
        source,
        model.tensor(weights.shape, scale=scales, axis=0, data=weights),
        model.tensor((OUTPUTS,), "int64", data=bias),
    ]
    relu = ACTIVATIONS["RELU"]
    model.operator("FULLY_CONNECTED", inputs, [output], table="FullyConnectedOptions", fusedActivationFunction=relu)
    graph = parse_graph(model.build([source], [output]), "m")
    compiled = compile_model(graph, TensorFeatures(), CompileOptions())
    assert [call.function for low in compiled.lowered for call in low.calls] == ["tinyops_wide_sums"]
    given = rng.integers(-(2**15), 2**15, (VECTORS, VALUES)).astype(np.int16)
    given[0] = 2**15 - 1
    found = HostModel(build_host(compiled.sources, tmp_path)).infer(given.view(np.int8)).view(np.int16)

    filters = filters_of(OperatorView(graph, graph.operators[0]), 0)
    sums = given.astype(object) @ weights.T.astype(object) + bias.astype(object)
    halves = [1 << (int(shift) - 1) for shift in filters.shifts]
    scaled = sums * filters.multipliers.astype(object) + np.array(halves, object)
    wanted = [
        [min(max(int(v) >> int(s), 0), 2**15 - 1) for v, s in zip(row, filters.shifts, strict=True)] for row in scaled
    ]
    assert found.tolist() == wanted
    assert sum(0 < value < 2**15 - 1 for row in wanted for value in row) > VECTORS * OUTPUTS // 4
