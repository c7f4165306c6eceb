"""A tiny compiled model for tests: C that implements model.h, built into a shared object by gcc.

It takes frames of two int16 values, looks at the newest four frames every two, and its first output is the mean of
their high bytes plus BIAS, its second one minus that. Faults are chosen by macros.
"""

from __future__ import annotations

import functools
import json
import struct
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyops.files import canonical_json, digest_bytes

INCLUDE = Path(__file__).parents[2] / "tinyops" / "runtime" / "include"
CONTRACT: dict[str, Any] = {
    "abi": 1,
    "input": {
        "sensor": "accelerometer",
        "channels": ["ax", "ay"],
        "units": ["g", "g"],
        "full_scale": [2.0, 4.0],
        "frame_values": 2,
        "rate_hz": 10.0,
        "window_frames": 4,
        "hop_frames": 2,
    },
    "output": {"classes": ["up", "down"], "type": "int8", "bytes": 2},
    "arena_bytes": 1024,
}
SOURCE = r"""
#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <tinyops/model.h>
#ifndef BIAS
#define BIAS 0
#endif
#define INPUT 0
#define OUTPUT 16
#define COUNT 32
#define RING 48
const tinyops_model_header tinyops_model = {
    .magic = TINYOPS_MODEL_MAGIC, .abi = TINYOPS_MODEL_ABI, .header_bytes = sizeof(tinyops_model_header),
    .arena_bytes = 64, .input_offset = INPUT, .input_bytes = 8, .output_offset = OUTPUT, .output_bytes = 2,
    .frame_values = 2, .window_frames = 4, .hop_frames = 2, .contract = {CONTRACT_BYTES}};

int32_t tinyops_model_init(void *arena) {
  uint8_t *a = arena;
  for (int i = 0; i < 64; ++i) a[i] = 0;
  return TINYOPS_OK;
}
int32_t tinyops_model_push(void *arena, const int16_t *frame) {
  uint8_t *a = arena;
  int32_t *count = (int32_t *)(void *)(a + COUNT);
  int8_t *ring = (int8_t *)(a + RING);
  for (int i = 0; i < 2; ++i) ring[(*count % 4) * 2 + i] = (int8_t)(frame[i] >> 8);
  ++*count;
  return *count >= 4 && *count % 2 == 0 ? TINYOPS_DUE : TINYOPS_OK;
}
int32_t tinyops_model_prepare(void *arena) {
  uint8_t *a = arena;
#ifdef CRASH_IN_PREPARE
  *(volatile int *)1 = 1;
#endif
  for (int i = 0; i < 8; ++i) a[INPUT + i] = a[RING + i];
  return TINYOPS_OK;
}
int32_t tinyops_model_invoke(void *arena) {
  int8_t *a = arena;
  int sum = 0;
#ifdef CRASH
  *(volatile int *)1 = 1;
#endif
#ifdef KILL_AGENT
  extern pid_t getppid(void);
  extern int kill(pid_t, int);
  kill(getppid(), SIGKILL);
#endif
#ifdef HANG
  for (volatile int on = 1; on;) {
  }
#endif
#ifdef OVERRUN
  ((volatile uint8_t *)arena)[64] = 0;
#endif
#ifdef FAIL
  return TINYOPS_ERR_STATE;
#endif
  for (int i = 0; i < 8; ++i) sum += a[INPUT + i];
  sum = sum / 8 + BIAS;
#ifdef WRONG
  sum ^= 1;
#endif
  a[OUTPUT] = (int8_t)sum;
  a[OUTPUT + 1] = (int8_t)-sum;
  return TINYOPS_OK;
}
"""


@dataclass(frozen=True)
class FakeModel:
    """The files of a released model, as bytes."""

    library: bytes
    golden: bytes
    contract: bytes
    program: bytes = b""  # of a part of a chain

    def but(self, **changes: bytes) -> FakeModel:
        return replace(self, **changes)


def contract_bytes(**changes: Any) -> bytes:
    """The tests' contract with other fields of its input, as a file that people read."""
    return json.dumps({**CONTRACT, "input": {**CONTRACT["input"], **changes}}, indent=1).encode()


def contract_digest(data: bytes) -> str:
    return digest_bytes(canonical_json(json.loads(data)))


@functools.cache
def compiled_model(*macros: str, bias: int = 0, contract: bytes | None = None) -> FakeModel:
    """Builds the model with gcc, and golden vectors that the faultless one passes."""
    text = contract or contract_bytes()
    fields = ",".join(f"0x{b:02x}" for b in bytes.fromhex(contract_digest(text).removeprefix("sha256:")))
    flags = [f"-D{m}" for m in macros] + [f"-DBIAS={bias}", f"-DCONTRACT_BYTES={fields}", f"-I{INCLUDE}"]
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "model.c", Path(folder) / "model.so"
        source.write_text(SOURCE)
        command = ["gcc", "-std=c99", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wno-array-bounds", *flags]
        subprocess.run([*command, "-o", library, source], check=True, timeout=60)
        return FakeModel(library.read_bytes(), golden_bytes(bias), text)


def golden_bytes(bias: int = 0, vectors: int = 5) -> bytes:
    """`golden.bin` for the arithmetic above (C divides towards zero)."""
    body = b""
    for number in range(vectors):
        given = [(number * 7 + i * 11) % 200 - 100 for i in range(8)]
        mean = int(sum(given) / 8) + bias
        body += struct.pack("<8b", *given) + struct.pack("<2b", mean, -mean)
    return struct.pack("<4sIII", b"TOG1", vectors, 8, 2) + body
