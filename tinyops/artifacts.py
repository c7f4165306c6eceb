"""Artifact types, steps and their keys.

A step is a pure function `step(inputs, settings, lock) -> outputs`. Its key is the digest of its
settings, its lock entries and its inputs' *output* digests, so a key says nothing about where or
when a step ran. Steps never import each other: what they share is the files named here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tinyops.files import JsonObject, digest_json

KEY_FORMAT = 1  # part of every key: raise it when what a key covers changes


@dataclass(frozen=True)
class Artifact:
    """A named file that a step made. `digest` is `sha256:<hex>`, `bytes` its length."""

    digest: str
    bytes: int


@dataclass(frozen=True)
class Source:
    """A file from the user's repository that a step reads; its digest is part of the step's key, its path is not."""

    path: Path
    digest: str


ALL_OUTPUTS = "*"
FACTS = "facts.json"  # no file: the facts of a step, which its reader finds as one
FAILED = "failed"  # the fact of a step that could not be done: why


@dataclass(frozen=True)
class InputRef:
    """One output of another step: `step` is that step's id, `output` the file's name there.

    `ALL_OUTPUTS` stands for every file that the step makes, each under its own name; where the input's name has a dot,
    what stands before it comes before theirs: `eye.image` gives `eye.model.bin`. `FACTS` stands for the step's facts
    as JSON. A step reads what is `optional` only where the other did not fail.
    """

    step: str
    output: str
    optional: bool = False

    def files(self, name: str, outputs: Mapping[str, Artifact]) -> dict[str, Artifact]:
        """What an input of that name stands for, of the step's outputs, by the names under which files are found."""
        if self.output != ALL_OUTPUTS:
            return {name: outputs[self.output]}
        before, dot, _ = name.rpartition(".")
        return {f"{before}{dot}{file}": artifact for file, artifact in outputs.items()}


@dataclass(frozen=True)
class Condition:
    """A step that is wanted only where a fact of another says so."""

    step: str
    fact: str

    def holds(self, records: Mapping[str, Record]) -> bool | None:
        """None while it is not known."""
        found = records[self.step].facts.get(self.fact) if self.step in records else None
        return None if found is None else bool(found)


@dataclass(frozen=True)
class Step:
    """One step as the specs want it.

    `kind` names the function, `subject` what it is done to (`activity`, `activity/nano33ble`).
    `settings` is JSON from specs and catalogue; `lock` the lock entries the result depends on. `keeps` names
    settings that hold a fact of the last release: what a step chose then, and chooses again while it can (`settled`).
    Only where its `condition` holds it is made, and who reads it does without it otherwise. That a `fallible` one
    cannot be done (SpecError, DoesNotFit) is its result, recorded as the fact FAILED. Neither changes its key.
    """

    kind: str
    subject: str
    settings: JsonObject = field(default_factory=dict)
    lock: JsonObject = field(default_factory=dict)
    inputs: Mapping[str, InputRef] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    keeps: Mapping[str, str] = field(default_factory=dict)
    condition: Condition | None = None
    fallible: bool = False

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.subject}"

    @property
    def needs(self) -> Iterator[str]:
        """The ids of the steps that come before it."""
        yield from (ref.step for ref in self.inputs.values())
        if self.condition is not None:
            yield self.condition.step

    def without(self, steps: Collection[str]) -> Step:
        """The same where some steps are not made."""
        if not any(ref.step in steps for ref in self.inputs.values()):
            return self
        return replace(self, inputs={name: ref for name, ref in self.inputs.items() if ref.step not in steps})

    def key(self, input_digests: Mapping[str, str]) -> str:
        """The step's key, given the digest of each input (every name in `inputs`)."""
        return digest_json(
            {
                "format": KEY_FORMAT,
                "kind": self.kind,
                "settings": self.settings,
                "lock": self.lock,
                "inputs": {name: input_digests[name] for name in self.inputs},
                "sources": {name: source.digest for name, source in self.sources.items()},
            }
        )


