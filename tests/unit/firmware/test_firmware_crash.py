"""Records of a fault, and what is made of them, without an ELF's tables: those are tested on real firmware."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fakes.smp_board import CRASH, INFO, SmpBoard, serving
from tinyops.cli import main
from tinyops.errors import SpecError, ToolError
from tinyops.firmware.crash import CrashRecord, choose_programs, explain, read_record
from tinyops.firmware.symbols import Place, Program
from tinyops.reconcile.programs import programs_in
from tinyops.report.crash import crash_json, crash_lines


@dataclass
class Known:
    """A program with one function, as Program shows it."""

    kind: str
    crc: int
    origin: int = 0
    data: bytes = b"\0" * 0x100
    slots: tuple[int, ...] = ()
    path: Path = Path("x.elf")
    is_riscv: bool = False
    asked: list[int] = field(default_factory=list)

    def holds(self, address: int) -> bool:
        return self.origin <= address < self.origin + len(self.data)

    def find(self, address: int) -> Place | None:
        self.asked.append(address)
        return Place("run", "src/run.c", 7)


FIRMWARE, MODEL = Known("firmware", 0x11, 0x100, slots=(0x1000, 0x2000)), Known("model", 0x22)
RECORD = CrashRecord(pc=0x1010, lr=0x121, psr=0x01000000, image_crc=0x22, firmware_crc=0x11, uptime_ms=1500)


def write(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_numbers_are_read_as_people_and_programs_write_them(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", {"pc": "0x1010", "lr": 289, "psr": 0, "board": "microbit"})
    assert read_record(path) == CrashRecord(pc=0x1010, lr=0x121, psr=0, board="microbit")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "not JSON"),
        ("[]", "the record"),
        ({"pc": 1, "lr": 2}, "psr"),
        ({"pc": -1, "lr": 2, "psr": 3}, "pc"),
        ({"pc": 1 << 32, "lr": 2, "psr": 3}, "pc"),
        ({"pc": "0xzz", "lr": 2, "psr": 3}, "pc"),
        ({"pc": 1, "lr": 2, "psr": 3, "r0": 4}, "r0"),
        ({"pc": 1, "lr": 2, "psr": 3, "board": "x" * 1000}, "board"),
        (" " * (1 << 17), "r.json"),
    ],
)
def test_a_bad_record_is_told_with_its_field(value: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=said):
        read_record(write(tmp_path / "r.json", value))


@pytest.mark.parametrize("slot", [0x1000, 0x2000])
def test_a_model_crashes_in_either_of_its_slots(slot: int) -> None:
    programs = [replace(FIRMWARE, asked=[]), replace(MODEL, asked=[])]
    found = explain(RECORD.model_copy(update={"pc": slot + 0x10}), programs).located[0]  # type: ignore[arg-type]
    assert (found.program, found.offset) == ("model", 0x10)
    beyond = explain(RECORD.model_copy(update={"pc": slot + 0x100}), programs).located[0]  # type: ignore[arg-type]
    assert beyond.program is None


@pytest.mark.parametrize(
    ("cause", "value", "said"),
    [
        (5, 0x10000000, ["data was read where it must not be", "at the address 0x10000000"]),
        (2, 0xFFFF, ["an undefined instruction"]),
        (99, 0, []),
    ],
)
def test_a_trap_is_told_in_the_words_of_a_risc_v_core(cause: int, value: int, said: list[str]) -> None:
    record = CrashRecord(pc=0x110, lr=0x121, psr=cause, mmfar=value, firmware_crc=0x11)
    found = explain(record, [Known("firmware", 0x11, 0x100, is_riscv=True)])  # type: ignore[list-item]
    assert list(found.reasons) == said
    assert f"mcause {cause:#010x}  mtval {value:#010x}" in crash_lines(found)[-1]


def test_the_call_stands_before_the_return_address() -> None:
    found = explain(RECORD, [FIRMWARE, MODEL])  # type: ignore[list-item]
    pc, lr = found.located
    assert (pc.program, pc.offset, MODEL.asked) == ("model", 0x10, [0x10])
    assert (lr.program, lr.offset, FIRMWARE.asked) == ("firmware", 0x20, [0x11E])
    assert found.notes == ()
    assert "pc  0x00001010  model+0x10  run  src/run.c:7" in "\n".join(crash_lines(found))
    assert crash_json(found)["places"][0]["line"] == 7


def test_what_cannot_be_mapped_is_said() -> None:
    found = explain(RECORD, [FIRMWARE])  # type: ignore[list-item]
    assert found.located[0].place is None and "no model.elf" in found.notes[0]
    assert "no ELF of the firmware" in explain(RECORD, []).notes[0]
    outside = RECORD.model_copy(update={"pc": 0x40000000, "lr": 0xFFFFFFF9})
    found = explain(outside, [FIRMWARE, MODEL])  # type: ignore[list-item]
    assert [located.program for located in found.located] == [None, None]
    assert found.notes == ("pc 0x40000000 lies outside firmware and model image",)


def test_fault_registers_are_put_into_words() -> None:
    found = explain(RECORD.model_copy(update={"cfsr": 1 << 9 | 1 << 15 | 1 << 25, "bfar": 0x80}), [])
    assert [reason.split(",")[0] for reason in found.reasons] == [
        "a read or write went to nothing",
        "a division by zero",
        "at the address 0x00000080",
    ]
    overflow = explain(CrashRecord(pc=0, lr=0, psr=0), [])
    assert overflow.located == () and "stack overflowed" in overflow.reasons[0]


def test_programs_are_known_by_what_lay_in_flash() -> None:
    other = Known("firmware", 0x33)
    assert choose_programs(RECORD, [other, FIRMWARE, MODEL], named=False) == [FIRMWARE, MODEL]  # type: ignore[list-item]
    with pytest.raises(SpecError, match=r"x\.elf: not the firmware that crashed: .*0x00000033.*0x00000011"):
        choose_programs(RECORD, [other], named=True)  # type: ignore[list-item]
    silent = RECORD.model_copy(update={"firmware_crc": 0})
    assert choose_programs(silent, [other], named=False) == []  # type: ignore[list-item]
    assert choose_programs(silent, [other], named=True) == [other]  # type: ignore[list-item]
    assert "does not say which firmware" in explain(silent, [other]).notes[0]  # type: ignore[list-item]


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"not an ELF", b"\x7fELF" + bytes(200)])
def test_what_is_no_program_is_refused_and_stepped_over_in_a_folder(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "firmware.elf").write_bytes(data)
    with pytest.raises(ToolError, match=r"firmware\.elf: not an ELF"):
        Program(tmp_path / "firmware.elf")
    assert list(programs_in(tmp_path)) == []
    with pytest.raises(SpecError, match="no such folder"):
        list(programs_in(tmp_path / "nowhere"))


def test_the_command_reads_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = write(tmp_path / "r.json", {"pc": "0x1010", "lr": 1, "psr": 0, "board": "microbit", "fleet": "wrist"})
    assert main(["crash", str(record), "--release", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("microbit of fleet wrist crashed\n  pc  0x00001010") and "no ELF of the firmware" in said
    assert main(["crash", str(tmp_path / "none.json"), "--release", str(tmp_path)]) == 65
    capsys.readouterr()


def test_the_command_asks_a_board_and_makes_it_forget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = SmpBoard()
    with serving(board) as port:
        asked = ["crash", port, "--release", str(tmp_path), "--json"]
        assert main(asked) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["record"] | {"pc": 0x1234, "lr": 0x1111, "board": "microbit", "fleet": "wrist"} == found["record"]
        assert board.crashed and main([*asked, "--clear"]) == 0
        assert not board.crashed
        capsys.readouterr()
        assert main(asked) == 0
        assert json.loads(capsys.readouterr().out) == {"record": None}


@pytest.mark.parametrize("place", [(64, 0), (64, 5)])
def test_a_board_that_answers_with_nonsense_is_refused(
    place: tuple[int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nonsense = {(64, 0): INFO | {"board": "\x1b[2J"}, (64, 5): CRASH | {"pc": 1 << 40}}
    with serving(SmpBoard(replace={place: nonsense[place]})) as port:
        assert main(["crash", port, "--release", str(tmp_path)]) == 70
    assert port in capsys.readouterr().err


def test_clearing_is_for_boards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = write(tmp_path / "r.json", {"pc": 1, "lr": 1, "psr": 0})
    assert main(["crash", str(record), "--clear"]) == 64
    assert main(["crash", str(tmp_path / "tty-none"), "--release", str(tmp_path)]) == 70
    capsys.readouterr()
