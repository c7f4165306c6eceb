"""Model images: position-independent, reproducible, without anything writable, and run by emulated cores."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from fakes.compiled import compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.cortexm import MACHINES, run_in_emulator
from fakes.tflite import Tflite, dense
from tinyops.artifacts import Step
from tinyops.compiler import image, run
from tinyops.compiler.header import ModelHeader
from tinyops.compiler.host import HostModel
from tinyops.compiler.image.elf import check_position_independent
from tinyops.errors import DoesNotFit, SpecError, ToolError
from tinyops.files import canonical_json, digest_bytes
from tinyops.toolchain import COMPILERS, CPU_FLAGS, installed

pytestmark = pytest.mark.build
CORTEX_M = ["cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33"]


def small_network() -> bytes:
    """Convolution, depthwise, pooling, addition, softmax and float edges: most kernels and libgcc's helpers."""
    rng = np.random.default_rng(5)
    model = Tflite()
    real = model.tensor((1, 8, 8, 3), "float32", name="frame */ int evil; /*")
    source = model.tensor((1, 8, 8, 3), scale=0.02, zero_point=-5)
    model.operator("QUANTIZE", [real], [source], table="QuantizeOptions")
    kernel = model.tensor((4, 3, 3, 3), scale=rng.uniform(0.01, 0.02, 4), data=rng.integers(-127, 128, (4, 3, 3, 3)))
    bias = model.tensor((4,), "int32", scale=0.0003, data=rng.integers(-3000, 3000, 4))
    conv = model.tensor((1, 8, 8, 4), scale=0.05, zero_point=3)
    options = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    model.operator("CONV_2D", [source, kernel, bias], [conv], table="Conv2DOptions", **options)
    taps = model.tensor((1, 3, 3, 4), scale=0.01, data=rng.integers(-127, 128, (1, 3, 3, 4)))
    depth = model.tensor((1, 8, 8, 4), scale=0.06, zero_point=1)
    model.operator(
        "DEPTHWISE_CONV_2D", [conv, taps, -1], [depth], table="DepthwiseConv2DOptions", depthMultiplier=1, **options
    )
    total = model.tensor((1, 8, 8, 4), scale=0.07, zero_point=-2)
    model.operator("ADD", [conv, depth], [total], table="AddOptions")
    pooled = model.tensor((1, 1, 1, 4), scale=0.07, zero_point=-2)
    window = {"padding": 1, "strideH": 8, "strideW": 8, "filterHeight": 8, "filterWidth": 8}
    model.operator("AVERAGE_POOL_2D", [total], [pooled], table="Pool2DOptions", **window)
    flat = model.tensor((1, 4), scale=0.07, zero_point=-2)
    model.operator("RESHAPE", [pooled], [flat], table="ReshapeOptions", newShape=[1, 4])
    output = model.tensor((1, 4), scale=1 / 256, zero_point=-128)
    model.operator("SOFTMAX", [flat], [output], table="SoftmaxOptions", beta=1.0)
    return model.build([real], [output])


def build(folder: Path, cpu: str, model: bytes, slot_bytes: int | None = None, **more: object) -> Path:
    """Runs both steps; returns the image step's output folder."""
    (folder / "c").mkdir(parents=True)
    (folder / "i").mkdir()
    (folder / "in.tflite").write_bytes(model)
    settings = {"cpu": cpu, "board": "test-board", "arena_bytes": None, "prefer": "balanced", **more}
    run(Step("compile", "m", settings), {"int8.tflite": folder / "in.tflite"}, folder / "c", lambda p: None)
    tool = installed(COMPILERS[cpu][0])
    files = {p.relative_to(folder / "c").as_posix(): p for p in (folder / "c").rglob("*") if p.is_file()}
    lock = {"compiler": {"name": tool.name, "version": tool.version}}
    step = Step("image", "m", {"cpu": cpu, "board": "test-board", "slot_bytes": slot_bytes}, lock)
    image.run(step, files, folder / "i", lambda p: None)
    return folder / "i"


@pytest.mark.parametrize("cpu", CORTEX_M)
def test_image_is_sound_for_every_core(tmp_path, cpu):
    out = build(tmp_path, cpu, small_network())
    data = (out / "model.bin").read_bytes()
    header = ModelHeader.parse(data)
    contract = json.loads((tmp_path / "c" / "contract.json").read_text())
    assert header.image_bytes == len(data)
    assert len(data) % 4 == 0
    assert digest_bytes(canonical_json(contract)) == f"sha256:{header.contract.hex()}"
    for entry in (header.init, header.push, header.prepare, header.invoke):
        assert entry % 2 == 1, "Thumb functions have bit 0 set"
        assert header.header_bytes < entry < len(data)
    described = json.loads((out / "image.json").read_text())
    assert described["image_bytes"] == len(data)
    assert 0 < described["weights_bytes"] + described["code_bytes"] + header.header_bytes <= len(data)
    check_position_independent((out / "model.elf").read_bytes(), "model.elf")


@pytest.mark.parametrize(("cpu", "prefer"), [*((cpu, "balanced") for cpu in MACHINES), ("cortex-m4f", "size")])
def test_image_runs_at_two_addresses_like_on_the_host(tmp_path, cpu, prefer):
    model = small_network()
    out = build(tmp_path, cpu, model, prefer=prefer)
    compiled = compile_bytes(model)
    vectors = input_vectors(compiled, random_inputs(compiled, 5, seed=3))
    here, there = run_in_emulator((out / "model.bin").read_bytes(), vectors, tmp_path, cpu)
    wanted = run_compiled(compiled, vectors)
    assert len(set(wanted)) > 1
    assert [output for _, output in here] == wanted
    assert [output for _, output in there] == wanted
    assert all(count > 0 for count, _ in here + there)


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m4f", "cortex-m7", "cortex-m33", "x86-64", "aarch64"])
def test_builds_in_two_places_are_the_same_bytes(tmp_path, cpu):
    outs = [build(tmp_path / name, cpu, small_network()) for name in ("a", "another/place")]
    names = sorted(p.name for p in outs[0].iterdir())
    assert names == sorted(p.name for p in outs[1].iterdir())
    for name in names:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name


