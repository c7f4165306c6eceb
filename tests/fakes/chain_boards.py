"""Chains of boards in numbers, and what they cost: split steps without repositories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.chains.choosing import possible_cuts
from tinyops.chains.costing import Costs
from tinyops.chains.settings import LinkSettings, PartSettings, SplitSettings
from tinyops.chains.split_step import run
from tinyops.features import TensorFeatures
from tinyops.files import JsonObject, pretty_json
from tinyops.graph import parse_graph

CPUS = ("cortex-m4f", "cortex-m0", "cortex-m7")


def chain_settings(room: Sequence[int | None], arena: Sequence[int | None], **more: object) -> SplitSettings:
    """Parts a, b, … with so many bytes of slot and arena, over lines of a megabaud."""
    parts = tuple(
        PartSettings(
            name=chr(97 + i), board=f"board-{i}", cpu=CPUS[i % 3], clock_hz=64_000_000, room_bytes=r, arena_bytes=a
        )
        for i, (r, a) in enumerate(zip(room, arena, strict=True))
    )
    links = tuple(LinkSettings(kind="uart", baud=1_000_000) for _ in parts[1:])
    return SplitSettings(parts=parts, links=links, **more)  # type: ignore[arg-type]


def costs_of(data: bytes, settings: SplitSettings) -> Costs:
    graph = parse_graph(data, "int8.tflite")
    return Costs(data, graph, TensorFeatures(), settings, possible_cuts(graph), lambda _: None)


def split_with(data: bytes, settings: SplitSettings, folder: Path) -> JsonObject:
    """Runs the split step; returns its facts. split.json lies in folder/out."""
    inputs = {"int8.tflite": folder / "int8.tflite", "features.json": folder / "features.json"}
    folder.mkdir(exist_ok=True)
    inputs["int8.tflite"].write_bytes(data)
    inputs["features.json"].write_bytes(pretty_json({"kind": "tensor"}))
    out = folder / "out"
    out.mkdir()
    said: list[Progress] = []
    facts = run(Step("split", "door", settings.model_dump(mode="json")), inputs, out, said.append)
    assert any("operators" in p.message for p in said)
    return facts
