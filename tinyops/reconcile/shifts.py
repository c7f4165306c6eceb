"""Whether what a fleet sees has moved away from what its model was trained and tested on. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from tinyops.manifest.document import FleetEntry, Manifest
from tinyops.manifest.report import CONFIDENCE_BINS, DeviceReport
from tinyops.reconcile.states import COUNTED, Observed
from tinyops.statistics import shift

PSI_SMALL = 0.1  # below it nothing moved; the customary bounds, from N. Siddiqi, "Credit Risk Scorecards", Wiley, 2006
PSI_LARGE = 0.25  # above it the population is another one
DROP_SMALL, DROP_LARGE = 0.05, 0.1  # of the mean confidence, where no more than that is known
INFERENCES_MIN = 500  # fewer say nothing

NOBODY: Mapping[str, int] = MappingProxyType({})

Verdict: TypeAlias = Literal["unknown", "too few", "as trained", "moving", "moved"]


@dataclass(frozen=True)
class Reference:
    """What a model saw before it was released. `classes`: windows of the training side by label. `confidence`: windows
    of the test side by the int8 model's best output, in tenths, and their mean; none where outputs are no shares."""

    classes: Mapping[str, float]
    confidence: tuple[int, ...]
    confidence_mean: float | None = None


@dataclass(frozen=True)
class Seen:
    """Sums over the devices of a fleet that run the released model. `confidence` as in reports, its mean over all that
    tell one; `others` are inferences of classes that the model does not have."""

    devices: int
    inferences: int
    errors: int
    crashes: int
    self_tests_failed: int
    classes: Mapping[str, int]
    confidence: tuple[int, ...]
    others: int = 0
    confidence_mean: float | None = None


@dataclass(frozen=True)
class Moved:
    """How far one histogram moved: `psi` is null where the verdict needs none."""

    what: Literal["classes", "confidence"]
    verdict: Verdict
    psi: float | None = None
    noise: float | None = None


def reference_of(manifest: Manifest, fleet: FleetEntry, seen: Mapping[str, int] = NOBODY) -> Reference | None:
    """What the release records of the fleet's model; None for one that was made before, or without data.

    Where boards have different variants, theirs together: each counts by the inferences that were `seen` on its board.
    """
    found: list[tuple[Reference, int]] = []
    for board, facts in facts_by_board(manifest, fleet).items():
        recorded = facts.get("reference")
        if isinstance(recorded, dict):
            mean = recorded.get("confidence_mean")
            one = Reference(dict(recorded["classes"]), tuple(recorded["confidence"]), mean)
            found.append((one, seen.get(board, 0)))
    return _together(found) if found else None


def _together(found: Sequence[tuple[Reference, int]]) -> Reference:
    """One reference of several variants; where nothing was seen yet, all count the same."""
    first = found[0][0]
    if all(reference == first for reference, _ in found):
        return first
    total = sum(seen for _, seen in found)
    weights = [seen / total if total else 1 / len(found) for _, seen in found]
    if any(len(r.confidence) != len(first.confidence) or r.confidence_mean is None for r, _ in found):
        return replace(first, confidence=(), confidence_mean=None)
    means = [r.confidence_mean for r, _ in found if r.confidence_mean is not None]
    bins = zip(*(r.confidence for r, _ in found), strict=True)
    confidence = tuple(round(sum(w * n for w, n in zip(weights, column, strict=True))) for column in bins)
    mean = round(sum(w * m for w, m in zip(weights, means, strict=True)), 6)
    return replace(first, confidence=confidence, confidence_mean=mean)


def facts_of(manifest: Manifest, fleet: FleetEntry) -> Mapping[str, Any]:
    """The facts of the step that made the fleet's int8 model, of its first board's; empty where no release holds it."""
    return next(iter(facts_by_board(manifest, fleet).values()), {})


