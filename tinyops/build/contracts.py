"""A model's contract on a board from the specs alone, before anything is trained."""

from __future__ import annotations

from tinyops.boards.model import Board
from tinyops.build.steps import compile_settings, window_settings
from tinyops.compiler.contract import classifier_contract, make_contract
from tinyops.compiler.options import CompileOptions
from tinyops.features import RawFeatures, TensorFeatures
from tinyops.files import JsonObject
from tinyops.specs.loader import Repository
from tinyops.specs.model import TfliteArchitecture


def expected_contract(repository: Repository, model: str, board: Board) -> JsonObject:
    """What the compile step will write as contract.json. Raises SpecError for an unusable .tflite."""
    entry = repository.models[model]
    options = CompileOptions.from_settings(compile_settings(repository, model, board))
    window = window_settings(repository, entry.document)
    architecture = entry.document.spec.architecture
    if not isinstance(architecture, TfliteArchitecture):
        return classifier_contract(options, window["window_frames"], window["hop_frames"])
    from tinyops.graph import read_graph

    graph = read_graph(repository.source(entry, architecture.file).path)
    if window["features"] == "tensor" or options.signal is None:
        return make_contract(graph, TensorFeatures(), options)
    height, width = options.signal.size or (1, 1)
    values = len(options.signal.channels) * height * width
    frames = (values, window["window_frames"], window["hop_frames"])
    return make_contract(graph, RawFeatures(*frames, offset=(0,) * values, gain=(1.0,) * values), options)
