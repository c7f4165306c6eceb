"""Operators by rows, without running them: what is chosen for which preference, what the planner is told, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fakes.compiled import compile_bytes
from fakes.row_models import camera_network, remembering_network
from fakes.tflite import PADDING, Tflite, dense
from tinyops.cli import main
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.compiled import CompiledModel, header_of
from tinyops.compiler.memory import Buffer, MemoryPlan, Over, overlaps, plan_memory
from tinyops.compiler.rows import schedule
from tinyops.compiler.rows.kernels import Geometry
from tinyops.compiler.rows.schedule import RowStep, play
from tinyops.compiler.rows.search import _Task
from tinyops.compiler.rows.stretch import geometries
from tinyops.compiler.sharing import share_storage
from tinyops.compiler.step import describe
from tinyops.errors import DoesNotFit, SpecError
from tinyops.features import RawFeatures, TensorFeatures
from tinyops.graph import parse_graph
from tinyops.link.client import Timing
from tinyops.link.protocol import rows_of_input
from tinyops.twin.prove import feed

CAMERA = RawFeatures(10, 12, 12, (100, -50), (0.01, 0.005))


def wide_network(height: int = 24) -> bytes:
    """A large tensor between two small ones: a pointwise layer, a depthwise one with stride 2, a pointwise one."""
    rng = np.random.default_rng(2)
    model = Tflite()
    options = {"padding": PADDING["SAME"], "dilationHFactor": 1, "dilationWFactor": 1}

    def weights(shape: tuple[int, ...], axis: int) -> int:
        return model.tensor(shape, scale=0.01, axis=axis, data=rng.integers(-127, 127, shape, endpoint=True))

    source = model.tensor((1, height, 24, 4), scale=0.05, zero_point=1)
    wide = model.tensor((1, height, 24, 32), scale=0.05)
    deep = model.tensor((1, height // 2, 12, 32), scale=0.05)
    last = model.tensor((1, height // 2, 12, 4), scale=0.05)
    conv = {"table": "Conv2DOptions", "strideH": 1, "strideW": 1, **options}
    model.operator("CONV_2D", [source, weights((32, 1, 1, 4), 0), -1], [wide], **conv)
    depthwise = {"table": "DepthwiseConv2DOptions", "depthMultiplier": 1, "strideH": 2, "strideW": 2, **options}
    model.operator("DEPTHWISE_CONV_2D", [wide, weights((1, 3, 3, 32), 3)], [deep], **depthwise)
    model.operator("CONV_2D", [deep, weights((4, 1, 1, 32), 0), -1], [last], **conv)
    return model.build([source], [last])


def compiled(**options: object) -> CompiledModel:
    return compile_bytes(wide_network(), cpu="cortex-m4f", **options)


WHOLE = compiled(prefer="speed").arena.bytes


def test_rows_are_used_where_memory_counts() -> None:
    """The host has no limit: balanced leaves things as they are there, as speed and size do on any board that fits."""
    assert WHOLE > 24 * 24 * 32
    for options in ({}, {"prefer": "size"}, {"prefer": "speed", "arena_bytes": WHOLE}):
        assert compiled(**options).stretch is None
    for options in ({"prefer": "ram"}, {"stream_rows": True}):
        found = compiled(**options)
        assert found.stretch is not None
        assert found.arena.bytes < WHOLE / 2


@pytest.mark.parametrize("prefer", ["speed", "size", "balanced"])
def test_rows_are_tried_before_a_board_is_refused(prefer: str) -> None:
    whole = compiled(prefer=prefer).arena.bytes
    found = compiled(prefer=prefer, arena_bytes=whole - 1)
    assert found.stretch is not None
    assert found.arena.bytes < whole
    with pytest.raises(DoesNotFit) as error:
        compiled(prefer=prefer, arena_bytes=1024)
    assert (error.value.arena_bytes or WHOLE) < WHOLE / 2, "the error tells what is needed at least"


def test_the_cheapest_that_fits_has_the_tallest_strips() -> None:
    tight, loose = (compiled(prefer="speed", arena_bytes=size).stretch for size in (WHOLE // 2, WHOLE - 1))
    assert tight is not None and loose is not None
    assert loose.played.strips < tight.played.strips


def test_balanced_does_without_rows_that_cost_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyops.compiler.rows import search

    monkeypatch.setattr(search, "MOST_SLOWER", 1.0)
    assert compiled(arena_bytes=1 << 20).stretch is not None
    monkeypatch.setattr(search, "WORTH_SHARE", 0.99)
    assert compiled(arena_bytes=1 << 20).stretch is None
    monkeypatch.undo()
    monkeypatch.setattr(search, "MOST_SLOWER", 0.0)
    assert compiled(arena_bytes=1 << 20).stretch is None


def test_streamed_rows_in_header_contract_and_descriptions() -> None:
    found, whole = compiled(stream_rows=True), compiled()
    assert (found.header.input_bytes, found.header.window_frames, found.header.input_rows) == (24 * 4, 24, 24)
    assert (whole.header.window_frames, whole.header.input_rows) == (0, 1)
    assert found.contract == whole.contract, "a firmware runs both"
    described = describe(found)
    assert described["by_rows"]["first"] == 0
    assert header_of(json.loads(json.dumps(described)), found.contract) == found.header
    assert "#define TINYOPS_INPUT_ROWS 24u" in found.sources["model.h"]
    assert "TINYOPS_MORE" in found.sources["model.c"]
    assert "kernels/rows.c" in found.sources
    assert "kernels/rows.c" not in whole.sources


def test_models_that_cannot_take_rows_are_refused_by_name() -> None:
    with pytest.raises(SpecError, match="rows can be streamed into a model with one input"):
        compile_bytes(dense().build([0], [3]), stream_rows=True)
    graph = parse_graph(camera_network(), "camera")
    for features in (replace(CAMERA, hop_frames=3), replace(CAMERA, frame_values=20, window_frames=6, hop_frames=6)):
        with pytest.raises(SpecError, match="whose frames are the image's rows"):
            compile_model(graph, features, CompileOptions(stream_rows=True))
        ram = CompileOptions(prefer="ram", arena_bytes=4096)
        assert compile_model(graph, features, ram).header.input_rows == 1


def test_frames_that_are_rows_are_streamed_only_where_ram_is_preferred() -> None:
    graph, features = parse_graph(camera_network(24), "camera"), replace(CAMERA, window_frames=24, hop_frames=24)
    rows = {p: compile_model(graph, features, CompileOptions(prefer=p, arena_bytes=4096)) for p in ("balanced", "ram")}
    assert [found.header.input_rows for found in rows.values()] == [1, 24]
    assert rows["ram"].arena.bytes < rows["balanced"].arena.bytes
    whole = compile_model(graph, features, CompileOptions(prefer="ram"))
    assert whole.header.input_rows == 1, "memory is no limit there"


def test_a_window_that_takes_less_than_its_rows_is_not_streamed_unless_asked_for() -> None:
    graph, ram = parse_graph(camera_network(), "camera"), CompileOptions(prefer="ram", arena_bytes=4096)
    whole, asked = (compile_model(graph, CAMERA, options) for options in (ram, replace(ram, stream_rows=True)))
    assert [whole.header.input_rows, asked.header.input_rows] == [1, 12]
    assert whole.arena.bytes < asked.arena.bytes


@pytest.mark.parametrize(
    ("header", "rows"),
    [((288, 0, 96), 96), ((27_648, 0, 0), 1), ((10, 10, 12), 12), ((120, 10, 12), 1), ((10, 10, 1), 1)],
)
def test_an_input_is_streamed_where_its_bytes_are_a_row(header: tuple[int, int, int], rows: int) -> None:
    assert rows_of_input(*header) == rows


class Board:
    """What `feed` needs of a link."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write_input(self, data: bytes) -> None:
        self.written.append(data)

    def invoke(self, timeout_s: float) -> Timing:
        return Timing(len(self.written), 25)


