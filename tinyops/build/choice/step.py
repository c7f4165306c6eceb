"""The steps that decide: whether a model is searched at all, and which variant a board gets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.build.choice.candidates import Budget, Candidate, lacks
from tinyops.build.choice.decide import Choice, choose
from tinyops.files import MIB, JsonObject, pretty_json, read_bounded, write_atomic, writing

CHOICE_FILE = "choice.json"
MODEL_FILES = ("int8.tflite", "features.json", "golden.bin", "stream.bin", "metrics.json")  # of the picked variant
FACTS_LIMIT_BYTES = 64 * MIB

Report = Callable[[Progress], None]


def fits(step: Step, inputs: Mapping[str, Path], _out: Path, report: Report) -> JsonObject:
    """Whether the first variant does on every board of every fleet, so that no other is made.

    Settings: `variant`, `targets` (each with the settings of a choice). Inputs: the facts of its squeeze step, and of
    its cost step for each target by its name. Facts: `searched`, and `why`, a sentence for each that wants another.
    """
    report(Progress(0, 0, "comparing with every board"))
    variant, why = step.settings["variant"], {}
    squeezed = _facts(inputs["squeeze"])
    for target, settings in step.settings["targets"].items():
        costs = _facts(inputs[target])
        found = Candidate.of(variant, squeezed, costs, settings.get("ms_an_instruction"))
        missing = [found.failed] if found.failed else [lack.text for lack in lacks(found, Budget.of(settings))]
        if missing:
            why[target] = f"{variant} {'; '.join(missing)}"
    return {"searched": bool(why), "why": why}


def pick(step: Step, inputs: Mapping[str, Path], out: Path, report: Report) -> JsonObject:
    """Picks a variant for one board, and hands its model on.

    Settings: `variants` in the spec's order, `prefer`, `loss_max`, and the board's budget. Inputs: for each variant
    that was made the facts of its squeeze and cost steps (`VARIANT/squeeze`, `VARIANT/cost`) and its files. Facts:
    those of the picked one's squeeze step, `variant`, and `choice`, which `choice.json` holds too. Raises DoesNotFit,
    SpecError.
    """
    made = [name for name in step.settings["variants"] if f"{name}/squeeze" in inputs]
    report(Progress(0, 0, f"choosing among {len(made)} variants"))
    squeezed = {name: _facts(inputs[f"{name}/squeeze"]) for name in made}
    speed = step.settings.get("ms_an_instruction")
    candidates = [Candidate.of(name, squeezed[name], _facts(inputs[f"{name}/cost"]), speed) for name in made]
    chosen = choose(
        candidates,
        Budget.of(step.settings),
        prefer=step.settings["prefer"],
        loss_max=step.settings["loss_max"],
        searched=len(made) == len(step.settings["variants"]),
    )
    picked = chosen.picked.variant
    for name in MODEL_FILES:
        if f"{picked}/{name}" in inputs:
            with writing(out / name):
                shutil.copyfile(inputs[f"{picked}/{name}"], out / name)
    document = choice_json(chosen, step.settings)
    write_atomic(out / CHOICE_FILE, pretty_json(document))
    return {**squeezed[picked], "variant": picked, "choice": document}


def choice_json(chosen: Choice, settings: JsonObject) -> JsonObject:
    """What is kept of a decision: the budget too, so that a reader can judge it alone."""
    budget = ("model_room_bytes", "arena_room_bytes", "gates", "model_gates")
    return {"schema": 1, **chosen.to_json(), "budget": {n: settings[n] for n in budget if settings.get(n) is not None}}


def _facts(path: Path) -> JsonObject:
    value: JsonObject = json.loads(read_bounded(path, FACTS_LIMIT_BYTES))
    return value
