"""A measurement of a board that nobody made."""

from __future__ import annotations

from tinyops.build.measurements import Measurement, Spread

FOUND = Measurement(
    board="nano33ble",
    cpu="cortex-m4f",
    clock_hz=64_000_000,
    core_hz=64_000_100,
    model="kws.tflite",
    model_digest="sha256:" + "ab" * 32,
    image_digest="sha256:" + "cd" * 32,
    compiler="arm-none-eabi-gcc 12.2.1",
    prefer="balanced",
    vectors=16,
    bit_exact=True,
    cycles=Spread(5_000_000.0, 5_500_000.0, 6_000_000.0),
    microseconds=Spread(78_000.0, 86_000.0, 93_750.0),
    instructions=4_000_000,
    stack_bytes=436,
    outputs_digest="sha256:" + "ef" * 32,
    date="2026-01-02T03:04:05+00:00",
    serial="A1B2",
    emulated=False,
)
