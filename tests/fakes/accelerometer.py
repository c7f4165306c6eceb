"""The micro:bit's accelerometer driver as a program of this machine, under sanitizers, over models of both chips."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyops.twin.recorded import Replay

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
PORT = RUNTIME / "port"
STRICT = ["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
STRICT += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DTINYOPS_REGISTERS_MODEL"]
PINS = "".join(
    f"#define BOARD_{name}_PIN {pin}u\n#define BOARD_{name}_GPIO 0x50000000u\n#define BOARD_{name}_SELECT {pin}u\n"
    for name, pin in (("SCL", 0), ("SDA", 30))
)
FULL_SCALE = 19.6  # m/s2


@dataclass(frozen=True)
class Sensed:
    """Status of the sensor's start, samples in counts of full scale, frames that it missed."""

    status: int
    counts: NDArray[np.int16]
    missed: int
    full_scale: float = FULL_SCALE

    @property
    def values(self) -> NDArray[np.float64]:
        """In m/s2."""
        found: NDArray[np.float64] = self.counts * self.full_scale / 32768
        return found


def build(folder: Path) -> Path:
    (folder / "pins.h").write_text(PINS)
    sources = [ROOT / "tests/runtime/run_accelerometer.c", *sorted((PORT / "nrf5/accelerometer").glob("*.c"))]
    sources += [PORT / "sim" / f"{name}.c" for name in ("replay", "twi_model", "accelerometer_model")]
    include = [RUNTIME / "include", PORT / "sim", PORT / "sensors", PORT / "nrf5/accelerometer", folder]
    flags = [argument for path in include for argument in ("-I", path)]
    subprocess.run(["gcc", *STRICT, *flags, *sources, "-o", folder / "run"], check=True, timeout=60)
    return folder / "run"


def sense(
    program: Path,
    recording: Replay,
    chip: str,
    *,
    rate_hz: int = 50,
    samples_a_frame: int = 1,
    full_scale: float = FULL_SCALE,
    step_ms: int = 5,
    frames: int = 20,
    stall: tuple[int, int] | None = None,
) -> Sensed:
    """Polls every `step_ms`; at a frame nobody polls for a while, `stall` in ms."""
    path = program.parent / "recording"
    path.write_bytes(recording.file())
    per_milli = round(32768 * 65536 / (full_scale * 1000))
    words = [chip, rate_hz * 1000, 3 * samples_a_frame, per_milli, step_ms, frames, *(stall or ())]
    command = [program, path, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    first, *lines, last = done.stdout.splitlines()
    counts = np.array([line.split() for line in lines], np.int16).reshape(-1, 3)
    return Sensed(int(first.split()[1]), counts, int(last.split()[1]), full_scale)
