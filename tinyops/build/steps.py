"""What the specs want, as steps: pure, in an order in which each follows its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.artifacts import ALL_OUTPUTS, InputRef, Source, Step
from tinyops.boards.model import Board, BoardSpec, Silicon
from tinyops.build.chain_split import chain_facts, cut_steps
from tinyops.build.chain_twin import chain_step
from tinyops.build.choice.wanted import Place, as_searched, choice_steps, taught_by
from tinyops.build.contracts import trained_contract
from tinyops.build.fits import model_room
from tinyops.build.trust import find_trust
from tinyops.features.stage_json import stage_json
from tinyops.files import JsonObject
from tinyops.specs.augment_rules import named_backgrounds
from tinyops.specs.feature_rules import stages
from tinyops.specs.loader import Loaded, Repository
from tinyops.specs.lock import WASM_LINKER, Lock, wanted_sources
from tinyops.specs.model import (
    FilesSource,
    Fleet,
    Model,
    PythonArchitecture,
    RecordingsSource,
    TfliteArchitecture,
    Training,
)
from tinyops.specs.squeeze import PLAIN, Variant
from tinyops.specs.targets import Target, fleet_targets
from tinyops.specs.window import frame_samples, window
from tinyops.twin.slot_images import slot_files

# Raised when a step's own code changes what it makes; a compiler's and a firmware's code is in the lock.
REVISIONS = {"collect": 1, "train": 1, "squeeze": 4, "twin": 2}
ORDER = (
    *("collect", "train", "squeeze", "cost", "fits", "choose", "split", "part"),
    *("compile", "image", "firmware", "twin", "chain"),
)
TRAIN_PACKAGES = ("tensorflow-cpu", "keras", "numpy")
PINNED = "pinned"
SQUEEZE_PACKAGES = ("ai-edge-quantizer", "ai-edge-litert", "tflite-micro", "numpy")


def desired_steps(repository: Repository, lock: Lock, catalog: Mapping[str, Board]) -> tuple[Step, ...]:
    """Every step that the repository's fleets, models and datasets need, each once."""
    found: dict[str, Step] = {}
    for step in _all_steps(repository, lock, catalog):
        found.setdefault(step.id, step)
    return tuple(_in_order(found))


def _in_order(steps: Mapping[str, Step]) -> Iterator[Step]:
    """By kind, then by subject, but none before what it needs."""
    done: set[str] = set()

    def with_needs(step: Step) -> Iterator[Step]:
        done.add(step.id)
        for need in step.needs:
            if need in steps and need not in done:
                yield from with_needs(steps[need])
        yield step

    for step in sorted(steps.values(), key=lambda step: (ORDER.index(step.kind), step.subject)):
        if step.id not in done:
            yield from with_needs(step)


def _all_steps(repository: Repository, lock: Lock, catalog: Mapping[str, Board]) -> Iterator[Step]:
    for name in repository.datasets:
        yield collect_step(repository, name, lock)

    def parts(place: Place) -> Iterator[Step]:
        return board_steps(repository, place.fleet, place.target, place.board, lock, catalog)

    models = [entry.document for entry in repository.models.values()]
    taught = taught_by(models)
    for model in models:
        steps = model_steps(repository, model.name, lock)
        if model.spec.squeeze.searches:
            yield from as_searched(model, steps, taught)
            yield from choice_steps(repository, model, catalog, parts)
        else:
            yield from steps
    for entry in repository.fleets.values():
        fleet = entry.document
        targets = fleet_targets(fleet, repository.models[fleet.spec.model_name].document.spec.squeeze)
        for name, digest in fleet.spec.pins.items():
            yield pinned_step(fleet, name, digest)
        yield from _fleet_steps(repository, fleet, targets, catalog, lock)


def _fleet_steps(
    repository: Repository, fleet: Fleet, targets: Mapping[str, Target], catalog: Mapping[str, Board], lock: Lock
) -> Iterator[Step]:
    """For each target; of a chain, before them where its model is cut, after them all of its parts together."""
    boards = {name: catalog[t.board].built_with(t.binding.framework) for name, t in targets.items()}
    chained = fleet.spec.chain is not None
    if chained:
        prefer = repository.models[fleet.spec.model_name].document.spec.squeeze.prefer
        frames = takes_frames(repository, fleet.spec.model_name)
        yield from cut_steps(fleet, targets, boards, prefer, lock, frames=frames)
    twins = []
    for name, target in targets.items():
        own = [*board_steps(repository, fleet, target, boards[name], lock, catalog)]
        yield from own
        twins.append(own[-1])
    if chained:
        yield chain_step([*targets.values()], twins)


