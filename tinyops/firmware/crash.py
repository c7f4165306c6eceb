"""A fault that a device kept, and what it means: which program it happened in, and where in its source."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from tinyops.documents import Strict
from tinyops.errors import SpecError, ToolError
from tinyops.files import read_bounded
from tinyops.firmware.symbols import Place, Program, ProgramKind

RECORD_LIMIT_BYTES = 1 << 16
NAME = r"^[a-z0-9-]*$"
EXCEPTION_RETURN = 0xFFFFFF00  # what LR holds in a handler: no address
FORCED = 1 << 30
CFSR_TEXT = {
    0: "an instruction was fetched where none may be",
    1: "data was read or written where it must not be",
    3: "memory fault while leaving an exception",
    4: "memory fault while entering an exception",
    8: "an instruction could not be fetched",
    9: "a read or write went to nothing, at just that instruction",
    10: "a write went to nothing, some instructions earlier",
    11: "bus fault while leaving an exception",
    12: "bus fault while entering an exception",
    16: "an undefined instruction",
    17: "a jump to an address without its Thumb bit",
    18: "an invalid return from an exception",
    19: "an instruction for a coprocessor that is off",
    20: "the stack overflowed",
    24: "an access that is not aligned",
    25: "a division by zero",
}
OVERFLOW = "the stack overflowed: nothing could be kept of where"
MMFAR_VALID, BFAR_VALID = 1 << 7, 1 << 15
# RISC-V's mcause, and those of its numbers with which mtval is an address.
TRAP_TEXT = {
    0: "a jump to an address that is not aligned",
    1: "an instruction was fetched where none may be",
    2: "an undefined instruction",
    3: "a breakpoint, or a trap of the compiler's",
    4: "a read that is not aligned",
    5: "data was read where it must not be",
    6: "a write that is not aligned",
    7: "data was written where it must not be",
    11: "a call to a system that is not there",
}
TRAPS_WITH_ADDRESS = (0, 1, 4, 5, 6, 7)


def _read_number(value: Any) -> Any:
    return int(value, 16) if isinstance(value, str) and value.lower().startswith("0x") else value


Word = Annotated[int, BeforeValidator(_read_number), Field(ge=0, le=0xFFFFFFFF)]


class CrashRecord(Strict):
    """What a device keeps of a fault; the numbers as in health.h, 0 where they are not known."""

    pc: Word
    lr: Word
    psr: Word
    cfsr: Word = 0
    hfsr: Word = 0
    mmfar: Word = 0
    bfar: Word = 0
    image_crc: Word = 0
    uptime_ms: Word = 0
    firmware_crc: Word = 0
    board: str = Field(default="", max_length=100, pattern=NAME)
    fleet: str = Field(default="", max_length=100, pattern=NAME)

    @property
    def overflowed(self) -> bool:
        """The stack was used up: the core could keep nothing of where it was."""
        return self.pc == 0 and self.lr == 0


@dataclass(frozen=True)
class Located:
    """A register's address: in which program, how far into it, and its place in the source, as far as known."""

    register: str
    address: int
    program: ProgramKind | None
    offset: int
    place: Place | None


