"""Rules for models that need their dataset: input, training, gates, and shapes through a list of layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.documents import closest
from tinyops.documents.reading import Loc
from tinyops.specs.augment_rules import augment_faults
from tinyops.specs.dataset import DatasetSpec, Signal
from tinyops.specs.faults import Fault
from tinyops.specs.feature_rules import input_shape, kind_faults, stage_faults
from tinyops.specs.layers import (
    AveragePool,
    Conv1D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    LayersArchitecture,
    MaxPool,
    TfliteArchitecture,
)
from tinyops.specs.model import ModelSpec
from tinyops.specs.window import WINDOW_LIMIT_FRAMES, whole_frames

VALUES_LIMIT = 1 << 24  # of one tensor: far above any board, low enough to catch a slip of the pen


def model_faults(spec: ModelSpec, dataset: DatasetSpec | None) -> Iterator[Fault]:
    """What is wrong with a model's spec, given its dataset (None when it names none, or none that exists)."""
    finished = isinstance(spec.architecture, TfliteArchitecture)
    if spec.dataset is None and not finished:
        hint = "name a Dataset, or use an architecture of kind tflite"
        yield Fault(("spec",), 'field "dataset" is missing: only a finished .tflite may go without', hint, key=True)
    if finished and spec.training is not None:
        yield Fault(("spec", "training"), "a finished .tflite is not trained", "remove it", key=True)
    if not finished and spec.training is None:
        yield Fault(("spec",), 'field "training" is missing', "training: {epochs: 30} takes the defaults", key=True)
    kinds = list(kind_faults(spec))
    yield from kinds
    yield from _gate_faults(spec, dataset)
    if dataset is not None:
        yield from _task_faults(spec, dataset)
        yield from _input_faults(spec, dataset, right_kinds=not kinds)


def _gate_faults(spec: ModelSpec, dataset: DatasetSpec | None) -> Iterator[Fault]:
    gates = spec.gates
    finished = isinstance(spec.architecture, TfliteArchitecture)
    if (
        finished
        and spec.dataset is None
        and (gates.accuracy_min is not None or gates.recall_min or gates.int8_loss_max is not None)
    ):
        yield Fault(("spec", "gates"), "nothing to judge by: the model names no dataset", "remove the gates", key=True)
    elif finished and gates.int8_loss_max is not None:
        hint = "remove it; accuracy_min judges the file itself"
        yield Fault(("spec", "gates", "int8_loss_max"), "a finished .tflite has no float model to compare with", hint)
    for name in gates.recall_min if dataset is not None else ():
        if dataset is not None and name not in dataset.classes:
            message = f"dataset {spec.dataset} has no class {name!r}"
            yield Fault(("spec", "gates", "recall_min", name), message, closest(name, dataset.classes), key=True)


def _task_faults(spec: ModelSpec, dataset: DatasetSpec) -> Iterator[Fault]:
    kind, loc = spec.architecture.kind, ("spec", "architecture")
    if kind == "autoencoder" and dataset.task != "anomaly":
        hint = "write task: anomaly and normal: CLASS into the dataset, or choose kind: layers"
        yield Fault(loc, f"an autoencoder finds anomalies, the task of dataset {spec.dataset} is {dataset.task}", hint)
    if kind in ("layers", "python") and dataset.task == "anomaly":
        message = f"dataset {spec.dataset} trains on {dataset.normal} alone, which no classifier can learn from"
        yield Fault(loc, message, "choose kind: autoencoder")
    if dataset.task == "anomaly" and spec.squeeze.searches:
        lacking = " or ".join(dataset.test_only)
        message = f"nothing to choose by: dataset {spec.dataset} has no {lacking} on its training side"
        yield Fault(("spec", "squeeze"), message, "name one variant: no choice looks at the test side", key=True)


def _input_faults(spec: ModelSpec, dataset: DatasetSpec, *, right_kinds: bool) -> Iterator[Fault]:
    """The window in whole frames, then the features; when both are right, augmentation and the layers."""
    if spec.input.takes_tensors:
        return
    signal = dataset.signal
    faults = list(_window_faults(spec, signal))
    if not faults and right_kinds:
        faults = list(stage_faults(spec, signal))
    yield from faults
    if faults or not right_kinds:
        return
    yield from augment_faults(spec, dataset)
    if isinstance(spec.architecture, LayersArchitecture):
        yield from layer_faults(spec.architecture.layers, input_shape(spec, signal))


