"""What a Dask worker does for tinyops: one step, from bytes to bytes.

Client and worker share no folder: inputs come with the task, outputs go back with their digests. A worker that dies
takes nothing with it: the scheduler gives its task to another.
"""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.artifacts import Progress, Step
from tinyops.build.runners import run_here
from tinyops.errors import TinyopsError, ToolError
from tinyops.files import JsonObject, digest_bytes
from tinyops.process import LONGEST_WAIT_S, kill_all

if TYPE_CHECKING:
    from distributed import Worker


@dataclass(frozen=True)
class Task:
    """A step and its input files. `topic` is where its progress is told."""

    step: Step
    inputs: Mapping[str, bytes]
    topic: str


@dataclass(frozen=True)
class Answer:
    """How a step ended: its facts and files with their digests, or its error."""

    facts: JsonObject = field(default_factory=dict)
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    error: TinyopsError | None = None


def dask_setup(_worker: object) -> None:
    """For workers that a command starts itself: Ctrl-C reaches them too, and the command ends them in its own time."""
    signal.signal(signal.SIGINT, lambda *_: None)


def run_task(task: Task) -> Answer:
    """Runs a step on this worker. Its errors are answers: Dask must not run it again for them."""
    from distributed import get_worker

    worker = get_worker()
    try:
        if worker.state.nthreads != 1:
            raise ToolError(
                f"a worker with {worker.state.nthreads} threads: a step that is given up takes its programs with it, "
                "and those of other steps beside it",
                hint="start workers with `--nthreads 1`, and several of them on a large machine (`--nworkers`)",
            )
        with _ended_when_given_up(worker, worker.get_current_task()):
            return _run(task, worker)
    except TinyopsError as error:
        return Answer(error=error)


def _run(task: Task, worker: Worker) -> Answer:
    def report(progress: Progress) -> None:
        worker.log_event(task.topic, {"progress": asdict(progress)})

    with tempfile.TemporaryDirectory(prefix="tinyops-", dir=worker.local_directory) as scratch:
        given, out = Path(scratch) / "in", Path(scratch) / "out"
        out.mkdir()
        facts = run_here(task.step, write_files(task.inputs, given), out, report)
        files = {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    return Answer(facts, {name: (digest_bytes(data), data) for name, data in files.items()})


def write_files(files: Mapping[str, bytes], folder: Path) -> dict[str, Path]:
    """Writes files by name below a folder, and nowhere else. Raises ToolError."""
    folder.mkdir(exist_ok=True)
    paths = {}
    for name, data in files.items():
        path = folder / name
        if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
            raise ToolError(f"a file of the cluster is called {name!r}: it would lie outside of its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths[name] = path
    return paths


@contextmanager
def _ended_when_given_up(worker: Worker, key: object) -> Iterator[None]:
    """Ends the step's programs when nobody wants it any more: the client cancelled it, or is gone."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LONGEST_WAIT_S):
            task = worker.state.tasks.get(key)  # type: ignore[call-overload]
            if task is None or task.state == "cancelled":
                kill_all()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        with suppress(RuntimeError):
            watcher.join()
