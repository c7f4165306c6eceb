"""Boards whose flash cannot be read while it is written: what runs then lies in RAM, and reaches nothing else.

Read from the disassembly of what is linked; `never run on silicon`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from fakes.reversing import build_firmware, contract_of
from fakes.rp2040_port import link_port
from fakes.thumb import Escapes, RamCode, disassemble, functions_of
from tinyops.boards import load_catalog

pytestmark = pytest.mark.build

RAM, FLASH, ROM = range(0x20000000, 0x20042000), range(0x10000000, 0x18000000), range(0x4000)
IN_RAM = {"erase_from_ram", "program_from_ram"}
PROGRAM = Path(__file__).with_name("test_twin_rp2040.c")


def follow_all(elf: Path) -> RamCode:
    """Follows whatever is linked into RAM, which is all that may run while flash is away."""
    code = RamCode(elf, RAM, FLASH, ROM)
    for function in code.functions.values():
        if function.start in RAM:
            code.follow(function.name)
    return code


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pico")
    return build_firmware("pico", folder, contract_of("pico"))


def test_what_writes_a_picos_flash_runs_from_ram_alone(built: dict[str, Path]) -> None:
    """In each program that is flashed: the firmware of each slot, and the bootloader where there is one."""
    programs = [path for name, path in built.items() if name.endswith(".elf") and not name.startswith("twin")]
    assert programs
    for elf in programs:
        code = follow_all(elf)
        assert set(code.seen) >= IN_RAM, (elf.name, code.seen)
        assert all(code.seen[name] > 10 for name in IN_RAM)


def test_no_interrupt_can_come_while_flash_is_away(built: dict[str, Path]) -> None:
    """They are masked from the first instruction on: nothing unmasks them, so no handler in flash is ever entered."""
    for name, elf in built.items():
        if name.endswith(".elf") and not name.startswith("twin"):
            names = {(one.name, one.operands) for one in disassemble(elf, "-d")}
            assert ("cpsid", "i") in names, name
            assert not [one for one in names if one[0].startswith("cpsie") or (one[0] == "msr" and "MASK" in one[1])]


def test_the_second_stage_stays_within_its_256_bytes(built: dict[str, Path]) -> None:
    stages = [
        (elf, stage)
        for name, elf in built.items()
        if name.endswith(".elf") and (stage := functions_of(elf).get("tinyops_boot2"))
    ]
    assert stages
    for elf, stage in stages:
        with elf.open("rb") as stream:
            section = ELFFile(stream).get_section_by_name(".boot2")
            place = range(section["sh_addr"], section["sh_addr"] + section["sh_size"])
        assert len(place) == 256 and stage.start == place.start
        bounds = [f"--start-address={place.start:#x}", f"--stop-address={place.stop:#x}"]
        for one in disassemble(elf, "-D", *bounds):
            assert one.target is None or one.target in place, one


MARK = '#define IN_RAM __attribute__((section(".ramcode"), noinline))'
ERASE, AFTER_ERASE, LAST = "  rom->erase(", "rom->flush(); /*", "xip_open();\n}\n\nIN_RAM static void program"
TABLE = "  static const uint32_t more[4] = {4096, 8192, 1, 2};\n  bytes += more[offset & 3u];\n"
BROKEN = {
    "lies in flash": (MARK, "#define IN_RAM", ""),
    "calls flash": (LAST, LAST.replace("xip_open();", "(void)find(bytes);"), "__find_veneer.* lies in flash"),
    "reads flash": (ERASE, "  bytes += *(volatile uint32_t *)0x10000000u;\n" + ERASE, "lies in flash"),
    "reads a table in flash": (ERASE, TABLE + ERASE, "lies in flash"),
    "goes where RAM says": (
        AFTER_ERASE,
        "((rom_plain)(uintptr_t)*(volatile uint32_t *)0x20000000u)();\n" + AFTER_ERASE,
        "nobody knows where to",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_code_that_reaches_flash_is_seen(what: str, tmp_path: Path) -> None:
    old, new, said = BROKEN[what]
    elf = link_port(PROGRAM, tmp_path, {"flash.c": (old, new)})
    if what == "lies in flash":
        assert not IN_RAM & set(follow_all(elf).seen)
        with pytest.raises(Escapes, match="outside of RAM"):
            RamCode(elf, RAM, FLASH, ROM).follow("rp2040_flash_erase")
        return
    with pytest.raises(Escapes, match=said):
        follow_all(elf)


def test_the_port_with_another_program_too(tmp_path: Path) -> None:
    code = follow_all(link_port(PROGRAM, tmp_path))
    assert IN_RAM | {"read_number_from_ram"} <= set(code.seen)


def test_every_board_that_must_run_from_ram_has_a_port_that_is_looked_at() -> None:
    """Of the ports that are whole here. What a maker's core does while it writes is in test_firmware_makers_real.py."""
    ports = {
        board.spec.port
        for board in load_catalog().values()
        if board.spec.memory and any(region.during_write == "run-from-ram" for region in board.spec.memory.flash)
    }
    assert ports == {"rp2040", "arduino"}
