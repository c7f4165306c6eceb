"""Commands of tinyops as forks of one warmed-up interpreter: cheap to start, and killed at a set moment.

What a start costs (imports, most of a second) is paid once, so a hundred killed commands take seconds. The
interpreter is a process of its own: forking a test's, with whatever threads its libraries started, is not safe.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

from fakes.projects import Ended, Repository

PATIENCE_S = 120.0
POLL_S = 0.001
KILLED = -signal.SIGKILL


@dataclass
class Mortal:
    """Starts commands over a repository."""

    bench: Repository
    parent: subprocess.Popen[str]

    def run(self, *arguments: str, kill_after_s: float | None = None, clock_s: float = 0) -> Ended:
        """A command to its end, or killed with all that it started; `clock_s` sets its clock forward or back."""
        assert self.parent.stdin is not None and self.parent.stdout is not None
        asked = {"arguments": arguments, "kill_after_s": kill_after_s, "clock_s": clock_s}
        self.parent.stdin.write(json.dumps(asked) + "\n")
        self.parent.stdin.flush()
        return Ended(**json.loads(self.parent.stdout.readline()))


@contextmanager
def mortal(bench: Repository) -> Iterator[Mortal]:
    parent = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve())],
        cwd=bench.root,
        env=bench.environment(PYTHONPATH=os.pathsep.join(map(str, Path(__file__).parents[1:3]))),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Mortal(bench, parent)
    finally:
        parent.communicate(timeout=PATIENCE_S)  # ends at the end of its input


def serve() -> None:
    """Takes one command a line, answers with one line."""
    import tinyops.cli.commands.apply
    import tinyops.cli.commands.plan
    import tinyops.cli.progress
    import tinyops.reconcile.apply  # noqa: F401
    from tinyops.reconcile.planning import plan_of
    from tinyops.reconcile.world import observe

    plan_of(observe(Path.cwd()))  # so that what is imported late is there too
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(_one(asked["arguments"], asked["kill_after_s"], asked["clock_s"])), flush=True)


def _one(arguments: list[str], kill_after_s: float | None, clock_s: float) -> dict[str, object]:
    out, err = (os.memfd_create(name) for name in ("out", "err"))
    pid = os.fork()
    if pid == 0:
        _become(arguments, out, err, clock_s)
    status = _wait(pid, PATIENCE_S if kill_after_s is None else kill_after_s)
    texts = []
    for descriptor in (out, err):
        os.lseek(descriptor, 0, os.SEEK_SET)
        with os.fdopen(descriptor, "rb") as stream:
            texts.append(stream.read().decode(errors="replace"))
    return {"code": status, "out": texts[0], "err": texts[1]}


def _become(arguments: list[str], out: int, err: int, clock_s: float) -> None:
    """The command; never returns."""
    status = 1
    try:
        os.setsid()
        for descriptor, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
            os.dup2(descriptor, target)
        if clock_s:
            _set_clock(timedelta(seconds=clock_s))
        from tinyops.cli import main

        status = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _wait(pid: int, limit_s: float) -> int:
    """The exit status of a command; at the limit it is killed alone, as `kill -9` does, its children after it."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_S)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _set_clock(by: timedelta) -> None:
    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + by

    for name, module in list(sys.modules.items()):
        if name.startswith("tinyops.") and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]


if __name__ == "__main__":
    serve()