@dataclass(frozen=True)
class Record:
    """What became of a step: its key, its outputs by file name, and small facts such as metrics.

    `settings`, `lock`, `inputs` and `sources` are what the key was made from, kept so that a later
    plan can name the field that changed.
    """

    step: str
    key: str
    settings: JsonObject
    lock: JsonObject
    inputs: dict[str, str]
    sources: dict[str, str]
    outputs: dict[str, Artifact]
    facts: JsonObject

    @property
    def failure(self) -> str:
        """Why a fallible step could not be done; empty where it could."""
        return str(self.facts.get(FAILED, ""))

    def has(self, name: str) -> bool:
        """Whether there is a digest for what a step reads of it: also for what it failed to make."""
        return name in (ALL_OUTPUTS, FACTS) or name in self.outputs or bool(self.failure)

    def output_digest(self, name: str) -> str:
        """The digest of one output, of all of them with their names, or of the facts. Raises KeyError."""
        if name in self.outputs:
            return self.outputs[name].digest
        if name == FACTS or self.failure:
            return digest_json(self.facts)
        if name == ALL_OUTPUTS:
            return digest_json({n: a.digest for n, a in self.outputs.items()})
        raise KeyError(name)

    def to_json(self) -> JsonObject:
        outputs = {n: {"digest": a.digest, "bytes": a.bytes} for n, a in self.outputs.items()}
        return {**{f: getattr(self, f) for f in _RECORD_FIELDS}, "outputs": outputs}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Record:
        """Raises ValueError when the value is not a record."""
        try:
            outputs = {str(n): Artifact(str(a["digest"]), int(a["bytes"])) for n, a in value["outputs"].items()}
            return Record(outputs=outputs, **{f: value[f] for f in _RECORD_FIELDS})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a step record: {error}") from error


def settled(step: Step, before: Record | None, digests: Mapping[str, str] | None) -> Step:
    """A step as it is run, given its released record and the digests of its inputs, None while those are not known.

    What was released stays as it is where nothing else changes; else the step is told what it chose then.
    """
    if not step.keeps or before is None:
        return step
    told = {name: before.settings[name] for name in step.keeps if name in before.settings}
    same = replace(step, settings={**step.settings, **told})
    if digests is not None and same.key(digests) == before.key:
        return same
    chosen = {name: before.facts[fact] for name, fact in step.keeps.items() if fact in before.facts}
    return replace(step, settings={**step.settings, **chosen})


def wanted_now(steps: Iterable[Step], records: Mapping[str, Record]) -> Iterator[Step]:
    """Steps without those whose condition does not hold, or is not known; `records` may grow while they are read."""
    dropped: set[str] = set()
    for step in steps:
        if step.condition is not None and not step.condition.holds(records):
            dropped.add(step.id)
        else:
            yield step.without(dropped)


def closure(step_ids: Iterable[str], by_id: Mapping[str, Step]) -> set[str]:
    """Some steps and everything that they need, by id."""
    found: set[str] = set()
    waiting = list(step_ids)
    while waiting:
        step_id = waiting.pop()
        if step_id not in found:
            found.add(step_id)
            waiting += by_id[step_id].needs
    return found


_RECORD_FIELDS = ("step", "key", "settings", "lock", "inputs", "sources", "facts")


@dataclass(frozen=True)
class Progress:
    """How far a running step is: `done` of `total` (`total` 0 when it is not known).

    `announce` marks what a log wants to hear too, such as the start of a download.
    """

    done: int
    total: int
    message: str
    announce: bool = False


class StepFunction(Protocol):
    """What every step package offers as `run`.

    Reads `inputs` (path of each input and source by name), writes its output files below `out`, an
    empty folder, and returns facts: a JSON object without NaN. Everything it reads is in `step`,
    `inputs` and the lock; it uses no clock, no network that is not pinned by digest, and no path of
    the machine in what it writes. Raises a TinyopsError for whatever goes wrong.
    """

    def __call__(
        self,
        step: Step,
        inputs: Mapping[str, Path],
        out: Path,
        report: Callable[[Progress], None],
    ) -> JsonObject: ...