def takes_frames(repository: Repository, model: str) -> bool:
    """Whether a model takes a sensor's frames, and has a stream of them."""
    spec = repository.models[model].document.spec
    return spec.dataset is not None and not spec.input.takes_tensors


def pinned_step(fleet: Fleet, target: str, digest: str) -> Step:
    """An int8 model that a release holds, named by its digest: it is recalled, never made."""
    return Step("squeeze", f"{fleet.spec.subject_of(target)}/{PLAIN}", {PINNED: digest})


def collect_step(repository: Repository, name: str, lock: Lock | None) -> Step:
    entry = repository.datasets[name]
    spec = entry.document.spec
    sources: dict[str, Source] = {}
    for number, source in enumerate(spec.sources):
        if isinstance(source, FilesSource | RecordingsSource):
            sources[f"index-{number}"] = repository.source(entry, source.index)
    settings: JsonObject = {"dataset": spec.settings(), "revision": REVISIONS["collect"]}
    if any(_holds_back(model.document) and model.document.spec.dataset == name for model in repository.models.values()):
        settings["groups"] = True  # the other outputs are the same with it
    pinned = lock.python.get("numpy") if lock is not None else None
    return Step("collect", name, settings, {"numpy": pinned}, {}, sources)


def _holds_back(model: Model) -> bool:
    """Whether a part of its training side is kept from all its variants, to choose among them by."""
    return model.spec.squeeze.searches and model.spec.training is not None


def model_steps(repository: Repository, name: str, lock: Lock) -> Iterator[Step]:
    """Train (unless the model is finished) and squeeze, for each variant of the model; the first comes first."""
    entry = repository.models[name]
    spec = entry.document.spec
    data: dict[str, InputRef] = {}
    if spec.dataset is not None:
        data = {f: InputRef(f"collect:{spec.dataset}", f) for f in ("recordings.npz", "dataset.json")}
    window_of = window_settings(repository, entry.document)
    for variant in spec.squeeze.all:
        inputs, sources = dict(data), {}
        if isinstance(spec.architecture, TfliteArchitecture):
            sources["model.tflite"] = repository.source(entry, spec.architecture.file)
        else:
            trained = _train_step(repository, entry, variant, window_of, data, lock)
            yield trained
            inputs |= {f: InputRef(trained.id, f) for f in ("float.tflite", "features.json", "training.json")}
        settings = {"variant": variant.settings or PLAIN, "input": window_of, "revision": REVISIONS["squeeze"]}
        yield Step("squeeze", f"{name}/{variant.name}", settings, _packages(lock, SQUEEZE_PACKAGES), inputs, sources)


def _train_step(
    repository: Repository,
    entry: Loaded[Model],
    variant: Variant,
    window_of: JsonObject,
    data: Mapping[str, InputRef],
    lock: Lock,
) -> Step:
    """Variants that are only quantised otherwise share the plain one's weights."""
    spec = entry.document.spec
    sources: dict[str, Source] = {}
    architecture = spec.architecture.model_dump(mode="json")
    if isinstance(spec.architecture, PythonArchitecture):
        file, _, function = spec.architecture.entry.rpartition(":")
        sources["architecture.py"] = repository.source(entry, file)
        architecture["entry"] = function
    assert spec.training is not None  # the loader refuses a trained model without it
    settings = {
        "input": window_of,
        "architecture": architecture,
        "training": training_settings(spec.training),
        "revision": REVISIONS["train"],
    }
    inputs = dict(data)
    if _holds_back(entry.document):
        settings["validation"] = True
        inputs["groups.json"] = InputRef(f"collect:{spec.dataset}", "groups.json")
    for _, name in named_backgrounds(spec):
        inputs |= {f"background-{name}.{f}": InputRef(f"collect:{name}", f) for f in data}
    subject = entry.document.metadata.name
    if variant.trains:
        subject, settings["variant"] = f"{subject}/{variant.name}", variant.learnt
    if variant.teacher is not None:
        taught = f"train:{variant.teacher}"
        inputs |= {f"teacher.{f}": InputRef(taught, f) for f in ("float.tflite", "features.json", "training.json")}
    return Step("train", subject, settings, _packages(lock, TRAIN_PACKAGES), inputs, sources)