def facts_by_board(manifest: Manifest, fleet: FleetEntry) -> dict[str, Mapping[str, Any]]:
    """The facts of the steps that made the int8 models of a fleet's boards, as far as the release holds them."""
    made = {
        record.outputs["golden.bin"].digest: record.facts
        for step, record in manifest.steps.items()
        if step.startswith("squeeze:") and "golden.bin" in record.outputs
    }
    return {b: made[e.golden.digest] for b, e in sorted(fleet.boards.items()) if e.golden.digest in made}


def expected(reference: Reference | None, class_shares: Mapping[str, float] | None) -> Reference | None:
    """The reference with the classes that a fleet's spec expects, as many in all."""
    if reference is None or class_shares is None:
        return reference
    total = sum(reference.classes.values())
    return replace(reference, classes={name: class_shares.get(name, 0) * total for name in reference.classes})


def seen_by(devices: Iterable[Observed], models: Mapping[str, str], known: Iterable[str]) -> Seen:
    """Sums of the reports of devices that run their board's released model (`models`, by board).

    Classes that the model does not have are counted together: their names are whatever a device sends.
    """
    classes, confidence, told = dict.fromkeys(known, 0), [0] * CONFIDENCE_BINS, Counter[str]()
    weighted, weight = 0.0, 0
    for health in (report.health for report in _running(devices, models)):
        told.update(devices=1, inferences=health.inferences, errors=health.errors, crashes=health.crashes)
        told["self_tests_failed"] += health.self_test == "fail"
        for name, count in health.classes.items():
            if name in classes:
                classes[name] += count
            else:
                told["others"] += count
        for number, found in enumerate(health.confidence):
            confidence[number] += found
        if health.confidence_mean is not None:
            weighted, weight = weighted + health.confidence_mean * health.inferences, weight + health.inferences
    mean = round(weighted / weight, 6) if weight else None
    return Seen(
        devices=told["devices"],
        inferences=told["inferences"],
        errors=told["errors"],
        crashes=told["crashes"],
        self_tests_failed=told["self_tests_failed"],
        classes=classes,
        confidence=tuple(confidence),
        others=told["others"],
        confidence_mean=mean,
    )


def inferences_by_board(devices: Iterable[Observed], models: Mapping[str, str]) -> Counter[str]:
    """What was inferred on each kind of board by its released model."""
    found = Counter[str]()
    for device in devices:
        for report in _running([device], models):
            found[device.board] += report.health.inferences
    return found


def _running(devices: Iterable[Observed], models: Mapping[str, str]) -> Iterator[DeviceReport]:
    """Of devices that count: who is not, or no longer, in the fleet moves none of its figures."""
    for device in devices:
        runs = device.running is not None and device.running == models.get(device.board)
        if runs and device.report is not None and device.state in COUNTED:
            yield device.report


def shifts(reference: Reference | None, seen: Seen) -> tuple[Moved, ...]:
    """Classes against the training side, confidence against the test side."""
    if reference is None:
        return (Moved("classes", "unknown"), Moved("confidence", "unknown"))
    classes = [seen.classes.get(name, 0) for name in reference.classes]
    confidence = _moved("confidence", reference.confidence, seen.confidence)
    if confidence.verdict == "too few" and seen.confidence_mean is not None and reference.confidence_mean is not None:
        confidence = _moved_mean(reference.confidence_mean - seen.confidence_mean, seen.inferences)
    return _moved("classes", [*reference.classes.values()], classes), confidence


def _moved_mean(drop: float, inferences: int) -> Moved:
    """Where devices tell no more than a mean: only a fall says that the model has become less sure."""
    if inferences < INFERENCES_MIN:
        return Moved("confidence", "too few")
    verdict: Verdict = "moved" if drop > DROP_LARGE else "moving" if drop > DROP_SMALL else "as trained"
    return Moved("confidence", verdict)


def _moved(what: Literal["classes", "confidence"], reference: Iterable[float], observed: Iterable[int]) -> Moved:
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
