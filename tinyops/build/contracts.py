"""A model's contract on a board from the specs alone, before anything is trained."""

from __future__ import annotations

from tinyops.boards.model import Board
from tinyops.files import JsonObject
from tinyops.manifest.contract import classifier_contract, part_contract
from tinyops.specs.loader import Repository
from tinyops.specs.model import TfliteArchitecture
from tinyops.specs.window import frame_samples, window

NOWHERE: JsonObject = {}  # a board that is no part of a chain


def trained_contract(
    repository: Repository, model: str, board: Board, place: JsonObject = NOWHERE
) -> JsonObject | None:
    """The contract of a model that tinyops trains; None for a finished one, whose file decides.

    `place` says which part of a chain the board is, as settings of its firmware do (`chain_facts`).
    """
    spec = repository.models[model].document.spec
    if isinstance(spec.architecture, TfliteArchitecture) or spec.dataset is None:
        return None
    dataset = repository.datasets[spec.dataset].document.spec
    signal = dataset.signal.model_dump(mode="json")
    arena_bytes = board.spec.layout.arena_bytes if board.spec.layout else None
    frames = (frame_samples(spec, dataset.signal), *window(spec, dataset.signal))
    whole = classifier_contract(signal, dataset.classes, frames, arena_bytes)
    chain = place.get("chain")
    return part_contract(whole, chain["position"], chain["parts"]) if chain else whole
