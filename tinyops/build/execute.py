"""Running stale steps: as many at once as their inputs and the machine allow."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tinyops.artifacts import FACTS, FAILED, Artifact, Progress, Record, Step, settled
from tinyops.build.runners import LocalRunner, Runner
from tinyops.errors import DoesNotFit, SpecError, TinyopsError, ToolError, UnsafePlan
from tinyops.files import JsonObject, pretty_json
from tinyops.process import LONGEST_WAIT_S
from tinyops.store import Store, take_outputs

# What cannot be made again byte for byte: its loss is said, never repaired in silence.
NOT_REPRODUCIBLE = frozenset({"train"})
FAILURE_LIMIT = 2000  # characters of what a record says of a step that could not be done


class Watcher(Protocol):
    """Is told what happens to steps; called from several threads."""

    def started(self, step: Step) -> None: ...
    def progress(self, step: Step, progress: Progress) -> None: ...
    def finished(self, step: Step, how: str, seconds: float) -> None: ...
    def failed(self, step: Step, error: TinyopsError) -> None: ...
    def note(self, text: str) -> None:
        """Something worth knowing that is of no step: a wait, a file going up."""

    def warning(self, text: str) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """Records of the steps that ended well, and the errors of those that did not.

    A step whose input failed is in neither, nor one whose condition does not hold: those are `skipped`.
    """

    records: Mapping[str, Record]
    errors: Mapping[str, TinyopsError]
    skipped: Collection[str] = ()


@dataclass
class Executor:
    """Runs steps against a store.

    `released` finds the record that a release holds of a step with this key: such a step is not run.
    `fetch` brings a released output back into the store, or returns None when it is not released.
    `runner` says where steps run, and how many at once. `before` are the last release's records, for what steps keep.
    """

    store: Store
    released: Callable[[Step, str], Record | None]
    fetch: Callable[[Artifact], Path | None]
    watcher: Watcher
    runner: Runner = field(default_factory=LocalRunner)
    replace: Collection[str] = ()
    before: Mapping[str, Record] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)
    _steps: dict[str, Step] = field(default_factory=dict)
    _records: dict[str, Record] = field(default_factory=dict)
    _errors: dict[str, TinyopsError] = field(default_factory=dict)
    _skipped: set[str] = field(default_factory=set)

    def run(self, steps: Sequence[Step]) -> Outcome:
        """Runs what is stale. Ctrl-C ends the running programs and is passed on."""
        self._steps = {step.id: step for step in steps}
        waiting = dict(self._steps)
        running: dict[concurrent.futures.Future[Record], Step] = {}
        with concurrent.futures.ThreadPoolExecutor(self.runner.jobs) as pool:
            try:
                while waiting or running:
                    for step in self._ready(waiting, len(running)):
                        running[pool.submit(self._run_step, step)] = waiting.pop(step.id)
                    if not running:
                        break  # what still waits needs what failed
                    self._take_finished(running)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._end()
                raise
        return Outcome(dict(self._records), dict(self._errors), frozenset(self._skipped))

    def _ready(self, waiting: dict[str, Step], busy: int) -> list[Step]:
        self._skip(waiting)
        ready = [s for s in waiting.values() if all(need in self._records for need in s.needs)]
        return ready[: max(self.runner.jobs - busy, 0)]

    def _skip(self, waiting: dict[str, Step]) -> None:
        """Takes out what no condition wants: whoever reads it does without."""
        unwanted = {s.id for s in waiting.values() if s.condition and s.condition.holds(self._records) is False}
        for step in [*waiting.values()] if unwanted else ():
            self._steps[step.id] = waiting[step.id] = step.without(unwanted)
        for step_id in unwanted:
            del waiting[step_id]
        self._skipped |= unwanted

    def _take_finished(self, running: dict[concurrent.futures.Future[Record], Step]) -> None:
        # A signal that comes just before a wait begins does not end it: so no wait lasts long.
        done, _ = concurrent.futures.wait(running, LONGEST_WAIT_S, concurrent.futures.FIRST_COMPLETED)
        for future in done:
            step = running.pop(future)
            try:
                self._records[step.id] = future.result()
            except TinyopsError as error:
                self._errors[step.id] = error
                self.watcher.failed(step, error)

    def _run_step(self, step: Step) -> Record:
        self._active.add(step.id)
        try:
            return self._reuse_or_make(step)
        finally:
            self._active.discard(step.id)

    def _end(self) -> None:
        """Ends the programs of running steps, and those that a step starts when its first one has ended.

        Steps count themselves: an interrupt may come before their future is known.
        """
        quiet = 0
        while quiet < 2:
            self.runner.interrupt()
            self.store.interrupt()
            quiet = 0 if self._active else quiet + 1
            time.sleep(0.1)

    def _reuse_or_make(self, step: Step) -> Record:
        inputs = {name: self._records[ref.step].output_digest(ref.output) for name, ref in step.inputs.items()}
        if step.id not in self.replace:
            step = settled(step, self.before.get(step.id), inputs)
        key = step.key(inputs)
        if step.id not in self.replace:
            if (released := self.released(step, key)) is not None:
                self.watcher.finished(step, "released", 0)
                return released
            if (known := self.store.lookup(key)) is not None:
                self.watcher.finished(step, "built before", 0)
                return dataclasses.replace(known, step=step.id)  # another step of the same key may have made it
        return self._make(step, key, inputs)

    def _make(self, step: Step, key: str, input_digests: Mapping[str, str]) -> Record:
        begin = time.monotonic()
        self.watcher.started(step)
        with self.store.scratch(step.id) as scratch:
            out = scratch / "out"
            out.mkdir()
            work = f"{key}+{secrets.token_hex(4)}" if step.id in self.replace else key  # not what was made before
            facts = self._run(step, work, scratch, out)
            outputs = take_outputs(self.store, out) if FAILED not in facts else {}
        sources = {name: source.digest for name, source in step.sources.items()}
        record = Record(step.id, key, step.settings, step.lock, dict(input_digests), sources, outputs, facts)
        self.store.save(record)
        self.watcher.finished(step, "built", time.monotonic() - begin)
        return record

    def _run(self, step: Step, work: str, scratch: Path, out: Path) -> JsonObject:
        """The facts of a step, or why it cannot be done where that is its result."""
        try:
            paths = self._input_paths(step, scratch)
            return self.runner.run(step, work, paths, out, lambda p: self.watcher.progress(step, p))
        except (SpecError, DoesNotFit) as error:
            if not step.fallible:
                raise
            if not any(self._records[ref.step].failure for ref in step.inputs.values()):  # that was said there
                self.watcher.warning(f"{step.id}: {error.message.splitlines()[0]}")
            return {FAILED: error.message[:FAILURE_LIMIT]}

    def _input_paths(self, step: Step, scratch: Path) -> dict[str, Path]:
        paths = {name: source.path for name, source in step.sources.items()}
        for number, (name, ref) in enumerate(step.inputs.items()):
            record = self._records[ref.step]
            if ref.output == FACTS:
                paths[name] = scratch / f"{number}-{FACTS}"
                paths[name].write_bytes(pretty_json(record.facts))
                continue
            if record.failure:
                if ref.optional:
                    continue
                raise SpecError(record.failure)
            for file, artifact in ref.files(name, record.outputs).items():
                paths[file] = self._output_path(ref.step, artifact)
        return paths

    def _output_path(self, step_id: str, artifact: Artifact) -> Path:
        """An output in the store, from the release, or made again by its step."""
        path = self.store.find(artifact) or self.fetch(artifact)
        if path is None:
            self._remake(step_id, artifact)
            path = self.store.find(artifact)
        if path is None:
            raise ToolError(
                f"{step_id}: made again, but one of its files differs from the one released ({artifact.digest[:19]})",
                hint="the lock or the machine is not what the release was made with; `tinyops doctor` compares them",
            )
        return path

    def _remake(self, step_id: str, artifact: Artifact) -> None:
        step = self._steps[step_id]
        if step.kind in NOT_REPRODUCIBLE:
            raise UnsafePlan(
                f"weights lost: {step_id} is released, but its file {artifact.digest[:19]} is neither in the store "
                "nor in a release",
                hint=f"bring the release's files back, or retrain with `--replace {step_id}`: its images will change",
            )
        record = self._records[step_id]
        self._make(dataclasses.replace(step, settings=record.settings), record.key, record.inputs)
