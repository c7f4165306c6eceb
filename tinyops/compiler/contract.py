"""The contract of a finished model on a board, checked against its graph."""

from __future__ import annotations

from dataclasses import asdict, replace

from tinyops.compiler.options import CompileOptions
from tinyops.errors import SpecError
from tinyops.features import Features, FrameFeatures, TensorFeatures
from tinyops.files import JsonObject
from tinyops.graph import Graph
from tinyops.manifest.contract import contract_digest, contract_of, frame_values, part_contract
from tinyops.split.document import PartDocument

__all__ = ["contract_digest", "make_contract"]


def make_contract(
    graph: Graph, features: Features, options: CompileOptions, part: PartDocument | None = None
) -> JsonObject:
    """The contract as JSON. Raises SpecError where signal, features, model and classes do not agree."""
    if part is not None:
        whole = make_contract(graph, features, options if part.last else replace(options, classes=None))
        return part_contract(whole, part.position, part.parts)
    signal = asdict(options.signal) if options.signal else None
    output = _output(graph, options)
    if not isinstance(features, TensorFeatures):
        _check_frames(graph, features, options)
        frames = (features.frame_values, features.window_frames, features.hop_frames)
        return contract_of(signal=signal, frames=frames, output=output, arena_bytes=options.arena_bytes)
    tensors = [{"shape": list(graph.tensors[i].shape), "type": graph.tensors[i].dtype} for i in graph.inputs]
    return contract_of(signal=signal, frames=(0, 0, 0), output=output, arena_bytes=options.arena_bytes, tensors=tensors)


def _check_frames(graph: Graph, features: FrameFeatures, options: CompileOptions) -> None:
    tensor = graph.tensors[graph.inputs[0]]
    if len(graph.inputs) != 1 or tensor.dtype != "int8" or tensor.quantisation is None:
        raise SpecError(
            f"{graph.name}: frames need one int8 input, the model has "
            + ", ".join(graph.tensors[i].dtype for i in graph.inputs)
        )
    if tensor.elements != features.window_values:
        raise SpecError(
            f"{graph.name}: the input has {tensor.elements} values {tensor.shape}, the features deliver "
            f"{features.rows} rows of {features.row_values}",
            hint="window_s and the model's input shape must agree",
        )
    if options.signal is not None:
        values = frame_values(asdict(options.signal))
        samples, rest = divmod(features.frame_values, values)  # a frame of a stream may hold several samples
        if rest or samples < 1 or (samples > 1 and options.signal.rate_hz is None):
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
