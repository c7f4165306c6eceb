"""What a part's image says: where the tensors lie that come and go, and a contract that depends on no cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes.compiled import compile_bytes
from fakes.tflite import dense
from tinyops.artifacts import Step
from tinyops.compiler import CompileOptions, compile_model, run
from tinyops.compiler.compiled import CompiledModel, extension_of, header_of
from tinyops.compiler.header import HEADER_BYTES
from tinyops.compiler.image.assembly import header_assembly
from tinyops.compiler.part import NOWHERE, Crossed, PartTable
from tinyops.errors import DoesNotFit, SpecError
from tinyops.features import TensorFeatures
from tinyops.graph import parse_graph
from tinyops.link.parts import MESSAGE_MAX
from tinyops.split.document import Crossing, PartDocument, document_bytes

SET = "00112233445566778899aabbccddeeff"
DATA = dense().build([0], [3])
GRAPH = parse_graph(DATA, "m")
COMES, GOES = (GRAPH.tensors[i].bytes for i in (GRAPH.inputs[0], GRAPH.outputs[0]))
RUNTIME = Path(__file__).parents[3] / "tinyops/runtime/include/tinyops"


def crossing(tensor: int, count: int) -> Crossing:
    return Crossing(tensor=tensor, name=f"t{tensor}", bytes=count, shape=(1, count))


def part(position: int = 1, parts: int = 3, come: int = COMES, passed: int = 5) -> PartDocument:
    """It uses one of two tensors that come, and passes the other one on."""
    other = crossing(9, passed)
    return PartDocument(
        name="middle",
        board="host",
        position=position,
        begin=1,
        end=2,
        takes=(other, crossing(10, come)),
        gives=(other, crossing(11, GOES)),
        inputs=(1,),
        outputs=(1,),
        passed=((0, 0),),
        set=SET,
        parts=parts,
    )


def compiled(document: PartDocument, **options: object) -> CompiledModel:
    return compile_model(GRAPH, TensorFeatures(), CompileOptions(**options), document)  # type: ignore[arg-type]


def test_the_table_says_where_each_tensor_lies() -> None:
    made = compiled(part())
    inputs, outputs = (made.arena.tensors[i].offset for i in (made.graph.inputs[0], made.graph.outputs[0]))
    assert made.part == PartTable(
        SET,
        1,
        3,
        5,
        (Crossed(5, NOWHERE, 0), Crossed(COMES, inputs)),
        (Crossed(5, NOWHERE, 0), Crossed(GOES, outputs)),
    )
    assert PartTable.unpack(made.part.pack()) == made.part
    assert (made.part.takes_bytes, made.part.gives_bytes) == (5 + COMES, 5 + GOES)
    for wrong in (b"", made.part.pack()[:-1], b"X" + made.part.pack()[1:]):
        with pytest.raises(ValueError, match="part"):
            PartTable.unpack(wrong)


def test_the_table_is_what_the_runtime_declares() -> None:
    text = (RUNTIME / "model_part.h").read_text()
    assert f"0x{0x31504F54:08x}u" in text and "0xffffffffu" in text
    assert len(compiled(part()).part.words) == 10 + 3 * 4  # type: ignore[union-attr]


def test_a_library_has_the_table_beside_its_header_and_an_image_behind_it(tmp_path: Path) -> None:
    made = compiled(part())
    source = made.sources["model.c"]
    assert "const uint32_t tinyops_model_part_words[] = {" in source and "0x31504f54u," in source
    assert f".header_bytes = {HEADER_BYTES}u" in source and "include/tinyops/model_part.h" in made.sources
    (tmp_path / "int8.tflite").write_bytes(DATA)
    (tmp_path / "part.json").write_bytes(document_bytes(part()))
    inputs = {name: tmp_path / name for name in ("int8.tflite", "part.json")}
    run(Step("compile", "m/b", {"cpu": "cortex-m0", "board": "b"}, {}), inputs, tmp_path, lambda _: None)
    described, contract = (json.loads((tmp_path / name).read_text()) for name in ("compile.json", "contract.json"))
    extension = extension_of(described)
    assert PartTable.unpack(extension) == compiled(part(), cpu="cortex-m0").part
    assembly = header_assembly(header_of(described, contract), extension)
    assert f".hword 1, {HEADER_BYTES + len(extension)}" in assembly and ".word 0x31504f54" in assembly


def test_a_model_by_itself_is_as_it_was() -> None:
    whole = compile_bytes(DATA)
    assert whole.part is None and "part" not in "".join(whole.sources) and "part_words" not in whole.sources["model.c"]
    assert header_assembly(whole.header) == header_assembly(whole.header, extension_of({}))
    with pytest.raises(SpecError, match=r"compile\.json: part"):
        extension_of({"part": {"table": "00"}})


def test_a_contract_says_the_place_and_nothing_of_the_cut() -> None:
    one, other = (compiled(part(passed=count)).contract for count in (5, 70))
    assert one == other and one["part"] == {"position": 1, "parts": 3}
    assert one["output"] == {"classes": None, "type": "int8", "bytes": 0}
    classes = tuple(f"c{i}" for i in range(GOES))
    last = compiled(part(2), classes=classes).contract
    assert last["output"]["classes"] == list(classes)
    assert compiled(part(1), classes=("one", "two")).contract == one  # of the last part only


def test_what_is_held_counts_as_memory() -> None:
    needed = compiled(part(passed=400)).arena.bytes
    with pytest.raises(DoesNotFit, match=r"400 of them for what it passes on.* short by 1"):
        compiled(part(passed=400), arena_bytes=needed + 399)
    assert compiled(part(passed=400), arena_bytes=needed + 400).part is not None


def test_parts_of_another_cut_and_messages_too_long_are_refused() -> None:
    with pytest.raises(SpecError, match=r"its inputs have \[\d+\] bytes, part.json of 'middle' says"):
        compiled(part(come=COMES + 1))
    with pytest.raises(SpecError, match=f"'middle' takes {MESSAGE_MAX + COMES:,} bytes in one inference"):
        compiled(part(passed=MESSAGE_MAX))


def test_rows_are_streamed_into_no_message() -> None:
    made = compiled(part())
    stretch = type("Streamed", (), {"streamed": True})()
    from tinyops.compiler.compiled import _table

    with pytest.raises(SpecError, match="gets its input as a whole: its rows cannot be streamed"):
        _table(part(), made.graph, made.arena, stretch)
