"""New models and firmwares that crash or hang, on emulated boards: each is reverted, and inference goes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from fakes.faults import count_faults
from fakes.firmware_edits import as_rendered, replacing
from fakes.updatable import CRASHES, FAULTY_INPUT, HANGS, INPUT_BYTES, Live, Updatable, WasReset, answer_to, digest_of
from tinyops.link import BoardFault

pytestmark = pytest.mark.build

BOARDS = ("microbit", "nano33ble")
CRASH, HANG, OVERFLOW, WRONG = 1, 2, 3, 4  # faults of test_twin_reverse.c
BY_RESET, BY_SELF_TEST = 2, 3  # tinyops_trial_outcome
BY_WATCHDOG = 3  # tinyops_reset_cause
GOOD, FAULTY = bytes(range(1, INPUT_BYTES + 1)), bytes([FAULTY_INPUT, *range(1, INPUT_BYTES)])
# An instruction is a nanosecond there, and sleeps last up to 0.5 s: the whole time would take half a minute.
EDITS = {"nano33ble": replacing({"src/mps2/watchdog.c": ("TINYOPS_WATCHDOG_MS 8000", "TINYOPS_WATCHDOG_MS 800")})}
PLACES = [
    ("microbit", "tinyops_startup_reset"),
    ("microbit", "main"),
    ("microbit", "read_byte"),
    ("nano33ble", "read_byte"),
]
Prepared = tuple[Updatable, Path]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    @cache
    def prepare(board: str) -> Prepared:
        folder = tmp_path_factory.mktemp(board)
        kit = Updatable(board, folder, edit=EDITS.get(board, as_rendered))
        return kit, kit.prepare(kit.model(0), folder / "flash")

    return prepare


def watchdog_resets(live: Live) -> int:
    """As the twin counts them; where the machine has a watchdog of its own, as the board does."""
    counted = live.virtual.measure().watchdog
    return live.manager.health().watchdog_resets if counted is None else counted


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(("fault", "watchdog"), [(CRASH, 0), (OVERFLOW, 0), (HANG, 1)])
@pytest.mark.parametrize("when", ["self-test", "inference"])
def test_a_model_that_crashes_or_hangs_is_reverted(
    when: str, fault: int, watchdog: int, board: str, prepared: Callable[[str], Prepared], tmp_path: Path
) -> None:
    kit, flash = prepared(board)
    bad = kit.model(3, fault=fault, golden=when == "self-test")
    with kit.copied(flash, tmp_path / "flash") as live:
        assert live.infer(GOOD) == answer_to(GOOD, 0)
        with pytest.raises((WasReset, BoardFault)):
            live.try_model(bad)
            live.wait_active(1, digest_of(bad))
            assert (when, live.infer(GOOD)) == ("inference", answer_to(GOOD, 3))
            live.infer(FAULTY)
        live.wait_for_reset()
        assert live.active(1).digest == digest_of(kit.model(0)) and live.active(1).confirmed
        assert live.manager.update_state(1).outcome == BY_RESET
        assert watchdog_resets(live) == watchdog
        assert live.infer(FAULTY) == answer_to(FAULTY, 0)
        live.update_model(kit.model(5))
        assert live.infer(FAULTY) == answer_to(FAULTY, 5)
    count_faults(f"new models that crash or hang, {board} twin", 1)


@pytest.mark.parametrize("board", BOARDS)
def test_a_model_that_fails_its_self_test_is_reverted_at_once(
    board: str, prepared: Callable[[str], Prepared], tmp_path: Path
) -> None:
    kit, flash = prepared(board)
    with kit.copied(flash, tmp_path / "flash") as live:
        live.try_model(kit.model(3, fault=WRONG))
        for _ in range(20):
            assert live.infer(GOOD) in (answer_to(GOOD, 0), answer_to(GOOD, 3))
        assert live.active(1).digest == digest_of(kit.model(0)) and live.active(1).confirmed
        assert live.manager.update_state(1).outcome == BY_SELF_TEST
        assert live.infer(FAULTY) == answer_to(FAULTY, 0)
        assert live.virtual.measure().resets == 0
    count_faults(f"new models that fail their self-test, {board} twin", 1)


@pytest.mark.parametrize(("instead", "watchdog"), [(CRASHES, 0), (HANGS, 1)], ids=["crashes", "hangs"])
@pytest.mark.parametrize(("board", "at"), PLACES)
def test_a_firmware_that_crashes_or_hangs_is_reverted(
    at: str, instead: bytes, watchdog: int, board: str, prepared: Callable[[str], Prepared], tmp_path: Path
) -> None:
    """From its first instruction on, before it has a stack, or as soon as it serves the line."""
    kit, flash = prepared(board)
    with kit.copied(flash, tmp_path / "flash") as live:
        bad, before = kit.firmware(1, instead=instead, at=at), live.active(0).digest
        live.upload(0, bad)
        live.manager.test_image(digest_of(bad))
        live.manager.reset()
        live.wait_for_reset(2)
        assert live.active(0).digest == before and live.active(0).confirmed
        assert live.manager.update_state(0).outcome == BY_RESET
        assert watchdog_resets(live) == watchdog
        health = live.manager.health()
        assert health.watchdog_resets == watchdog and (health.reset_cause == BY_WATCHDOG) == (watchdog == 1)
        assert live.infer(GOOD) == answer_to(GOOD, 0)
        good = kit.firmware(1, grown=4)
        live.upload(0, good)
        live.manager.test_image(digest_of(good))
        live.manager.reset()
        live.wait_for_reset(3)
        assert live.active(0).digest == digest_of(good) and not live.active(0).confirmed
        live.manager.confirm_image(digest_of(good))
        live.restart()
        assert live.active(0).digest == digest_of(good) and live.active(0).confirmed
        assert live.infer(GOOD) == answer_to(GOOD, 0)
    count_faults(f"new firmwares that crash or hang, {board} twin", 1)
