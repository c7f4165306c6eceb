"""Rules for augmentation that need the model's dataset: times in samples, channels, classes, bands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from tinyops.documents import closest
from tinyops.documents.reading import Loc
from tinyops.features.stages import Filter
from tinyops.specs.augment import AnyStep, MaskBandsStep, MaskTimeStep, MixStep, NoiseStep, RotateStep, ScaleStep
from tinyops.specs.dataset import DatasetSpec, Signal
from tinyops.specs.faults import Fault
from tinyops.specs.feature_rules import stages
from tinyops.specs.model import ModelSpec, Training

AUGMENT: Loc = ("spec", "training", "augment")


def augment_faults(spec: ModelSpec, dataset: DatasetSpec) -> Iterator[Fault]:
    """What is wrong with the steps for a model whose features are right; backgrounds of other datasets left out."""
    if spec.training is None:
        return
    yield from _idle_faults(spec, spec.training)
    for number, step in enumerate(spec.training.augment):
        loc: Loc = (*AUGMENT, number)
        if dataset.signal.rate_hz is None and not isinstance(step, NoiseStep | ScaleStep):
            yield Fault(loc, f"{step.kind}: images take noise and scale alone", "remove it")
            continue
        if isinstance(step, MixStep) and step.dataset is None:
            yield from _class_faults(loc, step, dataset, spec.dataset or "")
        elif isinstance(step, RotateStep):
            yield from _rotate_faults(loc, step, dataset.signal)
        elif isinstance(step, MaskBandsStep):
            yield from _band_faults(loc, step, spec, dataset.signal)
        elif hasattr(step, "at_most_s"):
            yield from _time_faults(loc, step, spec, dataset.signal)


def _idle_faults(spec: ModelSpec, training: Training) -> Iterator[Fault]:
    """Fields that would do nothing."""
    if training.copies is not None and not training.augment:
        hint = "remove it, or say in augment how they differ"
        yield Fault(("spec", "training", "copies"), "without augment all copies are alike", hint, key=True)
    if training.label_smoothing and spec.architecture.kind == "autoencoder":
        loc: Loc = ("spec", "training", "label_smoothing")
        yield Fault(loc, "an autoencoder learns from windows, not from labels", "remove it", key=True)


def named_backgrounds(spec: ModelSpec) -> Iterator[tuple[Loc, str]]:
    """Other datasets that backgrounds are taken from, and where they are named."""
    for number, step in enumerate(spec.training.augment if spec.training is not None else ()):
        if isinstance(step, MixStep) and step.dataset is not None:
            yield (*AUGMENT, number, "dataset"), step.dataset


def background_faults(spec: ModelSpec, own: DatasetSpec, datasets: Mapping[str, DatasetSpec]) -> Iterator[Fault]:
    """What is wrong with backgrounds of other datasets; of those that exist."""
    for number, step in enumerate(spec.training.augment if spec.training is not None else ()):
        if not isinstance(step, MixStep) or step.dataset is None or step.dataset not in datasets:
            continue
        other, loc = datasets[step.dataset], (*AUGMENT, number)
        yield from _class_faults(loc, step, other, step.dataset)
        for field in ("channels", "units", "rate_hz", "size"):
            mine, its = getattr(own.signal, field), getattr(other.signal, field)
            if mine != its:
                message = f"mix: {field} of dataset {step.dataset} is {_spoken(its)}, of {spec.dataset} {_spoken(mine)}"
                yield Fault((*loc, "dataset"), message, "a background is of the same signal")
                break


def _spoken(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value}"


def _class_faults(loc: Loc, step: MixStep, dataset: DatasetSpec, name: str) -> Iterator[Fault]:
    if step.of not in dataset.classes:
        message = f"mix: dataset {name} has no class {step.of!r}"
        yield Fault((*loc, "of"), message, closest(step.of, dataset.classes))


def _rotate_faults(loc: Loc, step: RotateStep, signal: Signal) -> Iterator[Fault]:
    named = list(chain.from_iterable(step.channels))
    for number, names in enumerate(step.channels):
        where: Loc = (*loc, "channels", number)
        unknown = next((n for n in names if n not in signal.channels), None)
        if unknown is not None:
            message = f"rotate: the dataset has no channel {unknown!r}"
            yield Fault(where, message, closest(unknown, signal.channels))
        elif any(named.count(n) > 1 for n in names):
            yield Fault(where, "rotate: a channel stands twice", "each channel is an axis of one sensor")
        else:
            yield from _axis_faults(where, [signal.channels.index(n) for n in names], signal)


def _axis_faults(where: Loc, axes: list[int], signal: Signal) -> Iterator[Fault]:
    for field, values in (("units", signal.units), ("full_scale", signal.full_scale)):
        if len({values[a] for a in axes}) > 1:
            message = f"rotate: {field} of the three are {_spoken(tuple(values[a] for a in axes))}"
            yield Fault(where, message, "the axes of one sensor share unit and full scale")
            return


def _time_faults(loc: Loc, step: AnyStep, spec: ModelSpec, signal: Signal) -> Iterator[Fault]:
    assert signal.rate_hz is not None and spec.input.window_s is not None
    seconds: float = getattr(step, "at_most_s", 0.0)
    least_s = 1 / signal.rate_hz
    if isinstance(step, MaskTimeStep):
        least_s = _row_s(spec, signal)
    if seconds >= spec.input.window_s:
        message = f"{step.kind}: {seconds:g} s is not below the window of {spec.input.window_s:g} s"
        yield Fault((*loc, "at_most_s"), message, "what is told apart must be left")
    elif seconds < least_s * (1 - 1e-9):
        what = "row" if isinstance(step, MaskTimeStep) else "sample"
        yield Fault((*loc, "at_most_s"), f"{step.kind}: {seconds:g} s is less than one {what}, {least_s:g} s")


def _row_s(spec: ModelSpec, signal: Signal) -> float:
    assert signal.rate_hz is not None
    last = stages(spec, signal)[-1]
    if spec.input.is_raw or isinstance(last, Filter):
        return spec.input.block_s or 1 / signal.rate_hz
    return last.step / signal.rate_hz


def _band_faults(loc: Loc, step: MaskBandsStep, spec: ModelSpec, signal: Signal) -> Iterator[Fault]:
    kind = spec.input.features[-1].kind
    if kind not in ("spectrum", "log_mel"):
        hint = "use mask_time, or features of kind spectrum or log_mel"
        yield Fault(loc, f"mask_bands: rows of kind {kind} have no bands beside each other", hint)
        return
    assert signal.rate_hz is not None
    last = stages(spec, signal)[-1]
    bands = 0 if isinstance(last, Filter) else last.values(signal.rate_hz)
    if step.at_most >= bands:
        yield Fault((*loc, "at_most"), f"mask_bands: {step.at_most} is not below the {bands} bands of a row")