def training_settings(training: Training) -> JsonObject:
    """What a model leaves at its default is not said, where earlier versions did not know it: their keys stay."""
    settings = training.model_dump(mode="json")
    later = {name: Training.model_fields[name].default for name in ("augment", "copies", "label_smoothing")}
    return {n: v for n, v in settings.items() if n not in later or getattr(training, n) != later[n]}


def board_steps(
    repository: Repository, fleet: Fleet, target: Target, board: Board, lock: Lock, catalog: Mapping[str, Board]
) -> Iterator[Step]:
    """Compile and image of the fleet's model for one of its targets, then the fleet's firmware and its twin.

    A model that is linked has no image: its sources are inputs of the firmware.
    """
    model, facts = fleet.spec.model_name, board.spec
    subject, compiled = target.compiled, target.compile_step
    place = chain_facts(fleet, target, catalog)
    files = ("int8.tflite", "features.json", *(["part.json"] if place else []))
    yield Step(
        "compile",
        subject,
        compile_settings(repository, model, board),
        {"tinyops": lock.tinyops.compiler},
        {f: InputRef(target.model_step, f) for f in files},
    )
    if facts.model_form != "linked":
        yield Step(
            "image",
            subject,
            {"cpu": facts.cpu, "slot_bytes": model_room(board), "board": board.name},
            {"compiler": _compiler(facts, lock), **_linker(facts, lock), "tinyops": lock.tinyops.compiler},
            {"sources": InputRef(compiled, ALL_OUTPUTS)},
        )
    yield _firmware_step(repository, model, target, board, lock, place)
    frames = takes_frames(repository, model) and (not place or not place["chain"]["position"])
    yield _twin_step(target, board, lock, frames=frames, signed={**_signed(fleet, facts), **place})


def _firmware_step(
    repository: Repository, model: str, target: Target, board: Board, lock: Lock, place: JsonObject
) -> Step:
    facts = board.spec
    contract = trained_contract(repository, model, board, place)
    firmware_inputs = {"sources": InputRef(target.compile_step, ALL_OUTPUTS)} if facts.model_form == "linked" else {}
    if not contract:
        firmware_inputs |= {"contract.json": InputRef(target.compile_step, "contract.json")}
    return Step(
        "firmware",
        target.subject,
        {
            **firmware_settings(target, board, chained=bool(place)),
            **place,
            **_trust_settings(repository, facts),
            "contract": contract,
        },
        {
            "compiler": _compiler(facts, lock),
            "platformio": lock.python.get("platformio"),
            "scons": lock.python.get("scons"),
            "firmware": lock.tinyops.firmware,
            **(_linker(facts, lock) if place else {}),
            **_platform(board, lock),
            **_sources(board, lock),
        },
        firmware_inputs,
    )


def _compiler(facts: BoardSpec, lock: Lock) -> JsonObject:
    return {"name": facts.compiler, "version": lock.compilers.get(facts.compiler)}


def _signed(fleet: Fleet, facts: BoardSpec) -> JsonObject:
    """What the images of a board's slots say of the fleet, where there are such."""
    there = next(slot_files(facts), None) is not None
    return {"security_counter": fleet.spec.security_counter} if there else {}


def _twin_step(target: Target, board: Board, lock: Lock, *, frames: bool, signed: JsonObject) -> Step:
    """`frames` says that the model takes a sensor's frames, so that a recording is streamed through the twin; `signed`
    is what its images are bound to, and of a part of a chain its place in that."""
    inputs = {"firmware": InputRef(target.firmware_step, ALL_OUTPUTS)}
    if board.spec.model_form != "linked":
        inputs = {"image": InputRef(target.image_step, ALL_OUTPUTS), **inputs}
    inputs |= {f: InputRef(target.compile_step, f) for f in ("contract.json", "compile.json")}
    inputs |= {f: InputRef(target.model_step, f) for f in ("golden.bin", *(["stream.bin"] if frames else []))}
    name = board.spec.emulator
    emulator = {"name": name, "version": lock.emulators.get(name)} if name else None
    settings = {"board": board.name, "facts": board_facts(board), "revision": REVISIONS["twin"], **signed}
    compiler = None
    if board.spec.twin.kind in ("native", "qemu-user"):  # which compile what runs the model
        compiler = _compiler(board.spec, lock)
    lock_entries = {"emulator": emulator, "compiler": compiler, "firmware": lock.tinyops.firmware}
    return Step("twin", target.subject, settings, lock_entries, inputs)


