"""What Thumb code can reach, read from its disassembly: for code that must not touch the flash it was loaded from."""

from __future__ import annotations

import re
import subprocess
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.elffile import ELFFile

CALLS = ("bl", "blx")
CLOBBERED = ("r0", "r1", "r2", "r3", "ip", "lr")  # by a call
WRITES_NOTHING = ("cmp", "cmn", "tst", "str", "push", "nop", "dsb", "isb", "dmb", "cps")


class Escapes(AssertionError):
    """Code reaches what it must not."""


@dataclass(frozen=True)
class Instruction:
    """`operands` without comment; `target` is what a branch goes to or a literal is loaded from, if the code says."""

    address: int
    name: str
    operands: str
    target: int | None

    @property
    def register(self) -> str:
        return self.operands.split(",")[0].strip()


@dataclass(frozen=True)
class Function:
    name: str
    start: int
    end: int


def functions_of(elf: Path) -> dict[str, Function]:
    """The functions by name; of some with one name the last."""
    found = {}
    with elf.open("rb") as stream:
        for symbol in ELFFile(stream).get_section_by_name(".symtab").iter_symbols():
            if symbol["st_info"]["type"] == "STT_FUNC":
                start = symbol["st_value"] & ~1
                found[symbol.name] = Function(symbol.name, start, start + symbol["st_size"])
    return found


class Memory:
    """What an ELF puts where: its code, by the marks of its assembler, and words."""

    def __init__(self, elf: Path) -> None:
        with elf.open("rb") as stream:
            file = ELFFile(stream)
            sections = [s for s in file.iter_sections() if s["sh_type"] == "SHT_PROGBITS"]
            self._parts = [(s["sh_addr"], s.data()) for s in sections if s["sh_addr"]]
            symbols = file.get_section_by_name(".symtab").iter_symbols()
            self._marks = sorted((s["st_value"], s.name[1]) for s in symbols if s.name[:2] in ("$t", "$d"))

    def is_code(self, address: int) -> bool:
        at = bisect_right(self._marks, (address, "~"))
        return at > 0 and self._marks[at - 1][1] == "t"

    def word(self, address: int) -> int:
        start, data = next((a, d) for a, d in self._parts if a <= address < a + len(d))
        return int.from_bytes(data[address - start :][:4], "little")


def disassemble(elf: Path, *where: str) -> list[Instruction]:
    """`where`: options of objdump's that choose sections or addresses."""
    command = ["arm-none-eabi-objdump", "--no-show-raw-insn", *where, str(elf)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return list(_instructions(done.stdout))


def _instructions(listing: str) -> Iterator[Instruction]:
    for line in listing.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\t(\S+)(?:\t(.*))?$", line)
        if found:
            operands, comment = [*re.split(r"\s*[;@]", found[3] or "", maxsplit=1), ""][:2]
            name = found[2].removesuffix(".n").removesuffix(".w")
            direct = re.search(r"\b([0-9a-f]+) <", operands if name.startswith(("b", "cb")) else comment)
            yield Instruction(int(found[1], 16), name, operands.strip(), int(direct[1], 16) if direct else None)


@dataclass
class RamCode:
    """Follows functions through an ELF: each instruction in `ram`, no branch and no load that could reach `flash`."""

    elf: Path
    ram: range
    flash: range
    rom: range
    seen: dict[str, int] = field(default_factory=dict)  # instructions by function

    def __post_init__(self) -> None:
        self.functions, self.memory = functions_of(self.elf), Memory(self.elf)

    def follow(self, name: str) -> None:
        """Raises Escapes. A call through a register is let pass when the register comes out of a table that the
        function's first argument points to: its caller has filled that from the boot ROM.
        """
        if name in self.seen:
            return
        function, values = self.functions[name], Values(self.flash, self.memory)
        bounds = [f"--start-address={function.start:#x}", f"--stop-address={function.end:#x}"]
        code = [one for one in disassemble(self.elf, "-D", *bounds) if self.memory.is_code(one.address)]
        self.seen[name] = len(code)
        if not code:
            raise Escapes(f"{name}: there is no code of it")
        for one in code:
            where = f"{name}+{one.address - function.start:#x}: {one.name} {one.operands}"
            if one.address not in self.ram:
                raise Escapes(f"{where}: lies outside of RAM")
            values.take(one, where)
            if one.target is not None and not function.start <= one.target < function.end:
                self._leave(one.target, where)

    def _leave(self, target: int, where: str) -> None:
        callee = next((f.name for f in self.functions.values() if f.start == target), hex(target))
        if target in self.rom:
            return
        if target not in self.ram or callee not in self.functions:
            raise Escapes(f"{where}: goes to {callee}, outside of RAM")
        self.follow(callee)


class Values:
    """What registers hold, as far as straight code tells: numbers, pointers to the table, entries of it."""

    def __init__(self, flash: range, memory: Memory) -> None:
        self.flash, self.memory, self.numbers = flash, memory, dict[str, int]()
        self.tables, self.entries = {"r0"}, set[str]()

    def take(self, one: Instruction, where: str) -> None:
        if one.name in ("blx", "bx") and one.target is None:
            if one.operands != "lr" and one.operands not in self.entries:
                raise Escapes(f"{where}: nobody knows where to")
        elif one.name.startswith(("ldr", "str", "ldm", "stm")):
            base = re.search(r"(\w+)!|\[(\w+)(?:, #(\d+))?", one.operands)
            known = self.numbers.get(base[1] or base[2]) if base else None
            if known is not None and base is not None:
                self._judge(known + int(base[3] or 0), where)
        self._write(one)
        for register, number in self.numbers.items():
            self._judge(number, f"{where}: {register}")

    def _judge(self, address: int, where: str) -> None:
        if address in self.flash:
            raise Escapes(f"{where}: {address:#x} lies in flash")

    def _write(self, one: Instruction) -> None:
        if one.name in CALLS:
            for register in CLOBBERED:
                self._forget(register)
        if one.name.startswith((*WRITES_NOTHING, "b", ".")):
            return
        parts = [part.strip(" []") for part in one.operands.split(",")]
        is_table = one.name.startswith("mov") and parts[-1] in self.tables
        is_entry = one.name == "ldr" and parts[1] in self.tables
        number = self._number(one.name, parts)
        if one.name == "ldr" and parts[1] == "pc" and one.target is not None:
            number = self.memory.word(one.target)
        self._forget(parts[0])
        if is_table:
            self.tables.add(parts[0])
        if is_entry:
            self.entries.add(parts[0])
        if number is not None:
            self.numbers[parts[0]] = number & 0xFFFFFFFF

    def _forget(self, register: str) -> None:
        self.tables.discard(register)
        self.entries.discard(register)
        self.numbers.pop(register, None)

    def _number(self, name: str, parts: list[str]) -> int | None:
        source = self.numbers.get(parts[-2]) if len(parts) > 1 else None
        if not parts[-1].startswith("#"):
            return self.numbers.get(parts[-1]) if name.startswith("mov") else None
        amount = int(parts[-1][1:], 0)
        if name.startswith("mov"):
            return amount
        if source is None:
            return None
        return {"lsls": source << amount, "adds": source + amount, "subs": source - amount}.get(name)
