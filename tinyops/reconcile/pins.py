"""Fleets that are pinned to an int8 model by its digest: which release holds it, and whether its spec still fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tinyops.artifacts import Record
from tinyops.build.steps import PINNED, pinned_step, window_settings
from tinyops.errors import Problem, SpecError
from tinyops.reconcile.past import Found, Past
from tinyops.specs.loader import Loaded, Repository
from tinyops.specs.model import Fleet
from tinyops.specs.squeeze import PLAIN

MODEL_FILE = "int8.tflite"
_LOC = ("spec", "model", "digest")


def find_pins(repository: Repository, past: Past | None) -> Mapping[str, Found]:
    """By the key of the pinned step: its record and the release that holds it.

    Raises SpecError at each digest that no release holds, and at each whose model takes other input or tells
    other classes than its spec says now: its contract would be another.
    """
    pinned = [(e, *pin) for e in repository.fleets.values() for pin in e.document.spec.pins.items()]
    problems: list[Problem] = []
    found: dict[str, Found] = {}
    for entry, target, digest in pinned:
        step = pinned_step(entry.document, target, digest)
        if step.key({}) in found:
            continue
        held = past.find_output("squeeze", MODEL_FILE, digest) if past else None
        if held is None:
            hint = "`tinyops promote` and `tinyops rollback` write digests that a release holds"
            problems.append(_problem(repository, entry, f"no release holds an int8 model {digest}", hint))
            continue
        problems += _differences(repository, entry, held.record)
        key = step.key({})
        settings = {**held.record.settings, PINNED: digest}
        record = replace(held.record, step=step.id, key=key, settings=settings, lock={}, inputs={}, sources={})
        variant = held.record.step.rpartition("/")[2]
        if variant != PLAIN:
            record = replace(record, facts={**record.facts, "variant": variant})
        found[key] = Found(record, held.manifest)
    if problems:
        raise SpecError(problems)
    return found


def _differences(repository: Repository, entry: Loaded[Fleet], record: Record) -> Iterator[Problem]:
    model = repository.models[entry.document.spec.model_name].document
    classes = list(repository.datasets[model.spec.dataset].document.spec.classes) if model.spec.dataset else None
    hint = f"give model {model.name} a name of its own for what it takes now, or promote a newer one"
    if record.settings.get("input") != window_settings(repository, model):
        yield _problem(repository, entry, "the pinned model takes other input than its spec says now", hint)
    elif classes is not None and record.facts.get("classes") != classes:
        yield _problem(repository, entry, "the pinned model tells other classes than its dataset has now", hint)


def _problem(repository: Repository, entry: Loaded[Fleet], message: str, hint: str) -> Problem:
    return repository.problem_at("Fleet", entry.document.name, _LOC, message, hint)
