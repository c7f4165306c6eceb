"""What tells two twins of one board apart: a number of the chip, made of a serial."""

from __future__ import annotations

from tinyops.boards import load_catalog
from tinyops.twin.machine import SILICON_BYTES, Boot

PICO = load_catalog()["pico"].spec


def number(board: str, serial: str) -> bytes:
    return Boot(board, PICO, {}, {}, {}, serial=serial).silicon


def test_a_serial_gives_one_number_for_ever_and_every_board_its_own() -> None:
    assert number("pico", "one").hex() == "94f2ff70749e34bd"  # in docs/connect.md, and perhaps in somebody's fleet
    assert len({number(board, serial) for board in ("pico", "pico-w") for serial in ("one", "two")}) == 4
    assert len(number("pico", "x" * 1000)) == SILICON_BYTES


def test_without_a_serial_a_chip_has_no_number() -> None:
    assert number("pico", "") == b""