def test_the_time_of_an_inference_is_that_of_all_its_rows() -> None:
    board = Board()
    assert feed(board, b"aabbcc", 3) == Timing(1 + 2 + 3, 25)  # type: ignore[arg-type]
    assert board.written == [b"aa", b"bb", b"cc"]


def test_overlaps_in_several_steps_are_checked() -> None:
    """Both live from step 2 to 4, where the output may lie 32 bytes before the input and no nearer."""
    buffers = [Buffer("in", 64, 0, 4), Buffer("out", 64, 2, 6)]
    over = Over("out", "in", 32, steps=3)
    assert overlaps(buffers, MemoryPlan({"in": 32, "out": 0}, 96, 96), [over]) == []
    assert overlaps(buffers, MemoryPlan({"in": 16, "out": 0}, 96, 96), [over]) == [("in", "out")]
    assert overlaps(buffers, MemoryPlan({"in": 32, "out": 0}, 96, 96), [replace(over, steps=2)]) == [("in", "out")]
    assert plan_memory(buffers, [over]).arena_bytes == 96


def chain(*geometries: Geometry, most: int = 1) -> list[RowStep]:
    lines = enumerate(geometries)
    return [RowStep(i, (i,), i + 1, g, most, frozenset({i}), frozenset({i})) for i, g in lines]


