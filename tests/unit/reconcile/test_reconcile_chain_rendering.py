"""Parts of a chain are rendered with the contract that their compiled images will have, whatever the cuts."""

from __future__ import annotations

import re
from pathlib import Path

from fakes.chained import chain_document, layered, repository_of
from tinyops.build.steps import compile_settings
from tinyops.compiler import CompileOptions, compile_model
from tinyops.features import TensorFeatures
from tinyops.files import digest_bytes
from tinyops.graph import parse_graph
from tinyops.reconcile.rendering import rendered
from tinyops.reconcile.world import load_world_catalog
from tinyops.specs.loader import load_repository
from tinyops.split import cut_model
from tinyops.split.document import Crossing, PartDocument, set_digest

BOARDS = ("microbit", "nano33ble", "linux")
MODEL = layered()
GRAPH = parse_graph(MODEL, "layers")


def part_of(cuts: list[int], position: int) -> tuple[bytes, PartDocument]:
    def crossing(tensors: tuple[int, ...]) -> tuple[Crossing, ...]:
        found = [GRAPH.tensors[i] for i in tensors]
        return tuple(Crossing(tensor=t.index, name=t.name, bytes=t.bytes, shape=t.shape) for t in found)

    cut = cut_model(MODEL, "layers", cuts)[position]
    assert cut.data is not None
    document = PartDocument(
        name=f"p{position}",
        board=BOARDS[position],
        position=position,
        begin=cut.begin,
        end=cut.end,
        takes=crossing(cut.takes),
        gives=crossing(cut.gives),
        inputs=(0,),
        outputs=(0,),
        passed=(),
        set=set_digest(digest_bytes(MODEL), cuts),
        parts=len(BOARDS),
    )
    return cut.data, document


def test_rendered_and_compiled_contracts_are_one(tmp_path: Path) -> None:
    root = repository_of(tmp_path / "bench", {"layers": MODEL}, chain_document("chained", "layers", *BOARDS)).root
    files, catalog = rendered(root), load_world_catalog(root)
    repository = load_repository(root, catalog=catalog)
    for position, board in enumerate(BOARDS):
        header = "part_settings.h" if board == "linux" else "contract.h"
        text = files[f"chained/p{position}/include/{header}"].decode()
        (named,) = re.findall(r"Contract sha256:([0-9a-f]{64})", text)
        options = CompileOptions.from_settings(compile_settings(repository, "layers", catalog[board]))
        for cuts in ([1, 2], [2, 3]):
            data, document = part_of(cuts, position)
            made = compile_model(parse_graph(data, "p"), TensorFeatures(), options, document)
            assert made.header.contract.hex() == named
