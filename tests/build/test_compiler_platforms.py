"""The same bytes on every architecture: operators with generated shapes, and whole models, as tflite-micro has them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fakes.arithmetic_models import model_of, real_softmax
from fakes.compiled import compile_bytes, compile_special, input_vectors, random_inputs
from fakes.interpreter import Interpreter
from fakes.platforms import PLATFORMS, Case, Platform, fits, needs, run_cases
from fakes.strategies import all_strategies, drawn
from tinyops.compiler.ops import OPERATORS
from tinyops.compiler.options import CPUS
from tinyops.errors import DoesNotFit, SpecError
from tinyops.graph import parse_graph
from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
PROOF = Path(__file__).parents[2] / "docs" / "proof.md"
EXAMPLES, FEWER = 4, 2  # of each operator
MOVES_NOTHING = {"EXPAND_DIMS", "SQUEEZE"}  # reshapes by another name
VECTORS = 4
MLPERF_TINY = ("kws_ref_model", "ad01_int8", "pretrainedResnet_quant", "vww_96_int8")
FIRST = ("cortex-m0", "cortex-m4f", "riscv32", "wasm32")  # the others share kernels and most of a compiler with one
# What must have fitted into the memory of the smallest; of the others, what happens to.
AVR_OPERATORS = ("conv_2d", "depthwise_conv_2d", "fully_connected", "pool_2d", "softmax")


@cache
def generated() -> dict[str, list[tuple[bytes, list, list[bytes]]]]:
    """For each operator: models, their inputs, and the interpreter's outputs."""
    interpreter, found = Interpreter(), {}
    for name in all_strategies():
        found[name] = []
        for model in drawn(name, EXAMPLES):
            inputs = random_inputs(compile_bytes(model), VECTORS, seed=len(model))
            outputs = interpreter.run(model, inputs)
            if outputs is not None:
                found[name].append((model, inputs, outputs))
        assert found[name], f"{name}: the interpreter refused every example"
    interpreter.close()
    return found


def compare(platform: Platform, examples: Sequence[tuple[str, bytes, list, list[bytes]]], folder: Path) -> set[str]:
    """Runs all models, names those that differ, and leaves their files; returns the names of those that ran."""
    cases, wanted = [], []
    for name, model, inputs, outputs in examples:
        compiled = compile_special(model, platform.cpu)
        case = Case(compiled, input_vectors(compiled, inputs))
        if fits(platform, [case]):
            cases.append(case)
            wanted.append((name, model, outputs))
    wrong = []
    for number, (got, (name, model, outputs)) in enumerate(zip(run_cases(platform, cases), wanted, strict=True)):
        if got != outputs:
            path = folder / f"{name}-{number}.tflite"
            path.write_bytes(model)
            wrong.append(f"{name}: {sum(a != b for a, b in zip(got, outputs, strict=True))} outputs differ, see {path}")
    assert not wrong, "\n".join(wrong)
    return {name for name, _, _ in wanted}


@pytest.mark.parametrize("name", PLATFORMS)
def test_operators_are_bit_exact(name: str, tmp_path: Path) -> None:
    platform = PLATFORMS[name]
    needs(platform)
    count = EXAMPLES if name in FIRST else FEWER
    examples = [(operator, *example) for operator, found in generated().items() for example in found[:count]]
    ran = compare(platform, examples, tmp_path)
    assert ran >= (set(AVR_OPERATORS) if platform.cpu == "avr" else set(generated()))


def read(name: str) -> bytes:
    path = SHARED / "models" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the shared data (TINYOPS_SHARED_DATA)")
    return path.read_bytes()


@cache
def answered(name: str, vectors: int) -> tuple[bytes, list, list[bytes]]:
    model, interpreter = read(name), Interpreter()
    inputs = random_inputs(compile_bytes(model), vectors, seed=7)
    outputs = interpreter.run(model, inputs)
    interpreter.close()
    assert outputs is not None
    assert len(set(outputs)) > 1, "the vectors tell nothing apart"
    return model, inputs, outputs


# Where not all four models of MLPerf Tiny fit.
SMALL = {"cortex-m0": ("mlperf_tiny/kws_ref_model",), "avr": ("tflm/micro_speech_quantized", "tflm/hello_world_int8")}


@pytest.mark.parametrize("name", PLATFORMS)
def test_models_are_bit_exact(name: str, tmp_path: Path) -> None:
    platform = PLATFORMS[name]
    needs(platform)
    models = SMALL.get(name, tuple(f"mlperf_tiny/{model}" for model in MLPERF_TINY))
    examples = [(Path(model).name, *answered(model, 2 if name == "avr" else VECTORS)) for model in models]
    assert compare(platform, examples, tmp_path) == {Path(model).name for model in models}


def test_every_operator_is_generated() -> None:
    graphs = [parse_graph(model, "m") for name in all_strategies() for model in drawn(name, 12, same=True)]
    assert {operator.name for graph in graphs for operator in graph.operators} >= set(OPERATORS) - MOVES_NOTHING


def test_every_core_has_a_platform_and_flags() -> None:
    # Xtensa is compiled by its makers' tools alone: boards that have it are released as projects, never as built.
    ours = {cpu for cpu in CPUS if not cpu.startswith("xtensa-")}
    assert {platform.cpu for platform in PLATFORMS.values()} == ours == set(CPU_FLAGS)


def test_the_page_says_what_is_run_where() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+?) \| ([^|]+?) \|", PROOF.read_text(), flags=re.MULTILINE)
    wanted = {p.name: (f"{p.compiler}", p.where) for p in PLATFORMS.values()}
    assert {name: (compiler.strip("`"), where) for name, compiler, where in rows if name in wanted} == wanted


@pytest.mark.parametrize("name", ["SOFTMAX", "LOG_SOFTMAX"])
def test_avr_has_no_long_real_numbers(name: str) -> None:
    model = model_of(real_softmax(name), np.random.default_rng(1), 1)
    assert compile_bytes(model, cpu="riscv32")
    with pytest.raises(
        SpecError, match="on AVR, which has no 64-bit real numbers, the input is quantised; here: float32"
    ):
        compile_bytes(model, cpu="avr")


def test_weights_beyond_what_avr_can_point_to_are_refused() -> None:
    with pytest.raises(DoesNotFit, match=r"weights need [\d,]+ bytes, AVR reads constants from the lowest 64,512"):
        compile_bytes(read("mlperf_tiny/ad01_int8"), cpu="avr")
