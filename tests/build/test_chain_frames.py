"""A chain that is fed frames over a link with latency: every window has its answer, however soon the next one comes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes.chained import layered
from fakes.part_programs import BuiltPart, build_parts
from tinyops.boards import load_catalog
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import HostModel, build_host
from tinyops.features import RawFeatures
from tinyops.graph import parse_graph
from tinyops.twin.chained import PartBoard, open_chain
from tinyops.twin.wire import Terms

pytestmark = pytest.mark.build

WAIT_S, AFTER_MS = 20.0, 2000
BACK_TO_BACK = 3


def test_frames_that_come_before_the_last_answer_is_back_have_their_windows_computed(tmp_path: Path) -> None:
    features = RawFeatures(16, 4, 1, (0,), (0.01,))  # a window with every frame, once there is one
    built = build_parts(layered(), [2], tmp_path, AFTER_MS, features)
    parts = [_board(part, position, tmp_path) for position, part in enumerate(built)]
    compiled = compile_model(parse_graph(layered(), "m"), features, CompileOptions())
    whole = HostModel(build_host(compiled.sources, tmp_path / "whole"))
    frames = np.random.default_rng(3).integers(-20000, 20000, (4 + BACK_TO_BACK, 16)).astype(np.int16)
    with open_chain("chain", parts, [Terms(bytes_s=10_000, latency_s=0.2)]) as chain:
        chain.link.wait_ready(WAIT_S)
        found = [chain.link.sample([int(value) for value in frame], timeout_s=WAIT_S) for frame in frames]
    wanted = [_expected(whole, frame) for frame in frames]
    assert [None if one is None else one.values for one in found] == wanted
    assert sum(one is not None for one in found) == 1 + BACK_TO_BACK


def _board(part: BuiltPart, position: int, folder: Path) -> PartBoard:
    (contract := folder / f"contract{position}.json").write_bytes(part.contract_bytes)
    (compiled := folder / "compile.json").write_text(json.dumps({"arena": {"variables": {"bytes": 0}}}))
    files = {"part": part.program, "model.so": part.library, "contract.json": contract, "compile.json": compiled}
    return PartBoard(f"p{position}", "linux", load_catalog()["linux"].spec, files)


def _expected(whole: HostModel, frame: NDArray[np.int16]) -> bytes | None:
    if whole.push(frame) == 0:
        return None
    assert whole.prepare() == whole.invoke() == 0
    return whole.output()
