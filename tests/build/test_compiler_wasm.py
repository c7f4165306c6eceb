"""WebAssembly images: built by clang without a C library, reproducible, bounded, bit-exact in Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from test_compiler_image import small_network

from fakes.compiled import compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.platforms import PLATFORMS, needs
from tinyops.artifacts import Step
from tinyops.compiler import image, run
from tinyops.compiler.image.wasm import BUFFERS_SOURCE, PAGE_BYTES, check_module, parse_module
from tinyops.errors import SpecError, ToolError
from tinyops.toolchain import installed

pytestmark = pytest.mark.build
RUN = """
const fs = require('fs');
const [,, file, vectors] = process.argv;
const {exports: m} = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(file)), {});
const at = m.tinyops_model.value, arena = m.tinyops_arena.value, memory = new DataView(m.memory.buffer);
const u32 = (offset) => memory.getUint32(at + offset, true);
const given = fs.readFileSync(vectors), [inAt, inBytes, outAt, outBytes] = [16, 20, 24, 28].map(u32);
const bytes = new Uint8Array(m.memory.buffer);
if (m.tinyops_model_init(arena) !== 0) process.exit(1);
for (let i = 0; i < given.length; i += inBytes) {
  bytes.set(given.subarray(i, i + inBytes), arena + inAt);
  if (m.tinyops_model_invoke(arena) !== 0) process.exit(2);
  process.stdout.write(Buffer.from(bytes.slice(arena + outAt, arena + outAt + outBytes)));
}
"""


@pytest.fixture(autouse=True, scope="module")
def _compiler() -> None:
    needs(PLATFORMS["wasm32"])


def build(folder: Path, model: bytes, edit: tuple[str, str] | None = None, compiler: str | None = None) -> Path:
    """Runs compile and image, with one piece of the C replaced between them; returns the image step's folder."""
    (folder / "c").mkdir(parents=True)
    (folder / "i").mkdir()
    (folder / "in.tflite").write_bytes(model)
    settings = {"cpu": "wasm32", "board": "phone", "arena_bytes": None, "prefer": "balanced"}
    run(Step("compile", "m", settings), {"int8.tflite": folder / "in.tflite"}, folder / "c", lambda p: None)
    if edit:
        source = folder / "c" / "model.c"
        assert edit[0] in source.read_text()
        source.write_text(source.read_text().replace(*edit))
    files = {p.relative_to(folder / "c").as_posix(): p for p in (folder / "c").rglob("*") if p.is_file()}
    lock = {
        "compiler": {"name": "clang", "version": compiler or installed("clang").version},
        "linker": {"name": "wasm-ld", "version": installed("wasm-ld").version},
    }
    step = Step("image", "m", {"cpu": "wasm32", "board": "phone", "slot_bytes": None}, lock)
    image.run(step, files, folder / "i", lambda p: None)
    return folder / "i"


def test_a_module_equals_the_same_c_on_this_machine(tmp_path):
    model = small_network()
    out = build(tmp_path, model)
    compiled = compile_bytes(model, cpu="x86-64")
    vectors = input_vectors(compiled, random_inputs(compiled, 6, seed=3))
    (tmp_path / "vectors").write_bytes(b"".join(vectors))
    command = ["node", "-e", RUN, "x", out / "model.wasm", tmp_path / "vectors"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    wanted = b"".join(run_compiled(compiled, vectors))
    assert done.stdout == wanted
    assert len(set(wanted)) > 1, "the vectors tell nothing apart"


def test_a_module_is_bounded_and_says_where_it_comes_from(tmp_path):
    out = build(tmp_path, small_network())
    module, figures = check_module((out / "model.wasm").read_bytes()), json.loads((out / "image.json").read_text())
    assert module.memory_bytes == module.maximum_bytes == figures["memory_bytes"]
    assert module.memory_bytes < 4 * PAGE_BYTES
    assert 0 < figures["code_bytes"] < figures["image_bytes"] == (out / "model.wasm").stat().st_size
    made = json.loads(module.provenance)
    assert made["contract"] == figures["header"]["contract"]
    assert made["compiler"] == f"clang {installed('clang').version}"
    assert str(tmp_path).encode() not in (out / "model.wasm").read_bytes()


def test_two_builds_in_two_folders_are_one_module(tmp_path):
    first, second = build(tmp_path / "a", small_network()), build(tmp_path / "other" / "b", small_network())
    assert (first / "model.wasm").read_bytes() == (second / "model.wasm").read_bytes()


def test_c_that_wants_something_from_outside_is_refused(tmp_path):
    wanted = (
        "int32_t tinyops_model_init(void *arena) {",
        "int getpid(void);\nint32_t tinyops_model_init(void *arena) {\n  getpid();",
    )
    with pytest.raises(ToolError, match="undefined symbol: getpid"):
        build(tmp_path, small_network(), edit=wanted)


def test_another_compiler_than_the_locks_is_refused(tmp_path):
    with pytest.raises(ToolError, match=r"the lock wants 1\.2"):
        build(tmp_path, small_network(), compiler="1.2")


def test_a_module_whose_memory_may_grow_is_refused(tmp_path):
    out = build(tmp_path, small_network())
    data = (out / "model.wasm").read_bytes()
    growing = data.replace(bytes((5, 4, 1, 1)), bytes((5, 3, 1, 0)), 1)
    at = growing.index(bytes((5, 3, 1, 0)))
    growing = growing[: at + 5] + growing[at + 6 :]
    assert parse_module(growing).maximum_bytes is None
    with pytest.raises(SpecError, match="not fixed"):
        check_module(growing)


@pytest.mark.parametrize("cut", [0, 8, 40, 200])
def test_half_a_module_is_one_error(tmp_path_factory, cut):
    folder = tmp_path_factory.getbasetemp() / "half"
    whole = folder / "i" / "model.wasm"
    if not whole.exists():
        build(folder, small_network())
    with pytest.raises(ToolError, match=r"model\.wasm"):
        parse_module(whole.read_bytes()[:cut])


def test_buffers_are_as_large_as_the_model_wants(tmp_path):
    """A model of frames has room for one, beside its arena."""
    assert shutil.which("clang")
    out = build(tmp_path, small_network())
    header = json.loads((out / "image.json").read_text())["header"]
    data = (out / "model.wasm").read_bytes()
    assert parse_module(data).memory_bytes > header["arena_bytes"]
    assert BUFFERS_SOURCE.encode() not in data
    assert np.frombuffer(data[:4], "<u4")[0] == 0x6D736100