def _window_faults(spec: ModelSpec, signal: Signal) -> Iterator[Fault]:
    given = {name: getattr(spec.input, name) for name in ("window_s", "hop_s", "block_s")}
    if signal.rate_hz is None:
        for name, value in given.items():
            if value is not None:
                message = "the dataset holds single images, which have no window"
                yield Fault(("spec", "input", name), message, "remove it", key=True)
        return
    if given["window_s"] is None:
        hint = f"seconds of signal that one inference looks at, at {signal.rate_hz:g} frames a second"
        yield Fault(("spec", "input"), 'field "window_s" is missing', hint)
    broken = False
    for name, value in given.items():
        if value is not None and whole_frames(value, signal.rate_hz) is None:
            frames = value * signal.rate_hz
            message = f"{value:g} s at {signal.rate_hz:g} frames a second are {frames:g} frames"
            hint = f"it must be a whole number from 1 to {WINDOW_LIMIT_FRAMES:,}"
            yield Fault(("spec", "input", name), message, hint)
            broken = True
    if not broken and given["block_s"] is not None:
        yield from _block_faults(given, signal.rate_hz)


def _block_faults(given: Mapping[str, float | None], rate_hz: float) -> Iterator[Fault]:
    block = whole_frames(given["block_s"] or 0, rate_hz)
    assert block is not None
    for name in ("window_s", "hop_s"):
        seconds = given[name]
        samples = None if seconds is None else whole_frames(seconds, rate_hz)
        if samples is not None and samples % block:
            message = f"{samples} samples are no whole number of blocks of {block}"
            yield Fault(("spec", "input", name), message, "an inference is due at the end of a block")


# -- shapes through layers ---------------------------------------------------------------------


def layer_faults(layers: tuple[Layer, ...], shape: tuple[int, ...]) -> Iterator[Fault]:
    """Follows the shape without batch: (frames, channels) or (height, width, channels). Stops at the first fault."""
    for number, layer in enumerate(layers):
        loc: Loc = ("spec", "architecture", "layers", number)
        try:
            shape = next_shape(layer, shape)
        except ValueError as error:
            yield Fault(loc, f"{layer.kind}: {error}")
            return
        values = 1
        for length in shape:
            values *= length
        if values > VALUES_LIMIT:
            yield Fault(loc, f"{layer.kind}: its output {_spoken(shape)} has more than {VALUES_LIMIT:,} values")
            return
    if len(shape) > 1:
        loc = ("spec", "architecture", "layers")
        message = f"the last layer leaves {_spoken(shape)}, classes need a plain list of values"
        yield Fault(loc, message, "add {kind: flatten} or {kind: global_average_pool} at the end", key=True)


def next_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The output shape of a layer. Raises ValueError with a sentence when the input does not suit it."""
    if isinstance(layer, Dropout):
        return shape
    if isinstance(layer, Dense):
        _want(shape, (1,), "flatten or global_average_pool before it")
        return (layer.units,)
    if isinstance(layer, Flatten):
        length = 1
        for part in shape:
            length *= part
        return (length,)
    if isinstance(layer, GlobalAveragePool):
        _want(shape, (2, 3), "no flatten before it")
        return shape[-1:]
    return _next_spatial_shape(layer, shape)


def _next_spatial_shape(
    layer: Conv1D | Conv2D | DepthwiseConv2D | MaxPool | AveragePool, shape: tuple[int, ...]
) -> tuple[int, ...]:
    if isinstance(layer, MaxPool | AveragePool):
        _want(shape, (2, 3), "no flatten before it")
        sizes = (layer.size,) * (len(shape) - 1)
        return (*_slide(shape, sizes, sizes, "valid"), shape[-1])
    if isinstance(layer, Conv1D):
        _want(shape, (2,), "a stream (rate_hz); images take conv2d")
        return (*_slide(shape, (layer.kernel,), (layer.stride,), layer.padding), layer.filters)
    _want(shape, (3,), "images (size); streams take conv1d")
    channels = layer.filters if isinstance(layer, Conv2D) else shape[-1]
    return (*_slide(shape, layer.kernel, layer.stride, layer.padding), channels)


def _want(shape: tuple[int, ...], ranks: tuple[int, ...], needs: str) -> None:
    if len(shape) not in ranks:
        raise ValueError(f"its input is {_spoken(shape)}, it needs {needs}")


def _slide(shape: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: str) -> tuple[int, ...]:
    """Positions of a kernel along each direction."""
    if padding == "same":
        return tuple(-(-n // s) for n, s in zip(shape[:-1], stride, strict=True))
    found = tuple((n - k) // s + 1 for n, k, s in zip(shape[:-1], kernel, stride, strict=True))
    if min(found) < 1:
        raise ValueError(f"its input is {_spoken(shape)}, smaller than the kernel {_spoken(kernel)}")
    return found


def _spoken(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)
