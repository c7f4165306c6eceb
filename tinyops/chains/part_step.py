"""The part step: a part's file and its golden vectors, and the proof that all parts together are the whole.

The parts run one after another in tflite-micro, each with what the one before it gave, over the whole model's golden
vectors: what the last one answers is what the whole answers, or the step fails. A part's own vectors are what comes
and goes at its two ends meanwhile; where its input is nothing that a device can make from a seed, one that it can make
comes first, for the self-test of its image.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tinyops.artifacts import Progress, Step
from tinyops.errors import SpecError, ToolError
from tinyops.features import TensorFeatures, read_features
from tinyops.files import JsonObject, pretty_json, read_bounded, write_atomic, writing
from tinyops.graph import Graph, parse_graph
from tinyops.graph.reader import MAX_BYTES
from tinyops.images import SEEDS, find_self_test, golden_input
from tinyops.split import PartFile, cut_model
from tinyops.split.document import (
    PART_FILE,
    SPLIT_FILE,
    PartDocument,
    SplitDocument,
    document_bytes,
    read_split,
    set_digest,
)
from tinyops.squeeze.golden import most_telling, pack_golden, pack_stream
from tinyops.squeeze.oracle import Vectors, run_vectors
from tinyops.squeeze.streaming import streamed_inputs
from tinyops.twin.golden import read_golden, read_stream

MODEL, FEATURES, GOLDEN, STREAM = "int8.tflite", "features.json", "golden.bin", "stream.bin"


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """See `tinyops.chains.part`."""
    split = read_split(inputs[SPLIT_FILE])
    part = _named(split, str(step.settings["part"]), step.id)
    data = read_bounded(inputs[MODEL], MAX_BYTES)
    graph = parse_graph(data, MODEL)
    _check_set(split, graph)
    files = cut_model(data, MODEL, split.cuts)
    golden = read_golden(inputs[GOLDEN])
    report(Progress(0, len(files), f"{len(golden.vectors)} golden vectors through {len(files)} parts"))
    given, wanted = (_vectors(pair[i] for pair in golden.vectors) for i in (0, 1))
    ends = chain_vectors(files, graph, given, wanted, report)
    file = files[part.position]
    assert file.data is not None  # no part is empty
    write_atomic(out / MODEL, file.data)
    write_atomic(out / GOLDEN, part_golden(file, graph, ends[part.position], ends[part.position + 1]))
    write_atomic(out / PART_FILE, document_bytes(part))
    if part.first:
        _copy(inputs[FEATURES], out / FEATURES)
        if STREAM in inputs:
            write_atomic(out / STREAM, part_stream(files, graph, inputs, report))
    else:
        write_atomic(out / FEATURES, pretty_json({"kind": "tensor"}))
    return _facts(part, file, len(golden.vectors))


def chain_vectors(
    files: Sequence[PartFile], graph: Graph, given: Vectors, wanted: Vectors, report: Callable[[Progress], None]
) -> list[Vectors]:
    """What crosses each boundary for each of the whole's inputs: they come first, at the end its outputs.

    Raises ToolError where the parts together compute anything else than what is wanted of the whole: a defect.
    """
    crossing = [given]
    for number, file in enumerate(files):
        crossing.append(run_part(file, graph, crossing[-1]))
        report(Progress(number + 1, len(files), f"part {number + 1} of {len(files)}"))
    wrong = np.flatnonzero((crossing[-1] != wanted).any(axis=1))
    if len(wrong):
        cuts = ", ".join(str(file.end) for file in files[:-1])
        raise ToolError(
            f"parts of {graph.name} cut at {cuts}: for vector {int(wrong[0])} they give other outputs than the whole "
            f"model ({len(wrong)} of {len(wanted)} differ)",
            hint="a defect of tinyops: please report it with the model",
        )
    return crossing


def part_stream(
    files: Sequence[PartFile], graph: Graph, inputs: Mapping[str, Path], report: Callable[[Progress], None]
) -> bytes:
    """stream.bin of the first part: the whole's frames, and what it sends on as its window moves over them."""
    stream, features = read_stream(inputs[STREAM]), read_features(inputs[FEATURES])
    tensor = graph.tensors[graph.inputs[0]]
    if isinstance(features, TensorFeatures):
        raise SpecError(f"{STREAM}: frames for a model that takes tensors")
    frames = np.array(stream.frames, np.int16)
    windows = streamed_inputs(frames, features, tensor.scale, tensor.zero_point)
    return pack_stream(frames, chain_vectors(files, graph, windows, _vectors(stream.results), report)[1])


