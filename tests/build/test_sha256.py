"""SHA-256 as devices compute it: through a pointer and piece by piece, as AVRs rotate and as all others do."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fakes.compiled import BASE, SANITIZED

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
SOURCES = [RUNTIME / "digest/sha256.c", ROOT / "tests/runtime/run_sha256.c"]
LENGTHS = [0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000, 40_007]


@pytest.mark.parametrize("rotating", ["__ARM_ARCH", "__AVR__"])
def test_every_way_gives_the_digest(rotating: str, tmp_path: Path) -> None:
    program = tmp_path / "sha256"
    command = ["gcc", *BASE, *SANITIZED, f"-D{rotating}", "-I", RUNTIME / "include", *SOURCES, "-o", program]
    subprocess.run(command, check=True, timeout=60)
    source = np.random.default_rng(1)
    for length in LENGTHS:
        data = source.bytes(length)
        for way in ("pointer", "pieces"):
            done = subprocess.run([program, way], input=data, capture_output=True, check=True, timeout=20)
            assert done.stdout.decode() == hashlib.sha256(data).hexdigest(), (length, way)
