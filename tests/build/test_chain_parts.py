"""Parts of a model, made by the steps: bit-exact with the whole in tflite-micro, and compiled for two small boards."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fakes.chain_boards import chain_settings, split_with
from fakes.pass_models import cell
from fakes.row_models import camera_network
from fakes.state_models import delay_line
from tinyops.artifacts import Step
from tinyops.boards import load_catalog
from tinyops.build.fits import model_room
from tinyops.chains import part_step
from tinyops.chains.settings import SplitSettings, part_settings
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import write_sources
from tinyops.compiler.image.assembly import header_assembly
from tinyops.compiler.image.build import build_image, lay_out
from tinyops.errors import ToolError
from tinyops.features import TensorFeatures, read_features
from tinyops.graph import parse_graph
from tinyops.images import find_self_test
from tinyops.split import Cutter
from tinyops.split.document import read_part
from tinyops.squeeze.golden import pack_golden, pack_stream
from tinyops.squeeze.oracle import run_vectors
from tinyops.squeeze.streaming import streamed_inputs
from tinyops.toolchain import COMPILERS, installed
from tinyops.twin.golden import read_golden, read_stream

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODELS = SHARED / "models" / "mlperf_tiny"
real = pytest.mark.skipif(not MODELS.is_dir(), reason="no models in the shared data (TINYOPS_SHARED_DATA)")
# 384 KB of flash and 48 KB of RAM: two slots for firmware, two for models, a bootloader, state and settings.
SMALL = """\
apiVersion: tinyops/v1
kind: Board
metadata: {name: small}
extends: microbit-v2
spec:
  title: 384 KB of flash and 48 KB of RAM
  memory:
    flash:
      - origin: 0x0
        bytes: 393216
        erase_bytes: 4096
        program_bytes: 4
        reprogram: 2
        during_write: stall
        erase_ms: 87.5
    ram: {origin: 0x20000000, bytes: 49152}
  layout:
    firmware: [{origin: 0x4000, bytes: 40960}, {origin: 0xe000, bytes: 40960}]
    model: [{origin: 0x18000, bytes: 139264}, {origin: 0x3a000, bytes: 139264}]
    state: {origin: 0x5c000, bytes: 8192}
    settings: {origin: 0x5e000, bytes: 8192}
    arena_bytes: 30720
    stack_bytes: 6144
"""


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


@real
def test_vww_over_two_boards_of_384_kb_of_flash_and_48_kb_of_ram(tmp_path: Path) -> None:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "small.yaml").write_text(SMALL)
    board = load_catalog(tmp_path / "boards")["small"]
    parts = tuple(part_settings(name, board, model_room(board)) for name in "ab")
    settings = chain_settings([None] * 2, [None] * 2).model_copy(update={"parts": parts})
    data = (MODELS / "vww_96_int8.tflite").read_bytes()
    work = tmp_path / "work"
    facts = split_with(data, SplitSettings.model_validate(settings.model_dump()), work)
    assert "one board would do" not in "\n".join(facts["explanation"])
    whole(data, work, 2)
    check_chain(work, "ab")
    for name, begin, end in (("a", 0, facts["cuts"][0]), ("b", facts["cuts"][0], 31)):
        image, arena = image_of(data, begin, end, board.spec.cpu, tmp_path / f"image-{name}")
        room = model_room(board)
        assert room is not None and image <= room
        assert board.spec.layout is not None and arena <= board.spec.layout.arena_bytes


def image_of(data: bytes, begin: int, end: int, cpu: str, folder: Path) -> tuple[int, int]:
    """Bytes of the linked image of some operators, and of their arena."""
    part = Cutter(data, parse_graph(data, "whole")).part(begin, end, first=begin == 0, last=end == 31)
    assert part.data is not None
    options = CompileOptions(cpu=cpu, arena_bytes=30720, board="small")
    compiled = compile_model(parse_graph(part.data, "part"), TensorFeatures(), options)
    sources, built = folder / "sources", folder / "built"
    built.mkdir(parents=True)
    write_sources(compiled.sources, sources)
    files = {p.relative_to(sources).as_posix(): p for p in sources.rglob("*") if p.is_file()}
    tool = installed(COMPILERS[cpu][0])
    image, _ = build_image(lay_out(files, built), header_assembly(compiled.header), cpu, tool, built)
    return len(image), compiled.arena.bytes
