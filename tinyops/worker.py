"""Work in a subprocess of our own: for libraries that are heavy, print, hang, or take the process down with them.

A request goes in as JSON on standard input. Events come back as JSON lines: `{"progress": …}` as often
as the worker likes, then `{"result": …}` or `{"error": …}`. What the library prints goes to standard error,
whose last lines stand in the error when the worker dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import tinyops
from tinyops.errors import ExitCode, SpecError, TinyopsError, ToolError
from tinyops.files import MIB, JsonObject, canonical_json
from tinyops.process import Completed, failure, run

REQUEST_LIMIT_BYTES = 64 * MIB
Event = dict[str, Any]
Emit = Callable[[Event], None]


# Workers run libraries and a user's own code: of the environment they get what programs need, never a secret.
_PASSED_ON = frozenset(
    ("HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV")
)
_PASSED_ON_PREFIXES = ("LC_", "XDG_", "OMP_", "MKL_", "TF_", "KERAS_", "CUDA_", "PYTHON")


def _is_harmless(variable: str) -> bool:
    return variable in _PASSED_ON or variable.startswith(_PASSED_ON_PREFIXES)


def worker_environment(more: Mapping[str, str]) -> dict[str, str]:
    """For a subprocess of our own that another way starts."""
    passed = {name: value for name, value in os.environ.items() if _is_harmless(name)}
    return {**passed, "PYTHONPATH": _python_path(), **more}


def call_worker(
    module: str,
    request: JsonObject,
    *,
    what: str,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    on_event: Emit = lambda _: None,
) -> JsonObject:
    """Runs `python -m module` with the request and returns its result.

    `on_event` gets every event as it comes. Raises SpecError when the worker says that what it was given is
    wrong, and ToolError when it fails otherwise, dies, or is not done at the time limit; `what` names it there.
    """
    events: Event = {}

    def on_line(line: str) -> None:
        with contextlib.suppress(ValueError):  # half a line of a worker that died: its exit status is the error
            event = json.loads(line)
            events.update(event)
            on_event(event)

    with tempfile.TemporaryDirectory(prefix="tinyops-worker-") as scratch:
        done = run(
            [sys.executable, "-P", "-m", module],
            timeout_s=timeout_s,
            inherit=_is_harmless,
            env={"PYTHONUNBUFFERED": "1", "PYTHONPATH": _python_path(), "TMPDIR": scratch, **(env or {})},
            stdin=canonical_json(request).decode(),
            on_line=on_line,
            check=False,
            what=what,
        )
    return _result(done, events, what)


def _python_path() -> str:
    """Lets the subprocess find this very tinyops, installed or not."""
    here = str(Path(tinyops.__file__).parent.parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))


def _result(done: Completed, events: Event, what: str) -> JsonObject:
    if "error" in events:
        error = events["error"]
        kind = SpecError if error["kind"] == "spec" else ToolError
        raise kind(error["message"], hint=error["hint"])
    if done.returncode != 0 or "result" not in events:
        raise failure(done, what)
    result: JsonObject = events["result"]
    return result


def serve(work: Callable[[dict[str, Any], Emit], JsonObject]) -> int:
    """A worker's `main`: reads the request, calls `work(request, emit)`, sends its result. Returns the exit status."""
    with _claim_stdout() as channel:

        def emit(event: Event) -> None:
            channel.write(json.dumps(event, allow_nan=False) + "\n")
            channel.flush()

        try:
            emit({"result": work(json.loads(sys.stdin.read(REQUEST_LIMIT_BYTES)), emit)})
        except TinyopsError as error:
            kind = "spec" if isinstance(error, SpecError) else "tool"
            emit({"error": {"kind": kind, "message": error.message, "hint": error.hint}})
            return error.exit_code
    return ExitCode.OK


def _claim_stdout() -> TextIO:
    """Keeps standard output for events: whatever else prints there goes to standard error from now on."""
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel
