"""Instructions of each operator: the model is built and run once for each, stopped after it; differences are its own.

Nothing on the board is instrumented, so what is counted is the code that ships.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tinyops.boards.model import Board
from tinyops.compiler.compiled import CompiledModel
from tinyops.errors import ToolError

ENTRY = "int32_t tinyops_model_invoke(void *arena) {"
CALL = re.compile(r"^  (op(\d+)_\w+)\(\(uint8_t \*\)arena\);$", re.MULTILINE)


def operator_calls(compiled: CompiledModel) -> list[int]:
    """The file's numbers of the operators that the model calls, in order; those that move no bytes are not called."""
    return [int(number) for _, number in CALL.findall(_invoke(compiled.sources["model.c"])[1])]


def stopped_after(compiled: CompiledModel, calls: int) -> CompiledModel:
    """The same model, ending after its first operators: what follows is named, so that it compiles, and not called."""
    before, body = _invoke(compiled.sources["model.c"])
    numbered = iter(range(len(CALL.findall(body))))
    text = CALL.sub(lambda found: found[0] if next(numbered) < calls else f"  (void){found[1]};", body)
    return replace(compiled, sources={**compiled.sources, "model.c": before + text})


def _invoke(source: str) -> tuple[str, str]:
    before, entry, body = source.partition(ENTRY)
    if not CALL.search(body):
        raise ToolError("model.c: no operators are called as tinyops emits them: they cannot be told apart")
    return before + entry, body


def count_operators(
    compiled: CompiledModel, board: Board, firmware: Mapping[str, Path], vector: bytes
) -> dict[int, int]:
    """Operator -> its instructions on one input; empty where the board's twin counts none.

    `firmware` are the files that boot beside the model, its contract and compile.json. Raises ToolError.
    """
    if board.spec.layout is None:
        return {}
    calls = operator_calls(compiled)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        counts = list(
            pool.map(lambda n: _count(stopped_after(compiled, n), board, firmware, vector), range(len(calls) + 1))
        )
    return {number: max(counts[i + 1] - counts[i], 0) for i, number in enumerate(calls)}


def _count(compiled: CompiledModel, board: Board, firmware: Mapping[str, Path], vector: bytes) -> int:
    from tinyops.build.bench import build_image
    from tinyops.twin import open_twin
    from tinyops.twin.prove import exercise

    with tempfile.TemporaryDirectory(prefix="tinyops-profile-") as folder:
        _, files, _ = build_image(compiled, board, Path(folder))
        with open_twin(board.name, board.spec, {**files, **firmware}) as virtual:
            measured = exercise(virtual, virtual.link.hello(), [vector], lambda *_: None)
    return measured.instructions or 0
