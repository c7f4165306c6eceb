"""What a firmware must know to run an image: the contract, which changes with the task and not with the weights."""

from __future__ import annotations

from tinyops.compiler.options import CompileOptions
from tinyops.errors import SpecError
from tinyops.features import Features, RawFeatures
from tinyops.files import JsonObject, digest_json
from tinyops.graph import Graph

ABI = 1


def make_contract(graph: Graph, features: Features, options: CompileOptions) -> JsonObject:
    """The contract as JSON. Raises SpecError where signal, features, model and classes do not agree."""
    return {
        "abi": ABI,
        "input": _input(graph, features, options),
        "output": _output(graph, options),
        "arena_bytes": options.arena_bytes,
    }


def classifier_contract(options: CompileOptions, window_frames: int, hop_frames: int) -> JsonObject:
    """The contract of a model that is still to be trained: int8 shares of classes from frames of a signal.

    It is what `make_contract` gives for that model once it is there.
    """
    assert options.signal is not None and options.classes is not None
    height, width = options.signal.size or (1, 1)
    values = len(options.signal.channels) * height * width
    return {
        "abi": ABI,
        "input": _signal(options) | _frames(values, window_frames, hop_frames),
        "output": {"classes": list(options.classes), "type": "int8", "bytes": len(options.classes)},
        "arena_bytes": options.arena_bytes,
    }


def contract_digest(contract: JsonObject) -> str:
    """`sha256:...` of the contract's canonical JSON; its bytes stand in every image's header."""
    return digest_json(contract)


def _input(graph: Graph, features: Features, options: CompileOptions) -> JsonObject:
    if isinstance(features, RawFeatures):
        _check_frames(graph, features, options)
        return _signal(options) | _frames(features.frame_values, features.window_frames, features.hop_frames)
    tensors = [graph.tensors[i] for i in graph.inputs]
    described = [{"shape": list(t.shape), "type": t.dtype} for t in tensors]
    return {**_signal(options), "tensors": described, **_frames(0, 0, 0)}


def _signal(options: CompileOptions) -> JsonObject:
    signal = options.signal
    return {
        "sensor": signal.sensor if signal else None,
        "channels": list(signal.channels) if signal else None,
        "units": list(signal.units) if signal else None,
        "full_scale": list(signal.full_scale) if signal else None,
        "rate_hz": signal.rate_hz if signal else None,
    }


def _frames(values: int, window: int, hop: int) -> JsonObject:
    return {"frame_values": values, "window_frames": window, "hop_frames": hop}


def _check_frames(graph: Graph, features: RawFeatures, options: CompileOptions) -> None:
    tensor = graph.tensors[graph.inputs[0]]
    if len(graph.inputs) != 1 or tensor.dtype != "int8" or tensor.quantisation is None:
        raise SpecError(
            f"{graph.name}: raw features need one int8 input, the model has "
            + ", ".join(graph.tensors[i].dtype for i in graph.inputs)
        )
    if tensor.elements != features.window_values:
        raise SpecError(
            f"{graph.name}: the input has {tensor.elements} values {tensor.shape}, the features deliver "
            f"{features.window_frames} frames of {features.frame_values}",
            hint="window_s and the model's input shape must agree",
        )
    signal = options.signal
    if signal is not None:
        height, width = signal.size or (1, 1)
        values = len(signal.channels) * height * width
        if values != features.frame_values:
            raise SpecError(f"the signal has {values} values in a frame, the features {features.frame_values}")


def _output(graph: Graph, options: CompileOptions) -> JsonObject:
    tensor = graph.tensors[graph.outputs[0]]
    classes = options.classes
    if classes is not None and tensor.elements != len(classes):
        raise SpecError(
            f"{graph.name}: the output has {tensor.elements} values, there are {len(classes)} classes",
            hint="the last layer needs one unit for each class of the dataset",
        )
    total = sum(graph.tensors[i].bytes for i in graph.outputs)
    return {"classes": None if classes is None else list(classes), "type": tensor.dtype, "bytes": total}
