"""The programs and models of a chain of Linux, built as their firmware and image steps do, without a repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.boards.loader import load_catalog
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import build_host
from tinyops.features import Features, TensorFeatures
from tinyops.firmware import render_project
from tinyops.firmware.chained import ChainPlace
from tinyops.firmware.forms.hosted_part import FLAGS
from tinyops.firmware.forms.program import INCLUDES
from tinyops.graph import Graph, parse_graph
from tinyops.split import cut_model
from tinyops.split.document import Crossing, PartDocument


@dataclass(frozen=True)
class BuiltPart:
    program: Path
    library: Path
    contract: dict[str, Any]

    @property
    def contract_bytes(self) -> bytes:
        return json.dumps(self.contract).encode()


def build_parts(
    model: bytes, cuts: Sequence[int], folder: Path, after_ms: int, features: Features | None = None
) -> list[BuiltPart]:
    """`features`: of the first part, where frames come in."""
    graph, made = parse_graph(model, "m"), []
    for position, part in enumerate(cut_model(model, "m", cuts)):
        own = folder / f"part{position}"
        own.mkdir()
        document = PartDocument(
            name=f"p{position}",
            board="linux",
            position=position,
            begin=part.begin,
            end=part.end,
            takes=tuple(_crossing(graph, tensor) for tensor in part.takes),
            gives=tuple(_crossing(graph, tensor) for tensor in part.gives),
            inputs=(0,),
            outputs=(0,),
            passed=(),
            set="5" * 32,
            parts=len(cuts) + 1,
        )
        assert part.data is not None
        own_features = features if features is not None and position == 0 else TensorFeatures()
        compiled = compile_model(parse_graph(part.data, "p"), own_features, CompileOptions(), document)
        library = build_host(compiled.sources, own / "model")
        place = ChainPlace(position, len(cuts) + 1, after_ms)
        sensor = "link" if own_features is not features else "stream"
        made.append(BuiltPart(build_program(own, compiled.contract, place, sensor), library, compiled.contract))
    return made


def _crossing(graph: Graph, tensor: int) -> Crossing:
    found = graph.tensors[tensor]
    return Crossing(tensor=tensor, name=found.name, bytes=found.bytes, shape=found.shape)


def build_program(folder: Path, contract: dict[str, Any], place: ChainPlace, sensor: str = "link") -> Path:
    spec = load_catalog()["linux"].spec
    files = render_project(board="linux", spec=spec, fleet="f", sensor=sensor, contract=contract, chain=place)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    sources = sorted(name for name in files if name.endswith(".c"))
    command = ["gcc", *FLAGS, "-O1", *INCLUDES, *sources, "-ldl", "-o", "part"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return folder / "part"
