"""`tinyops identify`: what is connected, and what it can do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.output import Output

if TYPE_CHECKING:
    from tinyops.device.identify import Found, Machine

MIB = 1024 * 1024
NOTHING = "Nothing on USB that could be a board."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ports", nargs="*", metavar="PORT", help="look at these serial lines only")
    parser.add_argument(
        "--ask",
        action="store_true",
        help="also write to ports whose USB id is no board's own: a bridge may lead to anything",
    )
    parser.add_argument("--sys", type=Path, default=Path("/sys"), metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--proc", type=Path, default=Path("/proc"), metavar="DIR", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    from dataclasses import asdict

    from tinyops.cli.models import boards_here
    from tinyops.device.identify import connected, identify, look_at_machine

    catalog = boards_here()
    usb = connected(arguments.sys)
    found = identify(usb, catalog, ports=arguments.ports, anyone=arguments.ask)
    machine = look_at_machine(usb, catalog, sys=arguments.sys, proc=arguments.proc)
    value = {"devices": [one.to_json() for one in found], "machine": asdict(machine)}
    lines = [line for one in found for line in _device_lines(one)] or [NOTHING]
    output.result(value, "\n".join([*lines, "", *_machine_lines(machine)]))
    return 0


def _device_lines(found: Found) -> list[str]:
    usb = found.usb
    where = found.port or (f"USB {usb.at}" if usb else "?")
    lines = [f"{where}: {_what(found)}"]
    if usb is not None:
        named = " ".join(part for part in (usb.manufacturer, usb.product) if part)
        serial = f", serial number {usb.serial}" if usb.serial else ""
        lines.append(f"  {usb.ids} {named}{serial}".rstrip())
    if found.answer is not None:
        lines += _answer_lines(found)
    elif found.problem:
        lines.append(f"  {found.problem}")
    if found.nearest:
        lines.append(f"  nearest in the catalogue: {', '.join(found.nearest)}")
    return lines


def _what(found: Found) -> str:
    if found.answer is not None:
        return f"{found.answer.board} of fleet {found.answer.fleet}"
    names = sorted({candidate.board for candidate in found.candidates})
    if not names:
        return "no board of the catalogue" if found.usb else "a port that is not on USB"
    mode = " in its bootloader: `tinyops flash` brings it back" if found.in_bootloader else ""
    if len(names) > 1:
        return f"one of {', '.join(names)}, which share this id{mode}"
    return f"{names[0]}{mode}"


def _answer_lines(found: Found) -> list[str]:
    answer = found.answer
    assert answer is not None
    model = answer.model.hex()[:12] if answer.model else "none"
    firmware = answer.firmware.hex()[:12] if answer.firmware else "unknown"
    number = f"chip {answer.silicon.hex()}" if answer.silicon else "its chip has no number"
    return [
        f"  {number}",
        f"  firmware {answer.version} {firmware}, model {model}, contract {answer.contract.hex()[:12]}",
        f"  {answer.free_slots} free slots, arena {answer.arena_bytes:,} bytes, {answer.ram_bytes:,} bytes of RAM used",
    ]


def _machine_lines(machine: Machine) -> list[str]:
    about = f"{machine.cpu}, {machine.cores} cores, {machine.ram_bytes / MIB:,.0f} MiB of RAM"
    boards = ", ".join(machine.boards)
    return [
        f"this machine: {machine.model or machine.cpu_name or 'Linux'}",
        f"  {about}; in the catalogue: {boards or 'nothing like it'}",
        *([f"  its number for tinyops: {machine.silicon}"] if machine.silicon else []),
        *(f"  {accelerator}: not used by tinyops" for accelerator in machine.accelerators),
        *(f"  camera: {camera}" for camera in machine.cameras),
    ]
