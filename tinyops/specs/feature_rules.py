"""Rules for a model's features, their stages in samples, and the shape of what they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tinyops.documents.reading import Loc
from tinyops.features.stages import Filter, Stage, StageFault, count_faults, order_faults, rows_in, window_faults
from tinyops.specs.dataset import Signal
from tinyops.specs.faults import Fault
from tinyops.specs.features import stage_of
from tinyops.specs.layers import TfliteArchitecture
from tinyops.specs.model import ModelSpec
from tinyops.specs.window import whole_frames

FEATURES: Loc = ("spec", "input", "features")
_SECONDS = {"length": "length_s", "step": "step_s"}  # fields of stages that specs give in seconds


def kind_faults(spec: ModelSpec) -> Iterator[Fault]:
    """What can be said of the kinds of features without a dataset."""
    kinds = [feature.kind for feature in spec.input.features]
    finished = isinstance(spec.architecture, TfliteArchitecture)
    if "tensor" in kinds:
        yield from _tensor_faults(spec, kinds, finished)
        return
    for number, message in order_faults(kinds):
        yield Fault((*FEATURES, number), message, "features: [{kind: filter, …}, raw]")
    if finished and not spec.input.is_raw:
        hint = "features: [tensor], or [raw]; how its features were computed and scaled is known to its author only"
        yield Fault((*FEATURES, 0), "a finished .tflite takes tensors, or frames as they are", hint)
    elif finished and spec.dataset is None:
        hint = "features: [tensor], or name the dataset whose frames it takes"
        yield Fault((*FEATURES, 0), "without a dataset a finished .tflite takes tensors only", hint)


def _tensor_faults(spec: ModelSpec, kinds: Sequence[str], finished: bool) -> Iterator[Fault]:
    if not finished:
        yield Fault((*FEATURES, kinds.index("tensor")), "only a finished .tflite takes tensors", "features: [raw]")
    elif len(kinds) > 1:
        yield Fault((*FEATURES, kinds.index("tensor")), "tensor stands alone", "features: [tensor]")
    elif any(getattr(spec.input, name) is not None for name in ("window_s", "hop_s", "block_s")):
        hint = "remove window_s, hop_s and block_s"
        yield Fault(("spec", "input"), "a model that takes tensors has no window", hint, key=True)


def stage_faults(spec: ModelSpec, signal: Signal) -> Iterator[Fault]:
    """What is wrong with stages of the right kinds for a signal whose window is right; the first of each stage."""
    if spec.input.is_raw:
        return
    if signal.rate_hz is None:
        yield Fault((*FEATURES, 0), "images have no features but raw", "features: [raw]")
        return
    window, hop = _window_samples(spec, signal)
    found: list[Stage] = []
    for number, feature in enumerate(spec.input.features):
        stage = stage_of(feature, signal.rate_hz, window, hop)
        if stage is None:
            message = f"its times are no whole numbers of samples at {signal.rate_hz:g} Hz"
            yield Fault((*FEATURES, number), f"{feature.kind}: {message}", "give multiples of one sample's time")
            return
        found.append(stage)
        for fault in (*stage.faults(signal.rate_hz), *_last_faults(stage, window, hop))[:1]:
            loc: Loc = (*FEATURES, number, _SECONDS.get(fault.field, fault.field))
            yield Fault(loc, f"{feature.kind}: {fault.field} {fault.message}", fault.hint)
    for number, message in count_faults(found):
        yield Fault((*FEATURES, number), f"filter {message}")


def _last_faults(stage: Stage, window: int, hop: int) -> Iterator[StageFault]:
    return iter(()) if isinstance(stage, Filter) else window_faults(stage, window, hop)


def stages(spec: ModelSpec, signal: Signal) -> tuple[Stage, ...]:
    """The stages of specs that the loader has accepted."""
    assert signal.rate_hz is not None
    window, hop = _window_samples(spec, signal)
    found = [stage_of(feature, signal.rate_hz, window, hop) for feature in spec.input.features]
    return tuple(stage for stage in found if stage is not None)


def input_shape(spec: ModelSpec, signal: Signal) -> tuple[int, ...]:
    """A model's input without the batch, of features without faults."""
    channels = len(signal.channels)
    if signal.rate_hz is None:
        assert signal.size is not None
        return (*signal.size, channels)
    window, _ = _window_samples(spec, signal)
    if spec.input.is_raw:
        return (window, channels)
    last = stages(spec, signal)[-1]
    assert not isinstance(last, Filter)
    rows, values = rows_in(last, window), last.values(signal.rate_hz)
    return (rows, values, channels) if last.shape == "picture" else (rows, values * channels)


def _window_samples(spec: ModelSpec, signal: Signal) -> tuple[int, int]:
    assert signal.rate_hz is not None
    window = whole_frames(spec.input.window_s or 0, signal.rate_hz) or 0
    hop = whole_frames(spec.input.hop_s, signal.rate_hz) if spec.input.hop_s else None
    return window, hop or window
