"""A step that the workers of a test's Dask cluster know in place of others; each worker loads this file first."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinyops.artifacts import Progress, Step
from tinyops.build.runners import STEP_FUNCTIONS
from tinyops.errors import DoesNotFit
from tinyops.process import run

LONGEST_S = 60


def dask_setup(_worker: object) -> None:
    STEP_FUNCTIONS.update(dict.fromkeys(("image", "train"), "fakes.cluster_steps:busy"))


def busy(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> dict[str, Any]:
    """Notes its process, waits for a program as often as it is told to, and ends as its settings say."""
    wanted = step.settings
    note = Path(wanted["note"])
    with note.open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    report(Progress(1, 2, "half way"))
    if wanted.get("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    if len(note.read_text().split()) <= wanted.get("waits", 0):
        run(["sleep", str(LONGEST_S)], timeout_s=2 * LONGEST_S)
    if wanted.get("fails"):
        raise DoesNotFit("too large", hint="use less", arena_bytes=7)
    (out / "sub").mkdir()
    (out / "sub" / "text").write_bytes(inputs["given"].read_bytes() * 2)
    return {"pid": os.getpid()}
