"""Which boards would hold what one of them cannot; refusing another tinyops than the lock's."""

from __future__ import annotations

import pytest

from tinyops.artifacts import Record, Step
from tinyops.boards.loader import load_catalog
from tinyops.build.fits import boards_that_hold, with_boards
from tinyops.build.pins import check_tinyops
from tinyops.errors import DoesNotFit, ToolError
from tinyops.images import Kind, body_max
from tinyops.specs.locking import own_pins

CATALOG = {name: load_catalog()[name] for name in ("linux", "microbit", "nano33ble")}
NANO_SLOT, NANO_ARENA = 335_618, 131_072  # of a slot of 335,872 what a signed image leaves to a model


def compiled(arena_bytes: int) -> dict[str, Record]:
    record = Record("compile:m/microbit", "sha256:k", {}, {}, {}, {}, {}, {"arena_bytes": arena_bytes})
    return {record.step: record}


def test_slots_and_arena_both_count_to_the_byte() -> None:
    assert boards_that_hold(CATALOG, NANO_SLOT, NANO_ARENA) == ("linux", "nano33ble")
    assert boards_that_hold(CATALOG, NANO_SLOT + 1, 0) == ("linux",)
    assert boards_that_hold(CATALOG, 0, NANO_ARENA + 1) == ("linux",)
    assert boards_that_hold(CATALOG, 85_763, 10_240) == ("linux", "microbit", "nano33ble")


def test_a_firmware_too_large_wants_another_board_with_a_larger_slot() -> None:
    assert boards_that_hold(CATALOG, 0, 0, 32_000) == ("linux", "microbit", "nano33ble")
    assert boards_that_hold(CATALOG, 0, 0, 32_001) == ("linux", "nano33ble")
    step, error = Step("firmware", "f/microbit", {"board": "microbit"}), DoesNotFit("too large", firmware_bytes=1000)
    assert with_boards(step, error, {}, CATALOG).hint.endswith("would hold it: linux, nano33ble"), "and not itself"


def test_a_makers_bootloader_leaves_the_last_sector_of_a_slot_to_the_header() -> None:
    boards = {"esp32": load_catalog()["esp32"]}
    most = body_max(Kind.FIRMWARE, "esp32", 1310720 - 4096)
    assert boards_that_hold(boards, most, 0, most) == ("esp32",)
    assert boards_that_hold(boards, 0, 0, most + 1) == boards_that_hold(boards, most + 1, 0) == ()


def test_an_image_too_large_knows_its_arena_from_the_compile_step() -> None:
    error = DoesNotFit("too large", hint="make it smaller", image_bytes=200_000)
    step = Step("image", "m/microbit")
    assert "hold it: linux, nano33ble" in with_boards(step, error, compiled(1000), CATALOG).hint
    found = with_boards(step, error, compiled(NANO_ARENA + 1), CATALOG)
    assert isinstance(found, DoesNotFit)
    assert found.hint == "make it smaller\n  the catalogue has boards that would hold it: linux"
    assert (found.message, found.exit_code) == ("too large", 66)


def test_when_no_board_holds_it_that_is_said() -> None:
    small = {name: board for name, board in CATALOG.items() if name != "linux"}
    error = DoesNotFit("too large", arena_bytes=1_000_000)
    assert "no board of the catalogue would hold it" in with_boards(Step("compile", "m/b"), error, {}, small).hint


@pytest.mark.parametrize("error", [ToolError("no gcc"), DoesNotFit("the stack is used up")])
def test_other_errors_are_left_alone(error: ToolError) -> None:
    assert with_boards(Step("twin", "f/b"), error, {}, CATALOG) is error


@pytest.mark.parametrize(("entry", "part"), [("tinyops", "compiler"), ("firmware", "firmware")])
def test_a_lock_of_other_sources_is_refused_by_name(entry: str, part: str) -> None:
    check_tinyops(Step("compile", "m/b", {}, {entry: getattr(own_pins(), part)}))
    check_tinyops(Step("collect", "d"))
    with pytest.raises(
        ToolError, match=f"the lock wants the {part} sources of another version of tinyops: sha256:0000"
    ):
        check_tinyops(Step("compile", "m/b", {}, {entry: "sha256:" + "0" * 64}))