@dataclass(frozen=True)
class Explained:
    """A crash in words and places: `registers` by the core's own names; `notes` say what could not be found out."""

    record: CrashRecord
    registers: tuple[tuple[str, int], ...]
    located: tuple[Located, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def read_record(path: Path) -> CrashRecord:
    """A record as JSON; numbers may be written "0x…". Raises SpecError naming the field."""
    try:
        value = json.loads(read_bounded(path, RECORD_LIMIT_BYTES))
        return CrashRecord.model_validate(value)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the record"
        raise SpecError(f"{path}: {where}: {problem['msg']}", hint="`tinyops crash PORT --json` prints one") from error
    except ValueError as error:
        raise SpecError(f"{path}: not JSON: {error}") from error


def record_of(device: str, values: Mapping[str, int], *, board: str, fleet: str) -> CrashRecord:
    """What a device answered. Raises ToolError for what no device of ours would say."""
    try:
        return CrashRecord.model_validate({**values, "board": board, "fleet": fleet})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ToolError(f"{device}: its record of a fault makes no sense: {where}: {problem['msg']}") from error


def choose_programs(record: CrashRecord, programs: Iterable[Program], *, named: bool) -> list[Program]:
    """The firmware and the model image that ran, at most one each, known by their CRC-32.

    Raises SpecError for a program that the user `named` and that is not the device's.
    """
    wanted = {"firmware": record.firmware_crc, "model": record.image_crc}
    found: dict[ProgramKind, Program] = {}
    for program in programs:
        crc = wanted[program.kind]
        if crc == program.crc or (named and crc == 0):
            found.setdefault(program.kind, program)
        elif named:
            raise SpecError(
                f"{program.path}: not the {program.kind} that crashed: its CRC-32 is {program.crc:#010x}, "
                f"the device had {crc:#010x}",
                hint="name the ELF of the release that the device ran, or leave --elf away",
            )
        if all(kind in found or not crc for kind, crc in wanted.items()):
            break
    return list(found.values())


def explain(record: CrashRecord, programs: Sequence[Program]) -> Explained:
    """Maps program counter and return address. Pure but for reading the programs' tables."""
    by_kind = {program.kind: program for program in programs}
    riscv = any(program.is_riscv for program in programs)
    reasons, registers = (_trap_reasons, ("mcause", "mtval")) if riscv else (_reasons, ("psr", "cfsr", "hfsr"))
    located = [] if record.overflowed else [_locate("pc", record.pc, by_kind)]
    if not record.overflowed and record.lr:
        located.append(_locate("lr", record.lr, by_kind))
    values = {"mcause": record.psr, "mtval": record.mmfar, **record.model_dump(include={"psr", "cfsr", "hfsr"})}
    return Explained(
        record,
        tuple((name, values[name]) for name in registers),
        tuple(located),
        tuple(reasons(record)),
        tuple(_notes(record, by_kind, located)),
    )


def _locate(register: str, value: int, programs: dict[ProgramKind, Program]) -> Located:
    """A return address is that of the next instruction: the call is the one before."""
    address = value & ~1
    at = address - 2 if register == "lr" else address
    firmware, model = programs.get("firmware"), programs.get("model")
    if value >= EXCEPTION_RETURN:
        return Located(register, value, None, 0, None)
    if firmware is not None and firmware.holds(at):
        return Located(register, value, "firmware", address - firmware.origin, firmware.find(at))
    # The slot that holds the address: the last one that begins before it.
    slot = max((slot for slot in (firmware.slots if firmware is not None else ()) if slot <= at), default=None)
    if slot is not None and (model is None or at - slot < len(model.data)):
        return Located(register, value, "model", address - slot, model.find(at - slot) if model else None)
    return Located(register, value, None, 0, None)


def _trap_reasons(record: CrashRecord) -> Iterator[str]:
    """Of a RISC-V core, whose record has mcause as psr and mtval as mmfar."""
    if record.overflowed:
        yield OVERFLOW
    elif record.psr in TRAP_TEXT:
        yield TRAP_TEXT[record.psr]
        if record.psr in TRAPS_WITH_ADDRESS:
            yield f"at the address {record.mmfar:#010x}"


def _reasons(record: CrashRecord) -> Iterator[str]:
    if record.overflowed:
        yield OVERFLOW
    for bit, text in CFSR_TEXT.items():
        if record.cfsr >> bit & 1:
            yield text
    if record.cfsr & MMFAR_VALID:
        yield f"at the address {record.mmfar:#010x}"
    if record.cfsr & BFAR_VALID:
        yield f"at the address {record.bfar:#010x}"


def _notes(record: CrashRecord, programs: dict[ProgramKind, Program], located: Sequence[Located]) -> Iterator[str]:
    if not record.firmware_crc:
        yield "the record does not say which firmware ran: the places are right only if the ELF is the device's"
    if "firmware" not in programs:
        yield "no ELF of the firmware that crashed was found"
    if "model" not in programs and any(found.program == "model" for found in located):
        yield f"no model.elf with the CRC-32 {record.image_crc:#010x} was found"
    for found in located:
        if found.program is None and programs and found.address < EXCEPTION_RETURN:
            yield f"{found.register} {found.address:#010x} lies outside firmware and model image"
