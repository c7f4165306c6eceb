"""What a variant costs where the board cannot hold it: by how much, and how large it would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes.projects import finished_model
from tinyops.artifacts import Step
from tinyops.build.choice.candidates import Budget, Candidate, lacks
from tinyops.build.choice.measure import cost
from tinyops.toolchain import installed

pytestmark = pytest.mark.build


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """A dense layer of 4,000 weights of few values."""
    (tmp_path / "int8.tflite").write_bytes(finished_model(inputs=100, outputs=40))
    (tmp_path / "features.json").write_text('{"kind": "tensor"}')
    (tmp_path / "golden.bin").write_bytes(b"read by no board that is too small")
    return {name: tmp_path / name for name in ("int8.tflite", "features.json", "golden.bin")}


def measured(inputs: dict[str, Path], arena_bytes: int, slot_bytes: int) -> dict[str, Any]:
    compiler = {"name": "arm-none-eabi-gcc", "version": installed("arm-none-eabi-gcc").version}
    task = {"classes": None, "signal": None, "prefer": "size"}
    settings = {
        "compile": {"cpu": "cortex-m0", "board": "microbit", "arena_bytes": arena_bytes, **task},
        "image": {"cpu": "cortex-m0", "board": "microbit", "slot_bytes": slot_bytes},
    }
    step = Step("cost", "m/int8/microbit", settings, {"parts": {"compile": {}, "image": {"compiler": compiler}}})
    return cost(step, inputs, inputs["golden.bin"].parent, lambda _: None)


@pytest.mark.parametrize(("arena", "slot"), [(10_240, 1_000), (64, 100_000), (64, 1_000)])
def test_a_board_that_is_too_small_is_a_result_with_bytes(inputs: dict[str, Path], arena: int, slot: int) -> None:
    found = measured(inputs, arena, slot)
    assert found["image_bytes"] > 2_000 and 120 <= found["arena_bytes"] < 400
    assert found["unfit"] and found["instructions"] is None and found["flash_bytes"] is None
    squeezed = {"validation": {"accuracy": {"point": 1.0}}}
    one = Candidate.of("int8", squeezed, found, None)
    said = [lack.text for lack in lacks(one, Budget("microbit", slot, arena))]
    assert any("more flash than there is room" in text for text in said) == (slot == 1_000)
    assert any("more RAM than the arena has" in text for text in said) == (arena == 64)
