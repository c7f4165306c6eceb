"""What the console says of a board's health and of its last fault."""

from __future__ import annotations

from dataclasses import replace

from tinyops.link.smp import Crash, Health
from tinyops.twin.asking import crash_json, crash_text, health_json, health_text

FINE = Health(1500, 2, 1, 0, 4, 1, 7, 100, 200, 300, 400, 3300, 510, (3, 1))
FAULT = Crash(0x1234, 0x4321, 2, 0, 0, 0x10000000, 0, 0, 1500, 9)


def test_health_is_told_in_words() -> None:
    assert health_text(FINE).splitlines() == [
        "up          1.500 s, started by pin",
        "so far      0 faults, 1 resets by watchdog",
        "inferences  4, by class 3 1, mean confidence 0.50",
        "sensor      samples, 7 frames missed",
        "stack       100 of 200 bytes",
        "arena       300 of 400 bytes",
        "supply      3,300 mV",
    ]
    assert health_json(FINE)["reset_cause"] == "pin" and health_json(FINE)["histogram"] == [3, 1]


def test_what_a_board_does_not_know_is_left_out() -> None:
    text = health_text(replace(FINE, inferences=0, sensor=-5, supply_mv=0))
    assert "inferences  0\n" in text and "failed: -5" in text and "supply" not in text
    assert "none: frames come over the line" in health_text(replace(FINE, sensor=0))


def test_a_fault_is_told_by_the_registers_that_say_something() -> None:
    lines = crash_text(FAULT, "/dev/pts/7").splitlines()
    assert lines[:2] == [
        "crashed 1.500 s after its start",
        "  pc 0x00001234  lr 0x00004321  psr 0x00000002  mmfar 0x10000000",
    ]
    assert "tinyops crash /dev/pts/7" in lines[2] and len(crash_text(FAULT, None).splitlines()) == 2
    assert "the stack overflowed" in crash_text(replace(FAULT, pc=0, lr=0, psr=0, mmfar=0), None)
    assert (crash_text(None, None), crash_json(None)) == ("keeps no fault", {"record": None})
