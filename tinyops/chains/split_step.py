"""The split step: costs of parts, the cuts, the parts that they make, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.chains.choosing import choose, possible_cuts
from tinyops.chains.costing import Costs
from tinyops.chains.explanation import Single, explanation_json
from tinyops.chains.settings import SplitSettings, read_settings
from tinyops.features import read_features
from tinyops.files import JsonObject, read_bounded, write_atomic
from tinyops.graph import Graph, parse_graph
from tinyops.graph.reader import MAX_BYTES
from tinyops.split import PartFile
from tinyops.split.document import (
    SPLIT_FILE,
    Crossing,
    Part,
    SplitDocument,
    document_bytes,
    set_digest,
)

MODEL, FEATURES = "int8.tflite", "features.json"


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """See `tinyops.chains.split`."""
    settings = read_settings(step.settings, step.id)
    report(Progress(0, 0, f"reading {MODEL}"))
    data = read_bounded(inputs[MODEL], MAX_BYTES)
    graph = parse_graph(data, MODEL)
    positions = possible_cuts(graph)
    costs = Costs(data, graph, read_features(inputs[FEATURES]), settings, positions, report)
    choice = choose(settings, costs)
    report(Progress(0, 0, "the whole model on each board"))
    explanation = explanation_json(choice, settings, list(_singles(costs)), costs.compiled)
    cuts = choice.explanation.chosen.cuts
    document = split_document(costs, cuts, explanation)
    write_atomic(out / SPLIT_FILE, document_bytes(document))
    return _facts(document, explanation)


def split_document(costs: Costs, cuts: Sequence[int], explanation: JsonObject) -> SplitDocument:
    """split.json of cuts that can be."""
    graph, settings = costs.graph, costs.settings
    ends = (0, *cuts, len(graph.operators))
    last = len(cuts)
    parts = []
    for index, named in enumerate(settings.parts):
        made = costs.cutter.part(ends[index], ends[index + 1], first=index == 0, last=index == last)
        parts.append(_part(named.name, named.board, index, made, graph))
    links = tuple(link.document for link in settings.links)
    named_set = set_digest(graph.digest, cuts)
    return SplitDocument(set=named_set, cuts=tuple(cuts), parts=tuple(parts), links=links, explanation=explanation)


def _part(name: str, board: str, position: int, made: PartFile, graph: Graph) -> Part:
    takes, gives = made.takes, made.gives
    return Part(
        name=name,
        board=board,
        position=position,
        begin=made.begin,
        end=made.end,
        takes=tuple(_crossing(graph, i) for i in takes),
        gives=tuple(_crossing(graph, i) for i in gives),
        inputs=tuple(takes.index(i) for i in made.inputs),
        outputs=tuple(gives.index(i) for i in made.outputs),
        passed=tuple((takes.index(i), gives.index(i)) for i in made.passed),
    )


def _crossing(graph: Graph, index: int) -> Crossing:
    tensor = graph.tensors[index]
    return Crossing(tensor=index, name=tensor.name[:256], bytes=tensor.bytes, shape=tensor.shape)


def _singles(costs: Costs) -> Iterator[Single]:
    """The whole model on each kind of board of the chain, once."""
    settings: SplitSettings = costs.settings
    boards = [part.board for part in settings.parts]
    for index, part in enumerate(settings.parts):
        if part.board not in boards[:index]:
            arenas, effort = costs.whole(index) or (None, None)
            yield Single(part.board, part.room_bytes, part.arena_bytes, effort, arenas)


def _facts(document: SplitDocument, explanation: JsonObject) -> JsonObject:
    chosen = explanation["chosen"]
    return {
        "cuts": list(document.cuts),
        "set": document.set,
        "how": explanation["how"],
        "was": explanation["was"],
        "latency_ms": chosen["latency_ms"],
        "sent_bytes": chosen["sent_bytes"],
        "radio_bytes": chosen["radio_bytes"],
        "links": [
            {"from": part.name, "tensor_bytes": part.give_bytes, "sent_bytes": placed["sent_bytes"]}
            for part, placed in zip(document.parts[:-1], chosen["parts"], strict=False)
        ],
        "explanation": explanation["text"],
    }
