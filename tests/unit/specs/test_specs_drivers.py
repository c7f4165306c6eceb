"""Whose firmware reads a board's own sensor: the bare-metal port's drivers, or Arduino's."""

from __future__ import annotations

from typing import Any

import pytest

from tinyops.boards import load_catalog
from tinyops.boards.model import Board
from tinyops.specs.board_rules import binding_faults
from tinyops.specs.model import BoardBinding, Signal

CATALOG = dict(load_catalog())
SIGNAL = Signal(
    sensor="accelerometer", channels=("ax", "ay"), units=("m/s2", "m/s2"), full_scale=(19.6, 19.6), rate_hz=25.0
)


def said(board: str, changes: dict[str, Any], **binding: Any) -> list[str]:
    made = CATALOG[board].model_copy(update={"spec": CATALOG[board].spec.model_copy(update=changes)})
    catalog: dict[str, Board] = {**CATALOG, board: made}
    given = BoardBinding.model_validate({"sensor": "onboard-accelerometer", **binding})
    return [f"{fault.message}: {fault.hint}" for fault in binding_faults(board, given, SIGNAL, catalog)]


@pytest.mark.parametrize("board", ["microbit", "microbit-v2"])
def test_the_accelerometer_of_a_microbit_is_read_bare_metal(board: str) -> None:
    assert said(board, {}) == []
    (without,) = said(board, {"drivers": {}})
    assert f"the bare-metal firmware of {board} has no driver for onboard-accelerometer" in without
    assert "there are drivers on nano33ble (kit-camera, onboard-imu, onboard-microphone)" in without


def test_a_driver_of_the_other_framework_is_named() -> None:
    arduino = CATALOG["nano33ble"].spec.arduino
    assert arduino is not None
    has_both = {"arduino": arduino.model_copy(update={"drivers": {}})}
    (found,) = said("microbit", has_both, framework="arduino")
    assert "the arduino firmware of microbit has no driver" in found
    assert "its bare-metal firmware has one: leave framework out" in found
