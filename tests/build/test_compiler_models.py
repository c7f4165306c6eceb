"""Whole models from the wild: bit-exact with TensorFlow Lite Micro, or refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes.compiled import SANITIZED, compile_bytes, constants_in_arena, input_vectors, random_inputs, run_compiled
from fakes.cortexm import run_in_emulator
from fakes.interpreter import Interpreter
from tinyops.errors import SpecError

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))

# arena_bytes. Where nothing is moved, the fewest that the kernels as they are allow, proven by the search.
MODELS = {
    "mlperf_tiny/kws_ref_model": 8_512,
    "mlperf_tiny/vww_96_int8": 36_896,
    "mlperf_tiny/pretrainedResnet_quant": 33_312,
    "mlperf_tiny/pretrainedResnet_large_int8": 83_280,
    "mlperf_tiny/ad01_int8": 768,
    "mlperf_tiny/model_ToyCar_quant_fullint_floatio": 2_560,
    "mlperf_tiny/str_ww_ref_model": 3_760,
    "tflm/hello_world_int8": 32,
    "tflm/micro_speech_quantized": 4_176,
    "tflm/person_detect": 36_896,
    "tflm/simple_add_model": 32_768,
    "tinyengine/ptq_mnist_lenet-300-100": 3_136,
}
# With the kernels of cores that have the DSP extension: buffered pixels and channels, and scratch.
DSP_MODELS = {
    "mlperf_tiny/kws_ref_model": 8_256,
    "mlperf_tiny/vww_96_int8": 37_184,
    "mlperf_tiny/pretrainedResnet_quant": 33_872,
    "mlperf_tiny/ad01_int8": 768,
    "mlperf_tiny/str_ww_ref_model": 3_744,
    "tflm/person_detect": 37_184,
}
REFUSED = {
    "coral/testconv1-edgetpu": "custom operator 'edgetpu-custom-op'",
    "mlperf_tiny/ad01_fp32": "float-only",
    "mlperf_tiny/model_ToyCar_quant_dynamic": "hybrid",
    "mlperf_tiny/kws_ref_model_float32": "int8 weights, float32 activations",
    "tflm/magic_wand": "float-only",
}


def read(name: str) -> bytes:
    path = SHARED / "models" / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the shared data (TINYOPS_SHARED_DATA)")
    return path.read_bytes()


CASES = [("x86-64", *case) for case in MODELS.items()] + [("cortex-m4f", *case) for case in DSP_MODELS.items()]


@pytest.mark.parametrize(("cpu", "name", "arena_bytes"), CASES)
def test_model_equals_the_interpreter(cpu, name, arena_bytes):
    """The DSP kernels run in plain C here; the emulator below runs their assembly."""
    model = read(name)
    compiled = compile_bytes(model, cpu=cpu)
    assert compiled.arena.bytes == arena_bytes
    assert compiled.arena.moved or compiled.arena.plan.lower_bound == arena_bytes
    assert not constants_in_arena(compiled)
    inputs = random_inputs(compiled, 4, seed=7)
    interpreter = Interpreter()
    wanted = interpreter.run(model, inputs)
    interpreter.close()
    assert wanted is not None
    assert len(set(wanted)) > 1, "the vectors tell nothing apart"
    assert run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED) == wanted


@pytest.mark.parametrize("name", DSP_MODELS)
def test_model_in_the_emulator_equals_this_machine(tmp_path, name):
    """Assembly on buffers that overlap."""
    from test_compiler_image import build

    model = read(name)
    image = (build(tmp_path, "cortex-m4f", model) / "model.bin").read_bytes()
    compiled = compile_bytes(model, cpu="cortex-m4f")
    vectors = input_vectors(compiled, random_inputs(compiled, 2, seed=11))
    for found in run_in_emulator(image, vectors, tmp_path):
        assert [output for _, output in found] == run_compiled(compiled, vectors)


@pytest.mark.parametrize("name", REFUSED)
def test_model_is_refused_by_name(name):
    with pytest.raises(SpecError) as error:
        compile_bytes(read(name))
    assert REFUSED[name] in str(error.value)
    assert error.value.hint
