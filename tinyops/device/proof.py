"""Running a model in a child process: what it did, or in one sentence why it may not be used."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyops.device.contract import Contract
from tinyops.device.posting import Post
from tinyops.errors import TinyopsError, ToolError
from tinyops.files import JsonObject
from tinyops.process import Completed, failure, run

FRAMES_MAX = 10_000_000
START_S = 30


class ModelFault(TinyopsError):
    """The model crashed, hung or computed something else than its golden vectors say."""


class SensorFault(ToolError):
    """The recording that is replayed is missing or wrong: the model is not to blame."""


@dataclass(frozen=True)
class Replayed:
    """What a model made of a recording: windows classified, by class and by tenths of the best class's share (empty
    where outputs are no shares); results that a server took, or that were lost."""

    inferences: int
    classes: dict[str, int]
    posted: int = 0
    unposted: int = 0
    trouble: str = ""
    confidence: tuple[int, ...] = ()


def prove(library: Path, golden: Path, contract: str, *, timeout_s: float) -> int:
    """Checks a shared object against its golden vectors; returns how many. `contract` is 64 hex digits.

    Raises ModelFault.
    """
    job = {"task": "prove", "library": str(library), "golden": str(golden), "contract": contract}
    return int(_run(job, timeout_s, "golden vectors")["vectors"])


def replay(
    library: Path, recording: Path, contract: Contract, digest: str, *, timeout_s: float, post: Post | None = None
) -> Replayed:
    """Feeds a CSV recording through push, prepare and invoke. `digest` is the contract's, 64 hex digits.

    With `post` the results go to a server; that it is slow or not there is no fault of the model's. Raises ModelFault,
    or SensorFault when the recording is wrong.
    """
    frames = contract.frames
    if frames is None:
        raise SensorFault(f"{recording}: cannot be replayed: the model takes no frames of a known signal")
    job = {
        "task": "replay",
        "library": str(library),
        "recording": str(recording),
        "contract": digest,
        "channels": frames.channels,
        "full_scale": frames.full_scale,
        "frame_values": frames.frame_values,
        "line_values": frames.line_values,
        "classes": contract.output.classes,
        "type": contract.output.type,
        "frames_max": FRAMES_MAX,
        "post": asdict(post) if post else None,
    }
    done = _run(job, timeout_s, "recording")
    classes = {str(k): int(v) for k, v in done["classes"].items()}
    posted = (int(done.get("posted", 0)), int(done.get("unposted", 0)), str(done.get("trouble", "")))
    return Replayed(int(done["inferences"]), classes, *posted, tuple(int(n) for n in done["confidence"]))


def _run(job: JsonObject, seconds: float, what: str) -> dict[str, Any]:
    # -P: nothing is imported from the folder that the agent was started in. The child ends itself
    # at its limit; the longer one here is for a machine that does not even get that far.
    argv = [sys.executable, "-P", "-m", "tinyops.device.runner"]
    stdin = json.dumps({**job, "seconds": seconds})
    done = run(argv, timeout_s=seconds + START_S, stdin=stdin, check=False, what="model runner")
    if done.returncode == -signal.SIGALRM:
        raise ModelFault(f"hung: no end of the {what} within {seconds:g} s")
    return _judge(done, what)


def _judge(done: Completed, what: str) -> dict[str, Any]:
    if done.returncode != 0:
        if done.returncode > 0:  # Python's own: the runner is broken, not the model
            raise failure(done, "model runner")
        raise ModelFault(f"crashed on the {what}: {failure(done, 'model').message.splitlines()[0]}")
    result = json.loads(done.stdout)
    if "model" in result:
        raise ModelFault(str(result["model"]))
    if "sensor" in result:
        raise SensorFault(str(result["sensor"]))
    found = result["ok"]
    assert isinstance(found, dict)
    return found
