"""What a virtual board says of itself over SMP, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from tinyops.files import JsonObject
from tinyops.link.smp import Crash, Health

INT8_STEPS = 255


def health_json(health: Health) -> JsonObject:
    return {**asdict(health), "histogram": list(health.histogram), "reset_cause": health.reset_cause_name}


def health_text(health: Health) -> str:
    """The lines of `health`; what the board does not know or does not have is left out."""
    lines = [
        f"up          {health.uptime_ms / 1000:,.3f} s, started by {health.reset_cause_name}",
        f"so far      {health.faults:,} faults, {health.watchdog_resets:,} resets by watchdog",
        f"inferences  {health.inferences:,}" + _classes(health),
        f"sensor      {_sensor(health)}",
        f"stack       {health.stack_used:,} of {health.stack_bytes:,} bytes",
        f"arena       {health.arena_used:,} of {health.arena_bytes:,} bytes",
    ]
    lines += [f"supply      {health.supply_mv:,} mV"] if health.supply_mv else []
    return "\n".join(lines)


def _classes(health: Health) -> str:
    if not health.inferences:
        return ""
    mean = health.confidence_steps / INT8_STEPS / health.inferences
    return f", by class {' '.join(str(n) for n in health.histogram)}, mean confidence {mean:.2f}"


def _sensor(health: Health) -> str:
    if health.sensor < 0:
        return f"failed: {health.sensor}"
    return f"samples, {health.missed_frames:,} frames missed" if health.sensor else "none: frames come over the line"


def crash_json(crash: Crash | None) -> JsonObject:
    return {"record": asdict(crash) if crash else None}


def crash_text(crash: Crash | None, port: str | None) -> str:
    """`port` is where `tinyops crash` finds the board meanwhile."""
    if crash is None:
        return "keeps no fault"
    registers = ("pc", "lr", "psr", "cfsr", "hfsr", "mmfar", "bfar")
    found = "  ".join(f"{name} {getattr(crash, name):#010x}" for name in registers if getattr(crash, name))
    lines = [f"crashed {crash.uptime_ms / 1000:.3f} s after its start", f"  {found or 'the stack overflowed'}"]
    return "\n".join([*lines, *([f"its place in the source: tinyops crash {port} --elf FILE"] if port else [])])
