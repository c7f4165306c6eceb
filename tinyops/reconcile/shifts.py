"""Whether what a fleet sees has moved away from what its model was trained and tested on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tinyops.manifest.document import FleetEntry, Manifest
from tinyops.manifest.report import CONFIDENCE_BINS
from tinyops.reconcile.states import Observed
from tinyops.statistics import shift

PSI_SMALL = 0.1  # below it nothing moved; the customary bounds, from N. Siddiqi, "Credit Risk Scorecards", Wiley, 2006
PSI_LARGE = 0.25  # above it the population is another one
INFERENCES_MIN = 500  # fewer say nothing

Verdict: TypeAlias = Literal["unknown", "too few", "as trained", "moving", "moved"]


@dataclass(frozen=True)
class Reference:
    """What a model saw before it was released. `classes`: windows of the training side by label. `confidence`: windows
    of the test side by the int8 model's best output, in tenths; empty where its outputs are no shares."""

    classes: Mapping[str, int]
    confidence: tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """Sums over the devices of a fleet that run the released model. `confidence` as in reports; `others` are
    inferences of classes that the model does not have."""

    devices: int
    inferences: int
    errors: int
    crashes: int
    self_tests_failed: int
    classes: Mapping[str, int]
    confidence: tuple[int, ...]
    others: int = 0


@dataclass(frozen=True)
class Moved:
    """How far one histogram moved: `psi` is null where the verdict needs none."""

    what: Literal["classes", "confidence"]
    verdict: Verdict
    psi: float | None = None
    noise: float | None = None


def reference_of(manifest: Manifest, fleet: FleetEntry) -> Reference | None:
    """What the release records of the fleet's model; None for one that was made before, or without data."""
    facts = facts_of(manifest, fleet)
    recorded = facts.get("reference")
    if not isinstance(recorded, dict):
        return None
    return Reference(dict(recorded["classes"]), tuple(recorded["confidence"]))


def facts_of(manifest: Manifest, fleet: FleetEntry) -> Mapping[str, Any]:
    """The facts of the step that made the fleet's int8 model; empty where the release does not hold it."""
    golden = {board.golden.digest for board in fleet.boards.values()}
    for step, record in manifest.steps.items():
        made = record.outputs.get("golden.bin") if step.startswith("squeeze:") else None
        if made is not None and made.digest in golden:
            return record.facts
    return {}


def seen_by(devices: Iterable[Observed], models: Mapping[str, str], known: Iterable[str]) -> Seen:
    """Sums of the reports of devices that run their board's released model (`models`, by board).

    Classes that the model does not have are counted together: their names are whatever a device sends.
    """
    names = list(known)
    classes, confidence = Counter[str](), [0] * CONFIDENCE_BINS
    count = inferences = errors = crashes = failed = others = 0
    for device in devices:
        report = device.report
        if report is None or report.running is None or report.running.model != models.get(device.board):
            continue
        health = report.health
        count, inferences, errors = count + 1, inferences + health.inferences, errors + health.errors
        crashes, failed = crashes + health.crashes, failed + (health.self_test == "fail")
        for name, number in health.classes.items():
            classes[name] += number
        for number, found in enumerate(health.confidence):
            confidence[number] += found
    named = {name: classes.pop(name, 0) for name in names} if names else {}
    others = sum(classes.values())
    return Seen(count, inferences, errors, crashes, failed, named, tuple(confidence), others)


def shifts(reference: Reference | None, seen: Seen) -> tuple[Moved, ...]:
    """Classes against the training side, confidence against the test side."""
    if reference is None:
        return (Moved("classes", "unknown"), Moved("confidence", "unknown"))
    classes = [seen.classes.get(name, 0) for name in reference.classes]
    return (
        _moved("classes", [*reference.classes.values()], classes),
        _moved("confidence", reference.confidence, seen.confidence),
    )


def _moved(what: Literal["classes", "confidence"], reference: Iterable[int], observed: Iterable[int]) -> Moved:
    wanted, found = [*reference], [*observed]
    if len(wanted) < 2 or len(wanted) != len(found) or not sum(wanted):
        return Moved(what, "unknown")
    if sum(found) < INFERENCES_MIN:
        return Moved(what, "too few")
    measured = shift(wanted, found)
    verdict: Verdict = "as trained"
    if measured.is_certain and measured.psi > PSI_SMALL:
        verdict = "moved" if measured.psi > PSI_LARGE else "moving"
    return Moved(what, verdict, measured.psi, measured.noise)