def _vectors(rows: Iterable[bytes]) -> Vectors:
    return np.stack([np.frombuffer(row, np.int8) for row in rows])


def run_part(file: PartFile, graph: Graph, messages: Vectors) -> Vectors:
    """What a part sends on for what it takes, as messages: the bytes of all tensors in their order."""
    taken = _split_up(messages, file.takes, graph)
    given = np.concatenate([taken[i] for i in file.inputs], axis=1)
    with tempfile.TemporaryDirectory(prefix="tinyops-part-") as folder:
        path = Path(folder) / f"operators-{file.begin}-{file.end - 1}.tflite"
        assert file.data is not None  # no part is empty
        path.write_bytes(file.data)
        made = run_vectors(path, given, ends=(len(file.inputs), len(file.outputs)))
    tensors = {**taken, **_split_up(made, file.outputs, graph)}
    return np.concatenate([tensors[i] for i in file.gives], axis=1)


def _split_up(messages: Vectors, tensors: Sequence[int], graph: Graph) -> dict[int, Vectors]:
    """A message's tensors by their number in the whole model."""
    ends = np.cumsum([graph.tensors[i].bytes for i in tensors])
    if messages.shape[1] != ends[-1]:
        raise ToolError(f"{graph.name}: {messages.shape[1]} bytes came for tensors of {int(ends[-1])}")
    return dict(zip(tensors, np.split(messages, ends[:-1], axis=1), strict=True))


def part_golden(file: PartFile, graph: Graph, takes: Vectors, gives: Vectors) -> bytes:
    """A part's golden.bin."""
    if find_self_test(takes[0].tobytes(), gives[0].tobytes()) is not None:
        return pack_golden(takes, gives)
    size = takes.shape[1]
    tests = np.stack([np.frombuffer(golden_input(seed, size), np.int8) for seed in SEEDS])
    answers = run_part(file, graph, tests)
    best = most_telling(answers)
    # All through one interpreter, in this order: a part that keeps state answers a device's way.
    inputs = np.concatenate([tests[best : best + 1], takes])
    return pack_golden(inputs, run_part(file, graph, inputs))


def _named(split: SplitDocument, name: str, step: str) -> PartDocument:
    try:
        return split.part(name)
    except KeyError:
        raise SpecError(f"{step}: {SPLIT_FILE} has no part {name!r}") from None


def _check_set(split: SplitDocument, graph: Graph) -> None:
    if split.set != set_digest(graph.digest, split.cuts):
        raise SpecError(f"{SPLIT_FILE} was made of another model than {MODEL} ({graph.digest[:19]})")


def _copy(source: Path, to: Path) -> None:
    with writing(to):
        shutil.copyfile(source, to)


def _facts(part: PartDocument, file: PartFile, vectors: int) -> JsonObject:
    assert file.data is not None
    return {
        "set": part.set,
        "position": part.position,
        "parts": part.parts,
        "operators": part.end - part.begin,
        "begin": part.begin,
        "end": part.end,
        "model_bytes": len(file.data),
        "takes_bytes": part.take_bytes,
        "gives_bytes": part.give_bytes,
        "held_bytes": part.held_bytes,
        "golden_vectors": vectors,
    }