def _linker(facts: BoardSpec, lock: Lock) -> JsonObject:
    """The linker that a compiler comes without."""
    if facts.compiler != "clang":
        return {}
    return {"linker": {"name": WASM_LINKER, "version": lock.compilers.get(WASM_LINKER)}}


def _platform(board: Board, lock: Lock) -> JsonObject:
    """What the board's maker's platform builds with, where the lock pins it: else the firmware is rendered only."""
    pins = lock.platforms.get(board.name) if board.spec.port == "arduino" else None
    return {"platform": dict(pins)} if pins else {}


def _sources(board: Board, lock: Lock) -> JsonObject:
    """What others wrote of a bootloader of ours."""
    names = wanted_sources({board.name: board})
    return {"sources": {name: lock.sources.get(name) for name in names}} if names else {}


def _trust_settings(repository: Repository, facts: BoardSpec) -> JsonObject:
    """The public keys that a page is built with: it has no settings region to keep them in."""
    if facts.port != "browser":
        return {}
    trust = find_trust(repository.root)
    keys = {key_id: key.raw.hex() for key_id, key in sorted(trust.keys.items())} if trust else {}
    return {"trust": {"keys": keys, "threshold": trust.threshold if trust else 1}}


def board_facts(board: Board, *, chained: bool = False) -> JsonObject:
    """What of a board decides what is built and proven for it: not its cable, its links in chains, nor where its
    facts come from; only a part's firmware has lines to neighbours."""
    tool = board.spec.flash_tool
    taken = tool.model_copy(update={"touch_1200": False, "volume": "", "options": {}}) if tool is not None else None
    left_out = {"usb": (), "silicon": Silicon(run=False), "flash_tool": taken}
    found = board.spec.model_copy(update=left_out).model_dump(mode="json", exclude={"chain_links"})
    lines = {"arduino": ("wired",), "pins": ("downstream_tx", "downstream_rx")}
    for field, names in lines.items() if not chained else ():
        for name in names if found.get(field) else ():
            del found[field][name]
    return found


def firmware_settings(target: Target, board: Board, *, chained: bool = False) -> JsonObject:
    sensor, acts = target.binding.sensor, target.binding.act
    return {
        "board": board.name,
        "facts": board_facts(board, chained=chained),
        "sensor": sensor.model_dump(mode="json"),
        "fleet": target.fleet,
    } | ({} if acts is None else {"act": [act.model_dump(mode="json") for act in acts]})


def compile_settings(repository: Repository, model: str, board: Board) -> JsonObject:
    """What the compiler must know beside the graph: the core, the budget, the task."""
    spec = repository.models[model].document.spec
    signal, classes = None, None
    if spec.dataset is not None:
        dataset = repository.datasets[spec.dataset].document.spec
        signal, classes = dataset.signal.model_dump(mode="json"), list(dataset.classes)
    return {
        "cpu": board.spec.cpu,
        "board": board.name,
        "prefer": spec.squeeze.prefer,
        "arena_bytes": board.spec.layout.arena_bytes if board.spec.layout else None,
        "classes": classes,
        "signal": signal,
    }


def window_settings(repository: Repository, model: Model) -> JsonObject:
    """Features and the window in frames. A single image is a window of one frame; tensors have none.

    What is not plain raw samples is a list of stages in samples; frames of several samples have their number.
    """
    spec = model.spec
    if spec.dataset is None or spec.input.takes_tensors:
        return {"features": "tensor", "window_frames": 0, "hop_frames": 0}
    signal = repository.datasets[spec.dataset].document.spec.signal
    frames, hop = window(spec, signal)
    features = "raw" if spec.input.is_raw else [stage_json(stage) for stage in stages(spec, signal)]
    samples = frame_samples(spec, signal)
    given = {"features": features, "window_frames": frames, "hop_frames": hop}
    return given | ({"frame_samples": samples} if samples > 1 else {})


def _packages(lock: Lock, names: tuple[str, ...]) -> JsonObject:
    return {name: lock.python[name] for name in names if name in lock.python}
