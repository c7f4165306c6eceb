"""What generated/ holds: pure functions of specs, catalogue, templates and lock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tinyops.boards.model import Board
from tinyops.build.chain_split import chain_facts
from tinyops.build.contracts import trained_contract
from tinyops.build.steps import compile_settings, window_settings
from tinyops.compiler.supported import supported_page
from tinyops.datasets.card import Described, data_card
from tinyops.datasets.editing import read_index
from tinyops.files import JsonObject, pretty_json
from tinyops.firmware import render_project
from tinyops.firmware.chained import read_place
from tinyops.manifest.contract import part_contract
from tinyops.plan.document import plan_schema
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.model import Fleet, RecordingsSource, TfliteArchitecture
from tinyops.specs.schema import schemas
from tinyops.specs.targets import Target, all_targets

GENERATED = "generated"


def rendered(root: Path) -> dict[str, bytes]:
    """Every generated file by its path below generated/: firmware projects, data cards, schemas, operators."""
    catalog = load_world_catalog(root)
    repository = load_repository(root, catalog=catalog, cache=parse_cache(root))
    files = {f"schema/{name}": pretty_json(schema) for name, schema in schemas().items()}
    files["schema/plan.json"] = pretty_json(plan_schema())
    files |= {f"data/{name}.md": card_of(repository, name).encode() for name in repository.datasets}
    files["supported-ops.md"] = supported_page().encode()
    for fleet, targets in all_targets(repository).items():
        for target in targets.values():
            project = project_of(repository, repository.fleets[fleet].document, target, catalog)
            files |= {f"{fleet}/{target.name}/{name}": data for name, data in project.items()}
    return files


def project_of(
    repository: Repository, fleet: Fleet, target: Target, catalog: Mapping[str, Board]
) -> Mapping[str, bytes]:
    """The firmware project of a kind of board, or of a part of a chain, as its firmware step has it."""
    binding, chain = target.binding, chain_facts(fleet, target, catalog).get("chain")
    board = catalog[target.board].built_with(binding.framework)
    contract = contract_for(repository, target.model, board)
    return render_project(
        board=board.name,
        spec=board.spec,
        fleet=fleet.name,
        sensor=binding.sensor.model_dump(mode="json"),
        contract=part_contract(contract, chain["position"], chain["parts"]) if chain else contract,
        acts=binding.act,
        chain=read_place(chain),
    )


def card_of(repository: Repository, name: str) -> str:
    """The card of a dataset. Raises SpecError for an index that is wrong."""
    entry = repository.datasets[name]
    indexes = [s.index for s in entry.document.spec.sources if isinstance(s, RecordingsSource)]
    lines = [line for index in indexes for line in read_index(repository.resolve(entry, index))]
    description = entry.document.metadata.description
    return data_card(Described(name, description, entry.document.spec, lines if indexes else None))


def contract_for(repository: Repository, model: str, board: Board) -> JsonObject:
    """The contract that the compile step will write. Raises SpecError for an unusable .tflite."""
    if (contract := trained_contract(repository, model, board)) is not None:
        return contract
    from tinyops.compiler.contract import make_contract
    from tinyops.compiler.options import CompileOptions
    from tinyops.features import TensorFeatures
    from tinyops.features.planned import planned_features
    from tinyops.graph import read_graph

    entry = repository.models[model]
    assert isinstance(entry.document.spec.architecture, TfliteArchitecture)
    graph = read_graph(repository.source(entry, entry.document.spec.architecture.file).path)
    options = CompileOptions.from_settings(compile_settings(repository, model, board))
    frames = window_settings(repository, entry.document)
    if frames["features"] == "tensor" or entry.document.spec.dataset is None:
        return make_contract(graph, TensorFeatures(), options)
    signal = repository.datasets[entry.document.spec.dataset].document.spec.signal.model_dump(mode="json")
    return make_contract(graph, planned_features(frames, signal), options)


def stale(root: Path, files: dict[str, bytes]) -> tuple[list[str], list[str]]:
    """Names of files that are missing or differ, and of those that are there and should not be."""
    folder = root / GENERATED
    old = [name for name, data in files.items() if not _same(folder / name, data)]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return old, sorted(name for name in there - set(files) if ".pio/" not in name)


def _same(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data
