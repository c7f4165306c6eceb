"""Families of microcontrollers by their names, and the cores in them: a typo in `mcu` or `cpu` is found at once."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

# How the names of a family begin, an example of one, and its cores. Letters are small, other signs left out; the first
# row that fits counts.
FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"nrf51\d", "nRF51822", ("cortex-m0",)),
    (r"nrf52\d", "nRF52840", ("cortex-m4f",)),
    (r"nrf5340", "nRF5340", ("cortex-m33",)),
    (r"nrf9\d", "nRF9160", ("cortex-m33",)),
    (r"rp2040", "RP2040", ("cortex-m0plus",)),
    (r"rp235\d", "RP2350", ("cortex-m33", "riscv32")),
    (r"at(mega|tiny)\d", "ATmega2560", ("avr",)),
    (r"(at)?samd21", "SAMD21", ("cortex-m0plus",)),
    (r"(at)?sam[de]5\d", "SAMD51", ("cortex-m4f",)),
    (r"r7fa4m1|ra4m1|r7fa4w1|ra4w1|r7fa6m[123]|ra6m[123]", "R7FA4M1AB", ("cortex-m4f",)),
    (r"r7fa[46]|ra[46]", "R7FA6M5BH", ("cortex-m33",)),
    (r"esp32s\d", "ESP32-S3", ("xtensa-lx7",)),
    (r"esp32[chp]\d", "ESP32-C3", ("riscv32",)),
    (r"esp32", "ESP32", ("xtensa-lx6",)),
    (r"stm32[fl]0|stm32g0|stm32c0", "STM32G071RB", ("cortex-m0", "cortex-m0plus")),
    (r"stm32f[12]|stm32l1", "STM32F103C8", ("cortex-m3",)),
    (r"stm32f[34]|stm32[lg]4|stm32w[bl]", "STM32F446RE", ("cortex-m4f",)),
    (r"stm32[fh]7", "STM32H743ZI", ("cortex-m7",)),
    (r"stm32[luh]5", "STM32U575ZI", ("cortex-m33",)),
    (r"m?imxrt\d", "MIMXRT1062", ("cortex-m7",)),
    (r"mcxn|lpc55", "LPC55S69", ("cortex-m33",)),
    (r"lpc17", "LPC1768", ("cortex-m3",)),
    (r"(gd32vf|ch32v|fe310|bl60|bl70)", "GD32VF103", ("riscv32",)),
)


@dataclass(frozen=True)
class McuFault:
    """What is wrong with a board's chip, and in which field."""

    field: str
    message: str
    hint: str


def mcu_fault(mcu: str, cpu: str, *, declared_other: bool) -> McuFault | None:
    """Why this cannot be the chip of a board with this core, or None."""
    cores = _cores(mcu)
    if cores is None and not declared_other:
        return McuFault("mcu", f"unknown MCU {mcu!r}", _hint(mcu))
    if cores is not None and cpu not in cores:
        return McuFault("cpu", f"a {mcu} has no {cpu}", f"its cpu is {' or '.join(cores)}")
    return None


def _plain(mcu: str) -> str:
    return re.sub(r"[^a-z0-9]", "", mcu.lower())


def _cores(mcu: str) -> tuple[str, ...] | None:
    name = _plain(mcu)
    return next((cores for pattern, _, cores in FAMILIES if re.match(pattern, name)), None)


def _hint(mcu: str) -> str:
    examples = {_plain(example): example for _, example, _ in FAMILIES}
    close = difflib.get_close_matches(_plain(mcu), examples, n=1, cutoff=0.7)
    meant = f"did you mean {examples[close[0]]}? " if close else ""
    return f"{meant}A chip that tinyops does not know needs other_mcu: true, and the right cpu"