def test_a_line_keeps_what_the_next_strip_looks_at() -> None:
    """3x3 after 3x3: two rows are kept, three exist; the whole input lies behind the output by what is looked ahead."""
    same = Geometry(3, 1, 1)
    played = play(chain(same, same), {0: 8, 1: 8, 2: 8}, (0,), (2,), None)
    assert played is not None
    assert (played.room[1], played.kept[1]) == (3, 2)
    assert played.shapes[1] == {(2, 1, 1): 1, (3, 1, 0): 6, (2, 1, 0): 1}
    assert max(end - needed for end, needed in played.ahead[2, 0] if needed < 8) == 0


def test_rows_that_come_one_at_a_time_fill_a_line_before_a_strip_runs() -> None:
    halved = Geometry(3, 2, 0)
    played = play(chain(halved, Geometry(1, 1, 0)), {0: 9, 1: 4, 2: 4}, (0,), (2,), 3)
    assert played is not None
    assert (played.strips, played.room[1], played.kept.get(1, 0)) == (4, 1, 0)
    assert played.shapes[0] == {(3, 1, 0): 4}


def test_strips_that_do_not_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "MOST_STRIPS", 3)
    assert play(chain(Geometry(1, 1, 0), Geometry(1, 1, 0)), {0: 4, 1: 4, 2: 4}, (0,), (2,), None) is None
    tall = Geometry(5, 1, 0)  # a line of three rows is never enough
    assert play(chain(tall, Geometry(1, 1, 0)), {0: 9, 1: 5, 2: 5}, (0,), (2,), 3) is None


def test_what_is_assigned_in_place_is_not_made_by_rows() -> None:
    """The new picture lies where the old one lies, of which its first strip has read only the first rows."""
    made = compile_bytes(remembering_network(), prefer="speed")
    assert [operator.name for operator in made.graph.operators[1:4]] == ["DEPTHWISE_CONV_2D"] * 2 + ["ADD"]
    storage = share_storage(made.graph, made.lowered)
    shared = replace(storage, owner={1: (5, 0), 4: (5, 0)})
    for found, wanted in ((shared, False), (replace(storage, owner={}), True)):
        task = _Task(made.graph, found, TensorFeatures(), "x86-64", geometries(made.graph, made.lowered))
        assert (task.candidate(1, 3, 1, streamed=False) is not None) == wanted
        assert task.candidate(1, 2, 1, streamed=False) is not None


def test_the_command_compiles_for_streamed_rows(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wide.tflite").write_bytes(wide_network())
    command = ["compile", str(tmp_path / "wide.tflite"), "--cpu", "cortex-m4f", "-o", str(tmp_path / "wide")]
    assert main([*command, "--stream-rows"]) == 0
    header = (tmp_path / "wide" / "include" / "wide.h").read_text()
    assert "#define WIDE_INPUT_ROWS 24u" in header
    assert "#define WIDE_INPUT_BYTES 96u" in header
    assert main(command) == 0
    assert "INPUT_ROWS" not in (tmp_path / "wide" / "include" / "wide.h").read_text()
    capsys.readouterr()
