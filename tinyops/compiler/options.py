"""What a compilation is asked for, as frozen objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyops.errors import SpecError

RUNTIME = Path(__file__).resolve().parent.parent / "runtime"  # the C that compiled models bring along
CPUS = (
    *("cortex-m0", "cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33"),
    *("x86-64", "aarch64", "riscv32", "wasm32", "avr", "xtensa-lx6", "xtensa-lx7"),
)
PREFER = ("balanced", "size", "ram", "speed")
_SIGNAL_FIELDS = ("sensor", "channels", "units", "full_scale", "rate_hz", "size")


@dataclass(frozen=True)
class Signal:
    """What one sensor frame is; see the dataset's spec."""

    sensor: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    full_scale: tuple[float, ...]
    rate_hz: float | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class CompileOptions:
    """`arena_bytes` is what the board has for activations and window state; None where memory is not the limit.

    `stream_rows`: the input comes row by row and is never there as a whole.
    """

    cpu: str = "x86-64"
    prefer: str = "balanced"
    board: str = "host"
    arena_bytes: int | None = None
    classes: tuple[str, ...] | None = None
    signal: Signal | None = None
    stream_rows: bool = False

    def __post_init__(self) -> None:
        if self.cpu not in CPUS:
            raise SpecError(f"cpu {self.cpu!r} is unknown", hint=f"one of {', '.join(CPUS)}")
        if self.prefer not in PREFER:
            raise SpecError(f"prefer {self.prefer!r} is unknown", hint=f"one of {', '.join(PREFER)}")

    @staticmethod
    def from_settings(settings: Mapping[str, Any]) -> CompileOptions:
        """From a compile step's settings. Raises SpecError naming what is missing or of the wrong kind."""
        try:
            signal, classes = settings.get("signal"), settings.get("classes")
            arena = settings.get("arena_bytes")
            return CompileOptions(
                cpu=str(settings["cpu"]),
                prefer=str(settings.get("prefer", "balanced")),
                board=str(settings["board"]),
                arena_bytes=None if arena is None else int(arena),
                classes=None if classes is None else tuple(map(str, classes)),
                signal=None if signal is None else _signal(signal),
                stream_rows=bool(settings.get("stream_rows", False)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SpecError(f"compile step: settings are not usable: {type(error).__name__} {error}") from error


def _signal(value: Mapping[str, Any]) -> Signal:
    unknown = sorted(set(value) - set(_SIGNAL_FIELDS))
    if unknown:
        raise ValueError(f"signal has unknown fields {unknown}")
    rate, size = value.get("rate_hz"), value.get("size")
    return Signal(
        sensor=str(value["sensor"]),
        channels=tuple(map(str, value["channels"])),
        units=tuple(map(str, value["units"])),
        full_scale=tuple(map(float, value["full_scale"])),
        rate_hz=None if rate is None else float(rate),
        size=None if size is None else (int(size[0]), int(size[1])),
    )