def test_a_shared_object_loads_with_any_c_library(tmp_path):
    """Of the Linux boards the oldest has glibc 2.27: nothing of a C library is named, and nothing newer is used."""
    elf = ELFFile(io.BytesIO((build(tmp_path, "aarch64", small_network()) / "model.so").read_bytes()))
    assert elf["e_machine"] == "EM_AARCH64"
    (dynamic,) = (s for s in elf.iter_segments() if s["p_type"] == "PT_DYNAMIC")
    tags = {tag.entry.d_tag for tag in dynamic.iter_tags()}
    assert not {str(tag) for tag in tags} & {"DT_NEEDED", "DT_VERSYM", "DT_VERNEED", "DT_VERDEF", "DT_RELR"}
    assert {"DT_HASH", "DT_GNU_HASH"} & tags


def test_shared_object_needs_nothing_and_runs(tmp_path):
    model = dense().build([0], [3])
    out = build(tmp_path, "x86-64", model)
    data = (out / "model.so").read_bytes()
    segments = [s for s in ELFFile(io.BytesIO(data)).iter_segments() if s["p_filesz"]]
    assert len(data) == max(s["p_offset"] + s["p_filesz"] for s in segments), "nothing that no loader looks at"
    found = json.loads((out / "image.json").read_text())
    assert len(data) == found["image_bytes"] < found["code_bytes"] + found["weights_bytes"] + 2048, "no pages of zeros"
    compiled = compile_bytes(model)
    inputs = random_inputs(compiled, 5, seed=1)
    outputs = HostModel(out / "model.so").infer(inputs[0].reshape(5, -1))
    assert [row.tobytes() for row in outputs] == run_compiled(compiled, input_vectors(compiled, inputs))


PLANTED = {
    "a table of functions": "static int a(int x) { return x; } static int b(int x) { return -x; }\n"
    "static int (*const table[])(int) = {a, b};\nint planted(int i) { return table[i & 1](i); }\n",
    "a table of strings": 'static const char *const table[] = {"a", "b"};\n'
    "const char *planted(int i) { return table[i & 1]; }\n",
    "a static variable": "int planted(int i) { static int sum; sum += i; return sum; }\n",
    "an initialised variable": "int planted(int i) { static int sum = 3; sum += i; return sum; }\n",
    "an address among the code": "int other(int i) { return -i; }\n"
    '__asm__(".text\\n.balign 4\\n.word other\\n");\nint planted(int i) { return other(i); }\n',
    "a symbol through a table of addresses": "extern int other;\nint planted(int i) { return other + i; }\n",
}


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("cpu", CORTEX_M)
def test_what_cannot_be_moved_is_refused(tmp_path, cpu, what):
    (tmp_path / "planted.c").write_text(PLANTED[what])
    flags = [*CPU_FLAGS[cpu], "-O2", "-fpie", "-mpic-data-is-text-relative", "-fvisibility=hidden", "-c"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "planted.c", "-o", "planted.o"], check=True, cwd=tmp_path)
    with pytest.raises(SpecError, match=r"planted\.o: (section|relocation)"):
        check_position_independent((tmp_path / "planted.o").read_bytes(), "planted.o")


def test_planted_table_stops_the_image_step(tmp_path):
    (tmp_path / "c").mkdir()
    out = build(tmp_path / "good", "cortex-m4f", dense().build([0], [3]))
    files = {p.relative_to(out.parent / "c").as_posix(): p for p in (out.parent / "c").rglob("*") if p.is_file()}
    planted = tmp_path / "planted.c"
    text = "static void a(void) {}\nstatic void b(void) {}\nextern void (*const table[2])(void);\n"
    planted.write_text(text + "void (*const table[2])(void) = {a, b};\n")
    tool = installed("arm-none-eabi-gcc")
    step = Step(
        "image",
        "m",
        {"cpu": "cortex-m4f", "board": "b", "slot_bytes": None},
        {"compiler": {"name": tool.name, "version": tool.version}},
    )
    with pytest.raises(SpecError, match=r"planted\.o"):
        image.run(step, {**files, "kernels/planted.c": planted}, tmp_path / "c", lambda p: None)
    assert not list((tmp_path / "c").iterdir())


def test_too_large_for_the_slot(tmp_path):
    model = dense(64, 160).build([0], [3])
    with pytest.raises(DoesNotFit, match=r"has [\d,]+ bytes, a model slot of test-board has 4,096: short by [\d,]+"):
        build(tmp_path, "cortex-m4f", model, slot_bytes=4096)


def test_another_compiler_than_the_locks_is_refused(tmp_path):
    step = Step(
        "image",
        "m",
        {"cpu": "cortex-m4f", "board": "b", "slot_bytes": None},
        {"compiler": {"name": "arm-none-eabi-gcc", "version": "1.2.3"}},
    )
    for name in ("compile.json", "contract.json"):
        (tmp_path / name).write_text("{}")
    inputs = {name: tmp_path / name for name in ("compile.json", "contract.json")}
    with pytest.raises(ToolError, match=r"the lock wants 1\.2\.3"):
        image.run(step, inputs, tmp_path, lambda p: None)
