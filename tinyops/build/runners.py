"""Where a step runs: one Protocol, one registry, one file a kind. Nothing here decides what is stale."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol, cast

from tinyops.artifacts import Progress, Step, StepFunction
from tinyops.build.pins import check_tinyops
from tinyops.files import JsonObject
from tinyops.process import kill_all

STEP_FUNCTIONS = {
    "collect": "tinyops.collect:run",
    "train": "tinyops.train:run",
    "squeeze": "tinyops.squeeze:run",
    "cost": "tinyops.build.choice.measure:cost",
    "fits": "tinyops.build.choice.step:fits",
    "choose": "tinyops.build.choice.step:pick",
    "split": "tinyops.chains:split",
    "part": "tinyops.chains:part",
    "compile": "tinyops.compiler:run",
    "image": "tinyops.compiler.image:run",
    "firmware": "tinyops.firmware:run",
    "twin": "tinyops.twin:run",
    "chain": "tinyops.twin:run_chain",
}
RUNNERS: Final[Mapping[str, str]] = {
    "local": "tinyops.build.runners:local_runner",
    "dask": "tinyops.build.dask_runner:DaskRunner",
}


class Runner(AbstractContextManager["Runner"], Protocol):
    """Runs single steps, several at once: `run` is called from as many threads as there are `jobs`."""

    @property
    def jobs(self) -> int:
        """Steps at once that it can make use of."""
        ...

    def run(
        self,
        step: Step,
        key: str,
        inputs: Mapping[str, Path],
        out: Path,
        report: Callable[[Progress], None],
        /,
    ) -> JsonObject:
        """Runs a step to its end: a `StepFunction` with the step's key, and the same errors."""
        ...

    def interrupt(self) -> None:
        """Ends what runs now: every `run` raises a TinyopsError soon. May be called again and again."""
        ...


class LocalRunner(AbstractContextManager["LocalRunner"]):
    """In this process, and in the programs that steps start."""

    def __init__(self, jobs: int = 2) -> None:
        self.jobs = jobs

    def __exit__(self, *_: object) -> None:
        return None

    def run(
        self, step: Step, _key: str, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]
    ) -> JsonObject:
        return run_here(step, inputs, out, report)

    def interrupt(self) -> None:
        kill_all()


def local_runner(jobs: int, _cluster: str | None) -> LocalRunner:
    return LocalRunner(jobs)


def run_here(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Runs a step in this process, when it is locked to this very tinyops. Raises TinyopsError."""
    check_tinyops(step)
    return step_function(step.kind)(step, inputs, out, report)


def step_function(kind: str) -> StepFunction:
    return cast(StepFunction, _named(STEP_FUNCTIONS[kind]))


def open_runner(executor: str, *, jobs: int, cluster: str | None = None) -> Runner:
    """The runner of that name; it starts nothing before its first step. `cluster` is the address of a running one."""
    return cast(Runner, _named(RUNNERS[executor])(jobs, cluster))


def _named(place: str) -> Callable[..., object]:
    """An object by `module:name`; modules are heavy, so each loads when it is needed."""
    module, _, name = place.partition(":")
    return cast("Callable[..., object]", getattr(importlib.import_module(module), name))
