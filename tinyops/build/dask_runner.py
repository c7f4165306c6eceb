"""Steps on a Dask cluster. The step's key is the task's: what several want at once is done once.

A task carries its input files and brings its outputs back, so workers need no folder of ours; digests are checked
here. `resources` route it: training to workers that offer `train`, compiling, building and twins to those that offer
`build`. Data is collected here: recordings lie beside the specs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

from tinyops.artifacts import Progress, Source, Step
from tinyops.build.dask_worker import Answer, Task, run_task, write_files
from tinyops.build.runners import run_here
from tinyops.errors import ToolError
from tinyops.files import JsonObject, digest_bytes
from tinyops.process import LONGEST_WAIT_S, kill_all

RESOURCES: Mapping[str, str] = {
    "train": "train",
    "squeeze": "train",
    "split": "build",
    "part": "train",
    "cost": "build",
    "fits": "build",
    "choose": "build",
    "compile": "build",
    "image": "build",
    "firmware": "build",
    "twin": "build",
    "chain": "build",
}
IN_HAND = 256  # steps that a cluster of unknown size is given at once: what it cannot run yet waits there
HERE = "127.0.0.1"  # a cluster of our own is nobody else's
CONNECT_S = 30
WORKERS_WAIT_S = 300.0
MISSING = "pip install 'tinyops[dask]'"


class DaskRunner(AbstractContextManager["DaskRunner"]):
    """`cluster` is a scheduler's address; without one, `jobs` workers are started on this machine at the first step."""

    def __init__(self, jobs: int, cluster: str | None = None) -> None:
        self.jobs = IN_HAND if cluster else jobs
        self._workers = jobs
        self._address = cluster
        self._given_up = threading.Event()
        self._refused: ToolError | None = None
        self._starting = threading.Lock()
        self._opened = contextlib.ExitStack()
        self._client: Any | None = None

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self._opened.close()

    def interrupt(self) -> None:
        self._given_up.set()
        kill_all()

    def run(
        self, step: Step, key: str, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]
    ) -> JsonObject:
        if step.kind not in RESOURCES:
            return run_here(step, inputs, out, report)
        client = self._connected()
        self._wait_for_workers(client, RESOURCES[step.kind], report)
        task = Task(_portable(step), {name: path.read_bytes() for name, path in inputs.items()}, f"tinyops-{key}")
        told = _Told(report)
        client.subscribe_topic(task.topic, told.take)
        try:
            answer = self._answer(client, task, key)
        finally:
            client.unsubscribe_topic(task.topic)
            told.end()
        return _take(answer, step, out)

    def _answer(self, client: Any, task: Task, key: str) -> Answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the files are large
            future = client.submit(
                run_task, task, key=f"tinyops-{task.step.kind}-{key}", resources={RESOURCES[task.step.kind]: 1}
            )
        try:
            done = threading.Event()
            future.add_done_callback(lambda _: done.set())
            while not done.wait(LONGEST_WAIT_S):
                self._check_wanted(task.step)
            return self._result(future, task.step)
        except BaseException:
            with contextlib.suppress(Exception):
                client.cancel([future], force=True)
            raise
        finally:
            future.release()

    def _result(self, future: Any, step: Step) -> Answer:
        """Raises ToolError for whatever Dask says of a task that did not come to its own end."""
        from distributed import KilledWorker

        try:
            answer = future.result(timeout=CONNECT_S)
        except KilledWorker:
            hint = "it may need more memory than a worker has; the workers' logs say more"
            raise ToolError(f"{step.id}: every worker that ran it died", hint=hint) from None
        except Exception as error:
            self._check_wanted(step)
            hint = "the scheduler's and the workers' logs say more; workers need this very version of tinyops"
            raise ToolError(f"{step.id}: the cluster failed: {type(error).__name__}: {error}", hint=hint) from error
        if not isinstance(answer, Answer):
            raise ToolError(f"{step.id}: the cluster answered with a {type(answer).__name__}")
        return answer

    def _check_wanted(self, step: Step) -> None:
        if self._given_up.is_set():
            raise ToolError(f"{step.id}: given up")

    def _connected(self) -> Any:
        with self._starting:
            if self._refused is not None:  # the next step need not wait as long to hear it
                raise self._refused
            if self._client is None:
                try:
                    self._client = self._connect()
                except ToolError as error:
                    self._refused = error
                    raise
            return self._client

    def _connect(self) -> Any:
        try:
            import distributed
        except ImportError as error:
            raise ToolError("the Dask executor needs the package distributed", hint=MISSING) from error
        cluster: Any = distributed.LocalCluster
        connect: Any = distributed.Client
        logging.getLogger("distributed").setLevel(logging.ERROR)
        try:
            place: Any = self._address
            if place is None:
                resources = dict.fromkeys(RESOURCES.values(), 1)
                place = self._opened.enter_context(
                    cluster(
                        n_workers=self._workers,
                        threads_per_worker=1,
                        processes=True,
                        host=HERE,
                        resources=resources,
                        preload=["tinyops.build.dask_worker"],
                        memory_limit=0,
                        dashboard_address=f"{HERE}:0",
                        silence_logs=logging.CRITICAL,
                    )
                )
            return self._opened.enter_context(connect(place, timeout=CONNECT_S, set_as_default=False))
        except (OSError, ValueError, RuntimeError) as error:
            where = self._address or "on this machine"
            hint = "the address of a running scheduler reads tcp://HOST:8786, or tls:// with Dask's own settings"
            raise ToolError(f"no Dask cluster {where}: {error}", hint=hint) from error

    def _wait_for_workers(self, client: Any, resource: str, report: Callable[[Progress], None]) -> None:
        """Until one offers the resource: Dask itself would wait for ever and say nothing."""
        deadline = time.monotonic() + WORKERS_WAIT_S
        said = False
        while not any(w["resources"].get(resource) for w in client.scheduler_info(n_workers=-1)["workers"].values()):
            if time.monotonic() > deadline or self._given_up.is_set():
                raise ToolError(
                    f"no worker of the cluster offers the resource {resource}",
                    hint=f'start one with `dask worker ADDRESS --nthreads 1 --resources "{resource}=1"`',
                )
            if not said:
                report(Progress(0, 0, f"waits for a worker that offers {resource}", announce=True))
                said = True
            time.sleep(LONGEST_WAIT_S)


class _Told:
    """Passes a worker's reports on while its step is in hand; some come later."""

    def __init__(self, report: Callable[[Progress], None]) -> None:
        self._report: Callable[[Progress], None] | None = report
        self._one_at_a_time = threading.Lock()

    def take(self, event: tuple[float, Mapping[str, Any]]) -> None:
        with self._one_at_a_time:
            if self._report is not None:
                self._report(Progress(**event[1]["progress"]))

    def end(self) -> None:
        with self._one_at_a_time:
            self._report = None


def _portable(step: Step) -> Step:
    """The step without paths of this machine: its files travel beside it."""
    sources = {name: Source(Path(PurePosixPath(name)), source.digest) for name, source in step.sources.items()}
    return dataclasses.replace(step, sources=sources)


def _take(answer: Answer, step: Step, out: Path) -> JsonObject:
    """Writes what came back. Raises the step's own error, or ToolError for files that are not what was made."""
    if answer.error is not None:
        raise answer.error
    for name, (digest, data) in answer.files.items():
        if digest_bytes(data) != digest:
            raise ToolError(f"{step.id}: {name} was damaged on its way from the cluster", hint="run it again")
    write_files({name: data for name, (_, data) in answer.files.items()}, out)
    return dict(answer.facts)
